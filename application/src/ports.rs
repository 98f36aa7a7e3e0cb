//! What the use cases need from outside.

use std::collections::HashMap;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::evidence::dsse::Envelope;
use domain::evidence::record::{EvidenceSignature, Record};
use domain::ids::{SessionId, TenantId, parse_uuid};
use domain::policy::lifecycle;
use domain::session::StoredEvent;
use futures::Stream;
use uuid::Uuid;

/// The time, in UTC.
pub trait Clock: Send + Sync {
    /// Now, cut to microseconds, which is what the database keeps.
    fn now(&self) -> DateTime<Utc>;
}

/// Fresh identifiers.
pub trait Ids: Send + Sync {
    /// A UUID version 7: unpredictable, and sorted by the time of its making.
    fn uuid(&self) -> Uuid;
}

/// Signs in the service's name.
#[async_trait]
pub trait Signer: Send + Sync {
    /// A DSSE envelope over `payload`, by the key that is current now.
    async fn sign(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError>;
}

/// Hears of every commit, after it, and wakes those who follow the tenant's log.
///
/// A hint carries no truth and may be lost: followers look at the log themselves, now and then.
pub trait Hints: Send + Sync {
    /// The tenant's log has reached `position`.
    fn committed(&self, tenant: TenantId, position: u64);
}

/// What a follower of logs hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// The tenant's log has reached a position.
    Reached {
        /// Whose log.
        tenant: TenantId,
        /// Of the last event.
        position: u64,
    },
    /// Something may have happened anywhere.
    LookAround,
}

/// An aggregate of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AggregateId {
    /// Whose log its events stand in.
    pub tenant: TenantId,
    /// Unique among the tenant's aggregates of the type.
    pub id: Uuid,
}

impl AggregateId {
    /// Reads `<tenant>/<id>`, as cqrs-es names the aggregates of our own stores.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, id) = text.split_once('/')?;
        Some(Self { tenant: TenantId::parse(tenant)?, id: parse_uuid(id)? })
    }

    /// Names a session.
    pub fn session(tenant: TenantId, session: SessionId) -> Self {
        Self { tenant, id: session.0 }
    }

    /// Names all versions of a policy.
    pub fn policy(tenant: TenantId, name: &str) -> Self {
        Self { tenant, id: lifecycle::aggregate_id(tenant, name) }
    }

    /// Names a tenant's own aggregate.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { tenant, id: tenant.0 }
    }
}

/// Who caused a command, kept with every event that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `key:<id>` of the API key, or `cli`.
    pub actor: String,
    /// Follows a request through logs, answers and events.
    pub correlation_id: String,
}

impl Metadata {
    /// As cqrs-es carries it; the tenant goes along because a trigger places events by it.
    pub fn to_map(&self, tenant: TenantId) -> HashMap<String, String> {
        HashMap::from([
            ("tenant_id".to_owned(), tenant.to_string()),
            ("actor".to_owned(), self.actor.clone()),
            ("correlation_id".to_owned(), self.correlation_id.clone()),
        ])
    }
}

/// What a command has brought about.
#[derive(Debug, Clone)]
pub struct Committed<A: Aggregate> {
    /// The events, none when all was so already.
    pub events: Vec<A::Event>,
    /// The aggregate after them.
    pub state: A,
    /// Position of the last of them in the tenant's log.
    pub position: Option<u64>,
}

/// Why a command has not been carried out. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E: std::error::Error> {
    /// A rule forbids it.
    #[error("{0}")]
    Refused(E),
    /// Somebody else has changed the aggregate meanwhile: load, decide and try again.
    #[error("the aggregate has changed meanwhile")]
    Conflict,
    /// The machinery failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A failure of the machinery behind a port. The cause is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
#[error("{context}: {cause}")]
pub struct PortError {
    /// What was tried.
    pub context: &'static str,
    /// Why it failed.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    /// Wraps a cause.
    pub fn new(
        context: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { context, cause: cause.into() }
    }
}

/// The one write door of an aggregate.
#[async_trait]
pub trait Commands<A: Aggregate>: Send + Sync {
    /// The aggregate, default when nothing was heard of it. May be as old as this server's last
    /// sight of it: a commit finds that out, a refusal must ask [`Commands::reload`] first.
    async fn load(&self, id: &AggregateId) -> Result<A, CommandError<A::Error>>;

    /// The aggregate as it is stored now.
    async fn reload(&self, id: &AggregateId) -> Result<A, CommandError<A::Error>>;

    /// Decides and commits. Everything the command makes is stored, or nothing is.
    async fn execute(
        &self,
        id: &AggregateId,
        command: A::Command,
        metadata: &Metadata,
    ) -> Result<Committed<A>, CommandError<A::Error>>;
}

/// Records in the order of their numbers.
pub type RecordStream<'a> =
    Pin<Box<dyn Stream<Item = Result<(Record, EvidenceSignature), PortError>> + Send + 'a>>;

/// Stored evidence of one session.
#[async_trait]
pub trait EvidenceReader: Send + Sync {
    /// The hashes stored for the numbers `first ..= last`.
    async fn stored(
        &self,
        tenant: TenantId,
        session: SessionId,
        first: u64,
        last: u64,
    ) -> Result<Vec<StoredEvent>, PortError>;

    /// The records of these numbers, in order, read as they are asked for.
    fn records(
        &self,
        tenant: TenantId,
        session: SessionId,
        numbers: Range<u64>,
    ) -> RecordStream<'_>;

    /// The position of the latest event in the tenant's log that concerns the session.
    async fn position(&self, tenant: TenantId, session: SessionId) -> Result<u64, PortError>;
}
