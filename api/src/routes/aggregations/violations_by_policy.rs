//! `GET /v1/aggregations/violations-by-policy`: how many violations of each policy were found when.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::buckets::{BucketQuery, GroupsBody};
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::routes::violations::SOURCE;
use crate::state::App;

/// Count violations by policy.
#[utoipa::path(get, path = "/v1/aggregations/violations-by-policy",
    operation_id = "aggregateViolationsByPolicy", tag = "aggregations", params(BucketQuery),
    responses(
        (status = 200, description = "Counts by policy and bucket.", body = GroupsBody),
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
    let answer = app.reads.violations_by_policy(caller.tenant, asked.span, asked.bucket).await?;
    conditional::json(&headers, &asked.groups(answer.rows, answer.position))
}
