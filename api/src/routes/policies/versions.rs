//! `GET /v1/policies/{name}`: the versions of one policy, the latest draft first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::policies::{PolicyFilter, PolicyMark};
use serde::Deserialize;
use utoipa::IntoParams;

use super::path::NamePath;
use super::problem::not_found;
use super::view::PolicyPage;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VersionsQuery {
    /// Versions of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// List the versions of a policy.
#[utoipa::path(get, path = "/v1/policies/{name}", operation_id = "listPolicyVersions",
    tag = "policies",
    params(("name" = String, Path, description = "The policy."), VersionsQuery),
    responses(
        (status = 200, description = "A page of versions.", body = PolicyPage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn versions(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    NamePath(name): NamePath,
    Params(query): Params<VersionsQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let list = format!("policies:{}:{name}", caller.tenant);
    let after = app.cursors.given::<PolicyMark>(&list, query.cursor.as_deref())?;
    let filter = PolicyFilter { name: Some(name), status: None };
    let found = app.reads.policy_versions(caller.tenant, &filter, after.as_ref(), limit as i64 + 1);
    let found = found.await?;
    if found.is_empty() && after.is_none() {
        return Err(not_found());
    }
    conditional::json(&headers, &PolicyPage::of(&app, &list, found, limit)?)
}
