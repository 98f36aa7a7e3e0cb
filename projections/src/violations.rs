//! Violations as they are listed, looked at and exported.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TenantId};
use domain::violation::ViolationEvent;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::TenantReads;
pub use crate::folds::violations::View;
use crate::folds::violations::{COLUMNS, of_events};

/// What a list is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct ViolationFilter {
    pub severity: Option<String>,
    pub status: Option<String>,
    pub policy: Option<String>,
    pub control: Option<String>,
    pub actor_id: Option<String>,
    pub session_id: Option<Uuid>,
    /// Past its due date and not resolved, or not so.
    pub overdue: Option<bool>,
    /// Detected at or after.
    pub since: Option<DateTime<Utc>>,
    /// Detected before.
    pub until: Option<DateTime<Utc>>,
}

/// One line of an action log.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct ActionRow {
    /// 1, 2, 3 …
    pub number: i64,
    /// `detected`, `acknowledged`, `commented`, `escalated`, `resolved` or `reopened`.
    pub action: String,
    /// `key:<id>`, `clock`, or the policy that found it.
    pub actor: String,
    pub at: DateTime<Utc>,
    /// What belongs to the action.
    #[schema(value_type = Object)]
    pub details: Json<Value>,
    /// Of the event in the tenant's log.
    pub position: i64,
}

/// Of one session, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionViolations {
    pub total: i64,
    /// Not even acknowledged.
    pub open: i64,
    pub unresolved: i64,
}

/// The generation as one value: of a join the planner does not know that it is one, and sorts
/// everything for each page.
const SERVED: &str = " from violation_views v
    where v.generation = (select generation from projections where name = 'violations')
      and v.tenant_id = ";

/// What was known of a session's violations at a moment: of events before a number, found up to a
/// position of the log. What comes later changes nothing of it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    session: SessionId,
    before: i64,
    until: i64,
    /// How many there are.
    pub count: u64,
}

impl Known {
    fn push_to(&self, query: &mut QueryBuilder<'_, Postgres>) {
        query.push(" and v.session_id = ").push_bind(self.session.0);
        query.push(" and v.sequence_number < ").push_bind(self.before);
        query.push(" and v.detected_position <= ").push_bind(self.until);
    }
}

impl TenantReads {
    /// Violations, the latest found first, below a position when there is one.
    pub async fn violations(
        &self,
        tenant: TenantId,
        filter: &ViolationFilter,
        now: DateTime<Utc>,
        below: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<View>> {
        let mut query = QueryBuilder::<Postgres>::new("select ");
        query.push(COLUMNS).push(SERVED).push_bind(tenant.0);
        let texts = [
            ("severity", &filter.severity),
            ("status", &filter.status),
            ("policy", &filter.policy),
            ("control", &filter.control),
            ("actor_id", &filter.actor_id),
        ];
        for (column, value) in texts {
            if let Some(value) = value {
                query.push(" and v.").push(column).push(" = ").push_bind(value);
            }
        }
        if let Some(session) = filter.session_id {
            query.push(" and v.session_id = ").push_bind(session);
        }
        if let Some(overdue) = filter.overdue {
            query.push(" and (v.status <> 'RESOLVED' and coalesce(v.due_at < ").push_bind(now);
            query.push(", false)) = ").push_bind(overdue);
        }
        if let Some(since) = filter.since {
            query.push(" and v.detected_at >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" and v.detected_at < ").push_bind(until);
        }
        if let Some(below) = below {
            query.push(" and v.detected_position < ").push_bind(below);
        }
        query.push(" order by v.detected_position desc limit ").push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        let views = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(views)
    }

    /// One violation as its events say: never behind a command.
    pub async fn violation(&self, tenant: TenantId, violation: Uuid) -> sqlx::Result<Option<View>> {
        let mut transaction = self.begin(tenant).await?;
        let rows: Vec<(i64, Json<ViolationEvent>)> = sqlx::query_as(
            "select position, payload from events
             where tenant_id = $1 and aggregate_type = 'violation' and aggregate_id = $2
             order by sequence",
        )
        .bind(tenant.0)
        .bind(violation.to_string())
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(of_events(rows.into_iter().map(|(position, event)| (position, event.0))))
    }

    /// Lines of an action log after a number.
    pub async fn violation_actions(
        &self,
        tenant: TenantId,
        violation: Uuid,
        after: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<ActionRow>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query_as(
            "select number, action, actor, at, details, position from violation_actions
             where tenant_id = $1 and violation_id = $2 and number > $3 order by number limit $4",
        )
        .bind(tenant.0)
        .bind(violation)
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// The violations that are known now of a session's events before a number.
    pub async fn violations_known(
        &self,
        tenant: TenantId,
        session: SessionId,
        before: u64,
    ) -> sqlx::Result<Known> {
        let mut query =
            QueryBuilder::<Postgres>::new("select count(*), coalesce(max(v.detected_position), 0)");
        query.push(SERVED).push_bind(tenant.0);
        query.push(" and v.session_id = ").push_bind(session.0);
        query.push(" and v.sequence_number < ").push_bind(before as i64);
        let mut transaction = self.begin(tenant).await?;
        let (count, until): (i64, i64) =
            query.build_query_as().fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Known { session, before: before as i64, until, count: count as u64 })
    }

    /// Violations of a session in the order of its events, a piece after a place in them.
    pub async fn violations_of_session(
        &self,
        tenant: TenantId,
        known: &Known,
        after: Option<(i64, Uuid)>,
        limit: i64,
    ) -> sqlx::Result<Vec<View>> {
        let mut query = QueryBuilder::<Postgres>::new("select ");
        query.push(COLUMNS).push(SERVED).push_bind(tenant.0);
        known.push_to(&mut query);
        if let Some((sequence, violation)) = after {
            query.push(" and (v.sequence_number, v.violation_id) > (").push_bind(sequence);
            query.push(", ").push_bind(violation).push(")");
        }
        query.push(" order by v.sequence_number, v.violation_id limit ").push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        let views = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(views)
    }

    /// Name, version and hash of each policy that has found violations.
    pub async fn policies_that_found(
        &self,
        tenant: TenantId,
        known: &Known,
    ) -> sqlx::Result<Vec<(String, String, String)>> {
        let mut query = QueryBuilder::<Postgres>::new(
            "select distinct v.policy, v.policy_version, v.policy_hash",
        );
        query.push(SERVED).push_bind(tenant.0);
        known.push_to(&mut query);
        query.push(" order by v.policy, v.policy_version, v.policy_hash");
        let mut transaction = self.begin(tenant).await?;
        let policies = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(policies)
    }
}

/// Counts by session, of those that have any.
pub(crate) async fn violation_counts(
    connection: &mut PgConnection,
    tenant: TenantId,
    sessions: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, SessionViolations>> {
    let rows: Vec<(Uuid, i64, i64, i64)> = sqlx::query_as(
        "select v.session_id, count(*), count(*) filter (where v.status = 'OPEN'),
                count(*) filter (where v.status <> 'RESOLVED')
         from violation_views v
         join projections p on p.name = 'violations' and p.generation = v.generation
         where v.tenant_id = $1 and v.session_id = any($2) group by v.session_id",
    )
    .bind(tenant.0)
    .bind(sessions)
    .fetch_all(connection)
    .await?;
    let counts =
        |(id, total, open, unresolved)| (id, SessionViolations { total, open, unresolved });
    Ok(rows.into_iter().map(counts).collect())
}
