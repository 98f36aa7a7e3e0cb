//! `PUT /v1/policies/{name}/versions/{version}`: writes a draft anew.

use application::policies::PolicyCall;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::policy::fault::Fault;
use projections::policies::PolicyVersion;
use serde_json::Value;

use super::body::DocumentBody;
use super::path::VersionPath;
use super::problem::{invalid, unwritten};
use super::view;
use crate::auth::Caller;
use crate::if_match::IfMatch;
use crate::problem::Problem;
use crate::state::App;

/// Write a draft anew.
#[utoipa::path(put, path = "/v1/policies/{name}/versions/{version}",
    operation_id = "revisePolicy", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version, as the document names it."),
        ("If-Match" = Option<String>, Header, description = "The ETag that the version must have."),
    ),
    request_body(description = "The policy document: see `/v1/policies/schema`.", content(
        (Value = "application/json"), (String = "application/yaml"),
        (String = "application/x-yaml"), (String = "text/yaml"),
    )),
    responses(
        (status = 200, description = "The draft.", body = PolicyVersion),
        (status = 400, description = "`POLICY_INVALID`: `details.errors` says what and where."),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 409, description = "`POLICY_STATE`: the version is no draft, `CONFLICT`"),
        (status = 412, description = "`PRECONDITION_FAILED`"),
    ))]
pub async fn revise(
    State(app): State<App>,
    caller: Caller,
    path: VersionPath,
    IfMatch(expected): IfMatch,
    DocumentBody(document): DocumentBody,
) -> Result<Response, Problem> {
    let others = others(&document, &path);
    if !others.is_empty() {
        return Err(invalid(&others));
    }
    let call = PolicyCall { tenant: caller.tenant, metadata: caller.metadata(), expected };
    let revised = app.policies.revise(&call, &document).await;
    revised.map_err(|error| unwritten(error, &caller))?;
    view::moved(&app, &caller, (&path.name, &path.version), StatusCode::OK).await
}

/// What the document names that the path does not; what is absent is for the schema to say.
fn others(document: &Value, path: &VersionPath) -> Vec<Fault> {
    let of_path = [("name", &path.name), ("version", &path.version)];
    let named = of_path.into_iter().filter(|(member, expected)| {
        document[*member].as_str().is_some_and(|found| found != expected.as_str())
    });
    named
        .map(|(member, expected)| Fault {
            pointer: format!("/{member}"),
            message: format!("the path names the {member} {expected}"),
        })
        .collect()
}
