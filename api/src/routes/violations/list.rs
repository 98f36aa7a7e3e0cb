//! `GET /v1/violations`: the tenant's violations, the latest found first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::policy::document::Severity;
use domain::violation::Status;
use projections::violations::ViolationFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::ViolationView;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{Params, instant, name};
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::state::App;

/// What the list is narrowed to, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `low`, `medium`, `high` or `critical`.
    #[param(pattern = "^(low|medium|high|critical)$")]
    severity: Option<String>,
    /// `OPEN`, `ACKNOWLEDGED` or `RESOLVED`.
    #[param(pattern = "^(OPEN|ACKNOWLEDGED|RESOLVED)$")]
    status: Option<String>,
    /// Of this policy.
    policy: Option<String>,
    /// Of this control.
    control: Option<String>,
    /// Of this actor.
    actor: Option<String>,
    /// In this session.
    session_id: Option<Uuid>,
    /// Past their due date and not resolved, or not so.
    overdue: Option<bool>,
    /// Detected at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Detected before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Violations of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// The same filters in a body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    /// `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// `OPEN`, `ACKNOWLEDGED` or `RESOLVED`.
    status: Option<String>,
    policy: Option<String>,
    control: Option<String>,
    actor: Option<String>,
    session_id: Option<Uuid>,
    overdue: Option<bool>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViolationPage {
    items: Vec<ViolationView>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

/// List violations.
#[utoipa::path(get, path = "/v1/violations", operation_id = "listViolations", tag = "violations",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of violations.", body = ViolationPage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<ListQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    let list = format!("violations:{}", caller.tenant);
    let below = app.cursors.given::<i64>(&list, query.cursor.as_deref())?;
    let filter = query.filter()?;
    min_position.wait_for(&app, caller.tenant, super::SOURCE).await?;
    let now = app.clock.now();
    let mut views =
        app.reads.violations(caller.tenant, &filter, now, below, limit as i64 + 1).await?;
    let next_cursor = app.cursors.page(&list, &mut views, limit, |view| view.detected_position)?;
    let items = views.into_iter().map(|view| ViolationView::of(view, now)).collect();
    conditional::json(&headers, &ViolationPage { items, next_cursor })
}

impl ListQuery {
    fn filter(self) -> Result<ViolationFilter, Problem> {
        filter_of(ListFilter {
            severity: self.severity,
            status: self.status,
            policy: self.policy,
            control: self.control,
            actor: self.actor,
            session_id: self.session_id,
            overdue: self.overdue,
            since: self.since,
            until: self.until,
        })
    }
}

/// Checks what a filter names.
pub(super) fn filter_of(filter: ListFilter) -> Result<ViolationFilter, Problem> {
    if filter.severity.as_deref().is_some_and(|s| Severity::parse(s).is_none()) {
        return Err(Problem::query("severity is one of low, medium, high, critical"));
    }
    if filter.status.as_deref().is_some_and(|s| Status::parse(s).is_none()) {
        return Err(Problem::query("status is one of OPEN, ACKNOWLEDGED, RESOLVED"));
    }
    Ok(ViolationFilter {
        severity: filter.severity,
        status: filter.status,
        policy: name("policy", filter.policy)?,
        control: name("control", filter.control)?,
        actor_id: name("actor", filter.actor)?,
        session_id: filter.session_id,
        overdue: filter.overdue,
        since: instant("since", filter.since)?,
        until: instant("until", filter.until)?,
    })
}
