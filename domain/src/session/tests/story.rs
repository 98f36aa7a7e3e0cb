//! The words of the tests: a session, what came to it, and what it holds now.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use serde_json::{Map, json};
use uuid::Uuid;

use crate::evidence::canonical::payload_hash;
use crate::evidence::dsse::Envelope;
use crate::evidence::event_type::EventType;
use crate::evidence::intake::{ClaimedChain, IncomingEvent};
use crate::evidence::merkle::MerkleTree;
use crate::evidence::record::{ChainAuthority, EventBody, Record, SchemaVersion};
use crate::evidence::refusal::Refusal;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};
use crate::session::{
    Append, Chain, EventsAppended, IngestMode, SealFacts, Session, SessionCommand, SessionError,
    SessionEvent, SessionSealed, Start, StoredEvent,
};

pub(super) fn session_id() -> SessionId {
    SessionId(Uuid::from_u128(0x5e55))
}

pub(super) fn tenant_id() -> TenantId {
    TenantId(Uuid::from_u128(0x7e4a))
}

pub(super) fn start(authority: ChainAuthority, mode: IngestMode) -> Start {
    Start {
        tenant_id: tenant_id(),
        session_id: session_id(),
        agent_id: "refund-agent".to_owned(),
        environment: None,
        framework: None,
        chain_authority: authority,
        mode,
        tags: vec![],
        metadata: Map::new(),
        ingestion_service_id: "exhibit-test".to_owned(),
        at: DateTime::UNIX_EPOCH,
    }
}

/// An event as the intake hands it over.
pub(super) fn incoming(sequence_number: u64, event_type: &str, payload: &str) -> IncomingEvent {
    let body = EventBody {
        event_id: Uuid::from_u128(0xe0000 + u128::from(sequence_number)),
        sequence_number,
        timestamp_wall: "2026-03-01T09:00:00Z".to_owned(),
        event_type: EventType::parse(event_type).unwrap(),
        payload: payload.to_owned(),
        payload_hash: payload_hash(payload.as_bytes()),
        timestamp_monotonic: None,
        source_sdk_ver: None,
        schema_ver: SchemaVersion::V06,
        actor_id: None,
    };
    IncomingEvent { body: body.into(), dropped: 0, claimed: None }
}

pub(super) fn answer(sequence_number: u64) -> IncomingEvent {
    incoming(sequence_number, "quiz.answered", "{}")
}

pub(super) fn answers(numbers: impl IntoIterator<Item = u64>) -> Vec<IncomingEvent> {
    numbers.into_iter().map(answer).collect()
}

pub(super) fn end(sequence_number: u64) -> IncomingEvent {
    let payload = r#"{"duration_ms":1,"status":"success"}"#;
    incoming(sequence_number, "SESSION_END", payload)
}

/// A client's word that it has lost events.
pub(super) fn log_drop(sequence_number: u64, dropped: u64) -> IncomingEvent {
    let payload = json!({
        "cumulative_drops": dropped, "drop_reason": "BUFFER_FULL", "dropped_count": dropped,
    });
    IncomingEvent { dropped, ..incoming(sequence_number, "LOG_DROP", &payload.to_string()) }
}

/// The events as an SDK sends them that has chained them behind `prev`.
pub(super) fn chained(prev: Option<Hash>, events: Vec<IncomingEvent>) -> Vec<IncomingEvent> {
    let mut head = prev;
    let chain = |event: IncomingEvent| {
        let record = Record::chain(event.body.clone(), session_id(), head, DateTime::UNIX_EPOCH);
        let claimed = ClaimedChain { prev_event_hash: head, event_hash: record.event_hash };
        head = Some(record.event_hash);
        IncomingEvent { claimed: Some(claimed), ..event }
    };
    events.into_iter().map(chain).collect()
}

/// A session, what is stored of it, and the clock that stands still unless it is told otherwise.
#[derive(Clone)]
pub(super) struct Story {
    pub(super) session: Session,
    pub(super) stored: Vec<Record>,
    pub(super) at: DateTime<Utc>,
    pub(super) idle_max: Option<TimeDelta>,
}

impl Story {
    pub(super) fn unborn() -> Self {
        let at = DateTime::UNIX_EPOCH;
        Self { session: Session::default(), stored: vec![], at, idle_max: None }
    }

    pub(super) fn started(authority: ChainAuthority, mode: IngestMode) -> Self {
        let mut story = Self::unborn();
        story.command(SessionCommand::Start(start(authority, mode))).unwrap();
        story
    }

    pub(super) fn strict() -> Self {
        Self::started(ChainAuthority::Server, IngestMode::Strict)
    }

    pub(super) fn permissive() -> Self {
        Self::started(ChainAuthority::Server, IngestMode::Permissive)
    }

    pub(super) fn sdk() -> Self {
        Self::started(ChainAuthority::Sdk, IngestMode::Strict)
    }

    /// What has come in so far, without a complaint.
    pub(super) fn given(mut self, events: Vec<IncomingEvent>) -> Self {
        self.append(events).unwrap();
        self
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.at += TimeDelta::seconds(seconds);
    }

    pub(super) fn chain(&self) -> &Chain {
        self.session.chain().unwrap()
    }

    /// Decides, and lets what was decided happen.
    pub(super) fn command(
        &mut self,
        command: SessionCommand,
    ) -> Result<Vec<SessionEvent>, SessionError> {
        let events = self.session.decide(command)?;
        for event in &events {
            match event {
                SessionEvent::Started(_) => {}
                SessionEvent::Appended(appended) => self.stored.extend_from_slice(&appended.batch),
                SessionEvent::Sealed(sealed) => {
                    self.stored.extend(sealed.record.as_deref().cloned());
                }
            }
            self.session.apply(event.clone());
        }
        Ok(events)
    }

    /// What was appended; `None` when all of it was known.
    pub(super) fn append(
        &mut self,
        events: Vec<IncomingEvent>,
    ) -> Result<Option<EventsAppended>, SessionError> {
        let first = events.first().map_or(0, |event| event.body.sequence_number);
        let stored = self.stored.iter().skip(first as usize).map(|record| StoredEvent {
            sequence_number: record.body.sequence_number,
            prev_event_hash: record.prev_event_hash,
            event_hash: record.event_hash,
        });
        let append = Append {
            stored: stored.collect(),
            events: events.into(),
            id_seed: Uuid::from_u128(0x5eed),
            idle_max: self.idle_max,
            session_limits: std::sync::Arc::new([]),
            at: self.at,
        };
        let mut events = self.command(SessionCommand::Append(append))?;
        assert!(events.len() <= 1, "one append is one event");
        Ok(events.pop().map(|event| match event {
            SessionEvent::Appended(appended) => appended,
            other => panic!("an append gave {other:?}"),
        }))
    }

    /// The refusal of a batch, which must leave the session as it was.
    pub(super) fn refusal(&mut self, events: Vec<IncomingEvent>) -> (Option<usize>, Refusal) {
        let before = self.session.clone();
        match self.append(events) {
            Err(SessionError::Refused(refusal)) => {
                assert_eq!(self.session, before);
                (refusal.index, refusal.why)
            }
            other => panic!("no refusal: {other:?}"),
        }
    }

    pub(super) fn seal_facts(&self, incomplete: bool) -> SealFacts {
        let mut tree = MerkleTree::default();
        for record in &self.stored {
            let mut leaf = Vec::new();
            record.write_leaf(&self.chain().context(), &mut leaf);
            tree.push(&leaf);
        }
        SealFacts {
            tenant_id: tenant_id(),
            ingestion_service_id: "exhibit-test".to_owned(),
            session_digest: tree.root(),
            event_count: self.stored.len() as u64,
            final_event_hash: self.stored.last().map_or(Hash([0; 32]), |last| last.event_hash),
            policy_set_digest: "sha256:none".to_owned(),
            policies_position: 0,
            event_id: Uuid::from_u128(0x5ea1),
            incomplete,
            at: self.at,
        }
    }

    pub(super) fn seal(&mut self, incomplete: bool) -> Result<Box<SessionSealed>, SessionError> {
        let prepared = self.session.prepare_seal(self.seal_facts(incomplete))?;
        let envelope = Envelope::new("test", &prepared.statement, "key".to_owned(), &[0; 64]);
        let prepared = Box::new(prepared);
        let events = self.command(SessionCommand::Seal { prepared, envelope, reason: None })?;
        match events.as_slice() {
            [SessionEvent::Sealed(sealed)] => Ok(sealed.clone()),
            other => panic!("a seal gave {other:?}"),
        }
    }
}
