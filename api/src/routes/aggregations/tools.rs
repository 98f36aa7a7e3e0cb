//! `GET /v1/aggregations/tools`: which tools were called most.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::aggregations::ToolRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WindowBody;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["tool_usage"]);

/// What is ranked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ToolsQuery {
    /// Hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// Calls by this agent.
    agent_id: Option<String>,
    /// Rows at most: 20 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
}

/// Tools by calls, the most called first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolsBody {
    window: WindowBody,
    items: Vec<ToolRow>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// Rank tools.
#[utoipa::path(get, path = "/v1/aggregations/tools", operation_id = "aggregateTools",
    tag = "aggregations", params(ToolsQuery),
    responses(
        (status = 200, description = "Tools by calls, the most called first.", body = ToolsBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<ToolsQuery>,
) -> Result<Response, Problem> {
    let (asked, window) = super::window(&app, query.window.as_deref(), query.agent_id)?;
    let limit = super::rows(query.limit)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let answer = app.reads.tools(caller.tenant, &asked, limit).await?;
    let body = ToolsBody { window, items: answer.rows, position: answer.position };
    conditional::json(&headers, &body)
}
