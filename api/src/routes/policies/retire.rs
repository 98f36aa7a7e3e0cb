//! `POST /v1/policies/{name}/versions/{version}/retire`: takes a version out of force, for good.

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
use crate::extract::JsonBody;
use crate::if_match::IfMatch;
use crate::problem::Problem;
use crate::state::App;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireRequest {
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Retire the active version of a policy, for good.
#[utoipa::path(post, path = "/v1/policies/{name}/versions/{version}/retire",
    operation_id = "retirePolicy", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
        ("If-Match" = Option<String>, Header, description = "The ETag that the version must have."),
    ),
    request_body = RetireRequest,
    responses(
        (status = 200, description = "The version, retired.", body = PolicyVersion),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 409, description = "`POLICY_STATE`: the version is not active, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn retire(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    IfMatch(expected): IfMatch,
    JsonBody(request): JsonBody<RetireRequest>,
) -> Result<Response, Problem> {
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let retired = app.policies.retire(&call, &path.name, &path.version, request.reason).await;
    retired.map_err(|error| refused(error, &caller))?;
    view::moved(&app, &caller, (&path.name, &path.version), StatusCode::OK).await
}
