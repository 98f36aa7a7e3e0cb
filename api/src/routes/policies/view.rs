//! What is said of a version.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use projections::policies::PolicyVersion;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::not_found;
use crate::auth::Caller;
use crate::conditional;
use crate::problem::Problem;
use crate::routes::json;
use crate::state::App;

/// A version with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyDocumentVersion {
    #[serde(flatten)]
    pub version: PolicyVersion,
    /// The policy, as it was given.
    #[schema(value_type = Object)]
    pub document: Value,
}

/// One page of versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyPage {
    items: Vec<PolicyVersion>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

impl PolicyPage {
    /// Of one item more than there is place for, when there are more.
    pub fn of(
        app: &App,
        list: &str,
        mut items: Vec<PolicyVersion>,
        limit: usize,
    ) -> Result<Self, Problem> {
        let next_cursor = app.cursors.page(list, &mut items, limit, PolicyVersion::mark)?;
        Ok(Self { items, next_cursor })
    }
}

fn etag(version: &PolicyVersion) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(&format!("\"{}\"", version.revision)).map_err(Problem::internal)
}

/// The version as a command has left it.
pub async fn moved(
    app: &App,
    caller: &Caller,
    (name, version): (&str, &str),
    status: StatusCode,
) -> Result<Response, Problem> {
    let row = app.reads.policy_version(caller.tenant, name, version).await?;
    let row = row.ok_or_else(not_found)?;
    Ok((status, [(header::ETAG, etag(&row)?)], json(row)).into_response())
}

/// The version for a reader, who may hold it already.
pub fn shown(request: &HeaderMap, version: &PolicyDocumentVersion) -> Result<Response, Problem> {
    conditional::tagged(request, etag(&version.version)?, version)
}
