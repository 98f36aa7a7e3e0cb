//! `GET /v1/sessions/{session_id}/stream`: a session's records as they come.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::extract::{Params, SessionPath};
use crate::problem::Problem;
use crate::state::App;
use crate::stream::{SessionReader, Start};

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionStreamQuery {
    /// A sequence number that was seen, `now` or `earliest` (when absent); the header
    /// `Last-Event-ID` wins.
    last_event_id: Option<String>,
    /// In the place of a key, once: see `POST /v1/stream-tickets`.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

/// Stream a session's records.
///
/// Each item is a record as it is stored, payload included; its id is its sequence number. Ends with
/// `event: sealed`.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/stream", operation_id = "streamSession",
    tag = "streams",
    params(("session_id" = uuid::Uuid, Path, description = "The session."), SessionStreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The number to go on from.")),
    responses(
        (status = 200, description = "Records until the seal, or until either side ends.",
            body = String, content_type = "text/event-stream"),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
    ))]
pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
    headers: HeaderMap,
    Params(query): Params<SessionStreamQuery>,
) -> Result<Response, Problem> {
    let start = super::start(&headers, query.last_event_id.as_deref(), Start::Earliest);
    let permit = match app.streams.admission.admit(caller.tenant, &caller.key_id) {
        Ok(permit) => permit,
        Err(why) => return Ok(super::turned_away(why, &start)),
    };
    let reader = SessionReader::open(&app.streams, caller.tenant, session, permit, start).await?;
    Ok(super::event_stream(reader.frames()))
}
