//! What can be asked of a session. Time, identifiers and whatever had to be looked up come along.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{IngestMode, PreparedSeal};
use crate::evidence::dsse::Envelope;
use crate::evidence::intake::IncomingEvent;
use crate::evidence::record::ChainAuthority;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};

#[derive(Debug, Clone, PartialEq)]
pub enum SessionCommand {
    Start(Start),
    Append(Append),
    Seal { prepared: Box<PreparedSeal>, envelope: Envelope, reason: Option<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub tenant_id: TenantId,
    pub session_id: SessionId,
    pub agent_id: String,
    pub environment: Option<String>,
    pub framework: Option<String>,
    pub chain_authority: ChainAuthority,
    pub mode: IngestMode,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    pub ingestion_service_id: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Shared, because a command that loses a race is decided again.
    pub events: Arc<[IncomingEvent]>,
    /// What is stored already from `events[0]`'s sequence number on; may be empty, or stop short
    /// of the chain's end when the batch does.
    pub stored: Vec<StoredEvent>,
    /// Unpredictable; the ids of `LOG_DROP`s that fill gaps are derived from it.
    pub id_seed: Uuid,
    /// How long a session may be left alone before it takes no more events.
    pub idle_max: Option<TimeDelta>,
    /// `limits.max_events_per_session` of the policies in force, with their names.
    pub session_limits: Arc<[(String, u64)]>,
    pub at: DateTime<Utc>,
}

/// Where a stored event stands and what it hashes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent {
    pub sequence_number: u64,
    pub prev_event_hash: Option<Hash>,
    pub event_hash: Hash,
}
