//! What rules look at: one event with what is known about it, and the value that a path leads to.

use std::borrow::Cow;

use super::path::{Field, Path, Step};
use crate::evidence::json::{Json, utf16_order};

/// What stands where a value was taken out (evidence.md, 1.1).
const REDACTED: &str = "[REDACTED]";

/// Members up to which looking at each is faster than halving.
const MEMBERS_SCANNED_MAX: usize = 16;

/// Everything that an evaluation may look at; the same context always gives the same answer.
///
/// `risk` is absent: every path into it is missing.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub event: EventFacts<'a>,
    /// As the strict reader gives it: members are sorted.
    pub payload: &'a Json<'a>,
    pub session: &'a SessionFacts,
    pub event_count: u64,
    pub pii: &'a PiiFacts,
}

#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    pub id: &'a str,
    pub event_type: &'a str,
    pub sequence_number: u64,
    pub timestamp: &'a str,
    pub actor_id: Option<&'a str>,
    pub session_id: &'a str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFacts {
    pub agent_id: String,
    pub environment: Option<String>,
    pub started_at: String,
    pub tags: Vec<String>,
}

/// Which kinds of personal data the payload holds, and in how many places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PiiFacts {
    pub types: Vec<&'static str>,
    pub count: u64,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left<'a> {
    Missing,
    /// Something stands there, but it was taken out: its value is not known.
    Redacted,
    /// Something above it was taken out: not even whether it is there is known.
    BelowRedacted,
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
    Array(&'a [Json<'a>]),
    Tags(&'a [String]),
    PiiTypes(&'a [&'static str]),
    Object,
}

impl<'a> Left<'a> {
    fn of(value: &'a Json<'a>) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.value),
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::Array(items),
            Json::Object(_) => Self::Object,
        }
    }

    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }
}

impl<'a> Context<'a> {
    pub(super) fn resolve(&self, path: &Path) -> Left<'a> {
        match path {
            Path::Payload(steps) => resolve(self.payload, steps),
            Path::Field(field) => self.field(*field),
            Path::Item(Field::Tags, at) => Left::text(self.session.tags.get(*at).map(|t| &**t)),
            Path::Item(_, at) => Left::text(self.pii.types.get(*at).copied()),
        }
    }

    fn field(&self, field: Field) -> Left<'a> {
        match field {
            Field::EventId => Left::Text(self.event.id),
            Field::EventType => Left::Text(self.event.event_type),
            Field::SequenceNumber => Left::Number(self.event.sequence_number as f64),
            Field::Timestamp => Left::Text(self.event.timestamp),
            Field::ActorId => Left::text(self.event.actor_id),
            Field::SessionId => Left::Text(self.event.session_id),
            Field::AgentId => Left::Text(&self.session.agent_id),
            Field::Environment => Left::text(self.session.environment.as_deref()),
            Field::EventCount => Left::Number(self.event_count as f64),
            Field::StartedAt => Left::Text(&self.session.started_at),
            Field::Tags => Left::Tags(&self.session.tags),
            Field::PiiTypes => Left::PiiTypes(&self.pii.types),
            Field::PiiCount => Left::Number(self.pii.count as f64),
            Field::RiskScore => Left::Missing,
        }
    }
}

fn resolve<'a>(payload: &'a Json<'a>, steps: &[Step]) -> Left<'a> {
    let mut here = payload;
    for (at, step) in steps.iter().enumerate() {
        let next = match (step, here) {
            (Step::Key { name, .. }, Json::Object(members)) => member(members, name),
            (Step::Index(index), Json::Array(items)) => items.get(*index),
            _ => None,
        };
        let Some(next) = next else { return Left::Missing };
        if is_redacted(here, step, next) {
            return if at + 1 == steps.len() { Left::Redacted } else { Left::BelowRedacted };
        }
        here = next;
    }
    Left::of(here)
}

/// Whether a value is the mark, which only a sibling with the hash makes of that text.
fn is_redacted(parent: &Json<'_>, step: &Step, value: &Json<'_>) -> bool {
    match (parent, step, value) {
        (Json::Object(members), Step::Key { hash_name, .. }, Json::String(text)) => {
            text == REDACTED && member(members, hash_name).is_some()
        }
        _ => false,
    }
}

/// The first member of that name. Large objects are halved, so that many rules over one huge
/// payload stay cheap.
fn member<'j, 'a>(members: &'j [(Cow<'a, str>, Json<'a>)], name: &str) -> Option<&'j Json<'a>> {
    if members.len() <= MEMBERS_SCANNED_MAX {
        return members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    }
    let at = members.partition_point(|(key, _)| utf16_order(key, name).is_lt());
    members.get(at).filter(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::json;

    fn shown(payload: &str, path: &str) -> String {
        let payload = json::parse(payload.as_bytes(), 64).expect("JSON").root;
        let Ok(Path::Payload(steps)) = Path::parse(path) else { panic!("{path}") };
        format!("{:?}", resolve(&payload, &steps))
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let payload = r#"{"a":{"b":[[1,"x"],{"c":null}]}}"#;
        assert_eq!(shown(payload, "payload.a.b[0][1]"), r#"Text("x")"#);
        assert_eq!(shown(payload, "payload.a.b[1].c"), "Null");
        assert_eq!(shown(payload, "payload.a.b[2]"), "Missing");
        assert_eq!(shown(payload, "payload.a[0]"), "Missing");
        assert_eq!(shown(payload, "payload.a.b.c"), "Missing");
    }

    #[test]
    fn the_mark_of_a_redaction_needs_its_hash_beside_it() {
        let payload = r#"{"a":"[REDACTED]","a_hash":"00","b":"[REDACTED]","c":["[REDACTED]"]}"#;
        assert_eq!(shown(payload, "payload.a"), "Redacted");
        assert_eq!(shown(payload, "payload.a.x[0]"), "BelowRedacted");
        assert_eq!(shown(payload, "payload.b"), r#"Text("[REDACTED]")"#);
        assert_eq!(shown(payload, "payload.c[0]"), r#"Text("[REDACTED]")"#);
    }

    #[test]
    fn large_objects_give_the_same_answers_as_small_ones() {
        for size in [MEMBERS_SCANNED_MAX, MEMBERS_SCANNED_MAX + 1, 1_000] {
            let members: Vec<String> = (0..size).map(|n| format!(r#""k{n}":{n}"#)).collect();
            let payload = format!("{{{}}}", members.join(","));
            for n in 0..size {
                assert_eq!(shown(&payload, &format!("payload.k{n}")), format!("Number({n}.0)"));
            }
            assert_eq!(shown(&payload, "payload.k"), "Missing");
            assert_eq!(shown(&payload, "payload.z"), "Missing");
        }
    }
}
