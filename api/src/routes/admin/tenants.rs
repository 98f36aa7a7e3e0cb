//! `/admin/tenants`: make, list, look at, suspend and resume tenants.

use application::CommandError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::ids::TenantId;
use domain::tenant::TenantError;
use projections::keys::TenantRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::extract::{JsonBody, Params};
use crate::problem::Problem;
use crate::state::App;

/// A tenant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantRequest {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TenantsQuery {
    /// Tenants of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantPage {
    items: Vec<TenantRow>,
    next_cursor: Option<String>,
}

/// Make a tenant.
#[utoipa::path(post, path = "/admin/tenants", operation_id = "createTenant", tag = "admin",
    request_body = TenantRequest,
    responses((status = 201, description = "The tenant.", body = TenantRow)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<TenantRequest>,
) -> Result<(StatusCode, Json<TenantRow>), Problem> {
    let (tenant, _) = app.tenants.create(&request.name, &caller.metadata()).await?;
    Ok((StatusCode::CREATED, Json(find(&app, tenant).await?)))
}

/// List tenants.
#[utoipa::path(get, path = "/admin/tenants", operation_id = "listTenants", tag = "admin",
    params(TenantsQuery),
    responses((status = 200, description = "A page of tenants.", body = TenantPage)))]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<TenantsQuery>,
) -> Result<Json<TenantPage>, Problem> {
    let limit = app.limits.page(query.limit)?;
    let after = app.cursors.given("tenants", query.cursor.as_deref())?;
    let mut items = app.keys.tenants(after, limit as i64 + 1).await?;
    let next_cursor = app.cursors.page("tenants", &mut items, limit, |row| row.tenant_id)?;
    Ok(Json(TenantPage { items, next_cursor }))
}

/// Look at a tenant.
#[utoipa::path(get, path = "/admin/tenants/{tenant_id}", operation_id = "getTenant", tag = "admin",
    params(("tenant_id" = uuid::Uuid, Path, description = "The tenant.")),
    responses(
        (status = 200, description = "The tenant.", body = TenantRow),
        (status = 404, description = "`TENANT_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    Path(tenant): Path<String>,
) -> Result<Json<TenantRow>, Problem> {
    find(&app, parse(&tenant)?).await.map(Json)
}

/// Suspend a tenant: its keys open nothing until it is resumed.
#[utoipa::path(post, path = "/admin/tenants/{tenant_id}/suspend", operation_id = "suspendTenant",
    tag = "admin", params(("tenant_id" = uuid::Uuid, Path, description = "The tenant.")),
    responses(
        (status = 200, description = "The tenant.", body = TenantRow),
        (status = 404, description = "`TENANT_NOT_FOUND`"),
    ))]
pub async fn suspend(
    State(app): State<App>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<TenantRow>, Problem> {
    set_suspended(&app, &caller, &tenant, true).await
}

/// Take a suspension back.
#[utoipa::path(post, path = "/admin/tenants/{tenant_id}/resume", operation_id = "resumeTenant",
    tag = "admin", params(("tenant_id" = uuid::Uuid, Path, description = "The tenant.")),
    responses(
        (status = 200, description = "The tenant.", body = TenantRow),
        (status = 404, description = "`TENANT_NOT_FOUND`"),
    ))]
pub async fn resume(
    State(app): State<App>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<TenantRow>, Problem> {
    set_suspended(&app, &caller, &tenant, false).await
}

async fn set_suspended(
    app: &App,
    caller: &Caller,
    tenant: &str,
    suspended: bool,
) -> Result<Json<TenantRow>, Problem> {
    let tenant = parse(tenant)?;
    app.tenants.set_suspended(tenant, suspended, &caller.metadata()).await?;
    find(app, tenant).await.map(Json)
}

/// A tenant named by a path or a body; what is no id names none.
pub(super) fn parse(text: &str) -> Result<TenantId, Problem> {
    TenantId::parse(text).ok_or_else(|| Problem::from(CommandError::Refused(TenantError::NotFound)))
}

async fn find(app: &App, tenant: TenantId) -> Result<TenantRow, Problem> {
    app.keys.tenant(tenant).await?.ok_or_else(|| TenantError::NotFound.into())
}
