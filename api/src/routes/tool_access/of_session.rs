//! `GET /v1/sessions/{session_id}/tool-access`: uses of tools in one session.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::judgement::ToolUseFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Asked, ToolUsePage};
use crate::auth::Caller;
use crate::extract::{Params, SessionPath};
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::state::App;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionToolsQuery {
    /// Uses of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// Audit the use of tools in a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/tool-access",
    operation_id = "listSessionToolAccess", tag = "violations",
    params(("session_id" = uuid::Uuid, Path, description = "The session."), SessionToolsQuery),
    responses(
        (status = 200, description = "A page of uses.", body = ToolUsePage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    SessionPath(session): SessionPath,
    Params(query): Params<SessionToolsQuery>,
) -> Result<Response, Problem> {
    let known = app.reads.session(caller.tenant, session).await?;
    known.ok_or_else(Problem::session_not_found)?;
    let filter = ToolUseFilter { session_id: Some(session.0), ..ToolUseFilter::default() };
    let asked = Asked {
        list: format!("tool-access:{}:{session}", caller.tenant),
        limit: app.limits.page(query.limit)?,
        cursor: query.cursor,
    };
    super::page(&app, caller.tenant, &headers, min_position, &filter, asked).await
}
