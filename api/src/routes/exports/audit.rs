//! `GET /v1/export-audit`: who asked for what, took it away or checked it, the latest first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::ids::SessionId;
use projections::custody::CustodyEntry;
use projections::exports::{ActFilter, ActRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::conditional;
use crate::extract::{Params, instant, name};
use crate::problem::Problem;
use crate::state::App;

/// What the audit is narrowed to, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Acts that name this session.
    session_id: Option<Uuid>,
    /// Acts on this export.
    export_id: Option<Uuid>,
    /// E.g. `export.downloaded`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Acts of this key: `key:<id>`.
    actor: Option<String>,
    /// At or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Acts of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One act.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "ExportAct")]
pub struct ActView {
    /// In the tenant's log.
    position: u64,
    /// Of the export; a verification has one of its own.
    export_id: Uuid,
    /// `export.requested`, `.created`, `.failed`, `.downloaded`, `.expired` or `.verified`.
    #[serde(rename = "type")]
    event_type: String,
    at: DateTime<Utc>,
    /// `key:<id>`, or `cli:<user>`.
    actor: String,
    correlation_id: String,
    /// Kind, formats, filters, purpose; counts, files and hashes; or the verdict.
    #[schema(value_type = Object)]
    details: Value,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    items: Vec<ActView>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

/// Look at who took what away.
#[utoipa::path(get, path = "/v1/export-audit", operation_id = "auditExports", tag = "exports",
    params(AuditQuery),
    responses(
        (status = 200, description = "A page of acts.", body = AuditPage),
        (status = 304, description = "The page is the one of the given ETag."),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<AuditQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    let list = format!("export-audit:{}", caller.tenant);
    let below = app.cursors.given(&list, query.cursor.as_deref())?;
    let filter = ActFilter {
        session: query.session_id.map(SessionId),
        export: query.export_id,
        event_type: name("type", query.event_type)?,
        actor: name("actor", query.actor)?,
        since: instant("since", query.since)?,
        until: instant("until", query.until)?,
    };
    let mut acts = app.reads.export_acts(caller.tenant, &filter, below, limit as i64 + 1).await?;
    let next_cursor = app.cursors.page(&list, &mut acts, limit, |act| act.position)?;
    let view = |act: ActRow| {
        let (position, export_id) = (act.position, act.export_id);
        let correlation_id = act.correlation_id.clone();
        let CustodyEntry { action, actor, at, details } = CustodyEntry::of(act);
        ActView { position, export_id, event_type: action, at, actor, correlation_id, details }
    };
    let items = acts.into_iter().map(view).collect();
    conditional::json(&headers, &AuditPage { items, next_cursor })
}
