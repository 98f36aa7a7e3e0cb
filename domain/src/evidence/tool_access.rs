//! Which tools a session has used: calls joined with their results, arguments without their values.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::json::{self, DEPTH_MAX, Json};
use super::record::Record;
use crate::personal_data;

/// One use of a tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolAccess {
    pub sequence_number: u64,
    pub timestamp: String,
    pub tool_name: String,
    /// Names and types of the arguments, e.g. `amount: number, to: string`.
    pub args_summary: String,
    /// Of the result: `success`, `error`, or null while there is none.
    pub status: Option<String>,
    pub duration_ms: Option<f64>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// `success` or `error`.
    pub status: String,
    pub duration_ms: Option<f64>,
}

impl Outcome {
    /// Of the payload of a `TOOL_RESULT`.
    pub fn of(payload: &Json<'_>) -> Self {
        let duration_ms = match payload.get("duration_ms") {
            Some(Json::Number(n)) => Some(n.value),
            _ => None,
        };
        Self { status: text(payload, "status").unwrap_or_default(), duration_ms }
    }
}

/// Collects the uses of tools while records go by.
#[derive(Debug, Default)]
pub struct ToolLog {
    uses: Vec<ToolAccess>,
    /// Calls without a result yet, by `tool_call_id` or else by name, in the order of their coming.
    open: HashMap<String, VecDeque<usize>>,
}

/// Arguments that a summary names.
const ARGS_NAMED_MAX: usize = 32;
/// Characters of an argument's name in a summary, and of a tool's name.
const NAME_CHARS_MAX: usize = 128;

impl ToolLog {
    /// Takes a record; those that are not of tools pass by.
    pub fn push(&mut self, record: &Record) {
        let kind = record.body.event_type.as_str();
        if kind != "TOOL_CALL" && kind != "TOOL_RESULT" {
            return;
        }
        let Ok(document) = json::parse(record.body.payload.as_bytes(), DEPTH_MAX) else { return };
        if kind == "TOOL_CALL" {
            self.call(record, &document.root);
        } else {
            self.result(&document.root);
        }
    }

    /// All uses, in the order of their calls.
    pub fn finish(self) -> Vec<ToolAccess> {
        self.uses
    }

    fn call(&mut self, record: &Record, payload: &Json<'_>) {
        self.open.entry(join_key(payload)).or_default().push_back(self.uses.len());
        self.uses.push(ToolAccess {
            sequence_number: record.body.sequence_number,
            timestamp: record.body.timestamp_wall.clone(),
            tool_name: tool_name(payload),
            args_summary: args_summary(payload),
            status: None,
            duration_ms: None,
        });
    }

    fn result(&mut self, payload: &Json<'_>) {
        let call = self.open.get_mut(&join_key(payload)).and_then(VecDeque::pop_front);
        let Some(tool) = call.and_then(|index| self.uses.get_mut(index)) else { return };
        let Outcome { status, duration_ms } = Outcome::of(payload);
        (tool.status, tool.duration_ms) = (Some(status), duration_ms);
    }
}

fn text(payload: &Json<'_>, key: &str) -> Option<String> {
    payload.get(key).and_then(Json::as_str).map(str::to_owned)
}

/// The tool of a call or a result; personal data in it is masked.
pub fn tool_name(payload: &Json<'_>) -> String {
    let name = text(payload, "tool_name").unwrap_or_default();
    cut(&personal_data::mask(&name))
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// What a result has in common with its call: `tool_call_id`, or else the tool's name.
pub fn join_key(payload: &Json<'_>) -> String {
    match text(payload, "tool_call_id") {
        Some(id) => format!("id:{id}"),
        None => format!("name:{}", text(payload, "tool_name").unwrap_or_default()),
    }
}

/// Names and types of a call's arguments, never their values; personal data in names is masked.
pub fn args_summary(payload: &Json<'_>) -> String {
    let Some(Json::Object(members)) = payload.get("args") else { return String::new() };
    let named = members.iter().take(ARGS_NAMED_MAX).map(|(key, value)| {
        let kind = match value {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        format!("{}: {kind}", cut(&personal_data::mask(key)))
    });
    let mut summary = named.collect::<Vec<_>>().join(", ");
    if members.len() > ARGS_NAMED_MAX {
        summary.push_str(", …");
    }
    summary
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::evidence::event_type::EventType;
    use crate::evidence::record::{EventBody, SchemaVersion};
    use crate::hash::Hash;
    use crate::ids::SessionId;

    fn record(sequence_number: u64, event_type: &str, payload: &str) -> Record {
        let body = EventBody {
            event_id: Uuid::nil(),
            sequence_number,
            timestamp_wall: "2026-01-01T00:00:00Z".to_owned(),
            event_type: EventType::parse(event_type).unwrap(),
            payload: payload.to_owned(),
            payload_hash: Hash([0; 32]),
            timestamp_monotonic: None,
            source_sdk_ver: None,
            schema_ver: SchemaVersion::V06,
            actor_id: None,
        };
        Record::chain(body, SessionId(Uuid::nil()), None, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn results_find_their_calls_and_values_stay_out() {
        let mut log = ToolLog::default();
        log.push(&record(
            0,
            "TOOL_CALL",
            r#"{"args":{"to":"secret"},"tool_call_id":"b","tool_name":"mail"}"#,
        ));
        log.push(&record(1, "TOOL_CALL", r#"{"args":{},"tool_call_id":"a","tool_name":"mail"}"#));
        log.push(&record(
            2,
            "TOOL_RESULT",
            r#"{"duration_ms":5,"result":1,"status":"error","tool_call_id":"a","tool_name":"mail"}"#,
        ));
        let uses = log.finish();
        assert_eq!(uses[0].args_summary, "to: string");
        assert_eq!(uses[0].status, None);
        assert_eq!((uses[1].status.as_deref(), uses[1].duration_ms), (Some("error"), Some(5.0)));
    }
}
