//! `GET /v1/aggregations/tools`: which tools were called most.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::aggregations::ToolRow;

use super::{RankBody, RankQuery};
use crate::auth::Caller;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["tool_usage"]);

/// Rank tools.
#[utoipa::path(get, path = "/v1/aggregations/tools", operation_id = "aggregateTools",
    tag = "aggregations", params(RankQuery),
    responses(
        (status = 200, description = "Tools by calls, the most called first.", body = RankBody<ToolRow>),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<RankQuery>,
) -> Result<Response, Problem> {
    let asked = query.read(&app)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let answer = app.reads.tools(caller.tenant, &asked.window, asked.limit).await?;
    asked.answer(&headers, answer)
}
