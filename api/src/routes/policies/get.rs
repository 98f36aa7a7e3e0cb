//! `GET /v1/policies/{name}/versions/{version}`: one version with its text.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::path::VersionPath;
use super::problem::not_found;
use super::view::{self, PolicyDocumentVersion};
use crate::auth::Caller;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// Look at a version of a policy.
#[utoipa::path(get, path = "/v1/policies/{name}/versions/{version}",
    operation_id = "getPolicyVersion", tag = "policies",
    params(
        ("name" = String, Path, description = "The policy."),
        ("version" = String, Path, description = "The version."),
    ),
    responses(
        (status = 200, description = "The version, its document and, as ETag, its revision.",
         body = PolicyDocumentVersion, headers(("etag" = String))),
        (status = 304, description = "The version is the one of the given ETag."),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    path: VersionPath,
) -> Result<Response, Problem> {
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let version = app.reads.policy_version(caller.tenant, &path.name, &path.version).await?;
    let version = version.ok_or_else(not_found)?;
    let document = app.reads.policy_document(caller.tenant, &version.content_hash).await?;
    let document = document.ok_or_else(|| {
        Problem::internal(format!("the text behind {} is missing", version.content_hash))
    })?;
    view::shown(&headers, &PolicyDocumentVersion { version, document })
}
