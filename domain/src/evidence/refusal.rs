//! Why events are not taken in: one variant for each code of evidence.md, section 3.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::SessionId;

/// A refusal and the event of the batch that caused it, where it was one.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestRefusal {
    /// Position in the request, from 0.
    pub index: Option<usize>,
    pub why: Refusal,
}

/// The reasons, in the order in which they are checked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the content type is not one of application/json and application/x-ndjson in UTF-8")]
    ContentType { received: Option<String> },
    #[error("the {what} exceeds its limit")]
    TooLarge { what: &'static str, limit: u64, received: u64 },
    #[error("the body is not JSON: {message}")]
    Json { message: &'static str, line: usize, column: usize },
    #[error("{field} is set by the server alone")]
    AuthorityLeak { field: &'static str },
    #[error("the event does not have the shape of an event")]
    Schema(SchemaComplaint),
    #[error("timestamp_wall is not an RFC 3339 time with an offset")]
    Timestamp { received: String },
    #[error("the event holds JSON that RFC 8785 cannot carry faithfully")]
    Jcs { pointer: String, reason: &'static str },
    #[error("payload_hash is not the hash of the payload")]
    PayloadHash { expected: String, received: String },
    #[error("there is no such session")]
    SessionNotFound { session_id: SessionId },
    #[error("the session takes no more events")]
    SessionClosed { session_id: SessionId, status: &'static str },
    #[error("the first event of a session has sequence number 0")]
    InvalidFirstSequence { received: u64 },
    #[error("another event is already stored under this sequence number")]
    SequenceRewind { last_sequence: u64, received_sequence: u64 },
    #[error("events are missing before this one")]
    LogGap { expected_sequence: u64, received_sequence: u64 },
    #[error("the session already holds another event with this event_id")]
    EventIdConflict { event_id: Uuid },
    #[error("a limit is reached")]
    PolicyLimit { policy: String, control: &'static str, limit: u64 },
}

/// What is wrong with the shape of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaComplaint {
    Fields { missing: Vec<String>, unexpected: Vec<String> },
    Field { field: String, expected: String, received: String },
}

impl SchemaComplaint {
    pub fn field(field: &str, expected: &str, received: &str) -> Self {
        Self::Field {
            field: field.to_owned(),
            expected: expected.to_owned(),
            received: received.to_owned(),
        }
    }

    pub fn missing(fields: Vec<String>) -> Self {
        Self::Fields { missing: fields, unexpected: Vec::new() }
    }
}

impl Refusal {
    pub fn at(self, index: usize) -> IngestRefusal {
        IngestRefusal { index: Some(index), why: self }
    }

    pub fn whole(self) -> IngestRefusal {
        IngestRefusal { index: None, why: self }
    }

    /// The code of the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ContentType { .. } => "INGEST_CONTENT_TYPE_INVALID",
            Self::TooLarge { .. } => "INGEST_BATCH_TOO_LARGE",
            Self::Json { .. } => "INGEST_JSON_INVALID",
            Self::AuthorityLeak { .. } => "INGEST_AUTHORITY_LEAK",
            Self::Schema(_) => "INGEST_SCHEMA_INVALID",
            Self::Timestamp { .. } => "INGEST_TIMESTAMP_INVALID",
            Self::Jcs { .. } => "INGEST_JCS_INVALID",
            Self::PayloadHash { .. } => "INGEST_PAYLOAD_HASH_MISMATCH",
            Self::SessionNotFound { .. } => "INGEST_SESSION_NOT_FOUND",
            Self::SessionClosed { .. } => "INGEST_SESSION_CLOSED",
            Self::InvalidFirstSequence { .. } => "INGEST_INVALID_FIRST_SEQUENCE",
            Self::SequenceRewind { .. } => "INGEST_SEQUENCE_REWIND",
            Self::LogGap { .. } => "INGEST_LOG_GAP",
            Self::EventIdConflict { .. } => "INGEST_EVENT_ID_CONFLICT",
            Self::PolicyLimit { .. } => "INGEST_POLICY_LIMIT",
        }
    }
}

impl IngestRefusal {
    /// The details of the contract's table, with the event's `index` where there is one.
    pub fn details(&self) -> Value {
        let mut details = match &self.why {
            Refusal::ContentType { received } => json!({ "received": received }),
            Refusal::TooLarge { what, limit, received } => {
                json!({ "what": what, "limit": limit, "received": received })
            }
            Refusal::Json { message: _, line, column } => json!({ "line": line, "column": column }),
            Refusal::AuthorityLeak { field } => json!({ "field": field }),
            Refusal::Schema(SchemaComplaint::Fields { missing, unexpected }) => {
                json!({ "missing_fields": missing, "unexpected_fields": unexpected })
            }
            Refusal::Schema(SchemaComplaint::Field { field, expected, received }) => {
                json!({ "field": field, "expected": expected, "received": received })
            }
            Refusal::Timestamp { received } => json!({ "received": received }),
            Refusal::Jcs { pointer, reason } => json!({ "pointer": pointer, "reason": reason }),
            Refusal::PayloadHash { expected, received } => {
                json!({ "expected": expected, "received": received })
            }
            Refusal::SessionNotFound { session_id } => json!({ "session_id": session_id }),
            Refusal::SessionClosed { session_id, status } => {
                json!({ "session_id": session_id, "status": status })
            }
            Refusal::InvalidFirstSequence { received } => json!({ "received": received }),
            Refusal::SequenceRewind { last_sequence, received_sequence } => {
                json!({ "last_sequence": last_sequence, "received_sequence": received_sequence })
            }
            Refusal::LogGap { expected_sequence, received_sequence } => json!({
                "expected_sequence": expected_sequence,
                "received_sequence": received_sequence,
            }),
            Refusal::EventIdConflict { event_id } => json!({ "event_id": event_id }),
            Refusal::PolicyLimit { policy, control, limit } => {
                json!({ "policy": policy, "control": control, "limit": limit })
            }
        };
        if let Some(index) = self.index {
            details["index"] = index.into();
        }
        details
    }
}
