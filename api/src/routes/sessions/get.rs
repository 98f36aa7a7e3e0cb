//! `GET /v1/sessions/{session_id}`: one session as it stands.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::judged;
use super::view::SessionView;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::SessionPath;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// Look at a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}", operation_id = "getSession",
    tag = "sessions", params(("session_id" = uuid::Uuid, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionView),
        (status = 304, description = "The session is the one of the given ETag."),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    SessionPath(session): SessionPath,
) -> Result<Response, Problem> {
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    let judged = judged::of_one(&app, caller.tenant, &row).await?;
    let view = SessionView::of(row, judged, app.clock.now(), app.sessions.settings.idle_max);
    conditional::json(&headers, &view)
}
