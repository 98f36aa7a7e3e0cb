//! `GET /v1/aggregations/agents`: which agents were busiest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::aggregations::AgentRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WindowBody;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["agents", "event_counts"]);

/// What is ranked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AgentsQuery {
    /// Hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// This agent alone.
    agent_id: Option<String>,
    /// Rows at most: 20 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
}

/// Agents that were seen in the window, the busiest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentsBody {
    window: WindowBody,
    items: Vec<AgentRow>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// Rank agents.
#[utoipa::path(get, path = "/v1/aggregations/agents", operation_id = "aggregateAgents",
    tag = "aggregations", params(AgentsQuery),
    responses(
        (status = 200, description = "Agents that were seen in the window, the busiest first.", body = AgentsBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<AgentsQuery>,
) -> Result<Response, Problem> {
    let (asked, window) = super::window(&app, query.window.as_deref(), query.agent_id)?;
    let limit = super::rows(query.limit)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let answer = app.reads.agents(caller.tenant, &asked, limit).await?;
    let body = AgentsBody { window, items: answer.rows, position: answer.position };
    conditional::json(&headers, &body)
}
