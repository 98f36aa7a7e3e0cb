//! Social security numbers of the United States: `AAA-GG-SSSS`, with dashes or spaces.
//!
//! Bare nine digits are none: too many other numbers have nine.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{constant, edge};

static SHAPE: LazyLock<Regex> =
    LazyLock::new(|| constant(r"[0-9]{3}(?:-[0-9]{2}-| [0-9]{2} )[0-9]{4}"));

pub(in super::super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(shape) = SHAPE.find_at(text, at) {
        if is_issued(shape.as_str()) && is_alone(text, shape.start(), shape.end()) {
            found.push(shape.range());
            at = shape.end();
        } else {
            at = shape.start() + 1;
        }
    }
    found
}

/// Areas 000, 666 and 9xx, group 00 and serial 0000 were never given out.
fn is_issued(number: &str) -> bool {
    let (area, group, serial) = (&number[..3], &number[4..6], &number[7..]);
    area != "000" && area != "666" && !area.starts_with('9') && group != "00" && serial != "0000"
}

/// Not a stretch of a longer series of digit groups.
fn is_alone(text: &str, start: usize, end: usize) -> bool {
    let (before, after) = (&text.as_bytes()[..start], &text.as_bytes()[end..]);
    edge::is_open_before(text, start)
        && edge::is_open_after(text, end)
        && !matches!(before, [.., b'0'..=b'9', b' '])
        && !matches!(after, [b' ', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_could_have_been_issued_is_found() {
        for text in ["123-45-6789", "SSN: 123 45 6789.", "(899-99-9999)", r"a\n123-45-6789"] {
            assert_eq!(find(text).len(), 1, "{text:?}");
        }
        assert_eq!(find("123-45-6789,219-09-9999").len(), 2);
    }

    #[test]
    fn other_digit_groups_are_none() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123456789",
            "123-45 6789",
            "123.45.6789",
            "1123-45-6789",
            "123-45-67890",
            "123-45-6789-1",
            "9-123-45-6789",
            "ORD-123-45-6789",
            "4000 123 45 6789",
            "123 45 6789 1000",
            "0.123-45-6789",
            "2026-07-30",
        ] {
            assert!(find(text).is_empty(), "{text:?}");
        }
    }
}
