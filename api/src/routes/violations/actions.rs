//! `GET /v1/violations/{violation_id}/actions`: what was done about it, and nobody can change.

use axum::Json;
use axum::extract::State;
use projections::violations::ActionRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ViolationPath;
use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::state::App;

/// Actions that are shown with a violation.
pub(super) const ACTIONS_MAX: i64 = 500;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActionsQuery {
    /// Actions of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One page, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionPage {
    items: Vec<ActionRow>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

/// Read an action log.
#[utoipa::path(get, path = "/v1/violations/{violation_id}/actions",
    operation_id = "listViolationActions", tag = "violations",
    params(("violation_id" = uuid::Uuid, Path, description = "The violation."), ActionsQuery),
    responses(
        (status = 200, description = "A page of actions.", body = ActionPage),
        (status = 404, description = "`VIOLATION_NOT_FOUND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    Params(query): Params<ActionsQuery>,
) -> Result<Json<ActionPage>, Problem> {
    let limit = app.limits.page(query.limit)?;
    let list = format!("violation-actions:{}:{violation}", caller.tenant);
    let after = app.cursors.given::<i64>(&list, query.cursor.as_deref())?.unwrap_or_default();
    let mut items =
        app.reads.violation_actions(caller.tenant, violation, after, limit as i64 + 1).await?;
    // Every violation has the line of its detection.
    if items.is_empty() && after == 0 {
        return Err(super::not_found());
    }
    let next_cursor = app.cursors.page(&list, &mut items, limit, |row| row.number)?;
    Ok(Json(ActionPage { items, next_cursor }))
}
