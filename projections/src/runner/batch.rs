//! A piece of a tenant's log, read once for all projections that stand before it.

use std::collections::HashMap;
use std::sync::OnceLock;

use domain::ids::{SessionId, TenantId};
use domain::session::SessionEvent;
use domain::tenant::TenantEvent;
use domain::violation::ViolationEvent;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::FoldError;
use crate::feed::session_event;

/// Events of one tenant in the order of the log, without a hole.
#[derive(Debug)]
pub struct Batch {
    pub tenant: TenantId,
    events: Vec<Logged>,
    /// Agents of the sessions that the events are about.
    agents: HashMap<SessionId, String>,
}

/// One event as it is stored. Its payload is read by whoever wants it, and once.
#[derive(Debug)]
pub struct Logged {
    pub position: u64,
    aggregate_type: String,
    aggregate_id: Uuid,
    payload: String,
    session: OnceLock<Result<SessionEvent, String>>,
}

impl Batch {
    /// Up to `limit` events after `after`, and none beyond `until`.
    pub(super) async fn read(
        connection: &mut PgConnection,
        tenant: TenantId,
        after: i64,
        until: i64,
        limit: i64,
    ) -> sqlx::Result<Self> {
        let rows = sqlx::query(
            // Positions have no hole: the range is the limit. With a limit instead, a planner that
            // knows no better sorts the whole rest of the log for each batch.
            "select position, aggregate_type, aggregate_id, payload::text from events
             where tenant_id = $1 and position > $2 and position <= least($3, $2 + $4)
             order by position",
        )
        .bind(tenant.0)
        .bind(after)
        .bind(until)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        let events: Vec<Logged> = rows.iter().map(logged).collect::<sqlx::Result<_>>()?;
        let agents = agents(connection, tenant, &events).await?;
        Ok(Self { tenant, events, agents })
    }

    pub(super) fn last_position(&self) -> Option<u64> {
        self.events.last().map(|event| event.position)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events of sessions.
    pub fn sessions(
        &self,
    ) -> impl Iterator<Item = Result<(&Logged, SessionId, &SessionEvent), FoldError>> {
        self.events.iter().filter(|event| event.aggregate_type == "session").map(|event| {
            let read = event
                .session
                .get_or_init(|| session_event(&event.payload).map_err(|e| unreadable(&e)));
            match read {
                Ok(session) => Ok((event, SessionId(event.aggregate_id), session)),
                Err(reason) => Err(FoldError::Poison(reason.clone())),
            }
        })
    }

    /// The events of tenants.
    pub fn tenants(&self) -> impl Iterator<Item = Result<TenantEvent, FoldError>> {
        let of_tenants = self.events.iter().filter(|event| event.aggregate_type == "tenant");
        of_tenants.map(|event| {
            serde_json::from_str(&event.payload).map_err(|e| FoldError::Poison(unreadable(&e)))
        })
    }

    /// The events of violations, with the violation that each is about.
    pub fn violations(
        &self,
    ) -> impl Iterator<Item = Result<(&Logged, Uuid, ViolationEvent), FoldError>> {
        let of_violations = self.events.iter().filter(|event| event.aggregate_type == "violation");
        of_violations.map(|event| {
            let read = serde_json::from_str(&event.payload);
            let read = read.map_err(|e| FoldError::Poison(unreadable(&e)))?;
            Ok((event, event.aggregate_id, read))
        })
    }

    /// The agent of a session.
    pub fn agent(&self, session: SessionId) -> Result<&str, FoldError> {
        let agent = self.agents.get(&session).map(String::as_str);
        agent.ok_or_else(|| FoldError::never_started(session))
    }
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the event cannot be read: {error}")
}

fn logged(row: &PgRow) -> sqlx::Result<Logged> {
    let id: &str = row.try_get(2)?;
    Ok(Logged {
        position: row.try_get::<i64, _>(0)? as u64,
        aggregate_type: row.try_get(1)?,
        aggregate_id: id.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        payload: row.try_get(3)?,
        session: OnceLock::new(),
    })
}

/// What a session was started with stands in a row that never changes, written with its first event.
async fn agents(
    connection: &mut PgConnection,
    tenant: TenantId,
    events: &[Logged],
) -> sqlx::Result<HashMap<SessionId, String>> {
    let of_sessions = events.iter().filter(|event| event.aggregate_type == "session");
    let mut sessions: Vec<Uuid> = of_sessions.map(|event| event.aggregate_id).collect();
    sessions.sort_unstable();
    sessions.dedup();
    if sessions.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select session_id, agent_id from sessions where tenant_id = $1 and session_id = any($2)",
    )
    .bind(tenant.0)
    .bind(sessions)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(session, agent)| (SessionId(session), agent)).collect())
}
