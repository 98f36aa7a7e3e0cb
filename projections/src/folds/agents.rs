//! What each agent has done, all in all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::session::SessionEvent;
use sqlx::PgConnection;

use super::accepted_at;
use crate::runner::{Batch, FoldError, Projection};

/// Folds into `agents`.
pub struct AgentsProjection;

/// What a batch adds to an agent.
struct Growth {
    sessions: i64,
    sealed_sessions: i64,
    events: i64,
    dropped: i64,
    tool_calls: i64,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
}

impl Growth {
    fn at(at: DateTime<Utc>) -> Self {
        Self {
            sessions: 0,
            sealed_sessions: 0,
            events: 0,
            dropped: 0,
            tool_calls: 0,
            first_seen: at,
            last_seen: at,
        }
    }

    fn take(&mut self, event: &SessionEvent) {
        let at = accepted_at(event);
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
        match event {
            SessionEvent::Started(_) => self.sessions += 1,
            SessionEvent::Appended(appended) => {
                self.events += appended.count as i64;
                self.dropped += appended.dropped as i64;
                self.tool_calls += appended.tools.values().sum::<u64>() as i64;
                self.sealed_sessions += i64::from(appended.seals());
            }
            SessionEvent::Sealed(_) => {
                self.events += 1;
                self.sealed_sessions += 1;
            }
        }
    }
}

#[async_trait::async_trait]
impl Projection for AgentsProjection {
    fn name(&self) -> &'static str {
        "agents"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["agents"]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        let mut agents: BTreeMap<&str, Growth> = BTreeMap::new();
        for entry in batch.sessions() {
            let (_, session, event) = entry?;
            let agent = batch.agent(session)?;
            let growth = agents.entry(agent).or_insert_with(|| Growth::at(accepted_at(event)));
            growth.take(event);
        }
        if agents.is_empty() {
            return Ok(());
        }
        let column = |value: fn(&Growth) -> i64| agents.values().map(value).collect::<Vec<_>>();
        sqlx::query(
            "insert into agents as a (tenant_id, generation, agent_id, sessions, sealed_sessions,
                                      events, dropped, tool_calls, first_seen, last_seen)
             select $1, $2, * from unnest($3::text[], $4::int8[], $5::int8[], $6::int8[],
                 $7::int8[], $8::int8[], $9::timestamptz[], $10::timestamptz[])
             on conflict (tenant_id, generation, agent_id) do update set
                 sessions = a.sessions + excluded.sessions,
                 sealed_sessions = a.sealed_sessions + excluded.sealed_sessions,
                 events = a.events + excluded.events,
                 dropped = a.dropped + excluded.dropped,
                 tool_calls = a.tool_calls + excluded.tool_calls,
                 first_seen = least(a.first_seen, excluded.first_seen),
                 last_seen = greatest(a.last_seen, excluded.last_seen)",
        )
        .bind(batch.tenant.0)
        .bind(generation)
        .bind(agents.keys().copied().collect::<Vec<_>>())
        .bind(column(|g| g.sessions))
        .bind(column(|g| g.sealed_sessions))
        .bind(column(|g| g.events))
        .bind(column(|g| g.dropped))
        .bind(column(|g| g.tool_calls))
        .bind(agents.values().map(|g| g.first_seen).collect::<Vec<_>>())
        .bind(agents.values().map(|g| g.last_seen).collect::<Vec<_>>())
        .execute(connection)
        .await?;
        Ok(())
    }
}
