//! A session: one chain of events, from its start to its seal.
//!
//! **Invariants:** sequence numbers are 0, 1, 2 … without a hole; each record names the hash of the
//! one before; after `SESSION_END` only the seal follows; after the seal nothing does.
//!
//! The state is closed-form: its size does not depend on the number of events, so that an append to
//! a session of ten million events costs what it costs in one of ten.

mod append;
mod command;
mod event;
mod seal;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

pub use command::{Append, SessionCommand, Start, StoredEvent};
pub use event::{Batch, EventsAppended, SessionEvent, SessionSealed, SessionStarted};
pub use seal::{PreparedSeal, SealFacts};

use crate::evidence::class::{ClassFacts, EvidenceClass, PartialReason};
use crate::evidence::record::{ChainAuthority, ChainContext};
use crate::evidence::refusal::IngestRefusal;
use crate::hash::Hash;
use crate::ids::SessionId;

/// Whether gaps are refused or filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestMode {
    #[default]
    Strict,
    Permissive,
}

impl IngestMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Permissive => "permissive",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Strict, Self::Permissive].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been heard of it.
    #[default]
    Unborn,
    Active,
    /// `SESSION_END` is stored: only the seal may follow.
    Ended,
    Sealed,
}

/// The state that decisions need.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Session {
    pub phase: Phase,
    pub chain: Option<Chain>,
}

/// A chain that has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    pub session_id: SessionId,
    pub authority: ChainAuthority,
    pub mode: IngestMode,
    pub next_sequence: u64,
    pub head_hash: Option<Hash>,
    pub has_session_end: bool,
    /// Sum of `dropped_count`.
    pub total_drops: u64,
    /// Number of `LOG_DROP` events.
    pub log_drops: u64,
    /// The minute in which clients' `LOG_DROP`s are counted: when it began, how many since.
    pub drop_window: Option<(DateTime<Utc>, u64)>,
    pub last_activity: DateTime<Utc>,
}

impl Chain {
    pub fn context(&self) -> ChainContext {
        ChainContext { session_id: self.session_id, authority: self.authority }
    }

    fn facts(&self, sealed: bool) -> ClassFacts {
        ClassFacts {
            authority: self.authority,
            sealed,
            has_session_end: self.has_session_end,
            has_log_drop: self.log_drops > 0,
        }
    }
}

/// Why a command on a session is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionError {
    #[error("there is no such session")]
    NotFound,
    #[error("a session with this id was started with other values")]
    Exists,
    #[error("{}", .0.why)]
    Refused(IngestRefusal),
    #[error("a session without events cannot be sealed")]
    Empty,
    #[error("the session has no SESSION_END; say \"incomplete\": true to seal it all the same")]
    Incomplete,
    /// The chain has grown since the seal was prepared: prepare it again.
    #[error("the session has changed meanwhile")]
    Moved,
}

impl From<IngestRefusal> for SessionError {
    fn from(refusal: IngestRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Session {
    /// Every rule of sessions, from (state, command) to events.
    pub fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionError> {
        match command {
            SessionCommand::Start(start) => self.start(start),
            SessionCommand::Append(append) => self.append(&append),
            SessionCommand::Seal { prepared, envelope, reason } => {
                self.seal(*prepared, envelope, reason)
            }
        }
    }

    fn start(&self, start: Start) -> Result<Vec<SessionEvent>, SessionError> {
        match self.phase {
            Phase::Unborn => Ok(vec![SessionEvent::Started(SessionStarted::from(start))]),
            Phase::Active | Phase::Ended | Phase::Sealed => Err(SessionError::Exists),
        }
    }

    /// The chain, or the error of a session that does not exist.
    pub fn chain(&self) -> Result<&Chain, SessionError> {
        self.chain.as_ref().ok_or(SessionError::NotFound)
    }

    /// `active`, `sealed`, or `closed` when it was left alone for longer than `idle_max`.
    pub fn status(&self, now: DateTime<Utc>, idle_max: Option<TimeDelta>) -> &'static str {
        let idle = |chain: &Chain| idle_max.is_some_and(|max| now - chain.last_activity > max);
        match self.phase {
            Phase::Sealed => "sealed",
            _ if self.chain.as_ref().is_some_and(idle) => "closed",
            Phase::Unborn | Phase::Active | Phase::Ended => "active",
        }
    }

    /// The class that the session would have now, if its chain verifies.
    pub fn class(&self) -> Option<(EvidenceClass, Vec<PartialReason>)> {
        let facts = self.chain.as_ref()?.facts(self.phase == Phase::Sealed);
        Some((facts.class(), facts.partial_reasons()))
    }
}

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Error = SessionError;
    type Services = ();

    async fn handle(
        &mut self,
        command: SessionCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SessionError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Started(started) => {
                self.phase = Phase::Active;
                self.chain = Some(Chain {
                    session_id: started.session_id,
                    authority: started.chain_authority,
                    mode: started.mode,
                    next_sequence: 0,
                    head_hash: None,
                    has_session_end: false,
                    total_drops: 0,
                    log_drops: 0,
                    drop_window: None,
                    last_activity: started.started_at,
                });
            }
            SessionEvent::Appended(appended) => {
                if appended.seals() {
                    self.phase = Phase::Sealed;
                } else if appended.ends() {
                    self.phase = Phase::Ended;
                }
                if let Some(chain) = &mut self.chain {
                    chain.grow(&appended);
                }
            }
            SessionEvent::Sealed(sealed) => {
                self.phase = Phase::Sealed;
                if let Some(chain) = &mut self.chain {
                    chain.next_sequence = sealed.sequence_number + 1;
                    chain.head_hash = Some(sealed.seal_event_hash);
                    chain.last_activity = sealed.at;
                }
            }
        }
    }
}
