//! The log live and as pages.

pub mod history;
pub mod log;
pub mod session;
pub mod tickets;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::Stream;

use crate::problem::Problem;
use crate::stream::{self, Farewell, OVERLOAD_RETRY_MS, Start, spread_ms};

const LAST_EVENT_ID: &str = "last-event-id";

/// The header wins over the query: a browser sends it when it comes back to the URL of its first
/// request. Without either, `absent`.
fn start(headers: &HeaderMap, query: Option<&str>, absent: Start) -> Start {
    let header = headers.get(LAST_EVENT_ID).map(|value| {
        // Bytes that are no text are no cursor.
        value.to_str().unwrap_or("?")
    });
    match header.filter(|text| !text.is_empty()).or(query) {
        None => absent,
        Some("now") => Start::Now,
        Some("earliest") => Start::Earliest,
        Some(cursor) => Start::After(cursor.to_owned()),
    }
}

/// A stream that no cache keeps, no proxy holds back, and nothing packs.
fn event_stream<S>(frames: S) -> Response
where
    S: Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static,
{
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, Body::from_stream(frames)).into_response()
}

/// Not a status: one that is not 200 would end a browser's `EventSource` for good.
fn turned_away(why: Farewell, start: &Start) -> Response {
    let retry_ms = match why {
        Farewell::TooManyStreams => OVERLOAD_RETRY_MS,
        _ => spread_ms(),
    };
    let frame = stream::turned_away(retry_ms, why, start.cursor());
    event_stream(futures::stream::iter([Ok(frame)]))
}

/// A filter by session reads a session's id in the one form that ids have.
fn session_id(text: Option<&str>) -> Result<Option<domain::ids::SessionId>, Problem> {
    let parse = |text| {
        domain::ids::SessionId::parse(text)
            .ok_or_else(|| Problem::query("session_id is not a UUID in lower case"))
    };
    text.map(parse).transpose()
}
