//! The members of one record, by name, and whether they have the types of the contract.

use std::borrow::Cow;

use serde_json::json;

use super::finding::{Code, Findings, Place};
use crate::evidence::json::Json;

/// Names of unknown members that one finding repeats.
const UNKNOWN_SHOWN_MAX: usize = 16;

/// The names that a record may have (evidence.md, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    ActorId,
    ChainAuthority,
    EventHash,
    EventId,
    EventType,
    Payload,
    PayloadHash,
    PrevEventHash,
    ReceivedAt,
    SchemaVer,
    SequenceNumber,
    SessionId,
    Signature,
    SourceSdkVer,
    TimestampMonotonic,
    TimestampWall,
}

const FIELDS: usize = 16;

impl Field {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "actor_id" => Self::ActorId,
            "chain_authority" => Self::ChainAuthority,
            "event_hash" => Self::EventHash,
            "event_id" => Self::EventId,
            "event_type" => Self::EventType,
            "payload" => Self::Payload,
            "payload_hash" => Self::PayloadHash,
            "prev_event_hash" => Self::PrevEventHash,
            "received_at" => Self::ReceivedAt,
            "schema_ver" => Self::SchemaVer,
            "sequence_number" => Self::SequenceNumber,
            "session_id" => Self::SessionId,
            "signature" => Self::Signature,
            "source_sdk_ver" => Self::SourceSdkVer,
            "timestamp_monotonic" => Self::TimestampMonotonic,
            "timestamp_wall" => Self::TimestampWall,
            _ => return None,
        })
    }
}

/// What a required member must be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    TextOrNull,
    Integer,
    Object,
}

impl Kind {
    fn holds(self, value: &Json<'_>) -> bool {
        match self {
            Self::Text => value.as_str().is_some(),
            Self::TextOrNull => value.as_str().is_some() || *value == Json::Null,
            Self::Integer => value.as_integer().is_some(),
            Self::Object => matches!(value, Json::Object(_)),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::TextOrNull => "string or null",
            Self::Integer => "integer 0 to 2^53-1",
            Self::Object => "object",
        }
    }
}

const REQUIRED: [(&str, Field, Kind); 10] = [
    ("event_id", Field::EventId, Kind::Text),
    ("session_id", Field::SessionId, Kind::Text),
    ("sequence_number", Field::SequenceNumber, Kind::Integer),
    ("timestamp_wall", Field::TimestampWall, Kind::Text),
    ("event_type", Field::EventType, Kind::Text),
    ("payload", Field::Payload, Kind::Object),
    ("payload_hash", Field::PayloadHash, Kind::Text),
    ("prev_event_hash", Field::PrevEventHash, Kind::TextOrNull),
    ("event_hash", Field::EventHash, Kind::Text),
    ("chain_authority", Field::ChainAuthority, Kind::Text),
];

/// The members of a record, found in one pass.
#[derive(Debug)]
pub(super) struct Fields<'r> {
    values: [Option<&'r Json<'r>>; FIELDS],
    members: &'r [(Cow<'r, str>, Json<'r>)],
    pub(super) has_unknown: bool,
}

impl<'r> Fields<'r> {
    pub(super) fn collect(members: &'r [(Cow<'r, str>, Json<'r>)]) -> Self {
        let mut values = [None; FIELDS];
        let mut has_unknown = false;
        for (name, value) in members {
            match Field::parse(name) {
                Some(field) => _ = values[field as usize].get_or_insert(value),
                None => has_unknown = true,
            }
        }
        Self { values, members, has_unknown }
    }

    pub(super) fn get(&self, field: Field) -> Option<&'r Json<'r>> {
        self.values[field as usize]
    }

    pub(super) fn text(&self, field: Field) -> Option<&'r str> {
        self.get(field).and_then(Json::as_str)
    }

    pub(super) fn sequence_number(&self) -> Option<u64> {
        self.get(Field::SequenceNumber).and_then(Json::as_integer)
    }

    pub(super) fn members(&self) -> &'r [(Cow<'r, str>, Json<'r>)] {
        self.members
    }

    pub(super) fn place(&self) -> Place<'r> {
        Place { sequence_number: self.sequence_number(), event_id: self.get(Field::EventId) }
    }

    /// Notes what is missing, has another type, or does not belong here.
    pub(super) fn check(&self, findings: &mut Findings) {
        let at = self.place();
        let absent = |field: &&(&str, Field, Kind)| self.get(field.1).is_none();
        if REQUIRED.iter().any(|field| absent(&field)) {
            findings.note(Code::MissingField, at, || {
                let missing: Vec<_> = REQUIRED.iter().filter(absent).map(|field| field.0).collect();
                let message = format!("The record has no {}.", missing.join(", no "));
                (message, json!({ "missing": missing }))
            });
        }
        for (name, field, kind) in REQUIRED {
            if let Some(value) = self.get(field).filter(|value| !kind.holds(value)) {
                findings.note(Code::MissingField, at, || {
                    let (expected, received) = (kind.expected(), value.describe());
                    let message = format!("{name} is not what it must be: {expected}.");
                    (message, json!({ "field": name, "expected": expected, "received": received }))
                });
            }
        }
        if self.has_unknown {
            findings.note(Code::UnknownField, at, || {
                let unknown = self.unknown();
                let message = format!("The contract does not know {}.", unknown.join(", "));
                (message, json!({ "fields": unknown }))
            });
        }
    }

    /// Names of members that the contract does not know, shortened.
    pub(super) fn unknown(&self) -> Vec<String> {
        let unknown = self.members.iter().filter(|(name, _)| Field::parse(name).is_none());
        let names = unknown.map(|(name, _)| Json::String(name.as_ref().into()).describe());
        names.take(UNKNOWN_SHOWN_MAX).collect()
    }
}
