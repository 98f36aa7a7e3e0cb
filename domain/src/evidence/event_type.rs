//! What an event is about, and what its payload must then hold (evidence.md, section 1.1).

use std::borrow::Cow;

use super::json::Json;
use super::refusal::SchemaComplaint;

/// A name of the closed agent set, or a dotted application name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Cow<'static, str>);

const AGENT_TYPES: [&str; 13] = [
    "SESSION_START",
    "SESSION_END",
    "MODEL_REQUEST",
    "MODEL_RESPONSE",
    "TOOL_CALL",
    "TOOL_RESULT",
    "AGENT_STATE_SNAPSHOT",
    "AGENT_DECISION",
    "DECISION_TRACE",
    "ERROR",
    "ANNOTATION",
    "LOG_DROP",
    "CHAIN_SEAL",
];

/// Characters of a dotted name.
const NAME_CHARS_MAX: usize = 64;

impl EventType {
    pub const SESSION_END: Self = Self(Cow::Borrowed("SESSION_END"));
    pub const TOOL_CALL: Self = Self(Cow::Borrowed("TOOL_CALL"));
    pub const TOOL_RESULT: Self = Self(Cow::Borrowed("TOOL_RESULT"));
    pub const LOG_DROP: Self = Self(Cow::Borrowed("LOG_DROP"));
    pub const CHAIN_SEAL: Self = Self(Cow::Borrowed(Self::CHAIN_SEAL_NAME));
    pub const CHAIN_SEAL_NAME: &'static str = "CHAIN_SEAL";

    /// An agent type, or `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$` of at most 64 characters.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = AGENT_TYPES.iter().find(|name| **name == text) {
            return Some(Self(Cow::Borrowed(name)));
        }
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        let dotted =
            text.len() <= NAME_CHARS_MAX && text.contains('.') && text.split('.').all(part);
        dotted.then(|| Self(Cow::Owned(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that the payload holds what this type requires; extra keys are always allowed.
    pub fn check_payload(&self, payload: &Json<'_>) -> Result<(), SchemaComplaint> {
        let rules: &[(&str, Rule)] = match self.as_str() {
            "SESSION_START" => &[
                ("agent_id", Rule::Text),
                ("environment", Rule::OneOf(&["prod", "staging", "dev"])),
                ("framework", Rule::Text),
                ("framework_version", Rule::Text),
                ("sdk_version", Rule::Text),
            ],
            "SESSION_END" => &[
                ("status", Rule::OneOf(&["success", "failure", "timeout", "cancelled"])),
                ("duration_ms", Rule::NotNegative),
            ],
            "TOOL_CALL" => &[("tool_name", Rule::Text), ("args", Rule::Object)],
            "TOOL_RESULT" => &[
                ("tool_name", Rule::Text),
                ("result", Rule::Any),
                ("status", Rule::OneOf(&["success", "error"])),
                ("duration_ms", Rule::NotNegative),
            ],
            "MODEL_REQUEST" => {
                &[("model", Rule::Text), ("provider", Rule::Text), ("messages", Rule::Messages)]
            }
            "MODEL_RESPONSE" => &[
                ("model", Rule::Text),
                ("content", Rule::Any),
                ("role", Rule::OneOf(&["assistant"])),
                ("finish_reason", Rule::OneOf(&["stop", "length", "tool_calls", "content_filter"])),
            ],
            "DECISION_TRACE" => &[
                ("decision_id", Rule::Text),
                ("inputs", Rule::Any),
                ("outputs", Rule::Any),
                ("justification", Rule::Any),
            ],
            "ERROR" => {
                &[("error_type", Rule::Text), ("message", Rule::Text), ("fatal", Rule::Bool)]
            }
            "ANNOTATION" => &[
                ("annotator_id", Rule::Text),
                ("annotation_type", Rule::OneOf(&["flag", "comment", "rating"])),
                ("content", Rule::Object),
            ],
            "LOG_DROP" => return check_log_drop(payload),
            _ => &[],
        };
        check(payload, rules)
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown event type"))
    }
}

/// What a required payload member must be.
#[derive(Clone, Copy)]
enum Rule {
    Any,
    Text,
    Bool,
    Object,
    NotNegative,
    AtLeastOne,
    OneOf(&'static [&'static str]),
    Messages,
    Range,
}

impl Rule {
    fn holds(self, value: &Json<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Text => value.as_str().is_some(),
            Self::Bool => matches!(value, Json::Bool(_)),
            Self::Object => matches!(value, Json::Object(_)),
            Self::NotNegative => matches!(value, Json::Number(n) if n.value >= 0.0),
            Self::AtLeastOne => value.as_integer().is_some_and(|n| n >= 1),
            Self::OneOf(names) => value.as_str().is_some_and(|text| names.contains(&text)),
            Self::Messages => value.as_array().is_some_and(|messages| {
                messages.iter().all(|m| {
                    m.get("role").and_then(Json::as_str).is_some() && m.get("content").is_some()
                })
            }),
            Self::Range => matches!(value.as_array(), Some([first, last])
                if first.as_integer().zip(last.as_integer()).is_some_and(|(f, l)| f <= l)),
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Text => "string".to_owned(),
            Self::Bool => "boolean".to_owned(),
            Self::Object => "object".to_owned(),
            Self::NotNegative => "number of at least 0".to_owned(),
            Self::AtLeastOne => "integer of at least 1".to_owned(),
            Self::OneOf(names) => names.join("|"),
            Self::Messages => "array of objects with role and content".to_owned(),
            Self::Range => "[first, last]".to_owned(),
        }
    }
}

fn check(payload: &Json<'_>, rules: &[(&str, Rule)]) -> Result<(), SchemaComplaint> {
    let missing: Vec<String> = rules
        .iter()
        .filter(|(key, _)| payload.get(key).is_none())
        .map(|(key, _)| format!("payload.{key}"))
        .collect();
    if !missing.is_empty() {
        return Err(SchemaComplaint::missing(missing));
    }
    for (key, rule) in rules {
        let value = payload.get(key).unwrap_or(&Json::Null);
        if !rule.holds(value) {
            return Err(SchemaComplaint::field(
                &format!("payload.{key}"),
                &rule.expected(),
                &value.describe(),
            ));
        }
    }
    Ok(())
}

fn check_log_drop(payload: &Json<'_>) -> Result<(), SchemaComplaint> {
    const REASONS: &[&str] =
        &["SDK_CRASH", "BUFFER_FULL", "NETWORK_LOSS", "SEQUENCE_GAP", "SERVER_UNAVAILABLE"];
    check(
        payload,
        &[
            ("dropped_count", Rule::AtLeastOne),
            ("cumulative_drops", Rule::AtLeastOne),
            ("drop_reason", Rule::OneOf(REASONS)),
        ],
    )?;
    if payload.get("sequence_range").is_some() {
        check(payload, &[("sequence_range", Rule::Range)])?;
    }
    let count = |key| payload.get(key).and_then(Json::as_integer).unwrap_or_default();
    let (dropped, cumulative) = (count("dropped_count"), count("cumulative_drops"));
    if cumulative < dropped {
        return Err(SchemaComplaint::field(
            "payload.cumulative_drops",
            &format!("at least dropped_count, {dropped}"),
            &cumulative.to_string(),
        ));
    }
    Ok(())
}
