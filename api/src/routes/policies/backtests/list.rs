//! `GET /v1/policies/{name}/versions/{version}/backtests`: the backtests of a version.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::path::VersionPath;
use super::super::problem::not_found;
use super::view::BacktestView;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// The latest first, at most 500, without their reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacktestList {
    items: Vec<BacktestView>,
}

/// List the backtests of a version.
#[utoipa::path(get, path = "/v1/policies/{name}/versions/{version}/backtests",
    operation_id = "listBacktests", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
    ),
    responses(
        (status = 200, description = "Its backtests.", body = BacktestList),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    VersionPath { name, version }: VersionPath,
) -> Result<Json<BacktestList>, Problem> {
    let known = app.reads.policy_version(caller.tenant, &name, &version).await?;
    known.ok_or_else(not_found)?;
    let (rows, now) = (app.reads.backtests(caller.tenant, &name, &version).await?, app.clock.now());
    let items = rows.into_iter().map(|row| BacktestView::of(row, now)).collect();
    Ok(Json(BacktestList { items }))
}
