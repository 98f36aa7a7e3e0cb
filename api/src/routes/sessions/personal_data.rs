//! `GET /v1/sessions/{session_id}/personal-data`: where a session holds personal data.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::judgement::FindingRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::PiiSummary;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{Params, SessionPath};
use crate::min_position::MinPosition;
use crate::problem::Problem;
use crate::routes::tool_access::SOURCE;
use crate::state::App;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FindingsQuery {
    /// Places of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// One page, in the order of the session's events.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingPage {
    summary: PiiSummary,
    /// Places and kinds; never the text that matched.
    items: Vec<FindingRow>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Mark(i64, String, String);

/// Find the personal data of a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/personal-data",
    operation_id = "listPersonalData", tag = "sessions",
    params(("session_id" = uuid::Uuid, Path, description = "The session."), FindingsQuery),
    responses(
        (status = 200, description = "A page of places.", body = FindingPage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    SessionPath(session): SessionPath,
    Params(query): Params<FindingsQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    let list = format!("personal-data:{}:{session}", caller.tenant);
    let mark = app.cursors.given::<Mark>(&list, query.cursor.as_deref())?;
    let after = mark.map(|Mark(sequence_number, detector, pointer)| FindingRow {
        sequence_number,
        detector,
        pointer,
        matches: 0,
    });
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    let summary = super::judged::of_one(&app, caller.tenant, &row).await?.pii;
    let mut items =
        app.reads.findings(caller.tenant, session, after.as_ref(), limit as i64 + 1).await?;
    let next_cursor = app.cursors.page(&list, &mut items, limit, |found| {
        Mark(found.sequence_number, found.detector.clone(), found.pointer.clone())
    })?;
    conditional::json(&headers, &FindingPage { summary, items, next_cursor })
}
