//! Rows of exports that are made in the background.

use application::PortError;
use application::exports::workshop::{Job, Jobs};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::export::Order;
use domain::ids::TenantId;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// Exports whose files are removed in one round.
const REMOVED_AT_ONCE: i64 = 100;

/// In PostgreSQL.
#[derive(Clone)]
pub struct PgExportJobs {
    pool: PgPool,
}

impl PgExportJobs {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Notes that an export holds something of these sessions.
    pub async fn hold(&self, job: &Job, sessions: &[Uuid]) -> Result<(), PortError> {
        sqlx::query(
            "insert into export_sessions (tenant_id, session_id, export_id)
             select $1, unnest($3::uuid[]), $2 on conflict do nothing",
        )
        .bind(job.tenant.0)
        .bind(job.id)
        .bind(sessions)
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(|e| PortError::new("noting whose evidence an export holds", e))
    }

    /// The next in turn: of the tenant for which least is being made, then of the one whose turn was
    /// longest ago, so that nobody waits for all that another has asked for.
    async fn claim_one(
        &self,
        now: DateTime<Utc>,
        silent_since: DateTime<Utc>,
    ) -> sqlx::Result<Option<Job>> {
        let row = sqlx::query(
            "update exports set status = 'running', touched_at = $1, attempts = attempts + 1
             where (tenant_id, export_id) = (
                 select tenant_id, export_id from exports e
                 where status in ('queued', 'running')
                   and (status = 'queued' or touched_at < $2)
                 order by (select count(*) from exports r where r.tenant_id = e.tenant_id
                             and r.status = 'running' and r.touched_at >= $2),
                          (select max(r.touched_at) from exports r where r.tenant_id = e.tenant_id)
                            nulls first,
                          requested_at
                 limit 1 for update skip locked
             )
             returning tenant_id, export_id, ordered, requested_by, requested_at, position, attempts",
        )
        .bind(now)
        .bind(silent_since)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Job {
                tenant: TenantId(row.try_get(0)?),
                id: row.try_get(1)?,
                order: row.try_get::<Json<Order>, _>(2)?.0,
                requested_by: row.try_get(3)?,
                requested_at: row.try_get(4)?,
                position: row.try_get::<i64, _>(5)? as u64,
                attempt: row.try_get(6)?,
            })
        })
        .transpose()
    }

    /// Moves the row as long as it is this attempt's.
    async fn touch(
        &self,
        job: &Job,
        status: &str,
        now: Option<DateTime<Utc>>,
    ) -> sqlx::Result<bool> {
        let moved = sqlx::query(
            // What was given back on purpose was no attempt.
            "update exports set status = $4, touched_at = coalesce($5, touched_at),
                    attempts = attempts - case when $4 = 'queued' then 1 else 0 end
             where tenant_id = $1 and export_id = $2 and attempts = $3 and status = 'running'",
        )
        .bind(job.tenant.0)
        .bind(job.id)
        .bind(job.attempt)
        .bind(status)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(moved.rows_affected() == 1)
    }
}

#[async_trait]
impl Jobs for PgExportJobs {
    async fn claim(
        &self,
        now: DateTime<Utc>,
        silent_since: DateTime<Utc>,
    ) -> Result<Option<Job>, PortError> {
        let claimed = self.claim_one(now, silent_since).await;
        claimed.map_err(|e| PortError::new("taking up an export", e))
    }

    async fn mark(&self, job: &Job, now: DateTime<Utc>) -> Result<bool, PortError> {
        let ours = self.touch(job, "running", Some(now)).await;
        ours.map_err(|e| PortError::new("marking an export", e))
    }

    async fn give_back(&self, job: &Job) -> Result<(), PortError> {
        let given = self.touch(job, "queued", None).await;
        given.map(|_| ()).map_err(|e| PortError::new("giving back an export", e))
    }

    async fn finished_before(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<(TenantId, Uuid)>, PortError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "select tenant_id, export_id from exports
             where status = 'completed' and finished_at < $1 order by finished_at limit $2",
        )
        .bind(before)
        .bind(REMOVED_AT_ONCE)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| PortError::new("looking for old exports", e))?;
        Ok(rows.into_iter().map(|(tenant, id)| (TenantId(tenant), id)).collect())
    }
}
