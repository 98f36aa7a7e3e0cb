//! The members of a line or a manifest, and whether they have the types of `docs/EXPORTS.md`.

use serde_json::json;

use super::finding::{Code, Findings, Place};
use super::times::instant;
use crate::evidence::json::Json;

/// Names of unknown members that one finding repeats.
const UNKNOWN_SHOWN_MAX: usize = 16;

/// What a member must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextOrNull,
    /// RFC 3339.
    Time,
    TimeOrNull,
    Integer,
    Object,
    Array,
    /// 64 lower-case hexadecimal digits.
    Hash,
}

impl Kind {
    fn holds(self, value: &Json<'_>) -> bool {
        let text = value.as_str();
        match self {
            Self::Text => text.is_some_and(|text| !text.is_empty()),
            Self::TextOrNull => text.is_some() || *value == Json::Null,
            Self::Time => text.and_then(instant).is_some(),
            Self::TimeOrNull => *value == Json::Null || Self::Time.holds(value),
            Self::Integer => value.as_integer().is_some(),
            Self::Object => matches!(value, Json::Object(_)),
            Self::Array => value.as_array().is_some(),
            Self::Hash => text.is_some_and(is_hash),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::TextOrNull => "string or null",
            Self::Time => "RFC 3339 time",
            Self::TimeOrNull => "RFC 3339 time or null",
            Self::Integer => "integer 0 to 2^53-1",
            Self::Object => "object",
            Self::Array => "array",
            Self::Hash => "64 lower-case hexadecimal digits",
        }
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Notes what is missing, has another type, or does not belong into an object with these members
/// and `kind`.
pub(super) fn check(
    object: &Json<'_>,
    optional: &[(&str, Kind)],
    required: &[(&str, Kind)],
    findings: &mut Findings,
) {
    let Json::Object(members) = object else { return };
    for (name, kind) in required {
        if !object.get(name).is_some_and(|value| kind.holds(value)) {
            not_what_it_must_be(object.get(name), name, kind.expected(), findings);
        }
    }
    for (name, kind) in optional {
        if let Some(value) = object.get(name).filter(|value| !kind.holds(value)) {
            not_what_it_must_be(Some(value), name, kind.expected(), findings);
        }
    }
    let known = |name: &str| {
        name == "kind" || required.iter().chain(optional).any(|(known, _)| *known == name)
    };
    if members.iter().any(|(name, _)| !known(name)) {
        findings.note(Code::UnknownField, Place::default(), || {
            let unknown = members.iter().filter(|(name, _)| !known(name));
            let names = unknown.map(|(name, _)| Json::String(name.as_ref().into()).describe());
            let names: Vec<_> = names.take(UNKNOWN_SHOWN_MAX).collect();
            let message = format!("The format does not know {}.", names.join(", "));
            (message, json!({ "fields": names }))
        });
    }
}

/// Notes a member that is missing or of another type.
pub(super) fn not_what_it_must_be(
    value: Option<&Json<'_>>,
    name: &str,
    expected: &str,
    findings: &mut Findings,
) {
    findings.note(Code::MissingField, Place::default(), || {
        let received = value.map(Json::describe);
        let message = match received {
            Some(_) => format!("{name} is not what it must be: {expected}."),
            None => format!("There is no {name}."),
        };
        (message, json!({ "field": name, "expected": expected, "received": received }))
    });
}
