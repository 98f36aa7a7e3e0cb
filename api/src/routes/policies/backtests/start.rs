//! `POST /v1/policies/{name}/versions/{version}/backtest`: tries a version on stored history.

use application::backtests::{Order, Span};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::path::VersionPath;
use super::view::{self, BacktestView};
use crate::auth::Caller;
use crate::extract::{OptionalBody, instant};
use crate::problem::Problem;
use crate::state::App;

/// Which part of the history; no body is all of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BacktestRequest {
    /// Records received at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Records received before (RFC 3339).
    until: Option<DateTime<Utc>>,
}

/// Try a version of a policy on stored history, beside the active one.
#[utoipa::path(post, path = "/v1/policies/{name}/versions/{version}/backtest",
    operation_id = "startBacktest", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version, whatever its status."),
    ),
    request_body(content = Option<BacktestRequest>),
    responses(
        (status = 202, description = "It runs: `links.self` says how far.", body = BacktestView),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 409, description = "`BACKTEST_RUNNING`: one of the tenant's, or too many here"),
    ))]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    OptionalBody(request): OptionalBody<BacktestRequest>,
) -> Result<(StatusCode, Json<BacktestView>), Problem> {
    let BacktestRequest { since, until } = request.unwrap_or_default();
    let span = Span { since: instant("since", since)?, until: instant("until", until)? };
    let VersionPath { name, version } = path;
    let order = Order { tenant: caller.tenant, name, version, span, by: caller.actor() };
    let begun = app.backtests.begin(order).await?;
    let begins = view::find(&app, &caller, begun.id).await?;
    app.backtests.spawn(begun);
    Ok((StatusCode::ACCEPTED, Json(begins)))
}
