//! Which tools a session has used: calls joined with their results, arguments without their values.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::json::{self, DEPTH_MAX, Json};
use super::record::Record;

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

/// Collects the uses of tools while records go by.
#[derive(Debug, Default)]
pub struct ToolLog {
    uses: Vec<ToolAccess>,
    /// Calls without a result yet, by `tool_call_id` or else by name, in the order of their coming.
    open: HashMap<String, VecDeque<usize>>,
}

/// Arguments that a summary names.
const ARGS_NAMED_MAX: usize = 32;

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
        let name = text(payload, "tool_name").unwrap_or_default();
        self.open.entry(join_key(payload, &name)).or_default().push_back(self.uses.len());
        self.uses.push(ToolAccess {
            sequence_number: record.body.sequence_number,
            timestamp: record.body.timestamp_wall.clone(),
            tool_name: name,
            args_summary: payload.get("args").map(summary).unwrap_or_default(),
            status: None,
            duration_ms: None,
        });
    }

    fn result(&mut self, payload: &Json<'_>) {
        let name = text(payload, "tool_name").unwrap_or_default();
        let call = self.open.get_mut(&join_key(payload, &name)).and_then(VecDeque::pop_front);
        let Some(tool) = call.and_then(|index| self.uses.get_mut(index)) else { return };
        tool.status = text(payload, "status");
        tool.duration_ms = match payload.get("duration_ms") {
            Some(Json::Number(n)) => Some(n.value),
            _ => None,
        };
    }
}

fn text(payload: &Json<'_>, key: &str) -> Option<String> {
    payload.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn join_key(payload: &Json<'_>, name: &str) -> String {
    match text(payload, "tool_call_id") {
        Some(id) => format!("id:{id}"),
        None => format!("name:{name}"),
    }
}

fn summary(args: &Json<'_>) -> String {
    let Json::Object(members) = args else { return String::new() };
    let named = members.iter().take(ARGS_NAMED_MAX).map(|(key, value)| {
        let kind = match value {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        format!("{key}: {kind}")
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
