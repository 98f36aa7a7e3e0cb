//! `POST /v1/policies/{name}/versions/{version}/submit`: hands a draft in for review.

use application::policies::PolicyCall;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use projections::policies::PolicyVersion;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::path::VersionPath;
use super::problem::{backtest_not_found, not_found, refused};
use super::view;
use crate::auth::Caller;
use crate::extract::OptionalBody;
use crate::if_match::{IfMatch, precondition_failed};
use crate::problem::Problem;
use crate::state::App;

/// What goes with it; no body is the same as an empty object.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// A completed backtest of this version and text.
    backtest_id: Option<Uuid>,
}

/// Submit a draft for review.
#[utoipa::path(post, path = "/v1/policies/{name}/versions/{version}/submit",
    operation_id = "submitPolicy", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
        ("If-Match" = Option<String>, Header, description = "The ETag that the version must have."),
    ),
    request_body(content = Option<SubmitRequest>),
    responses(
        (status = 200, description = "The version, in review.", body = PolicyVersion),
        (status = 404, description = "`POLICY_NOT_FOUND`, `BACKTEST_NOT_FOUND`"),
        (status = 409, description = "`POLICY_STATE`: the version is no draft or has no controls, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn submit(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    IfMatch(expected): IfMatch,
    OptionalBody(request): OptionalBody<SubmitRequest>,
) -> Result<Response, Problem> {
    let backtest_id = request.unwrap_or_default().backtest_id;
    let tried = match backtest_id {
        None => None,
        Some(backtest) => Some(revision_tried(&app, &caller, &path, backtest).await?),
    };
    // What was tried is what is submitted: nobody may have revised it meanwhile.
    if tried.is_some() && expected.is_some_and(|expected| Some(expected) != tried) {
        return Err(precondition_failed("the version has changed since it was read"));
    }
    let expected = tried.or(expected);
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let submitted = app.policies.submit(&call, &path.name, &path.version, backtest_id).await;
    submitted.map_err(|error| refused(error, &caller))?;
    view::moved(&app, &caller, (&path.name, &path.version), StatusCode::OK).await
}

/// The revision that has the text of a backtest of this version.
async fn revision_tried(
    app: &App,
    caller: &Caller,
    path: &VersionPath,
    backtest: Uuid,
) -> Result<u64, Problem> {
    let version = app.reads.policy_version(caller.tenant, &path.name, &path.version).await?;
    let version = version.ok_or_else(not_found)?;
    let row = app.reads.backtest(caller.tenant, backtest).await?.ok_or_else(backtest_not_found)?;
    if (&row.name, &row.version) != (&version.name, &version.version) {
        return Err(Problem::request("the backtest is one of another version"));
    }
    if row.content_hash != version.content_hash {
        return Err(Problem::request("the version was revised since the backtest"));
    }
    if row.status != "completed" {
        return Err(Problem::request("the backtest is not completed"));
    }
    Ok(version.revision as u64)
}
