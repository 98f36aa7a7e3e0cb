//! What has happened to a session. These are stored for ever: see `tests/golden` for every version.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::IngestMode;
use super::command::Start;
use crate::evidence::canonical;
use crate::evidence::class::{EvidenceClass, PartialReason};
use crate::evidence::dsse::Envelope;
use crate::evidence::event_type::EventType;
use crate::evidence::record::{ChainAuthority, Record};
use crate::evidence::seal::Seal;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};
use crate::personal_data;

/// Bytes of a tool's name in [`EventsAppended::tools`].
const TOOL_NAME_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionEvent {
    Started(SessionStarted),
    #[serde(rename = "events_appended")]
    Appended(EventsAppended),
    Sealed(Box<SessionSealed>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStarted {
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
    pub started_at: DateTime<Utc>,
}

/// One append command that was taken; its records stand in `evidence_events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsAppended {
    pub first_sequence: u64,
    pub last_sequence: u64,
    pub count: u64,
    pub head_hash: Hash,
    /// Events by type.
    pub types: BTreeMap<EventType, u64>,
    /// Sum of `dropped_count` over the batch.
    pub dropped: u64,
    /// `LOG_DROP`s that the server made to fill gaps; the rest of them came from the client.
    pub filled: u64,
    pub at: DateTime<Utc>,
    /// Calls by tool (since version 2, which an append without calls does not need).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, u64>,
    /// The records on their way into the store.
    #[serde(skip)]
    pub batch: Batch,
}

/// The records of one append; shared, because cqrs-es clones events.
pub type Batch = Arc<Vec<Record>>;

/// The server has closed the chain with its seal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSealed {
    pub sequence_number: u64,
    pub seal_event_hash: Hash,
    pub seal: Seal,
    pub evidence_class: EvidenceClass,
    pub partial_reasons: Vec<PartialReason>,
    pub envelope: Envelope,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
    #[serde(skip)]
    pub record: Option<Arc<Record>>,
    /// Of the last event of any policy when the seal was prepared: its commit finds it unmoved.
    #[serde(skip)]
    pub policies_position: u64,
}

impl EventsAppended {
    pub(super) fn of(
        records: Vec<Record>,
        dropped: u64,
        filled: u64,
        at: DateTime<Utc>,
    ) -> Option<Self> {
        let (first, last) = (records.first()?, records.last()?);
        let mut types = BTreeMap::new();
        let mut tools = BTreeMap::new();
        for record in &records {
            if let Some(tool) = tool_called(record) {
                *tools.entry(tool).or_default() += 1;
            }
            match types.get_mut(&record.body.event_type) {
                Some(count) => *count += 1,
                None => {
                    types.insert(record.body.event_type.clone(), 1);
                }
            }
        }
        Some(Self {
            first_sequence: first.body.sequence_number,
            last_sequence: last.body.sequence_number,
            count: records.len() as u64,
            head_hash: last.event_hash,
            types,
            dropped,
            filled,
            at,
            tools,
            batch: Arc::new(records),
        })
    }

    /// `LOG_DROP`s of the batch.
    pub fn log_drops(&self) -> u64 {
        self.types.get(&EventType::LOG_DROP).copied().unwrap_or_default()
    }

    /// Whether a `SESSION_END` is among them.
    pub fn ends(&self) -> bool {
        self.types.contains_key(&EventType::SESSION_END)
    }

    /// In an `sdk` session the client may bring the seal itself.
    pub fn seals(&self) -> bool {
        self.types.contains_key(&EventType::CHAIN_SEAL)
    }
}

/// Which tool a `TOOL_CALL` calls, for what is counted by tool. A name is cut at
/// [`TOOL_NAME_BYTES_MAX`], and personal data in it is masked: it is a label there, the evidence
/// keeps the whole.
fn tool_called(record: &Record) -> Option<String> {
    if record.body.event_type != EventType::TOOL_CALL {
        return None;
    }
    let name = canonical::text_member(&record.body.payload, "tool_name")?;
    let mut name = personal_data::mask(&name).into_owned();
    name.truncate(name.floor_char_boundary(TOOL_NAME_BYTES_MAX));
    Some(name)
}

impl From<Start> for SessionStarted {
    fn from(start: Start) -> Self {
        Self {
            tenant_id: start.tenant_id,
            session_id: start.session_id,
            agent_id: start.agent_id,
            environment: start.environment,
            framework: start.framework,
            chain_authority: start.chain_authority,
            mode: start.mode,
            tags: start.tags,
            metadata: start.metadata,
            ingestion_service_id: start.ingestion_service_id,
            started_at: start.at,
        }
    }
}

impl DomainEvent for SessionEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Started(_) => "session.started",
            Self::Appended(_) => "session.events_appended",
            Self::Sealed(_) => "session.sealed",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        match self {
            Self::Appended(appended) if !appended.tools.is_empty() => "2",
            Self::Started(_) | Self::Appended(_) | Self::Sealed(_) => "1",
        }
        .to_owned()
    }
}
