//! `/admin/keys`: make, list, look at and revoke API keys.

use application::tenants::KeyOrder;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::evidence::record::format_micros;
use domain::ids::TenantId;
use domain::scope::Scope;
use domain::tenant::TenantError;
use ipnet::IpNet;
use projections::keys::KeyRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::tenants::parse;
use crate::auth::Caller;
use crate::extract::{JsonBody, Params};
use crate::problem::Problem;
use crate::state::App;

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    #[schema(value_type = Uuid)]
    tenant: String,
    #[serde(default)]
    #[schema(max_length = 128)]
    label: String,
    /// An unknown scope is refused.
    #[schema(value_type = Vec<String>, min_items = 1)]
    scopes: Vec<Scope>,
    expires_at: Option<DateTime<Utc>>,
    /// CIDR blocks that the key may be shown from; empty or absent is anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 64)]
    ip_allow: Vec<IpNet>,
}

const IP_BLOCKS_MAX: usize = 64;

/// A key that was made, with its secret, this once.
#[derive(Serialize, ToSchema)]
pub struct NewKeyAnswer {
    /// `exh_<id>_<secret>`: is not shown again.
    key: String,
    key_id: String,
    tenant_id: Uuid,
    label: String,
    scopes: Vec<&'static str>,
    expires_at: Option<DateTime<Utc>>,
    ip_allow: Vec<String>,
    created_at: String,
    /// Position in the tenant's log.
    position: u64,
}

/// Which keys, and where the page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeysQuery {
    /// Keys of this tenant.
    tenant: Option<Uuid>,
    /// Keys of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPage {
    items: Vec<KeyRow>,
    next_cursor: Option<String>,
}

/// Make a key.
#[utoipa::path(post, path = "/admin/keys", operation_id = "createKey", tag = "admin",
    request_body = KeyRequest,
    responses(
        (status = 201, description = "The key, this once.", body = NewKeyAnswer),
        (status = 404, description = "`TENANT_NOT_FOUND`"),
    ))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<(StatusCode, Json<NewKeyAnswer>), Problem> {
    if request.ip_allow.len() > IP_BLOCKS_MAX {
        return Err(Problem::request(format!("ip_allow has at most {IP_BLOCKS_MAX} blocks")));
    }
    let tenant = parse(&request.tenant)?;
    let mut scopes = request.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let order = KeyOrder {
        tenant,
        label: request.label,
        scopes,
        expires_at: request.expires_at,
        ip_allow: request.ip_allow,
    };
    let made = app.tenants.add_key(order, &caller.metadata()).await?;
    let answer = NewKeyAnswer {
        key: made.key,
        key_id: made.grant.key_id,
        tenant_id: tenant.0,
        label: made.grant.label,
        scopes: made.grant.scopes.iter().map(|s| s.as_str()).collect(),
        expires_at: made.grant.expires_at,
        ip_allow: made.grant.ip_allow.iter().map(ToString::to_string).collect(),
        created_at: format_micros(made.created_at),
        position: made.position,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// List keys, without their secrets.
#[utoipa::path(get, path = "/admin/keys", operation_id = "listKeys", tag = "admin",
    params(KeysQuery),
    responses((status = 200, description = "A page of keys.", body = KeyPage)))]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<KeysQuery>,
) -> Result<Json<KeyPage>, Problem> {
    let limit = app.limits.page(query.limit)?;
    let after = app.cursors.given::<String>("keys", query.cursor.as_deref())?;
    let mut items = app.keys.keys(query.tenant, after.as_deref(), limit as i64 + 1).await?;
    let next_cursor = app.cursors.page("keys", &mut items, limit, |row| row.key_id.clone())?;
    Ok(Json(KeyPage { items, next_cursor }))
}

/// Look at a key, without its secret.
#[utoipa::path(get, path = "/admin/keys/{key_id}", operation_id = "getKey", tag = "admin",
    params(("key_id" = String, Path, description = "The key's id, 8 characters.")),
    responses(
        (status = 200, description = "The key.", body = KeyRow),
        (status = 404, description = "`KEY_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    Path(key_id): Path<String>,
) -> Result<Json<KeyRow>, Problem> {
    find(&app, &key_id).await.map(Json)
}

/// Revoke a key for good.
#[utoipa::path(delete, path = "/admin/keys/{key_id}", operation_id = "revokeKey", tag = "admin",
    params(("key_id" = String, Path, description = "The key's id, 8 characters.")),
    responses(
        (status = 200, description = "The revoked key.", body = KeyRow),
        (status = 404, description = "`KEY_NOT_FOUND`"),
    ))]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(key_id): Path<String>,
) -> Result<Json<KeyRow>, Problem> {
    let key = find(&app, &key_id).await?;
    app.tenants.revoke_key(TenantId(key.tenant_id), &key_id, &caller.metadata()).await?;
    find(&app, &key_id).await.map(Json)
}

async fn find(app: &App, key_id: &str) -> Result<KeyRow, Problem> {
    // What cannot be an id is not asked for; the database refuses a NUL, too.
    let plausible = key_id.bytes().all(|b| b.is_ascii_alphanumeric());
    let key = if plausible { app.keys.key(key_id).await? } else { None };
    key.ok_or_else(|| TenantError::KeyNotFound.into())
}
