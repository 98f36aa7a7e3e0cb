//! `GET /v1/violations/{violation_id}`: one violation, with what was done about it.

use axum::extract::State;
use axum::response::Response;
use domain::ids::TenantId;
use uuid::Uuid;

use super::ViolationPath;
use super::actions::ACTIONS_MAX;
use super::view::ViolationView;
use crate::auth::Caller;
use crate::conditional;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// Look at a violation.
///
/// Its state and its first 500 actions are those of its events: never behind a command.
#[utoipa::path(get, path = "/v1/violations/{violation_id}", operation_id = "getViolation",
    tag = "violations",
    params(("violation_id" = uuid::Uuid, Path, description = "The violation.")),
    responses(
        (status = 200, description = "The violation.", body = ViolationView,
            headers(("etag" = String, description = "Its version, for `If-Match`."))),
        (status = 404, description = "`VIOLATION_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    min_position: MinPosition,
    ViolationPath(violation): ViolationPath,
) -> Result<Response, Problem> {
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let view = find(&app, caller.tenant, violation).await?;
    Ok(conditional::versioned(view.version, view))
}

/// A violation with its actions.
pub(super) async fn find(
    app: &App,
    tenant: TenantId,
    violation: Uuid,
) -> Result<ViolationView, Problem> {
    let view = app.reads.violation(tenant, violation).await?.ok_or_else(super::not_found)?;
    let actions = app.reads.violation_actions(tenant, violation, 0, ACTIONS_MAX).await?;
    let mut view = ViolationView::of(view, app.clock.now());
    view.actions = Some(actions);
    Ok(view)
}
