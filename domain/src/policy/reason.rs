//! Why a rule is false: stable names, listed here and nowhere else.

use serde::{Deserialize, Serialize};

/// One name for each way in which a rule can be false; stored in violations, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The path leads nowhere. Missing data is not a value: `!=` is false, too.
    LeftOperandNotFound,
    /// The value, or something above it, was redacted: it is not known.
    LeftOperandRedacted,
    /// Both sides are there, but of types that the operator cannot compare.
    TypeMismatch,
    /// `==`, and the values differ.
    NotEqual,
    /// `!=`, and the values are the same.
    Equal,
    /// `>`, and the left side is less or the same.
    NotGreater,
    /// `<`, and the left side is greater or the same.
    NotLess,
    /// `>=`, and the left side is less.
    Less,
    /// `<=`, and the left side is greater.
    Greater,
    /// `in`, and the list does not hold the value.
    NotInList,
    /// `not_in`, and the list holds the value.
    InList,
    /// `contains`, and the text or array does not.
    NotContained,
    /// `starts_with`, and it does not.
    NotPrefix,
    /// `ends_with`, and it does not.
    NotSuffix,
    /// `regex`, and it matches nowhere in the text.
    NoMatch,
    /// `regex`, and the text is longer than one is looked for in.
    LeftOperandTooLong,
    /// `exists` with `true` (the default), and nothing is there.
    Absent,
    /// `exists` with `false`, and something is there.
    Present,
}
