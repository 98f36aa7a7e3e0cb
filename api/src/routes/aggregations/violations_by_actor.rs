//! `GET /v1/aggregations/violations-by-actor`: on whose behalf most violations came about.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use projections::dashboards::Span;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ROWS_DEFAULT, ROWS_MAX, WindowBody};
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{self, Params};
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::routes::violations::SOURCE;
use crate::state::App;

/// What is counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActorsQuery {
    /// Days up to now, widened to whole ones: `7d`, `24h` (when absent).
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// `day`, in UTC, and no other.
    #[param(pattern = "^day$")]
    bucket: Option<String>,
    /// Actors at most: 20 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// Actors, the one with most violations first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorsBody {
    window: WindowBody,
    /// `day`.
    bucket: &'static str,
    items: Vec<ActorBody>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// One actor.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorBody {
    /// Null for events that named nobody.
    actor_id: Option<String>,
    violations: i64,
    /// Days with violations, oldest first.
    buckets: Vec<ActorBucket>,
}

/// One day of an actor.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorBucket {
    start: DateTime<Utc>,
    violations: i64,
}

/// Rank actors by violations.
#[utoipa::path(get, path = "/v1/aggregations/violations-by-actor",
    operation_id = "aggregateViolationsByActor", tag = "aggregations", params(ActorsQuery),
    responses(
        (status = 200, description = "Actors, the one with most violations first.", body = ActorsBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<ActorsQuery>,
) -> Result<Response, Problem> {
    if query.bucket.as_deref().is_some_and(|bucket| bucket != "day") {
        return Err(Problem::query("bucket is day: actors are counted by days"));
    }
    let limit = extract::limit(query.limit, ROWS_DEFAULT, ROWS_MAX)?;
    let (window, _) = super::window(&app, query.window.as_deref(), None)?;
    let day = TimeDelta::days(1);
    let since = window.since.duration_trunc(day).map_err(Problem::internal)?;
    let until = window.until.duration_round_up(day).map_err(Problem::internal)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let span = Span { since, until };
    let answer = app.reads.violations_by_actor(caller.tenant, span, limit as i64).await?;
    let mut actors: BTreeMap<String, Vec<ActorBucket>> = BTreeMap::new();
    for row in answer.rows {
        let bucket = ActorBucket { start: row.bucket, violations: row.violations };
        actors.entry(row.name).or_default().push(bucket);
    }
    let actor = |(name, buckets): (String, Vec<ActorBucket>)| ActorBody {
        actor_id: Some(name).filter(|name| !name.is_empty()),
        violations: buckets.iter().map(|b| b.violations).sum(),
        buckets,
    };
    let mut items: Vec<ActorBody> = actors.into_iter().map(actor).collect();
    items.sort_by_key(|actor| std::cmp::Reverse(actor.violations));
    let window = WindowBody { since, until };
    let body = ActorsBody { window, bucket: "day", items, position: answer.position };
    conditional::json(&headers, &body)
}
