//! International bank account numbers (ISO 13616): the length of the country, and modulo 97.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{constant, edge};

static BEGINNING: LazyLock<Regex> = LazyLock::new(|| constant("[A-Z]{2}[0-9]{2}"));

/// Country codes and lengths of the SWIFT registry.
#[rustfmt::skip]
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16),
    (b"BG", 22), (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22),
    (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20),
    (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22),
    (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21),
    (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30),
    (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20),
    (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24),
    (b"SM", 27), (b"SO", 23), (b"ST", 25), (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26),
    (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

pub(in super::super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    // A beginning stands after something that is neither letter nor digit, so that none hides in
    // the four characters of another.
    while let Some(beginning) = BEGINNING.find_at(text, at) {
        at = beginning.end();
        if let Some(end) = end_of(text, beginning.start()) {
            found.push(beginning.start()..end);
            at = end;
        }
    }
    found
}

/// Where the account number that begins at `start` ends, if one does.
fn end_of(text: &str, start: usize) -> Option<usize> {
    if !edge::is_open_before(text, start) {
        return None;
    }
    let bytes = &text.as_bytes()[start..];
    let country = bytes.first_chunk::<2>()?;
    let length = LENGTHS.iter().find(|(code, _)| *code == country)?.1;
    let is_spaced = bytes.get(4) == Some(&b' ');
    let (mut account, mut at) = (Vec::with_capacity(length), 0);
    while account.len() < length {
        if is_spaced && account.len() % 4 == 0 && !account.is_empty() {
            (bytes.get(at) == Some(&b' ')).then_some(())?;
            at += 1;
        }
        let byte = *bytes.get(at)?;
        (byte.is_ascii_uppercase() || byte.is_ascii_digit()).then_some(())?;
        account.push(byte);
        at += 1;
    }
    (edge::is_open_after(text, start + at) && is_checked(&account)).then_some(start + at)
}

/// The first four characters moved to the end, letters as 10 to 35, modulo 97 is 1.
fn is_checked(account: &[u8]) -> bool {
    let (check, rest) = account.split_at(4);
    let remainder = rest.iter().chain(check).fold(0, |remainder, &byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_numbers_of_the_registry_are_found() {
        for text in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
            "GB82 WEST 1234 5698 7654 32",
            "FR1420041010050500013M02606",
            "NO9386011117947",
            "NL91ABNA0417164300",
            "MT84MALT011000012345MTLCAST001S",
            "CH9300762011623852957",
            "to DE89 3704 0044 0532 0130 00, now",
            "DE89 3704 0044 0532 0130 00 12 EUR",
            "iban=DE89370400440532013000;",
        ] {
            assert_eq!(find(text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in [
            "DE89370400440532013001",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XX89370400440532013000",
            "de89370400440532013000",
            "DE89 37040044 0532013000",
            "DE89  3704 0044 0532 0130 00",
            "ADE89370400440532013000",
            "SK-2026-DE89370400440532013000",
        ] {
            assert!(find(text).is_empty(), "{text:?}");
        }
    }
}
