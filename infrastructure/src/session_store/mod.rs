//! `EventStore<Session>`: one domain event an append, its records beside it, group commit.
//!
//! Who owns what: the head row is the lock of a session (compared-and-swapped by version), the
//! tenant's head row is the lock of the log's order. Both, the records and the domain event are
//! written in one statement, so a crash leaves all of an append or nothing of it. The cache of heads
//! is a guess that a commit checks: losing it, or its being old, costs a round and no more.

mod group;
mod head;

use std::collections::HashMap;
use std::sync::Arc;

use application::{AggregateId, CommandError, Commands, Committed, Hints, Metadata};
use async_trait::async_trait;
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use domain::ids::TenantId;
use domain::session::{Session, SessionCommand, SessionError, SessionEvent, SessionSealed};
use moka::sync::Cache;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::keyring::EvidenceKeys;
use crate::write_door::{carry_out, command_error, database, unexpected, unwritten};
use group::{Append, Writers};
use head::HeadRow;

/// Heads that are kept at hand, about 300 bytes each.
const HEADS_CACHED_MAX: u64 = 20_000;

/// The store of sessions.
pub struct SessionStore {
    pool: PgPool,
    heads: Cache<(TenantId, Uuid), Arc<Versioned>>,
    writers: Writers,
    evidence_keys: Arc<EvidenceKeys>,
    hints: Arc<dyn Hints>,
}

/// A state and the number of domain events that led to it.
#[derive(Debug, Clone, Default)]
struct Versioned {
    version: i64,
    session: Session,
}

/// A session between its loading and its commit.
pub struct SessionContext {
    id: AggregateId,
    version: i64,
    session: Session,
}

impl AggregateContext<Session> for SessionContext {
    fn aggregate(&mut self) -> &mut Session {
        &mut self.session
    }
}

type StoreError = AggregateError<SessionError>;

impl SessionStore {
    /// `writers` groups of appends are written at a time; `hints` hears of every commit.
    pub fn new(
        pool: PgPool,
        evidence_keys: Arc<EvidenceKeys>,
        hints: Arc<dyn Hints>,
        writers: usize,
    ) -> Self {
        let heads = Cache::new(HEADS_CACHED_MAX);
        let writers = Writers::spawn(&pool, hints.clone(), writers);
        Self { pool, heads, writers, evidence_keys, hints }
    }

    async fn head(&self, id: &AggregateId) -> Result<Arc<Versioned>, StoreError> {
        if let Some(head) = self.heads.get(&(id.tenant, id.id)) {
            return Ok(head);
        }
        self.stored_head(id).await
    }

    async fn stored_head(&self, id: &AggregateId) -> Result<Arc<Versioned>, StoreError> {
        let Some(head) = head::select(&self.pool, id).await.map_err(database)? else {
            return Ok(Arc::default());
        };
        let head = Arc::new(head);
        self.remember((id.tenant, id.id), head.clone());
        Ok(head)
    }

    /// Keeps the newest head that anyone has seen. A reader that was slower than a writer must not
    /// put an older one back: a refusal that was decided on it could not be told from a true one.
    fn remember(&self, key: (TenantId, Uuid), head: Arc<Versioned>) {
        self.heads.entry(key).and_upsert_with(|kept| match kept {
            Some(kept) if kept.value().version > head.version => kept.into_value(),
            _ => head,
        });
    }

    async fn context(&self, id: &AggregateId) -> Result<SessionContext, StoreError> {
        let head = self.head(id).await?;
        Ok(SessionContext { id: id.clone(), version: head.version, session: head.session.clone() })
    }

    /// Writes what a command has made; the position of its event.
    async fn write(
        &self,
        event: &SessionEvent,
        context: &SessionContext,
        metadata: &HashMap<String, String>,
    ) -> Result<i64, StoreError> {
        let metadata = serde_json::to_string(metadata).map_err(unexpected)?;
        let payload = serde_json::to_string(event).map_err(unexpected)?;
        let head = HeadRow::of(&context.session).ok_or_else(|| unexpected("a session unborn"))?;
        let (records, seal) = match event {
            SessionEvent::Started(started) => {
                let inserted =
                    head::insert(&self.pool, &context.id, started, &head, &payload, &metadata)
                        .await;
                let position = inserted.map_err(unwritten)?;
                self.hints.committed(context.id.tenant, position as u64);
                return Ok(position);
            }
            SessionEvent::Appended(appended) => (appended.batch.clone(), None),
            SessionEvent::Sealed(sealed) => (sealed_record(sealed)?, Some(sealed.as_ref())),
        };
        let (kid, macs) = self.evidence_keys.sign(context.id.tenant, &records);
        let append = Append {
            id: context.id.clone(),
            version: context.version,
            head,
            event_type: cqrs_es::DomainEvent::event_type(event),
            event_version: cqrs_es::DomainEvent::event_version(event),
            payload,
            metadata,
            records,
            kid,
            macs,
        };
        match seal {
            None => self.writers.write(append).await,
            Some(seal) => {
                let position = group::write_seal(&self.pool, append, seal).await?;
                self.hints.committed(context.id.tenant, position as u64);
                Ok(position)
            }
        }
    }
}

fn sealed_record(
    sealed: &SessionSealed,
) -> Result<Arc<Vec<domain::evidence::record::Record>>, StoreError> {
    let record = sealed.record.as_ref().ok_or_else(|| unexpected("a seal without its record"))?;
    Ok(Arc::new(vec![record.as_ref().clone()]))
}

impl EventStore<Session> for SessionStore {
    type AC = SessionContext;

    /// The domain events, without their records.
    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<Session>>, StoreError> {
        let id = parse(aggregate_id)?;
        let rows = sqlx::query(
            "select sequence, payload::text, metadata::text from events
             where tenant_id = $1 and aggregate_type = 'session' and aggregate_id = $2
             order by sequence",
        )
        .bind(id.tenant.0)
        .bind(id.id.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(database)?;
        rows.iter()
            .map(|row| {
                Ok(EventEnvelope {
                    aggregate_id: aggregate_id.to_owned(),
                    sequence: row.get::<i64, _>(0) as usize,
                    payload: serde_json::from_str(row.get(1)).map_err(unexpected)?,
                    metadata: serde_json::from_str(row.get(2)).map_err(unexpected)?,
                })
            })
            .collect()
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<SessionContext, StoreError> {
        self.context(&parse(aggregate_id)?).await
    }

    async fn commit(
        &self,
        events: Vec<SessionEvent>,
        context: SessionContext,
        mut metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Session>>, StoreError> {
        let mut events = events.into_iter();
        let Some(event) = events.next() else { return Ok(Vec::new()) };
        if events.next().is_some() {
            return Err(unexpected("a session makes one event a command"));
        }
        let key = (context.id.tenant, context.id.id);
        // After a conflict the cache is old, which the next reload mends.
        let position = self.write(&event, &context, &metadata).await?;
        let version = context.version + 1;
        let head = Versioned { version, session: context.session };
        self.remember(key, Arc::new(head));
        metadata.insert("position".to_owned(), position.to_string());
        Ok(vec![EventEnvelope {
            aggregate_id: context.id.id.to_string(),
            sequence: version as usize,
            payload: event,
            metadata,
        }])
    }
}

#[async_trait]
impl Commands<Session> for SessionStore {
    async fn load(&self, id: &AggregateId) -> Result<Session, CommandError<SessionError>> {
        Ok(self.head(id).await.map_err(command_error)?.session.clone())
    }

    async fn reload(&self, id: &AggregateId) -> Result<Session, CommandError<SessionError>> {
        Ok(self.stored_head(id).await.map_err(command_error)?.session.clone())
    }

    async fn execute(
        &self,
        id: &AggregateId,
        command: SessionCommand,
        metadata: &Metadata,
    ) -> Result<Committed<Session>, CommandError<SessionError>> {
        let context = self.context(id).await.map_err(command_error)?;
        carry_out(self, id, context, command, metadata).await
    }
}

fn parse(aggregate_id: &str) -> Result<AggregateId, StoreError> {
    AggregateId::parse(aggregate_id)
        .ok_or_else(|| unexpected("an aggregate id that is not <tenant>/<session>"))
}
