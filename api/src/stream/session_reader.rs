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
            // Of the log, what was looked at for news of the session.
            let mut seen = None;
            yield Ok(Bytes::from(greeting));
            loop {
                let ending = *permit.ending.borrow_and_update();
                if let Some(why) = ending {
                    yield Ok(frames::bye(why));
                    return;
                }
                let head = attached.head.borrow_and_update().position;
                let news = seen.is_none_or(|seen| {
                    head != seen && attached.hub.concerns(session, seen, head)
                });
                seen = Some(head);
                if news {
                    // All that is stored is read: a piece at a time, as the reader takes it.
                    loop {
                        match piece(&streams, tenant, &context, next).await {
                            Err(error) => {
                                tracing::warn!(cause = %error, "records could not be read");
                                yield Ok(frames::bye(Farewell::SlowConsumer));
                                return;
                            }
                            Ok(None) => break,
                            Ok(Some(piece)) => {
                                next = piece.next;
                                written = Instant::now();
                                yield Ok(piece.text);
                            }
                        }
                    }
                    match sealed(&streams, tenant, session, next).await {
                        Ok(None) => {}
                        Ok(Some(frame)) => {
                            yield Ok(frame);
                            return;
                        }
                        Err(error) => {
                            tracing::warn!(cause = %error, "a session could not be looked at");
                            yield Ok(frames::bye(Farewell::SlowConsumer));
                            return;
                        }
                    }
                }
                tokio::select! {
                    _ = attached.head.changed() => {}
                    _ = permit.ending.changed() => {}
                    () = tokio::time::sleep_until((written + pause).min(end)) => {
                        if Instant::now() >= end {
                            yield Ok(frames::bye(Farewell::MaxAge));
                            return;
                        }
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

/// Records as frames, and the number after the last of them.
struct Piece {
    text: Bytes,
    next: u64,
}

/// As many records as one write takes; none when there is nothing after.
async fn piece(
    streams: &Streams,
    tenant: TenantId,
    context: &ChainContext,
    first: u64,
) -> sqlx::Result<Option<Piece>> {
    let records = streams.reads.page(tenant, context.session_id, first, READ_RECORDS_MAX).await?;
    let (mut text, mut next) = (Vec::new(), first);
    for (record, signature) in &records {
        if text.len() > WRITE_BYTES_MAX {
            break;
        }
        write_record(context, &(record.clone(), signature.clone()), &mut text);
        next = record.body.sequence_number + 1;
    }
    Ok((next > first).then(|| Piece { text: text.into(), next }))
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
    // Before the first record there is no number to name.
    let id = next.checked_sub(1).map(|seen| seen.to_string());
    let Some(sent) = reset else { return frames::ready(id.as_deref(), &data) };
    let sent: String = sent.chars().take(SENT_CHARS_MAX).collect();
    let cursor = id.unwrap_or_default();
    let reset = frames::reset(ResetReason::UnknownCursor, &sent, &cursor, "0");
    frames::ready(None, &data) + &reset
}
