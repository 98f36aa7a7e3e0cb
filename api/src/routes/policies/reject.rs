//! `POST /v1/policies/{name}/versions/{version}/reject`: gives a version in review back to its authors.

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
pub struct RejectRequest {
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Reject a version in review: it becomes a draft again.
#[utoipa::path(post, path = "/v1/policies/{name}/versions/{version}/reject",
    operation_id = "rejectPolicy", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
        ("If-Match" = Option<String>, Header, description = "The ETag that the version must have."),
    ),
    request_body = RejectRequest,
    responses(
        (status = 200, description = "The version, a draft again.", body = PolicyVersion),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 409, description = "`POLICY_STATE`: the version is not in review, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn reject(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    IfMatch(expected): IfMatch,
    JsonBody(request): JsonBody<RejectRequest>,
) -> Result<Response, Problem> {
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let rejected = app.policies.reject(&call, &path.name, &path.version, request.reason).await;
    rejected.map_err(|error| refused(error, &caller))?;
    view::moved(&app, &caller, (&path.name, &path.version), StatusCode::OK).await
}
