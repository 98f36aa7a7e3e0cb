//! Backtests as they stand: the rows are written by whoever runs them.

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::TenantId;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::TenantReads;

/// Backtests of one version that are listed.
const LISTED_MAX: i64 = 500;

/// One backtest.
#[derive(Debug, Clone, FromRow)]
pub struct BacktestRow {
    pub backtest_id: Uuid,
    pub name: String,
    pub version: String,
    pub content_hash: String,
    pub against_version: Option<String>,
    pub against_hash: Option<String>,
    /// `running`, `completed`, `cancelled` or `failed`.
    pub status: String,
    pub cancel_asked: bool,
    pub events_total: i64,
    pub events_done: i64,
    pub report: Option<Json<Value>>,
    pub reason: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub touched_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl BacktestRow {
    /// What has not been heard of for so long has died with its server.
    #[must_use]
    pub fn as_of(mut self, now: DateTime<Utc>, silence_max: TimeDelta) -> Self {
        if self.status == "running" && now - self.touched_at > silence_max {
            "failed".clone_into(&mut self.status);
            self.reason = Some("who ran it has fallen silent".to_owned());
        }
        self
    }
}

impl TenantReads {
    /// One backtest, with its report.
    pub async fn backtest(
        &self,
        tenant: TenantId,
        backtest: Uuid,
    ) -> sqlx::Result<Option<BacktestRow>> {
        let mut transaction = self.begin(tenant).await?;
        let row =
            sqlx::query_as("select * from backtests where tenant_id = $1 and backtest_id = $2")
                .bind(tenant.0)
                .bind(backtest)
                .fetch_optional(&mut *transaction)
                .await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// The backtests of a version, the latest first, without their reports.
    pub async fn backtests(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> sqlx::Result<Vec<BacktestRow>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query_as(
            "select backtest_id, name, version, content_hash, against_version, against_hash, status,
                    cancel_asked, events_total, events_done, null::json as report, reason,
                    created_by, created_at, touched_at, finished_at
             from backtests where tenant_id = $1 and name = $2 and version = $3
             order by created_at desc, backtest_id desc limit $4",
        )
        .bind(tenant.0)
        .bind(name)
        .bind(version)
        .bind(LISTED_MAX)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }
}
