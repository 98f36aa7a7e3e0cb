//! `GET /v1/tool-access`: uses of tools in all sessions.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::judgement::ToolUseFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{Asked, ToolUsePage};
use crate::auth::Caller;
use crate::extract::{Params, instant, name};
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::state::App;

/// What the list is narrowed to, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ToolAccessQuery {
    /// Calls of this tool.
    tool: Option<String>,
    session_id: Option<Uuid>,
    /// By this actor.
    actor: Option<String>,
    /// Calls that the policies allowed, or did not.
    allowed: Option<bool>,
    /// Received at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Received before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Uses of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// Audit the use of tools.
#[utoipa::path(get, path = "/v1/tool-access", operation_id = "listToolAccess", tag = "violations",
    params(ToolAccessQuery),
    responses(
        (status = 200, description = "A page of uses.", body = ToolUsePage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<ToolAccessQuery>,
) -> Result<Response, Problem> {
    let filter = ToolUseFilter {
        tool_name: name("tool", query.tool)?,
        session_id: query.session_id,
        actor_id: name("actor", query.actor)?,
        allowed: query.allowed,
        since: instant("since", query.since)?,
        until: instant("until", query.until)?,
    };
    let asked = Asked {
        list: format!("tool-access:{}", caller.tenant),
        limit: app.limits.page(query.limit)?,
        cursor: query.cursor,
    };
    super::page(&app, caller.tenant, &headers, min_position, &filter, asked).await
}
