//! Server-sent events as text (WHATWG HTML, section 9.2.6).

use std::fmt::Write;

use axum::body::Bytes;
use domain::log::{Cursor, ResetReason};
use infrastructure::system::random_below;
use projections::feed::ItemBody;
use serde_json::json;

use super::admission::Farewell;

/// What a reader waits before it connects again, unless it is told otherwise.
const RETRY_MS: u64 = 3_000;
/// Readers of a server that ends come back spread over this time.
const SPREAD_MS: std::ops::Range<u64> = 500..5_000;

/// The first frame. Before a reset its id is no new cursor: a reader that is cut off between the two
/// must come back with its old one, to be reset once more.
pub(super) fn ready(id: Option<&str>, data: &serde_json::Value) -> String {
    let mut frame = format!("retry: {RETRY_MS}\n");
    if let Some(id) = id {
        let _ = writeln!(frame, "id: {id}");
    }
    let _ = write!(frame, "event: ready\ndata: {data}\n\n");
    frame
}

/// Has no event name, so that `onmessage` gets it. JSON holds no line break.
pub(super) fn item(cursor: Cursor, body: &ItemBody) -> Result<String, serde_json::Error> {
    Ok(format!("id: {cursor}\ndata: {}\n\n", serde_json::to_string(body)?))
}

/// Moves the reader's cursor and shows nothing.
///
/// Twice: the npm libraries `eventsource` and `eventsource-client` pass over the id of a frame without
/// data, which the specification does not; a name that nobody listens to reaches no `onmessage`.
pub(super) fn checkpoint(id: &str) -> String {
    format!("id: {id}\n\nid: {id}\nevent: checkpoint\ndata: {{}}\n\n")
}

pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b": hb\n\n")
}

/// The reader drops what it holds, and goes on from `cursor`.
pub(super) fn reset(reason: ResetReason, sent: &str, cursor: &str, earliest: &str) -> String {
    let data = json!({
        "type": "reset", "reason": reason.as_str(), "last_event_id": sent,
        "cursor": cursor, "earliest": earliest,
    });
    format!("id: {cursor}\nevent: reset\ndata: {data}\n\n")
}

/// The last frame: the reader comes again after a random while.
pub fn bye(reason: Farewell) -> Bytes {
    turned_away(spread_ms(), reason, None)
}

/// The only frame of a stream that is not let in. It repeats the reader's cursor: some take the id of
/// the newest frame for theirs, also when it has none.
pub fn turned_away(retry_ms: u64, reason: Farewell, cursor: Option<&str>) -> Bytes {
    let mut frame = String::new();
    if let Some(cursor) = cursor {
        let _ = writeln!(frame, "id: {cursor}");
    }
    let data = json!({ "reason": reason.as_str() });
    let _ = write!(frame, "retry: {retry_ms}\nevent: bye\ndata: {data}\n\n");
    frame.into()
}

/// Readers of a server that ends come back spread over some seconds.
pub fn spread_ms() -> u64 {
    SPREAD_MS.start + random_below(SPREAD_MS.end - SPREAD_MS.start)
}
