//! What is said of a backtest.

use application::backtests::SILENCE_MAX;
use chrono::{DateTime, Utc};
use projections::backtests::BacktestRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::problem::backtest_not_found;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// A backtest as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacktestView {
    backtest_id: Uuid,
    name: String,
    version: String,
    /// Of the text that is tried.
    content_hash: String,
    /// The version that was active when it began, if one was.
    against_version: Option<String>,
    against_hash: Option<String>,
    /// `running`, `completed`, `cancelled` or `failed`.
    status: String,
    /// Somebody has asked for its end.
    cancel_asked: bool,
    /// Records that there are, about; exact when it is completed.
    events_total: u64,
    /// Records that were looked at.
    events_done: u64,
    /// What it has shown, when it is completed and was asked for by its id.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
    /// Why it failed.
    reason: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    links: BacktestLinks,
}

/// Where to go from here.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacktestLinks {
    /// Progress and report.
    #[serde(rename = "self")]
    this: String,
    cancel: String,
    version: String,
}

impl BacktestView {
    pub fn of(row: BacktestRow, now: DateTime<Utc>) -> Self {
        let row = row.as_of(now, SILENCE_MAX);
        let this = format!("/v1/policies/backtests/{}", row.backtest_id);
        let links = BacktestLinks {
            cancel: format!("{this}/cancel"),
            this,
            version: format!("/v1/policies/{}/versions/{}", row.name, row.version),
        };
        Self {
            backtest_id: row.backtest_id,
            name: row.name,
            version: row.version,
            content_hash: row.content_hash,
            against_version: row.against_version,
            against_hash: row.against_hash,
            status: row.status,
            cancel_asked: row.cancel_asked,
            events_total: row.events_total as u64,
            events_done: row.events_done as u64,
            report: row.report.map(|report| report.0),
            reason: row.reason,
            created_by: row.created_by,
            created_at: row.created_at,
            finished_at: row.finished_at,
            links,
        }
    }
}

/// One of the caller's.
pub async fn find(app: &App, caller: &Caller, backtest: Uuid) -> Result<BacktestView, Problem> {
    let row = app.reads.backtest(caller.tenant, backtest).await?;
    Ok(BacktestView::of(row.ok_or_else(backtest_not_found)?, app.clock.now()))
}
