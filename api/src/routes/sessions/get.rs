//! `GET /v1/sessions/{session_id}`: one session as it stands.

use axum::Json;
use axum::extract::State;

use super::view::SessionView;
use crate::auth::Caller;
use crate::extract::SessionPath;
use crate::problem::Problem;
use crate::state::App;

/// Look at a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}", operation_id = "getSession",
    tag = "sessions", params(("session_id" = uuid::Uuid, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionView),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
) -> Result<Json<SessionView>, Problem> {
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    Ok(Json(SessionView::of(row, app.clock.now(), app.sessions.settings.idle_max)))
}
