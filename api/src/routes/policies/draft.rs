//! `POST /v1/policies`: drafts a new version of a policy.

use application::policies::PolicyCall;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use projections::policies::PolicyVersion;

use super::body::DocumentBody;
use super::problem::unwritten;
use super::view;
use crate::auth::Caller;
use crate::if_match::IfMatch;
use crate::problem::Problem;
use crate::state::App;

/// Draft a version of a policy.
#[utoipa::path(post, path = "/v1/policies", operation_id = "draftPolicy", tag = "policies",
    request_body(description = "The policy document: see `/v1/policies/schema`.", content(
        (Value = "application/json"), (String = "application/yaml"),
        (String = "application/x-yaml"), (String = "text/yaml"),
    )),
    responses(
        (status = 201, description = "The draft.", body = PolicyVersion),
        (status = 400, description = "`POLICY_INVALID`: `details.errors` says what and where."),
        (status = 409, description = "`POLICY_STATE`: the version is used, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn draft(
    State(app): State<App>,
    caller: Caller,
    IfMatch(expected): IfMatch,
    DocumentBody(document): DocumentBody,
) -> Result<Response, Problem> {
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let drafted = app.policies.draft(&call, &document).await;
    let drafted = drafted.map_err(|error| unwritten(error, &caller))?;
    let names = (drafted.name.as_str(), drafted.version.as_str());
    view::moved(&app, &caller, names, StatusCode::CREATED).await
}
