//! `GET /v1/stream`: the tenant's log as it grows.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::scope::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::state::App;
use crate::stream::{LogReader, Start, TypeFilter, Wanted};

/// What is streamed, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Types of items, separated by commas: `violation.*,session.sealed`.
    types: Option<String>,
    /// Items about this session.
    session_id: Option<String>,
    /// A cursor, `now` or `earliest`; the header `Last-Event-ID` wins.
    last_event_id: Option<String>,
    /// In the place of a key, once: see `POST /v1/stream-tickets`.
    #[serde(rename = "ticket")]
    _ticket: Option<String>,
}

/// Stream the log.
///
/// Server-sent events: `ready`, items without an event name, checkpoints without data, `reset` when
/// the cursor cannot be gone on from, `bye` before the end.
#[utoipa::path(get, path = "/v1/stream", operation_id = "streamLog", tag = "streams",
    params(StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The cursor to go on from.")),
    responses((status = 200, description = "Events until either side ends.", body = String,
        content_type = "text/event-stream")))]
pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<StreamQuery>,
) -> Result<Response, Problem> {
    let wanted = Wanted {
        types: TypeFilter::parse(query.types.as_deref())?,
        session: super::session_id(query.session_id.as_deref())?,
        policies: caller.may(Scope::PoliciesRead),
    };
    let start = super::start(&headers, query.last_event_id.as_deref(), Start::Now);
    let permit = match app.streams.admission.admit(caller.tenant, &caller.key_id) {
        Ok(permit) => permit,
        Err(why) => return Ok(super::turned_away(why, &start)),
    };
    let now = app.clock.now();
    let reader = LogReader::open(&app.streams, caller.tenant, permit, wanted, start, now).await?;
    Ok(super::event_stream(reader.frames()))
}
