//! What a client sends, and what the door answers.

use domain::evidence::intake::{BodyForm, IncomingEvent, Intake};
use domain::evidence::record::ChainAuthority;
use domain::evidence::refusal::IngestRefusal;
use domain::ids::SessionId;
use serde_json::{Value, json};

pub(crate) const SESSION: &str = "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90";
pub(crate) const BATCH_EVENTS_MAX: usize = 1000;
pub(crate) const EVENT_BYTES_MAX: usize = 4096;

pub(crate) fn door(authority: ChainAuthority) -> Intake {
    Intake {
        session_id: SessionId::parse(SESSION).unwrap(),
        authority,
        batch_events_max: BATCH_EVENTS_MAX,
        event_bytes_max: EVENT_BYTES_MAX,
    }
}

/// The text of a request, from whatever a test has at hand.
pub(crate) struct Body(String);

impl From<Value> for Body {
    fn from(event: Value) -> Self {
        Self(event.to_string())
    }
}

impl From<&Value> for Body {
    fn from(event: &Value) -> Self {
        Self(event.to_string())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&String> for Body {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// An event with nothing but what is required.
pub(crate) fn event() -> Value {
    json!({
        "event_id": "0190c1d2-7a10-7000-8000-000000000000",
        "session_id": SESSION,
        "sequence_number": 0,
        "timestamp_wall": "2026-03-01T09:00:00Z",
        "event_type": "quiz.submitted",
        "payload": { "score": 7 },
    })
}

/// The event with one field set.
pub(crate) fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut event = event();
    event[field] = value.into();
    event
}

pub(crate) fn without(field: &str) -> Value {
    let mut event = event();
    event.as_object_mut().unwrap().remove(field).unwrap();
    event
}

/// The event with one value written literally, for what `serde_json` would write otherwise.
pub(crate) fn with_literal(field: &str, literal: &str) -> String {
    with(field, "literal goes here").to_string().replace("\"literal goes here\"", literal)
}

/// A batch of events, each given as JSON text.
pub(crate) fn batch<E: ToString>(events: impl IntoIterator<Item = E>) -> String {
    let events: Vec<_> = events.into_iter().map(|event| event.to_string()).collect();
    format!("{{\"events\":[{}]}}", events.join(","))
}

pub(crate) fn read(body: &str) -> Result<Vec<IncomingEvent>, IngestRefusal> {
    door(ChainAuthority::Server).read(body.as_bytes(), BodyForm::Json)
}

pub(crate) fn read_lines(body: &str) -> Result<Vec<IncomingEvent>, IngestRefusal> {
    door(ChainAuthority::Server).read(body.as_bytes(), BodyForm::NdJson)
}

/// The one event of a body that is taken.
pub(crate) fn taken(body: impl Into<Body>) -> IncomingEvent {
    let Body(body) = body.into();
    let mut events = read(&body).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"));
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// Code and details of the refusal.
pub(crate) fn verdict<T: std::fmt::Debug>(read: Result<T, IngestRefusal>) -> (&'static str, Value) {
    let refusal = read.expect_err("a refusal");
    (refusal.why.code(), refusal.details())
}

pub(crate) fn refused(body: impl Into<Body>) -> (&'static str, Value) {
    verdict(read(&body.into().0))
}

/// The complaint that one field of the only event is not what it should be.
pub(crate) fn assert_field_refused(body: impl Into<Body>, field: &str, received: &str) {
    let Body(body) = body.into();
    let (code, details) = refused(body.as_str());
    assert_eq!(code, "INGEST_SCHEMA_INVALID", "{body}");
    assert_eq!(details["field"], field, "{body}");
    assert_eq!(details["received"], received, "{body}");
    assert!(details["expected"].is_string(), "{body}");
    assert_eq!(details["index"], 0, "{body}");
}
