//! Rows of backtests, and history as they read it: without the judge's lock and checkpoint.

use std::sync::Arc;

use application::PortError;
use application::backtests::{BacktestStore, Ending, Extent, NewBacktest, Piece};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::policy::compile::CompiledPolicy;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::docket::{PolicyBook, history};

/// First key of the advisory lock under which a tenant's backtests begin.
const BEGIN_LOCK: i32 = 0x6578_6804;

/// In PostgreSQL.
#[derive(Clone)]
pub struct PgBacktests {
    pool: PgPool,
    book: PolicyBook,
}

impl PgBacktests {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool, book: PolicyBook) -> Self {
        Self { pool, book }
    }

    /// The text of the version that a query finds.
    async fn text(
        &self,
        tenant: TenantId,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<Arc<CompiledPolicy>>, PortError> {
        let failed = |e| PortError::new("asking for a policy's version", e);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let hash: Option<String> = sqlx::query_scalar(
            "select content_hash from policy_versions
             where tenant_id = $1 and name = $2
               and case when $3::text is null then status = 'ACTIVE' else version = $3 end",
        )
        .bind(tenant.0)
        .bind(name)
        .bind(version)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
        let Some(hash) = hash else { return Ok(None) };
        self.book.by_hash(&mut connection, tenant, &hash).await.map(Some)
    }

    async fn write(&self, new: &NewBacktest) -> sqlx::Result<Option<Uuid>> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1, hashtext($2))")
            .bind(BEGIN_LOCK)
            .bind(new.tenant.to_string())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "update backtests set status = 'failed', reason = 'who ran it has fallen silent',
                    finished_at = $3
             where tenant_id = $1 and status = 'running' and touched_at < $2",
        )
        .bind(new.tenant.0)
        .bind(new.silent_since)
        .bind(new.at)
        .execute(&mut *transaction)
        .await?;
        let running: Option<Uuid> = sqlx::query_scalar(
            "select backtest_id from backtests where tenant_id = $1 and status = 'running' limit 1",
        )
        .bind(new.tenant.0)
        .fetch_optional(&mut *transaction)
        .await?;
        if running.is_none() {
            let (candidate, active) = (&new.parties.candidate, new.parties.active.as_ref());
            sqlx::query(
                "insert into backtests (tenant_id, backtest_id, name, version, content_hash,
                                        against_version, against_hash, status, events_total,
                                        events_done, created_by, created_at, touched_at)
                 values ($1, $2, $3, $4, $5, $6, $7, 'running', $8, 0, $9, $10, $10)",
            )
            .bind(new.tenant.0)
            .bind(new.id)
            .bind(&candidate.document().name)
            .bind(&candidate.document().version)
            .bind(candidate.content_hash())
            .bind(active.map(|active| &active.document().version))
            .bind(active.map(|active| active.content_hash()))
            .bind(new.events_total as i64)
            .bind(&new.by)
            .bind(new.at)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(running)
    }
}

#[async_trait]
impl BacktestStore for PgBacktests {
    async fn version(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> Result<Option<Arc<CompiledPolicy>>, PortError> {
        self.text(tenant, name, Some(version)).await
    }

    async fn active(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Arc<CompiledPolicy>>, PortError> {
        self.text(tenant, name, None).await
    }

    async fn extent(&self, tenant: TenantId) -> Result<Extent, PortError> {
        let (position, events): (i64, i64) = sqlx::query_as(
            "select coalesce((select position from tenant_heads where tenant_id = $1), 0),
                    coalesce((select sum(next_sequence)::int8 from session_heads
                              where tenant_id = $1), 0)",
        )
        .bind(tenant.0)
        .fetch_one(&self.pool)
        .await
        .map_err(|e| PortError::new("asking how long a history is", e))?;
        Ok(Extent { position: position as u64, events: events as u64 })
    }

    async fn piece(
        &self,
        tenant: TenantId,
        after: u64,
        until: u64,
    ) -> Result<Option<Piece>, PortError> {
        let failed = |e| PortError::new("reading history", e);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let read = history(&mut connection, tenant, after as i64, until as i64).await?;
        Ok(read.map(|(records, reached)| Piece { records, reached: reached as u64 }))
    }

    async fn begin(&self, new: &NewBacktest) -> Result<Option<Uuid>, PortError> {
        self.write(new).await.map_err(|e| PortError::new("beginning a backtest", e))
    }

    async fn mark(
        &self,
        tenant: TenantId,
        id: Uuid,
        events_done: u64,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        let cancelled: Option<bool> = sqlx::query_scalar(
            "update backtests set touched_at = $4, events_done = $3
             where tenant_id = $1 and backtest_id = $2 and status = 'running'
             returning cancel_asked",
        )
        .bind(tenant.0)
        .bind(id)
        .bind(events_done as i64)
        .bind(at)
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| PortError::new("marking a backtest", e))?;
        // Without a row that runs, others have given it up.
        Ok(cancelled == Some(false))
    }

    async fn end(
        &self,
        tenant: TenantId,
        id: Uuid,
        ending: &Ending,
        events_done: u64,
        at: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let (status, report, reason) = match ending {
            Ending::Completed(report) => ("completed", Some(Json(report)), None),
            Ending::Cancelled => ("cancelled", None, None),
            Ending::Failed(reason) => ("failed", None, Some(*reason)),
        };
        sqlx::query(
            "update backtests set status = $3, report = $4, reason = $5, events_done = $6,
                    events_total = case when $3 = 'completed' then $6 else events_total end,
                    touched_at = $7, finished_at = $7
             where tenant_id = $1 and backtest_id = $2 and status = 'running'",
        )
        .bind(tenant.0)
        .bind(id)
        .bind(status)
        .bind(report)
        .bind(reason)
        .bind(events_done as i64)
        .bind(at)
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(|e| PortError::new("ending a backtest", e))
    }

    async fn ask_to_cancel(&self, tenant: TenantId, id: Uuid) -> Result<(), PortError> {
        sqlx::query(
            "update backtests set cancel_asked = true
             where tenant_id = $1 and backtest_id = $2 and status = 'running'",
        )
        .bind(tenant.0)
        .bind(id)
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(|e| PortError::new("cancelling a backtest", e))
    }
}
