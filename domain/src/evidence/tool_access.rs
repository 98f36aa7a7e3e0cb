//! Which tools a session has used: calls joined with their results, arguments without their values.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::canonical::{write_integer, write_number, write_string};
use super::event_type::EventType;
use super::json::Json;
use super::record::Record;
use crate::personal_data;

/// One use of a tool.
#[derive(Debug, Clone, PartialEq)]
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

/// What the policies in force said of one use.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolVerdict {
    /// Null when no policy applied.
    pub allowed: Option<bool>,
    /// `policy/control` of what it broke.
    pub broken: Vec<String>,
    /// `name@version` of the policies that judged it.
    pub judged_by: Vec<String>,
}

impl ToolAccess {
    /// Appends the canonical form; the members of a verdict stand in it, where there is one.
    pub fn write(&self, verdict: Option<&ToolVerdict>, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(verdict) = verdict {
            out.extend_from_slice(b"\"allowed\":");
            write_allowed(verdict.allowed, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"args_summary\":");
        write_string(&self.args_summary, out);
        if let Some(verdict) = verdict {
            out.extend_from_slice(b",\"broken\":");
            write_texts(&verdict.broken, out);
        }
        out.extend_from_slice(b",\"duration_ms\":");
        match self.duration_ms {
            Some(duration) => write_number(duration, out),
            None => out.extend_from_slice(b"null"),
        }
        if let Some(verdict) = verdict {
            out.extend_from_slice(b",\"judged_by\":");
            write_texts(&verdict.judged_by, out);
        }
        out.extend_from_slice(b",\"sequence_number\":");
        write_integer(self.sequence_number, out);
        out.extend_from_slice(b",\"status\":");
        match &self.status {
            Some(status) => write_string(status, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"timestamp\":");
        write_string(&self.timestamp, out);
        out.extend_from_slice(b",\"tool_name\":");
        write_string(&self.tool_name, out);
        out.push(b'}');
    }
}

impl ToolVerdict {
    /// Appends the canonical form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"allowed\":");
        write_allowed(self.allowed, out);
        out.extend_from_slice(b",\"broken\":");
        write_texts(&self.broken, out);
        out.extend_from_slice(b",\"judged_by\":");
        write_texts(&self.judged_by, out);
        out.push(b'}');
    }
}

fn write_allowed(allowed: Option<bool>, out: &mut Vec<u8>) {
    out.extend_from_slice(match allowed {
        Some(true) => b"true",
        Some(false) => b"false",
        None => b"null",
    });
}

fn write_texts(texts: &[String], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(text, out);
    }
    out.push(b']');
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
    /// Takes a record and its payload, read; those that are not of tools pass by.
    pub fn push(&mut self, record: &Record, payload: &Json<'_>) {
        if record.body.event_type == EventType::TOOL_CALL {
            self.call(record, payload);
        } else if record.body.event_type == EventType::TOOL_RESULT {
            self.result(payload);
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
        let Entry::Occupied(mut open) = self.open.entry(join_key(payload)) else { return };
        let call = open.get_mut().pop_front();
        if open.get().is_empty() {
            open.remove();
        }
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

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::evidence::canonical;
    use crate::evidence::json::{self, DEPTH_MAX};
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

    fn push(log: &mut ToolLog, record: &Record) {
        let payload = json::parse(record.body.payload.as_bytes(), DEPTH_MAX).unwrap().root;
        log.push(record, &payload);
    }

    proptest! {
        #[test]
        fn a_use_is_written_in_canonical_form(
            texts in proptest::collection::vec(any::<String>(), 5),
            sequence_number in 0..(1_u64 << 53),
            duration_ms in proptest::option::of(-1e300..1e300),
            allowed: Option<bool>,
            judged: bool,
        ) {
            let [timestamp, tool_name, args_summary, status, broken] = &texts[..] else { unreachable!() };
            let (timestamp, tool_name) = (timestamp.clone(), tool_name.clone());
            let args_summary = args_summary.clone();
            let status = judged.then(|| status.clone());
            let verdict = ToolVerdict { allowed, broken: vec![broken.clone(); 2], judged_by: vec![] };
            let mut expected = json!({
                "sequence_number": sequence_number, "timestamp": timestamp, "tool_name": tool_name,
                "args_summary": args_summary, "status": status, "duration_ms": duration_ms,
            });
            let verdict_alone = json!({ "allowed": allowed, "broken": [broken, broken], "judged_by": [] });
            if judged {
                let members = verdict_alone.as_object().unwrap().clone();
                expected.as_object_mut().unwrap().extend(members);
            }
            let tool =
                ToolAccess { sequence_number, timestamp, tool_name, args_summary, status, duration_ms };
            let mut written = Vec::new();
            tool.write(judged.then_some(&verdict), &mut written);
            prop_assert_eq!(&written, &canonical::of_serde(&expected).unwrap());
            written.clear();
            verdict.write(&mut written);
            prop_assert_eq!(&written, &canonical::of_serde(&verdict_alone).unwrap());
        }
    }

    #[test]
    fn results_find_their_calls_and_values_stay_out() {
        let mut log = ToolLog::default();
        push(
            &mut log,
            &record(
                0,
                "TOOL_CALL",
                r#"{"args":{"to":"secret"},"tool_call_id":"b","tool_name":"mail"}"#,
            ),
        );
        push(
            &mut log,
            &record(1, "TOOL_CALL", r#"{"args":{},"tool_call_id":"a","tool_name":"mail"}"#),
        );
        push(
            &mut log,
            &record(
                2,
                "TOOL_RESULT",
                r#"{"duration_ms":5,"result":1,"status":"error","tool_call_id":"a","tool_name":"mail"}"#,
            ),
        );
        let uses = log.finish();
        assert_eq!(uses[0].args_summary, "to: string");
        assert_eq!(uses[0].status, None);
        assert_eq!((uses[1].status.as_deref(), uses[1].duration_ms), (Some("error"), Some(5.0)));
    }
}
