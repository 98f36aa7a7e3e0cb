//! Telephone numbers that libphonenumber's rules call valid: international with `+`, and North
//! American ones in national form.
//!
//! Separators are asked for where there is no `+`, and other than spaces alone: `256 512 1024`
//! would be a number in Alabama. `+1.4155552671` is the form of domain registries and found.

use std::ops::Range;
use std::sync::LazyLock;

use phonenumber::country;
use regex::Regex;

use super::{constant, edge};

/// Checks by the library in one payload. They may each compile patterns of a country, so that a
/// payload made for it could cost a second; what comes after them counts by its shape.
const CHECKS_MAX: u32 = 128;

/// Patterns that the library keeps compiled, of about three thousand; its own limit is used up by
/// the numbers of ten countries.
const PATTERNS_MAX: usize = 512;

static PATTERNS_ARE_KEPT: LazyLock<()> = LazyLock::new(|| {
    if let Ok(mut cache) = phonenumber::metadata::DATABASE.cache().lock() {
        cache.set_capacity(PATTERNS_MAX);
    }
});

/// The checks that a payload has left.
#[derive(Debug)]
pub(in super::super) struct Checks(u32);

impl Default for Checks {
    fn default() -> Self {
        Self(CHECKS_MAX)
    }
}

/// Digits of an international number (E.164).
const DIGITS_MAX: usize = 15;
const DIGITS_MIN: usize = 7;

/// Kept in step with the prefilter's `PHONE_SEPARATOR`.
const SEPARATOR: &str = r"[ ./()\-\u{A0}\u{2000}-\u{200A}\u{2010}-\u{2015}\u{202F}\u{2212}]";

static SHAPE: LazyLock<Regex> = LazyLock::new(|| {
    constant(&format!(
        r"\+{SEPARATOR}{{0,2}}[1-9](?:{SEPARATOR}{{0,3}}[0-9]){{6,14}}|(?:1[-. ])?(?:\([2-9][0-9]{{2}}\)[ -]?[2-9][0-9]{{2}}[-. ][0-9]{{4}}|[2-9][0-9]{{2}}(?:[-/ ][2-9][0-9]{{2}}-|\.[2-9][0-9]{{2}}\.)[0-9]{{4}})"
    ))
});

pub(in super::super) fn find(text: &str, checks: &mut Checks) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(shape) = SHAPE.find_at(text, at) {
        let number = if shape.as_str().starts_with('+') {
            international(text, shape.range(), checks)
        } else {
            national(text, shape.range(), checks)
        };
        at = number.as_ref().map_or(shape.start() + 1, |number| number.end);
        found.extend(number);
    }
    found
}

/// The longest valid number from a `+` on that ends with a group of digits.
fn international(text: &str, shape: Range<usize>, checks: &mut Checks) -> Option<Range<usize>> {
    // Within sums and base64 a `+` follows something.
    if text[..shape.start].ends_with(['+', '/']) || !edge::is_open_before(text, shape.start) {
        return None;
    }
    let mut end = shape.end;
    loop {
        let digits = digits(&text[shape.start..end]);
        if digits.len() < DIGITS_MIN {
            return None;
        }
        let is_whole = digits.len() <= DIGITS_MAX && edge::is_open_after(text, end);
        if is_whole && checks.is_valid(None, &format!("+{digits}")) {
            return Some(shape.start..end);
        }
        let shorter = text[shape.start..end].trim_end_matches(|c: char| c.is_ascii_digit());
        let shorter = shorter.trim_end_matches(|c: char| !c.is_ascii_digit());
        end = shape.start + shorter.len();
    }
}

fn national(text: &str, shape: Range<usize>, checks: &mut Checks) -> Option<Range<usize>> {
    let digits = digits(&text[shape.clone()]);
    let is_alone = edge::is_open_before(text, shape.start) && edge::is_open_after(text, shape.end);
    (is_alone && checks.is_valid(Some(country::US), &digits)).then_some(shape)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

impl Checks {
    /// The library reads digits only: what separates them is our business.
    fn is_valid(&mut self, country: Option<country::Id>, digits: &str) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return true };
        self.0 = left;
        LazyLock::force(&PATTERNS_ARE_KEPT);
        phonenumber::parse(country, digits).is_ok_and(|number| phonenumber::is_valid(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_people_write_them() {
        for (text, number) in [
            ("+14155552671", "+14155552671"),
            ("+1 (415) 555-2671", "+1 (415) 555-2671"),
            ("+1.4155552671", "+1.4155552671"),
            ("+49 30 901820", "+49 30 901820"),
            ("+49 (0)30/901820", "+49 (0)30/901820"),
            ("+44 20 7946 0958", "+44 20 7946 0958"),
            (
                "+33\u{a0}1\u{a0}42\u{a0}68\u{a0}53\u{a0}00",
                "+33\u{a0}1\u{a0}42\u{a0}68\u{a0}53\u{a0}00",
            ),
            ("+1 415\u{2011}555\u{2011}2671", "+1 415\u{2011}555\u{2011}2671"),
            ("tel:+14155552671;ext=2", "+14155552671"),
            ("phone=+14155552671", "+14155552671"),
            ("+1 415 555 2671 20 items", "+1 415 555 2671"),
            ("+39 06 698 12345", "+39 06 698 12345"),
            ("(415) 555-2671", "(415) 555-2671"),
            ("(415)555-2671", "(415)555-2671"),
            ("call 415-555-2671.", "415-555-2671"),
            ("415.555.2671", "415.555.2671"),
            ("1-415-555-2671", "1-415-555-2671"),
            ("415 555-2671", "415 555-2671"),
            (r"a\n415-555-2671", "415-555-2671"),
        ] {
            let found: Vec<&str> =
                find(text, &mut Checks::default()).into_iter().map(|span| &text[span]).collect();
            assert_eq!(found, [number], "{text:?}");
        }
        assert_eq!(find("415-555-2671, +44 20 7946 0958", &mut Checks::default()).len(), 2);
    }

    #[test]
    fn other_digits_are_none() {
        for text in [
            "4155552671",
            "14155552671",
            "415 555 2671",
            "256 512 1024",
            "115-555-2671",
            "415-155-2671",
            "x415-555-2671",
            "ORD-415-555-2671",
            "213-415-555-2671",
            "415-555-26711",
            "415-555-2671-1",
            "0.415-555-2671",
            "+0.1234567890",
            "+12.5",
            "+1234567",
            "+99912345678",
            "a+14155552671",
            "2+14155552671",
            "abc/+14155552671",
            "2026-07-30T10:20:30+02:00",
            "+1415555267123456",
            "+14155552671abc",
            "1e+14155552671",
        ] {
            assert!(find(text, &mut Checks::default()).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn when_the_checks_are_used_up_the_shape_decides() {
        let mut checks = Checks(1);
        let text = "115-555-2671 +99912345678 +99912345678";
        assert_eq!(find(text, &mut checks).len(), 1);
    }
}
