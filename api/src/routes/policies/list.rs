//! `GET /v1/policies`: the tenant's policies, version by version.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::policy::lifecycle::Status;
use projections::policies::{PolicyFilter, PolicyMark};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::PolicyPage;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{self, Params};
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// What the list is narrowed to, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PoliciesQuery {
    /// Versions of this policy.
    name: Option<String>,
    /// `DRAFT`, `REVIEW`, `ACTIVE` or `RETIRED`.
    #[param(pattern = "^(DRAFT|REVIEW|ACTIVE|RETIRED)$")]
    status: Option<String>,
    /// Versions of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// List versions of policies, by name, the latest draft first.
#[utoipa::path(get, path = "/v1/policies", operation_id = "listPolicies", tag = "policies",
    params(PoliciesQuery),
    responses(
        (status = 200, description = "A page of versions.", body = PolicyPage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<PoliciesQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    if query.status.as_deref().is_some_and(|status| Status::parse(status).is_none()) {
        return Err(Problem::query("status is one of DRAFT, REVIEW, ACTIVE, RETIRED"));
    }
    let filter = PolicyFilter { name: extract::name("name", query.name)?, status: query.status };
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let list = format!("policies:{}", caller.tenant);
    let after = app.cursors.given::<PolicyMark>(&list, query.cursor.as_deref())?;
    let found = app.reads.policy_versions(caller.tenant, &filter, after.as_ref(), limit as i64 + 1);
    conditional::json(&headers, &PolicyPage::of(&app, &list, found.await?, limit)?)
}
