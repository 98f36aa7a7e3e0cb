//! `POST /v1/policies/validate`: says whether a document is a policy, and keeps nothing.

use axum::Json;
use domain::policy::validate::Policy;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::DocumentBody;
use super::problem::invalid;
use crate::problem::Problem;

/// A document that is in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidPolicy {
    /// Always true: what is not valid is answered with 400.
    valid: bool,
    name: String,
    version: String,
    /// `sha256:` over the document's canonical form.
    content_hash: String,
    controls: usize,
}

/// Check a policy document.
#[utoipa::path(post, path = "/v1/policies/validate", operation_id = "validatePolicy",
    tag = "policies",
    request_body(description = "The policy document: see `/v1/policies/schema`.", content(
        (Value = "application/json"), (String = "application/yaml"),
        (String = "application/x-yaml"), (String = "text/yaml"),
    )),
    responses(
        (status = 200, description = "The document is a policy.", body = ValidPolicy),
        (status = 400, description = "`POLICY_INVALID`: `details.errors` says what and where."),
    ))]
pub async fn validate(DocumentBody(document): DocumentBody) -> Result<Json<ValidPolicy>, Problem> {
    let policy = Policy::read(&document).map_err(|faults| invalid(&faults))?;
    let Policy { document, content_hash, .. } = policy;
    Ok(Json(ValidPolicy {
        valid: true,
        name: document.name,
        version: document.version,
        content_hash,
        controls: document.controls.len(),
    }))
}
