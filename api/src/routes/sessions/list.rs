//! `GET /v1/sessions`: the tenant's sessions, the latest first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::evidence::class::EvidenceClass;
use projections::sessions::{SessionFilter, SessionMark};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::judged;
use super::view::SessionView;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{Params, instant};
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// What the list is narrowed to, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Sessions of this agent.
    agent_id: Option<String>,
    /// `active`, `closed` or `sealed`.
    #[param(pattern = "^(active|closed|sealed)$")]
    status: Option<String>,
    /// An evidence class, as it would be now.
    evidence_class: Option<String>,
    /// Started at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Started before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Sessions of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPage {
    items: Vec<SessionView>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    at: DateTime<Utc>,
    id: Uuid,
}

/// List sessions.
#[utoipa::path(get, path = "/v1/sessions", operation_id = "listSessions", tag = "sessions",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of sessions.", body = SessionPage),
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
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let list = format!("sessions:{}", caller.tenant);
    let after = app.cursors.given::<Mark>(&list, query.cursor.as_deref())?;
    let after = after.map(|mark| SessionMark { started_at: mark.at, session_id: mark.id });
    let now = app.clock.now();
    let idle_max = app.sessions.settings.idle_max;
    let filter = query.filter(idle_max.map(|max| now - max))?;
    let mut rows = app.reads.sessions(caller.tenant, &filter, after, limit as i64 + 1).await?;
    let next_cursor = app
        .cursors
        .page(&list, &mut rows, limit, |row| Mark { at: row.started_at, id: row.session_id })?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.session_id).collect();
    let head = app.reads.log_head(caller.tenant).await?.map_or(0, |head| head.position);
    let mut judged = judged::of_many(&app, caller.tenant, &ids, head).await?;
    let views = rows.into_iter().filter_map(|row| {
        let judged = judged.remove(&row.session_id)?;
        Some(SessionView::of(row, judged, now, idle_max))
    });
    let items = views.collect();
    conditional::json(&headers, &SessionPage { items, next_cursor })
}

impl ListQuery {
    fn filter(self, idle_before: Option<DateTime<Utc>>) -> Result<SessionFilter, Problem> {
        if let Some(status) = &self.status
            && !["active", "closed", "sealed"].contains(&status.as_str())
        {
            return Err(Problem::query("status is one of active, closed, sealed"));
        }
        if let Some(class) = &self.evidence_class
            && EvidenceClass::parse(class).is_none()
        {
            return Err(Problem::query("evidence_class is not one of the three classes"));
        }
        if self.agent_id.as_ref().is_some_and(|id| id.contains('\0')) {
            return Err(Problem::query("agent_id holds a NUL"));
        }
        Ok(SessionFilter {
            agent_id: self.agent_id,
            status: self.status,
            evidence_class: self.evidence_class,
            since: instant("since", self.since)?,
            until: instant("until", self.until)?,
            idle_before,
        })
    }
}
