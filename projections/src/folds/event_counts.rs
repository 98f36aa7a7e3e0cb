//! How many evidence events came, by hour, agent and type.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::evidence::event_type::EventType;
use domain::session::SessionEvent;
use sqlx::PgConnection;

use super::{accepted_at, hour_of};
use crate::runner::{Batch, FoldError, Projection};

/// Folds into `event_counts`.
pub struct EventCountsProjection;

type Counts<'b> = BTreeMap<(DateTime<Utc>, &'b str, &'b str), i64>;

#[async_trait::async_trait]
impl Projection for EventCountsProjection {
    fn name(&self) -> &'static str {
        "event_counts"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["event_counts"]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        let counts = count(batch)?;
        if counts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into event_counts as c
                 (tenant_id, generation, hour, agent_id, event_type, events)
             select $1, $2, * from unnest($3::timestamptz[], $4::text[], $5::text[], $6::int8[])
             on conflict (tenant_id, generation, hour, agent_id, event_type)
             do update set events = c.events + excluded.events",
        )
        .bind(batch.tenant.0)
        .bind(generation)
        .bind(counts.keys().map(|(hour, _, _)| *hour).collect::<Vec<_>>())
        .bind(counts.keys().map(|(_, agent, _)| *agent).collect::<Vec<_>>())
        .bind(counts.keys().map(|(_, _, kind)| *kind).collect::<Vec<_>>())
        .bind(counts.into_values().collect::<Vec<_>>())
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn count(batch: &Batch) -> Result<Counts<'_>, FoldError> {
    let mut counts = Counts::new();
    for entry in batch.sessions() {
        let (_, session, event) = entry?;
        let (hour, agent) = (hour_of(accepted_at(event)), batch.agent(session)?);
        let mut add = |kind, events| *counts.entry((hour, agent, kind)).or_default() += events;
        match event {
            SessionEvent::Started(_) => {}
            SessionEvent::Appended(appended) => {
                for (kind, events) in &appended.types {
                    add(kind.as_str(), *events as i64);
                }
            }
            // The seal is a record of the chain like any other.
            SessionEvent::Sealed(_) => add(EventType::CHAIN_SEAL_NAME, 1),
        }
    }
    Ok(counts)
}
