//! Where a stream begins: what is decided before its first byte.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::log::{Cursor, ResetReason, parse_position};
use serde_json::json;

use super::{Attached, Streams, frames};
use crate::problem::Problem;

/// Of a cursor that a client has sent, in the answer to it.
pub(super) const SENT_CHARS_MAX: usize = 64;

/// Where a reader wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what comes next.
    Now,
    /// With the oldest item that can be replayed.
    Earliest,
    /// After a cursor, as the client has sent it.
    After(String),
}

impl Start {
    /// The cursor that was sent, if it is one at all, of a log or of a session.
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::After(sent) => {
                let known = sent.parse::<Cursor>().is_ok() || parse_position(sent).is_some();
                known.then_some(sent)
            }
            Self::Now | Self::Earliest => None,
        }
    }
}

/// What is decided before the first byte.
pub(super) struct Begin {
    pub(super) after: u64,
    pub(super) reset: Option<(ResetReason, String)>,
}

/// Where a stream begins, and whether the reader must be told to begin anew.
pub(super) async fn begin(
    streams: &Streams,
    attached: &Attached,
    tenant: TenantId,
    head: Cursor,
    start: Start,
    now: DateTime<Utc>,
) -> Result<Begin, Problem> {
    let sent = match start {
        Start::Now => return Ok(Begin { after: head.position, reset: None }),
        Start::Earliest => {
            let oldest = oldest(streams, tenant, head, now).await?;
            let most = head.position.saturating_sub(streams.settings.stream_replay_items_max);
            return Ok(Begin { after: oldest.max(most), reset: None });
        }
        Start::After(sent) => sent,
    };
    let resumed = match sent.parse::<Cursor>() {
        Err(_) => Err(ResetReason::UnknownCursor),
        Ok(cursor) => {
            let unseen = first_unseen(streams, attached, tenant, cursor, head).await?;
            streams.bounds().resume(cursor, head, unseen, now)
        }
    };
    Ok(match resumed {
        Ok(after) => Begin { after, reset: None },
        Err(reason) => {
            let sent = sent.chars().take(SENT_CHARS_MAX).collect();
            Begin { after: head.position, reset: Some((reason, sent)) }
        }
    })
}

/// When the first event that a cursor has not seen was written.
async fn first_unseen(
    streams: &Streams,
    attached: &Attached,
    tenant: TenantId,
    cursor: Cursor,
    head: Cursor,
) -> Result<Option<DateTime<Utc>>, Problem> {
    if cursor.epoch != head.epoch || cursor.position >= head.position {
        return Ok(None);
    }
    match attached.hub.written_at(cursor.position + 1) {
        Some(at) => Ok(Some(at)),
        None => Ok(streams.reads.written_at(tenant, cursor.position + 1).await?),
    }
}

/// The position before the oldest event that is young enough to be replayed.
async fn oldest(
    streams: &Streams,
    tenant: TenantId,
    head: Cursor,
    now: DateTime<Utc>,
) -> Result<u64, Problem> {
    let since = now - streams.bounds().window;
    Ok(streams.reads.position_before(tenant, since, head.position).await?)
}

/// The frames before the first item.
pub(super) async fn greeting(
    streams: &Streams,
    tenant: TenantId,
    head: Cursor,
    begin: &Begin,
    now: DateTime<Utc>,
) -> Result<String, Problem> {
    let replay = head.position - begin.after;
    let at = |position| Cursor { position, ..head }.to_string();
    let data = json!({
        "mode": if replay > 0 { "replay" } else { "live" },
        "head": at(head.position),
        "replay": replay,
        "window_seconds": streams.settings.stream_window_seconds,
        "max_replay": streams.settings.stream_replay_items_max,
    });
    let Some((reason, sent)) = &begin.reset else {
        return Ok(frames::ready(Some(&at(begin.after)), &data));
    };
    let earliest = at(oldest(streams, tenant, head, now).await?);
    let reset = frames::reset(*reason, sent, &at(head.position), &earliest);
    let old: Option<Cursor> = sent.parse().ok();
    Ok(frames::ready(old.map(|cursor| cursor.to_string()).as_deref(), &data) + &reset)
}
