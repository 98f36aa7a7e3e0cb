//! `GET /v1/policies/schema`: the JSON Schema that every policy is held to.

use axum::http::header;
use axum::response::IntoResponse;
use domain::policy::validate;

/// Read the schema of policy documents (JSON Schema, draft 2020-12).
#[utoipa::path(get, path = "/v1/policies/schema", operation_id = "getPolicySchema",
    tag = "policies",
    responses((status = 200, description = "The schema.", body = Value,
               content_type = "application/schema+json")))]
pub async fn schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], validate::schema())
}
