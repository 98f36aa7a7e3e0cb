//! `GET /v1/aggregations/sla`: what became of violations, and how soon.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::dashboards::SlaCount;
use serde::Serialize;
use utoipa::ToSchema;

use super::WindowBody;
use super::buckets::BucketQuery;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::routes::violations::SOURCE;
use crate::state::App;

/// Violations by the time of their detection, as they stand now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaBody {
    window: WindowBody,
    /// `hour` or `day`.
    bucket: &'static str,
    /// Over the window.
    total: SlaNumbers,
    /// Every bucket of the window, oldest first.
    items: Vec<SlaBucket>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// One bucket.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaBucket {
    start: DateTime<Utc>,
    #[serde(flatten)]
    numbers: SlaNumbers,
}

/// What became of the violations that were found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaNumbers {
    detected: i64,
    open: i64,
    acknowledged: i64,
    resolved: i64,
    /// Before they were due, or never due.
    resolved_in_time: i64,
    resolved_late: i64,
    /// From detection; null where nothing was acknowledged.
    mean_acknowledge_seconds: Option<f64>,
    /// From detection; null where nothing was resolved.
    mean_resolve_seconds: Option<f64>,
}

impl From<SlaCount> for SlaNumbers {
    fn from(count: SlaCount) -> Self {
        let mean = |micros: i64, of: i64| (of > 0).then(|| micros as f64 / of as f64 / 1e6);
        Self {
            detected: count.detected,
            open: count.open,
            acknowledged: count.acknowledged,
            resolved: count.resolved,
            resolved_in_time: count.resolved_in_time,
            resolved_late: count.resolved_late,
            mean_acknowledge_seconds: mean(count.acknowledge_micros, count.ever_acknowledged),
            mean_resolve_seconds: mean(count.resolve_micros, count.resolved),
        }
    }
}

/// Follow service levels.
#[utoipa::path(get, path = "/v1/aggregations/sla", operation_id = "aggregateSla",
    tag = "aggregations", params(BucketQuery),
    responses(
        (status = 200, description = "States and times by bucket.", body = SlaBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<BucketQuery>,
) -> Result<Response, Problem> {
    let asked = query.read(&app)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let answer = app.reads.sla(caller.tenant, asked.span, asked.bucket).await?;
    let total = answer.rows.iter().fold(SlaCount::default(), sum);
    let mut rows: HashMap<DateTime<Utc>, SlaCount> =
        answer.rows.into_iter().map(|row| (row.bucket, row)).collect();
    let bucket = |start: &DateTime<Utc>| SlaBucket {
        start: *start,
        numbers: rows.remove(start).unwrap_or_default().into(),
    };
    let items = asked.starts.iter().map(bucket).collect();
    let body = SlaBody {
        window: asked.shown,
        bucket: asked.bucket.as_str(),
        total: total.into(),
        items,
        position: answer.position,
    };
    conditional::json(&headers, &body)
}

fn sum(mut total: SlaCount, row: &SlaCount) -> SlaCount {
    total.detected += row.detected;
    total.open += row.open;
    total.acknowledged += row.acknowledged;
    total.resolved += row.resolved;
    total.resolved_in_time += row.resolved_in_time;
    total.resolved_late += row.resolved_late;
    total.ever_acknowledged += row.ever_acknowledged;
    total.acknowledge_micros += row.acknowledge_micros;
    total.resolve_micros += row.resolve_micros;
    total
}
