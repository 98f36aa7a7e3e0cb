//! The operators: what each makes of a left side, and why it says no.
//!
//! Types are compared strictly, for every operator: no text becomes a number, `!=` and `not_in`
//! between different types are a mismatch and therefore false. Numbers compare as doubles, texts
//! by code points.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::context::Left;
use super::document::Operator;
use super::limits::REGEX_TEXT_BYTES_MAX;
use super::reason::Reason;
use crate::evidence::json::Json;

/// An operator with its right side, ready to be asked.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Equal(Scalar),
    NotEqual(Scalar),
    Order {
        bound: Bound,
        holds: fn(Ordering) -> bool,
        otherwise: Reason,
    },
    In(List),
    NotIn(List),
    Contains(Scalar),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    /// Shared by the rules that have the same pattern.
    Regex(Arc<Regex>),
    Exists(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
}

#[derive(Debug, Clone)]
pub(super) enum Bound {
    Number(f64),
    Text(Box<str>),
}

/// The items of a list by type, sorted, so that long lists cost little.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    null: bool,
    booleans: Vec<bool>,
    numbers: Vec<f64>,
    texts: Vec<Box<str>>,
}

impl Scalar {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.as_f64()?),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// Whether they are the same; none when their types differ.
    fn equals(&self, left: Left<'_>) -> Option<bool> {
        match (self, left) {
            (Self::Null, Left::Null) => Some(true),
            (Self::Bool(a), Left::Bool(b)) => Some(*a == b),
            // Doubles without NaN: what is equal is the same number.
            (Self::Number(a), Left::Number(b)) => Some(a.partial_cmp(&b) == Some(Ordering::Equal)),
            (Self::Text(a), Left::Text(b)) => Some(**a == *b),
            _ => None,
        }
    }

    fn is_item(&self, item: &Json<'_>) -> bool {
        let left = match item {
            Json::Null => Left::Null,
            Json::Bool(value) => Left::Bool(*value),
            Json::Number(number) => Left::Number(number.value),
            Json::String(text) => Left::Text(text),
            Json::Array(_) | Json::Object(_) => return false,
        };
        self.equals(left) == Some(true)
    }

    fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if **own == *text)
    }
}

impl List {
    fn of(values: &[Value]) -> Option<Self> {
        let mut list = Self::default();
        for value in values {
            match Scalar::of(value)? {
                Scalar::Null => list.null = true,
                Scalar::Bool(value) => list.booleans.push(value),
                Scalar::Number(number) => list.numbers.push(unsigned_zero(number)),
                Scalar::Text(text) => list.texts.push(text),
            }
        }
        list.numbers.sort_by(f64::total_cmp);
        list.texts.sort();
        Some(list)
    }

    /// Whether the value is one of them; none when no item is of its type.
    fn holds(&self, left: Left<'_>) -> Option<bool> {
        match left {
            Left::Null => self.null.then_some(true),
            Left::Bool(value) => {
                (!self.booleans.is_empty()).then(|| self.booleans.contains(&value))
            }
            Left::Number(number) => {
                let number = unsigned_zero(number);
                let found = self.numbers.binary_search_by(|own| own.total_cmp(&number));
                (!self.numbers.is_empty()).then_some(found.is_ok())
            }
            Left::Text(text) => {
                let found = self.texts.binary_search_by(|own| (**own).cmp(text));
                (!self.texts.is_empty()).then_some(found.is_ok())
            }
            _ => None,
        }
    }
}

/// `-0` and `0` are the same number, but not to a total order.
fn unsigned_zero(number: f64) -> f64 {
    number + 0.0
}

impl Test {
    /// Takes an operator with its right side; none when the right side is not of its type. A
    /// regular expression comes compiled, as its limits are the caller's.
    pub(super) fn new(op: Operator, right: Option<&Value>) -> Option<Self> {
        let scalar = || Scalar::of(right.unwrap_or(&Value::Null));
        let text = || right.and_then(Value::as_str).map(Box::from);
        let list = || right.and_then(Value::as_array).and_then(|items| List::of(items));
        let order = |holds, otherwise| {
            let bound = match scalar()? {
                Scalar::Number(number) => Bound::Number(number),
                Scalar::Text(text) => Bound::Text(text),
                Scalar::Null | Scalar::Bool(_) => return None,
            };
            Some(Self::Order { bound, holds, otherwise })
        };
        match op {
            Operator::Equal => scalar().map(Self::Equal),
            Operator::NotEqual => scalar().map(Self::NotEqual),
            Operator::Greater => order(Ordering::is_gt, Reason::NotGreater),
            Operator::Less => order(Ordering::is_lt, Reason::NotLess),
            Operator::GreaterOrEqual => order(Ordering::is_ge, Reason::Less),
            Operator::LessOrEqual => order(Ordering::is_le, Reason::Greater),
            Operator::In => list().map(Self::In),
            Operator::NotIn => list().map(Self::NotIn),
            Operator::Contains => scalar().map(Self::Contains),
            Operator::StartsWith => text().map(Self::StartsWith),
            Operator::EndsWith => text().map(Self::EndsWith),
            Operator::Regex => None,
            Operator::Exists => right.map_or(Some(true), Value::as_bool).map(Self::Exists),
        }
    }

    /// Whether the rule holds, and if not, why.
    pub(super) fn judge(&self, left: Left<'_>) -> Result<(), Reason> {
        if let Self::Exists(wanted) = self {
            return exists(*wanted, left);
        }
        match left {
            Left::Missing => return Err(Reason::LeftOperandNotFound),
            Left::Redacted | Left::BelowRedacted => return Err(Reason::LeftOperandRedacted),
            Left::Text(text)
                if text.len() > REGEX_TEXT_BYTES_MAX && matches!(self, Self::Regex(_)) =>
            {
                return Err(Reason::LeftOperandTooLong);
            }
            _ => {}
        }
        let (answer, otherwise) = match self {
            Self::Equal(right) => (right.equals(left), Reason::NotEqual),
            Self::NotEqual(right) => (right.equals(left).map(|same| !same), Reason::Equal),
            Self::Order { bound, holds, otherwise } => {
                (compare(left, bound).map(holds), *otherwise)
            }
            Self::In(list) => (list.holds(left), Reason::NotInList),
            Self::NotIn(list) => (list.holds(left).map(|found| !found), Reason::InList),
            Self::Contains(right) => (contains(left, right), Reason::NotContained),
            Self::StartsWith(right) => (text(left, |t| t.starts_with(&**right)), Reason::NotPrefix),
            Self::EndsWith(right) => (text(left, |t| t.ends_with(&**right)), Reason::NotSuffix),
            Self::Regex(regex) => (text(left, |t| regex.is_match(t)), Reason::NoMatch),
            Self::Exists(_) => (None, Reason::Absent),
        };
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(otherwise),
            None => Err(Reason::TypeMismatch),
        }
    }
}

/// A redacted value is there; below one, neither `true` nor `false` can be said to hold.
fn exists(wanted: bool, left: Left<'_>) -> Result<(), Reason> {
    match (left, wanted) {
        (Left::BelowRedacted, _) => Err(Reason::LeftOperandRedacted),
        (Left::Missing, true) => Err(Reason::Absent),
        (Left::Missing, false) | (_, true) => Ok(()),
        (_, false) => Err(Reason::Present),
    }
}

fn compare(left: Left<'_>, bound: &Bound) -> Option<Ordering> {
    match (left, bound) {
        (Left::Number(a), Bound::Number(b)) => a.partial_cmp(b),
        // UTF-8 sorts as its code points do.
        (Left::Text(a), Bound::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A text in a text, or a scalar in an array, whatever else the array holds.
fn contains(left: Left<'_>, right: &Scalar) -> Option<bool> {
    match (left, right) {
        (Left::Text(text), Scalar::Text(part)) => Some(text.contains(&**part)),
        (Left::Array(items), _) => Some(items.iter().any(|item| right.is_item(item))),
        (Left::Tags(items), _) => Some(items.iter().any(|item| right.is_text(item))),
        (Left::PiiTypes(items), _) => Some(items.iter().any(|item| right.is_text(item))),
        _ => None,
    }
}

fn text(left: Left<'_>, holds: impl Fn(&str) -> bool) -> Option<bool> {
    match left {
        Left::Text(text) => Some(holds(text)),
        _ => None,
    }
}
