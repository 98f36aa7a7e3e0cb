//! `GET /v1/aggregations/agents`: which agents were busiest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::aggregations::AgentRow;

use super::{RankBody, RankQuery};
use crate::auth::Caller;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["agents", "event_counts"]);

/// Rank agents.
#[utoipa::path(get, path = "/v1/aggregations/agents", operation_id = "aggregateAgents",
    tag = "aggregations", params(RankQuery),
    responses(
        (status = 200, description = "Agents that were seen in the window, the busiest first.", body = RankBody<AgentRow>),
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
    let answer = app.reads.agents(caller.tenant, &asked.window, asked.limit).await?;
    asked.answer(&headers, answer)
}
