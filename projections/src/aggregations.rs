//! What analysts ask: answers from read models, each in one snapshot with the place it stands for.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};
use utoipa::ToSchema;

use crate::TenantReads;

/// Hours `since ..= until` (the last one excluded), and what else narrows an answer.
#[derive(Debug, Clone)]
pub struct Window {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub agent_id: Option<String>,
}

/// An answer and the position of the log that it stands for.
#[derive(Debug)]
pub struct Answer<T> {
    pub rows: Vec<T>,
    pub position: i64,
}

/// Events of one type in one bucket of time.
#[derive(Debug, FromRow)]
pub struct TypeCount {
    /// The bucket's beginning.
    pub bucket: DateTime<Utc>,
    pub event_type: String,
    pub events: i64,
}

/// One tool.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct ToolRow {
    pub tool_name: String,
    pub calls: i64,
    /// Agents that called it.
    pub agents: i64,
    /// The latest hour with a call.
    pub last_hour: DateTime<Utc>,
}

/// One agent that was seen in the window.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct AgentRow {
    pub agent_id: String,
    /// Evidence events within the window.
    pub events_in_window: i64,
    /// All in all, as are the counts below.
    pub sessions: i64,
    pub sealed_sessions: i64,
    pub events: i64,
    /// Events that were reported as lost.
    pub dropped: i64,
    pub tool_calls: i64,
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

/// Sessions of one evidence class.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct ClassRow {
    pub evidence_class: String,
    pub sessions: i64,
    pub sealed_sessions: i64,
    /// Evidence events of these sessions.
    pub events: i64,
}

/// How wide a bucket of time is, as `date_trunc` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    Hour,
    Day,
}

impl Bucket {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl TenantReads {
    /// Events by bucket and type; buckets without events are not there.
    pub async fn events_over_time(
        &self,
        tenant: TenantId,
        window: &Window,
        event_type: Option<&str>,
        bucket: Bucket,
    ) -> sqlx::Result<Answer<TypeCount>> {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = windowed(
            "select date_trunc($6, c.hour, 'UTC') as bucket, c.event_type,
                    sum(c.events)::int8 as events
             from event_counts c
             join projections p on p.name = 'event_counts' and p.generation = c.generation
             where c.tenant_id = $1 and c.hour >= $2 and c.hour < $3
               and ($4::text is null or c.agent_id = $4)
               and ($5::text is null or c.event_type = $5)
             group by 1, 2 order by 1, 2",
            tenant,
            window,
        )
        .bind(event_type)
        .bind(bucket.as_str())
        .fetch_all(&mut *snapshot)
        .await?;
        let position = stands_at(&mut snapshot, tenant, "event_counts").await?;
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }

    /// Tools by calls, the most called first.
    pub async fn tools(
        &self,
        tenant: TenantId,
        window: &Window,
        limit: i64,
    ) -> sqlx::Result<Answer<ToolRow>> {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = windowed(
            "select u.tool_name, sum(u.calls)::int8 as calls, count(distinct u.agent_id) as agents,
                    max(u.hour) as last_hour
             from tool_usage u
             join projections p on p.name = 'tool_usage' and p.generation = u.generation
             where u.tenant_id = $1 and u.hour >= $2 and u.hour < $3
               and ($4::text is null or u.agent_id = $4)
             group by u.tool_name order by calls desc, u.tool_name limit $5",
            tenant,
            window,
        )
        .bind(limit)
        .fetch_all(&mut *snapshot)
        .await?;
        let position = stands_at(&mut snapshot, tenant, "tool_usage").await?;
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }

    /// Agents that were seen in the window, the busiest first.
    pub async fn agents(
        &self,
        tenant: TenantId,
        window: &Window,
        limit: i64,
    ) -> sqlx::Result<Answer<AgentRow>> {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = windowed(
            "with active as (
                 select c.agent_id, sum(c.events)::int8 as events
                 from event_counts c
                 join projections p on p.name = 'event_counts' and p.generation = c.generation
                 where c.tenant_id = $1 and c.hour >= $2 and c.hour < $3
                 group by c.agent_id
             )
             select a.agent_id, coalesce(active.events, 0) as events_in_window, a.sessions,
                    a.sealed_sessions, a.events, a.dropped, a.tool_calls, a.first_seen, a.last_seen
             from agents a
             join projections p on p.name = 'agents' and p.generation = a.generation
             left join active on active.agent_id = a.agent_id
             where a.tenant_id = $1 and a.last_seen >= $2 and a.first_seen < $3
               and ($4::text is null or a.agent_id = $4)
             order by events_in_window desc, a.agent_id limit $5",
            tenant,
            window,
        )
        .bind(limit)
        .fetch_all(&mut *snapshot)
        .await?;
        let counts = stands_at(&mut snapshot, tenant, "event_counts").await?;
        let position = stands_at(&mut snapshot, tenant, "agents").await?.min(counts);
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }

    /// Sessions that were started in the window, by the class that their evidence has now.
    pub async fn sessions_by_class(
        &self,
        tenant: TenantId,
        window: &Window,
    ) -> sqlx::Result<Answer<ClassRow>> {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = windowed(
            "select v.evidence_class, count(*) as sessions,
                    count(*) filter (where v.phase = 'sealed') as sealed_sessions,
                    sum(v.event_count)::int8 as events
             from session_views v
             join projections p on p.name = 'sessions' and p.generation = v.generation
             where v.tenant_id = $1 and v.started_at >= $2 and v.started_at < $3
               and ($4::text is null or v.agent_id = $4)
             group by v.evidence_class order by v.evidence_class",
            tenant,
            window,
        )
        .fetch_all(&mut *snapshot)
        .await?;
        let position = stands_at(&mut snapshot, tenant, "sessions").await?;
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }

    /// How far a read model has followed the tenant's log.
    pub async fn followed_to(&self, tenant: TenantId, projection: &str) -> sqlx::Result<i64> {
        let mut transaction = self.begin(tenant).await?;
        let position = stands_at(&mut transaction, tenant, projection).await?;
        transaction.commit().await?;
        Ok(position)
    }
}

/// A query whose first four parameters are the tenant, the window's ends and its agent.
fn windowed<'q, T>(
    query: &'q str,
    tenant: TenantId,
    window: &'q Window,
) -> QueryAs<'q, Postgres, T, PgArguments>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(query)
        .bind(tenant.0)
        .bind(window.since)
        .bind(window.until)
        .bind(&window.agent_id)
}

pub(crate) async fn stands_at(
    connection: &mut PgConnection,
    tenant: TenantId,
    projection: &str,
) -> sqlx::Result<i64> {
    let position = sqlx::query_scalar(
        "select g.position from projection_progress g
         join projections p on p.name = g.projection and p.generation = g.generation
         where g.tenant_id = $1 and g.projection = $2",
    )
    .bind(tenant.0)
    .bind(projection)
    .fetch_optional(connection)
    .await?;
    Ok(position.unwrap_or_default())
}
