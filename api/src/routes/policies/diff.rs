//! `GET /v1/policies/{name}/diff`: what differs between two versions.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::path::NamePath;
use super::problem::not_found;
use crate::auth::Caller;
use crate::extract::{self, Params};
use crate::policy_diff::{self, Change};
use crate::problem::Problem;
use crate::state::App;

/// Two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// The version before.
    from: String,
    /// The version after.
    to: String,
}

/// What differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyDiff {
    name: String,
    from: String,
    to: String,
    from_hash: String,
    to_hash: String,
    /// At most 1,000.
    changes: Vec<Change>,
    /// There are more changes than are listed.
    truncated: bool,
}

/// Compare two versions of a policy.
#[utoipa::path(get, path = "/v1/policies/{name}/diff", operation_id = "diffPolicyVersions",
    tag = "policies", params(("name" = String, Path, description = "The policy."), DiffQuery),
    responses(
        (status = 200, description = "Every place that differs.", body = PolicyDiff),
        (status = 404, description = "`POLICY_NOT_FOUND`"),
    ))]
pub async fn diff(
    State(app): State<App>,
    caller: Caller,
    NamePath(name): NamePath,
    Params(DiffQuery { from, to }): Params<DiffQuery>,
) -> Result<Json<PolicyDiff>, Problem> {
    let (from_hash, before) = text(&app, &caller, &name, ("from", &from)).await?;
    let (to_hash, after) = text(&app, &caller, &name, ("to", &to)).await?;
    let (changes, truncated) = policy_diff::diff(&before, &after);
    Ok(Json(PolicyDiff { name, from, to, from_hash, to_hash, changes, truncated }))
}

async fn text(
    app: &App,
    caller: &Caller,
    name: &str,
    (parameter, version): (&str, &str),
) -> Result<(String, Value), Problem> {
    extract::name(parameter, Some(version.to_owned()))?;
    let row = app.reads.policy_version(caller.tenant, name, version).await?;
    let hash = row.ok_or_else(not_found)?.content_hash;
    let document = app.reads.policy_document(caller.tenant, &hash).await?;
    Ok((hash, document.ok_or_else(not_found)?))
}
