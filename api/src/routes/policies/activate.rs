//! `POST /v1/policies/{name}/versions/{version}/activate`: puts a version in force.

use application::policies::PolicyCall;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use projections::policies::PolicyVersion;
use serde::Deserialize;
use utoipa::ToSchema;

use super::path::VersionPath;
use super::problem::refused;
use super::view;
use crate::auth::Caller;
use crate::extract::OptionalBody;
use crate::if_match::IfMatch;
use crate::problem::Problem;
use crate::state::App;

/// How; no body is the same as an empty object.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivateRequest {
    /// Retire the version that is active, in the same commit.
    #[serde(default)]
    supersede: bool,
}

/// Activate a version in review that somebody else has written.
#[utoipa::path(post, path = "/v1/policies/{name}/versions/{version}/activate",
    operation_id = "activatePolicy", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
        ("If-Match" = Option<String>, Header, description = "The ETag that the version must have."),
    ),
    request_body(content = Option<ActivateRequest>),
    responses(
        (status = 200, description = "The version, active.", body = PolicyVersion),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 409, description = "`POLICY_STATE`: not in review, written by the same key, another one is active, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn activate(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    IfMatch(expected): IfMatch,
    OptionalBody(request): OptionalBody<ActivateRequest>,
) -> Result<Response, Problem> {
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let supersede = request.unwrap_or_default().supersede;
    let activated = app.policies.activate(&call, &path.name, &path.version, supersede).await;
    activated.map_err(|error| refused(error, &caller))?;
    view::moved(&app, &caller, (&path.name, &path.version), StatusCode::OK).await
}
