//! The same work on stock postgres-es: event-store mode, one domain event an evidence event, its
//! own table as its documentation makes it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use application::Ids;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, AggregateContext, DomainEvent, EventStore};
use infrastructure::system::SystemIds;
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::Outcome;

pub(crate) async fn prepare(pool: &PgPool) -> Outcome<()> {
    sqlx::query(
        "create table stock_events (aggregate_type text not null, aggregate_id text not null,
             sequence bigint check (sequence >= 0) not null, event_type text not null,
             event_version text not null, payload json not null, metadata json not null,
             timestamp timestamp with time zone default (current_timestamp),
             primary key (aggregate_type, aggregate_id, sequence))",
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What a client's commands go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregates {
    /// One a client, as a session is: the store reads its events anew for each command.
    OneAClient,
    /// A new one for each command: the store's most favourable case, which no session is.
    OneACommand,
}

/// Events a second by so many clients.
pub(crate) async fn rate(
    pool: &PgPool,
    aggregates: Aggregates,
    clients: usize,
    batch: usize,
    time: Duration,
) -> Outcome<f64> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(client(pool.clone(), aggregates, batch, started + time)))
        .collect();
    let mut events = 0;
    for task in tasks {
        events += task.await??;
    }
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

async fn client(
    pool: PgPool,
    aggregates: Aggregates,
    batch: usize,
    end: Instant,
) -> Outcome<usize> {
    let repository = PostgresEventRepository::new(pool).with_tables("stock_events", "unused");
    let store: PersistedEventStore<_, Chain> = PersistedEventStore::new_event_store(repository);
    let mut sent = 0;
    let mut id = SystemIds.uuid();
    while Instant::now() < end {
        let mut context = store.load_aggregate(&id.to_string()).await?;
        let sink = EventSink::default();
        context.aggregate().handle(batch, &(), &sink).await?;
        store.commit(sink.collect().await, context, HashMap::new()).await?;
        sent += batch;
        if aggregates == Aggregates::OneACommand {
            id = SystemIds.uuid();
        }
    }
    Ok(sent)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Chain {
    next: u64,
}

/// One evidence event as a domain event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recorded {
    record: Value,
}

impl DomainEvent for Recorded {
    fn event_type(&self) -> String {
        "recorded".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Chain {
    const TYPE: &'static str = "chain";
    type Command = usize;
    type Event = Recorded;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        batch: usize,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for _ in 0..batch {
            let hash = "7".repeat(64);
            let record = json!({
                "event_id": SystemIds.uuid(), "sequence_number": self.next,
                "timestamp_wall": "2026-03-01T09:00:00.123456+01:00", "event_type": "TOOL_CALL",
                "actor_id": "ada@example.org", "payload_hash": hash, "prev_event_hash": hash,
                "event_hash": hash,
                "payload": { "tool_name": "look_up_order", "args": {
                    "order_id": format!("ORD-{}", self.next), "amount": 12.5, "express": false,
                    "note": "deliver to the side door, please" } },
            });
            sink.write(Recorded { record }, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _: Recorded) {
        self.next += 1;
    }
}
