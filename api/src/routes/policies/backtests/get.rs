//! `GET /v1/policies/backtests/{backtest_id}`: how far a backtest has come, and its report.

use axum::Json;
use axum::extract::State;

use super::super::path::BacktestPath;
use super::view::{self, BacktestView};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// Look at a backtest.
#[utoipa::path(get, path = "/v1/policies/backtests/{backtest_id}", operation_id = "getBacktest",
    tag = "policies",
    params(("backtest_id" = uuid::Uuid, Path, description = "The backtest.")),
    responses(
        (status = 200, description = "Its progress, and its report once it is completed.",
         body = BacktestView),
        (status = 404, description = "`BACKTEST_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    BacktestPath(backtest): BacktestPath,
) -> Result<Json<BacktestView>, Problem> {
    view::find(&app, &caller, backtest).await.map(Json)
}
