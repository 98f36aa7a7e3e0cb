//! Payment cards: 13 to 19 digits of a known issuer, in a usual grouping, that Luhn confirms.

use std::ops::Range;

use super::edge;

/// The least digits of a card.
const DIGITS_MIN: usize = 13;

/// How the digits of cards are grouped in print.
const GROUPINGS: [&[usize]; 6] =
    [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[6, 13], &[4, 4, 5]];

pub(in super::super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for digits in series(text) {
        let groups = groups(&text[digits.clone()], digits.start);
        let mut first = 0;
        while first < groups.len() {
            match taken(text, &groups[first..], is_open) {
                Some(count) => {
                    found.push(groups[first].start..groups[first + count - 1].end);
                    first += count;
                }
                None => first += 1,
            }
        }
    }
    found
}

/// Whether a JSON text holds digits that could be a card, whatever stands around them. Instants in
/// milliseconds have as many digits and are frequent: this spares them the walk.
pub(in super::super) fn is_possible(json: &str) -> bool {
    series(json).any(|digits| {
        // Digits of an escape such as `\u0001` run into those of the text.
        let is_escaped = json[..digits.start].ends_with("\\u");
        let groups = groups(&json[digits.clone()], digits.start);
        is_escaped
            || (0..groups.len()).any(|first| taken(json, &groups[first..], |_, _| true).is_some())
    })
}

/// The literal of a number is a card's.
pub(in super::super) fn is_card(literal: &str) -> bool {
    let digits = literal.as_bytes();
    digits.iter().all(u8::is_ascii_digit) && is_issued(digits) && is_luhn(digits)
}

/// Digits with single spaces or dashes between them, as many as there are and enough for a card.
fn series(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += bytes[at..].iter().position(u8::is_ascii_digit)?;
            let (start, mut count) = (at, 0);
            loop {
                if is_digit(at) {
                    count += 1;
                    at += 1;
                } else if matches!(bytes.get(at), Some(b' ' | b'-')) && is_digit(at + 1) {
                    at += 1;
                } else {
                    break;
                }
            }
            if count >= DIGITS_MIN {
                return Some(start..at);
            }
        }
    })
}

/// The runs of digits, as ranges of the text that `digits` begins in at `offset`.
fn groups(digits: &str, offset: usize) -> Vec<Range<usize>> {
    let mut at = offset;
    let ranges = digits.split([' ', '-']).map(|group| {
        let start = at;
        at += group.len() + 1;
        start..start + group.len()
    });
    ranges.collect()
}

/// How many of the groups, from the first, are one card.
fn taken(
    text: &str,
    groups: &[Range<usize>],
    is_open: fn(&str, &Range<usize>) -> bool,
) -> Option<usize> {
    let alone: [&[usize]; 1] = [&[groups[0].len()]];
    let mut groupings = alone.iter().chain(&GROUPINGS);
    let grouping = groupings.find(|grouping| {
        grouping.len() <= groups.len()
            && grouping.iter().zip(groups).all(|(length, group)| group.len() == *length)
            && is_one_separator(text, &groups[..grouping.len()])
            && is_card_between(text, groups[0].start..groups[grouping.len() - 1].end, is_open)
    })?;
    Some(grouping.len())
}

fn is_one_separator(text: &str, groups: &[Range<usize>]) -> bool {
    let separator = |group: &Range<usize>| text.as_bytes()[group.end];
    groups[..groups.len() - 1].iter().all(|group| separator(group) == separator(&groups[0]))
}

fn is_card_between(
    text: &str,
    range: Range<usize>,
    is_open: fn(&str, &Range<usize>) -> bool,
) -> bool {
    let bytes = text[range.clone()].bytes();
    let digits: Vec<u8> = bytes.filter(u8::is_ascii_digit).collect();
    is_issued(&digits) && is_luhn(&digits) && is_open(text, &range)
}

fn is_open(text: &str, range: &Range<usize>) -> bool {
    edge::is_open_before(text, range.start) && edge::is_open_after(text, range.end)
}

/// The issuer's prefix is a known one, and cards with it are that long.
fn is_issued(digits: &[u8]) -> bool {
    let length = digits.len();
    if !(DIGITS_MIN..=19).contains(&length) {
        return false;
    }
    let prefix = digits[..4].iter().fold(0, |p, d| p * 10 + u32::from(d - b'0'));
    match prefix {
        // Visa.
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => matches!(length, 14 | 16),
        // JCB; Discover; UnionPay.
        3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 | 8100..=8171 => length >= 16,
        // Maestro.
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        _ => false,
    }
}

fn is_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(digit - b'0')) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_every_issuer_are_found() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "3056 930902 5904",
            "6205500000000000004",
            "6759649826438453",
            "card 4111 1111 1111 1111 12/28 123",
            "12 4111 1111 1111 1111 123",
            "card=4111111111111111&",
        ] {
            assert_eq!(find(text).len(), 1, "{text:?}");
        }
        assert_eq!(find("4111111111111111 5555555555554444").len(), 2);
        assert_eq!(find("4111 1111 1111 1111 5555 5555 5555 4444").len(), 2);
    }

    #[test]
    fn other_long_numbers_are_none() {
        for text in [
            "4111111111111112",
            "1111111111111117",
            "0000000000000000",
            "41111111111111111111",
            "a4111111111111111",
            "4111111111111111b",
            "0.4111111111111111",
            "4111111111111111.5",
            "ORD-4111111111111111",
            "order_4111111111111111",
            "4111 1111-1111 1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "41 11 11 11 11 11 11 11",
            "4111-1111-1111-1111-22",
            "1722334455667",
            "1722334455667788991",
        ] {
            assert!(find(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn of_numbers_only_integers_are_cards() {
        assert!(is_card("4111111111111111"));
        for literal in ["-4111111111111111", "4111111111111111.5", "4.111111111111111e15", "411"] {
            assert!(!is_card(literal), "{literal}");
        }
    }
}
