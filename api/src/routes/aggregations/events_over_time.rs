//! `GET /v1/aggregations/events-over-time`: how many evidence events came when.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::aggregations::TypeCount;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WindowBody;
use super::buckets::{BUCKETS_MAX, bucket, starts, width};
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{self, Params};
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["event_counts"]);

/// What is counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverTimeQuery {
    /// Hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// `hour` or `day`, in UTC; absent, hours up to three days, and days beyond.
    #[param(pattern = "^(hour|day)$")]
    bucket: Option<String>,
    /// Events of this agent.
    agent_id: Option<String>,
    /// Events of this type.
    event_type: Option<String>,
    /// The latest buckets, at most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// Events in buckets of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverTimeBody {
    window: WindowBody,
    /// `hour` or `day`.
    bucket: &'static str,
    /// Of all buckets.
    total: i64,
    /// Every bucket of the window, oldest first, those without events too.
    items: Vec<BucketBody>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// One bucket.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketBody {
    start: DateTime<Utc>,
    events: i64,
    by_type: BTreeMap<String, i64>,
}

/// Count events over time.
#[utoipa::path(get, path = "/v1/aggregations/events-over-time",
    operation_id = "aggregateEventsOverTime", tag = "aggregations", params(OverTimeQuery),
    responses(
        (status = 200, description = "Counts by bucket and type.", body = OverTimeBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<OverTimeQuery>,
) -> Result<Response, Problem> {
    let (mut window, _) = super::window(&app, query.window.as_deref(), query.agent_id)?;
    let event_type = extract::name("event_type", query.event_type)?;
    let bucket = bucket(query.bucket.as_deref(), &window)?;
    let limit = extract::limit(query.limit, BUCKETS_MAX, BUCKETS_MAX)?;
    let starts = starts(&mut window, width(bucket), limit as i64)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let answer =
        app.reads.events_over_time(caller.tenant, &window, event_type.as_deref(), bucket).await?;
    let items = filled(starts, answer.rows);
    let body = OverTimeBody {
        window: WindowBody { since: window.since, until: window.until },
        bucket: bucket.as_str(),
        total: items.iter().map(|item| item.events).sum(),
        items,
        position: answer.position,
    };
    conditional::json(&headers, &body)
}

fn filled(starts: Vec<DateTime<Utc>>, rows: Vec<TypeCount>) -> Vec<BucketBody> {
    let mut buckets: BTreeMap<DateTime<Utc>, BTreeMap<String, i64>> =
        starts.into_iter().map(|start| (start, BTreeMap::new())).collect();
    for row in rows {
        *buckets.entry(row.bucket).or_default().entry(row.event_type).or_default() += row.events;
    }
    let body = |(start, by_type): (_, BTreeMap<String, i64>)| BucketBody {
        start,
        events: by_type.values().sum(),
        by_type,
    };
    buckets.into_iter().map(body).collect()
}
