//! One detector a file: where in a plain text its kind stands, checked by more than its shape.

pub(super) mod card;
mod edge;
pub(super) mod email;
pub(super) mod iban;
pub(super) mod ip;
pub(super) mod phone;
pub(super) mod secrets;
pub(super) mod ssn;

use regex::Regex;

/// A pattern that is part of the program; each detector's tests compile its own.
#[expect(clippy::expect_used, reason = "a constant that the tests compile")]
fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
