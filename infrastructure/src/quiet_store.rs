//! The aggregates that are written seldom: postgres-es in event-store mode, behind the write door.

use std::marker::PhantomData;
use std::sync::Arc;

use application::{AggregateId, CommandError, Commands, Committed, Hints, Metadata, PortError};
use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, AggregateContext, EventStore};
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;

use crate::write_door::command_error;

/// Commands of one quiet aggregate type.
pub struct QuietStore<A: Aggregate> {
    events: Arc<PersistedEventStore<PostgresEventRepository, A>>,
    pool: PgPool,
    hints: Arc<dyn Hints>,
    aggregate: PhantomData<A>,
}

impl<A: Aggregate> QuietStore<A> {
    /// Writes through a view of the one `events` table that leaves the loud aggregates out, so that
    /// its queries, which name no tenant, use the index of the quiet ones. `hints` hears of every commit.
    pub fn new(pool: PgPool, hints: Arc<dyn Hints>) -> Self {
        let repository =
            PostgresEventRepository::new(pool.clone()).with_tables("quiet_events", "unused");
        let events = Arc::new(PersistedEventStore::new_event_store(repository));
        Self { events, pool, hints, aggregate: PhantomData }
    }

    async fn position(&self, id: &AggregateId) -> Result<Option<u64>, PortError> {
        let position: Option<i64> = sqlx::query_scalar(
            "select max(position) from quiet_events where aggregate_type = $1 and aggregate_id = $2",
        )
        .bind(A::TYPE)
        .bind(id.id.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(|e| PortError::new("asking for a position", e))?;
        Ok(position.map(|p| p as u64))
    }
}

#[async_trait]
impl<A> Commands<A> for QuietStore<A>
where
    A: Aggregate<Services = ()> + 'static,
    A::Command: Send,
    A::Error: Send + Sync,
{
    async fn load(&self, id: &AggregateId) -> Result<A, CommandError<A::Error>> {
        let mut context =
            self.events.load_aggregate(&id.id.to_string()).await.map_err(command_error)?;
        Ok(std::mem::take(context.aggregate()))
    }

    async fn reload(&self, id: &AggregateId) -> Result<A, CommandError<A::Error>> {
        self.load(id).await
    }

    async fn execute(
        &self,
        id: &AggregateId,
        command: A::Command,
        metadata: &Metadata,
    ) -> Result<Committed<A>, CommandError<A::Error>> {
        let mut context =
            self.events.load_aggregate(&id.id.to_string()).await.map_err(command_error)?;
        let sink = EventSink::default();
        context.aggregate().handle(command, &(), &sink).await.map_err(CommandError::Refused)?;
        let events = sink.collect().await;
        // What the store commits is in its events; the state is read again to be told.
        let metadata = metadata.to_map(id.tenant);
        // To its end though nobody waits: a `begin` that is dropped in the middle leaves an open
        // transaction on its connection (sqlx 0.8). A question may write, too: that it was asked.
        let store = self.events.clone();
        let commit = async move { store.commit(events, context, metadata).await };
        let committed = match tokio::spawn(commit).await {
            Ok(committed) => committed.map_err(command_error)?,
            Err(error) => return Err(PortError::new("writing events", error).into()),
        };
        let events: Vec<A::Event> = committed.into_iter().map(|e| e.payload).collect();
        let state = self.load(id).await?;
        let position = if events.is_empty() { None } else { self.position(id).await? };
        if let Some(position) = position {
            self.hints.committed(id.tenant, position);
        }
        Ok(Committed { events, state, position })
    }
}
