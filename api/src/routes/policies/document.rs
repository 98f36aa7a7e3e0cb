//! `GET /v1/policies/documents/{content_hash}`: the rule text behind a hash, for ever.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::path::NamePath;
use super::problem::not_found;
use crate::auth::Caller;
use crate::conditional;
use crate::problem::Problem;
use crate::state::App;

/// Read the text behind a hash that a violation or a seal names.
#[utoipa::path(get, path = "/v1/policies/documents/{content_hash}",
    operation_id = "getPolicyDocument", tag = "policies",
    params(("content_hash" = String, Path, description = "`sha256:` and 64 hex digits.")),
    responses(
        (status = 200, description = "The policy document, as it was given.", body = Value),
        (status = 304, description = "The document is the one of the given ETag."),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
    ))]
pub async fn document(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    NamePath(content_hash): NamePath,
) -> Result<Response, Problem> {
    let document = app.reads.policy_document(caller.tenant, &content_hash).await?;
    conditional::json(&headers, &document.ok_or_else(not_found)?)
}
