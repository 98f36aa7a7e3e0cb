//! `POST /v1/policies/backtests/{backtest_id}/cancel`: asks whoever runs a backtest to end it.

use axum::Json;
use axum::extract::State;

use super::super::path::BacktestPath;
use super::view::{self, BacktestView};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// Cancel a backtest; one that has ended stays as it is.
#[utoipa::path(post, path = "/v1/policies/backtests/{backtest_id}/cancel",
    operation_id = "cancelBacktest", tag = "policies",
    params(("backtest_id" = uuid::Uuid, Path, description = "The backtest.")),
    responses(
        (status = 200, description = "As it stands; it ends within a second.", body = BacktestView),
        (status = 404, description = "`BACKTEST_NOT_FOUND`"),
    ))]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    BacktestPath(backtest): BacktestPath,
) -> Result<Json<BacktestView>, Problem> {
    app.backtests.cancel(caller.tenant, backtest).await?;
    view::find(&app, &caller, backtest).await.map(Json)
}
