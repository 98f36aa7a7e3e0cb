//! One connection to a session's records, as they are stored: the cursor is the sequence number.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use domain::evidence::record::ChainContext;
use domain::ids::{SessionId, TenantId};
use domain::log::{ResetReason, parse_position};
use futures::Stream;
use projections::evidence::Signed;
use projections::sessions::SessionRow;
use serde_json::json;
use tokio::time::Instant;

use super::admission::{Farewell, Permit};
use super::begin::{SENT_CHARS_MAX, Start};
use super::reader::age_max;
use super::ring::WRITE_BYTES_MAX;
use super::{Attached, Streams, frames};
use crate::problem::Problem;

/// In the place of a number: before the first record.
const EARLIEST: &str = "earliest";
/// Records of one read of the store.
const READ_RECORDS_MAX: i64 = 32;

/// A stream that has been decided on and not begun.
pub struct SessionReader {
    streams: Arc<Streams>,
    attached: Attached,
    permit: Permit,
    tenant: TenantId,
    context: ChainContext,
    greeting: String,
    /// The first record to send.
    next: u64,
}

impl SessionReader {
    /// Decides where to begin: at the first record, unless a cursor says otherwise.
    pub async fn open(
        streams: &Arc<Streams>,
        tenant: TenantId,
        session: SessionId,
        permit: Permit,
        start: Start,
    ) -> Result<Self, Problem> {
        // Attached before the session is looked at: what comes between is not missed.
        let attached = streams.hub(tenant).await?;
        let row = streams.reads.session(tenant, session).await?;
        let row = row.ok_or_else(Problem::session_not_found)?;
        let (next, reset) = match start {
            Start::Earliest => (0, None),
            Start::Now => (row.next_sequence, None),
            Start::After(sent) => match parse_position(&sent) {
                Some(seen) if seen < row.next_sequence => (seen + 1, None),
                _ => (row.next_sequence, Some(sent)),
            },
        };
        let greeting = greeting(&row, next, reset.as_deref());
        let context = ChainContext { session_id: session, authority: row.authority };
        let streams = streams.clone();
        Ok(Self { streams, attached, permit, tenant, context, greeting, next })
    }

    /// The frames, until the session is sealed, or the reader goes or must go.
    pub fn frames(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        let Self { streams, mut attached, mut permit, tenant, context, greeting, mut next } = self;
        let session = context.session_id;
        async_stream::stream! {
            let settings = streams.settings.clone();
            let pause = Duration::from_secs(u64::from(settings.stream_heartbeat_seconds));
            let end = Instant::now() + age_max(settings.stream_seconds_max);
            let mut written = Instant::now();
            // Of the log, what was looked at for news of the session; none, and there is more to read.
            let mut seen = None;
            let mut pace = Pace::default();
            yield Ok(Bytes::from(greeting));
            loop {
                // Between any two pieces: a long session may keep a reader busy for hours.
                let ending = *permit.ending.borrow_and_update();
                let ending = ending.or((Instant::now() >= end).then_some(Farewell::MaxAge));
                if let Some(why) = ending {
                    yield Ok(frames::bye(why));
                    return;
                }
                let head = attached.head.borrow_and_update().position;
                let news = seen.is_none_or(|seen| {
                    head != seen && attached.hub.concerns(session, seen, head)
                });
                if news {
                    let found = match piece(&streams, tenant, &context, next, &mut pace).await {
                        Ok(Some(piece)) => Found::Records(piece),
                        Ok(None) => match sealed(&streams, tenant, session, next).await {
                            Ok(end) => Found::AllSent(end),
                            Err(error) => Found::Failed(error),
                        },
                        Err(error) => Found::Failed(error),
                    };
                    match found {
                        Found::Records(piece) => {
                            (next, seen, written) = (piece.next, None, Instant::now());
                            yield Ok(piece.text);
                            continue;
                        }
                        Found::AllSent(Some(end)) => {
                            yield Ok(end);
                            return;
                        }
                        Found::AllSent(None) => {}
                        Found::Failed(error) => {
                            tracing::warn!(cause = %error, "a session's records were not read");
                            yield Ok(frames::bye(Farewell::SlowConsumer));
                            return;
                        }
                    }
                }
                seen = Some(head);
                tokio::select! {
                    _ = attached.head.changed() => {}
                    _ = permit.ending.changed() => {}
                    () = tokio::time::sleep_until((written + pause).min(end)) => {
                        if written.elapsed() >= pause {
                            written = Instant::now();
                            yield Ok(frames::heartbeat());
                        }
                    }
                }
            }
        }
    }
}

/// What a look at the store has found.
enum Found {
    Records(Records),
    /// With the last frame, when nothing can follow.
    AllSent(Option<Bytes>),
    Failed(sqlx::Error),
}

/// Records as frames, and the number after the last of them.
struct Records {
    text: Bytes,
    next: u64,
}

/// How many records are read at a time: about as many as one write takes, whatever their size.
struct Pace(i64);

impl Default for Pace {
    fn default() -> Self {
        Self(READ_RECORDS_MAX)
    }
}

impl Pace {
    fn adapt(&mut self, read: usize, sent: usize) {
        self.0 = if sent < read { sent as i64 } else { (self.0 * 2).min(READ_RECORDS_MAX) };
    }
}

/// As many records as one write takes; none when there is nothing after.
async fn piece(
    streams: &Streams,
    tenant: TenantId,
    context: &ChainContext,
    first: u64,
    pace: &mut Pace,
) -> sqlx::Result<Option<Records>> {
    let records = streams.reads.page(tenant, context.session_id, first, pace.0).await?;
    let (mut text, mut next, mut sent) = (Vec::new(), first, 0);
    for signed in &records {
        if text.len() > WRITE_BYTES_MAX {
            break;
        }
        write_record(context, signed, &mut text);
        next = signed.0.body.sequence_number + 1;
        sent += 1;
    }
    pace.adapt(records.len(), sent);
    Ok((sent > 0).then(|| Records { text: text.into(), next }))
}

fn write_record(context: &ChainContext, (record, signature): &Signed, text: &mut Vec<u8>) {
    text.extend_from_slice(format!("id: {}\ndata: ", record.body.sequence_number).as_bytes());
    record.write_full(context, Some(signature), text);
    text.extend_from_slice(b"\n\n");
}

/// The last frame of a session whose every record has been sent, once it is sealed.
async fn sealed(
    streams: &Streams,
    tenant: TenantId,
    session: SessionId,
    next: u64,
) -> sqlx::Result<Option<Bytes>> {
    let Some(row) = streams.reads.session(tenant, session).await? else { return Ok(None) };
    if row.phase != "sealed" || row.next_sequence > next {
        return Ok(None);
    }
    let data = json!({
        "session_id": session,
        "event_count": row.next_sequence,
        "final_hash": row.head_hash,
        "evidence_class": row.facts().class(),
        "sealed_at": row.sealed_at,
    });
    // Without a new id: the cursor stays at the seal's record.
    Ok(Some(format!("event: sealed\ndata: {data}\n\n").into()))
}

fn greeting(row: &SessionRow, next: u64, reset: Option<&str>) -> String {
    let replay = row.next_sequence - next;
    let data = json!({
        "mode": if replay > 0 { "replay" } else { "live" },
        "head": row.next_sequence.checked_sub(1),
        "replay": replay,
    });
    // Before the first record there is no number to name, but a place to come back to.
    let id = next.checked_sub(1).map_or_else(|| EARLIEST.to_owned(), |seen| seen.to_string());
    let Some(sent) = reset else { return frames::ready(Some(&id), &data) };
    let sent: String = sent.chars().take(SENT_CHARS_MAX).collect();
    let reset = frames::reset(ResetReason::UnknownCursor, &sent, &id, EARLIEST);
    frames::ready(None, &data) + &reset
}
