//! `GET /v1/sessions/{session_id}/events`: the stored records, in order.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::evidence::canonical::write_string;
use domain::evidence::record::ChainContext;
use projections::evidence::Signed;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Params, SessionPath};
use crate::problem::Problem;
use crate::state::App;

/// A stored event (evidence.md, section 1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape for the document; records are written canonically")]
pub struct RecordBody {
    event_id: Uuid,
    session_id: Uuid,
    sequence_number: i64,
    timestamp_wall: String,
    event_type: String,
    payload: Map<String, Value>,
    payload_hash: String,
    prev_event_hash: Option<String>,
    event_hash: String,
    chain_authority: String,
    timestamp_monotonic: Option<f64>,
    source_sdk_ver: Option<String>,
    schema_ver: String,
    actor_id: Option<String>,
    received_at: String,
    /// `hmac-sha256:<kid>:<hex>`.
    signature: String,
}

/// One page of records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape for the document")]
pub struct RecordPage {
    items: Vec<RecordBody>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

/// Where the page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Records of a page: 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    next: u64,
}

/// Read a session's events.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/events", operation_id = "listEvents",
    tag = "sessions",
    params(("session_id" = Uuid, Path, description = "The session."), PageQuery),
    responses(
        (status = 200, description = "A page of records.", body = RecordPage),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
    ))]
pub async fn page(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
    Params(query): Params<PageQuery>,
) -> Result<Response, Problem> {
    let limit = app.limits.page(query.limit)?;
    let list = format!("events:{}:{session}", caller.tenant);
    let mark = app.cursors.given::<Mark>(&list, query.cursor.as_deref())?;
    let first = mark.map_or(0, |mark| mark.next);
    let row = app.reads.session(caller.tenant, session).await?;
    let row = row.ok_or_else(Problem::session_not_found)?;
    let mut records = app.reads.page(caller.tenant, session, first, limit as i64 + 1).await?;
    let next_cursor = app.cursors.page(&list, &mut records, limit, |(record, _)| Mark {
        next: record.body.sequence_number + 1,
    })?;
    let context = ChainContext { session_id: session, authority: row.authority };
    let body = written(&context, &records, next_cursor.as_deref());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Records leave in their canonical form, here as in every export.
fn written(context: &ChainContext, records: &[Signed], next_cursor: Option<&str>) -> Vec<u8> {
    let mut body = b"{\"items\":[".to_vec();
    for (index, (record, signature)) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        record.write_full(context, Some(signature), &mut body);
    }
    body.extend_from_slice(b"],\"next_cursor\":");
    match next_cursor {
        Some(cursor) => write_string(cursor, &mut body),
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    body
}
