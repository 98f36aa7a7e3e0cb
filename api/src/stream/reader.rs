//! One connection to a tenant's log: replay, then live, without a seam.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::log::{Cursor, Epoch};
use futures::Stream;
use infrastructure::system::random_below;
use tokio::time::Instant;

use super::admission::{Farewell, Permit};
use super::begin::{Start, begin, greeting};
use super::ring::{Piece, Pull, Wanted};
use super::{Attached, Streams, frames};
use crate::problem::Problem;

/// Positions that a filter has left out before the reader's cursor is moved past them.
const CHECKPOINT_ITEMS: u64 = 100;
/// A stream that has been decided on and not begun.
pub struct LogReader {
    streams: Arc<Streams>,
    attached: Attached,
    permit: Permit,
    wanted: Wanted,
    /// Ready, and perhaps a reset.
    greeting: String,
    /// The last position that the reader knows to be behind it.
    told: u64,
}

impl LogReader {
    /// Decides where to begin. Everything that was committed before the call is replayed, or lies
    /// behind the cursor.
    pub async fn open(
        streams: &Arc<Streams>,
        tenant: TenantId,
        permit: Permit,
        wanted: Wanted,
        start: Start,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let attached = streams.hub(tenant).await?;
        let head = *attached.head.borrow();
        let begin = begin(streams, &attached, tenant, head, start, now).await?;
        let greeting = greeting(streams, tenant, head, &begin, now).await?;
        let told = begin.after;
        Ok(Self { streams: streams.clone(), attached, permit, wanted, greeting, told })
    }

    /// The frames, until the reader goes or must go.
    pub fn frames(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        let Self { streams, mut attached, mut permit, wanted, greeting, told } = self;
        let settings = streams.settings.clone();
        async_stream::stream! {
            let mut place = Place {
                epoch: attached.head.borrow().epoch,
                cursor: told,
                told,
                written: Instant::now(),
                pause: Duration::from_secs(u64::from(settings.stream_heartbeat_seconds)),
            };
            let end = Instant::now() + age_max(settings.stream_seconds_max);
            yield Ok(Bytes::from(greeting));
            loop {
                let ending = *permit.ending.borrow_and_update();
                if let Some(why) = ending {
                    yield Ok(frames::bye(why));
                    return;
                }
                let head = *attached.head.borrow_and_update();
                if head.epoch != place.epoch || head.position < place.cursor {
                    // The log was restored while this reader watched: its cursor is of another
                    // history, which it learns when it comes again.
                    yield Ok(frames::bye(Farewell::MaxAge));
                    return;
                }
                // Also of a stream that always has something to send.
                if Instant::now() >= end {
                    yield Ok(frames::bye(Farewell::MaxAge));
                    return;
                }
                match pull(&streams, &attached, head, place.cursor, &wanted).await {
                    Next::Piece(piece) => {
                        place.cursor = piece.to;
                        if !piece.text.is_empty() {
                            place.told(piece.last);
                            yield Ok(piece.text);
                        }
                        if piece.to - place.told >= CHECKPOINT_ITEMS {
                            place.told(piece.to);
                            let id = Cursor { position: piece.to, ..head }.to_string();
                            yield Ok(Bytes::from(frames::checkpoint(&id)));
                        }
                        continue;
                    }
                    Next::TooFarBehind => {
                        yield Ok(frames::bye(Farewell::SlowConsumer));
                        return;
                    }
                    Next::Nothing => {}
                }
                tokio::select! {
                    _ = attached.head.changed() => {}
                    _ = permit.ending.changed() => {}
                    () = tokio::time::sleep_until(place.deadline().min(end)) => {
                        if Instant::now() >= place.deadline() {
                            yield Ok(place.sign_of_life(head));
                        }
                    }
                }
            }
        }
    }
}

/// Where a running stream stands.
struct Place {
    epoch: Epoch,
    /// Everything up to here was looked at.
    cursor: u64,
    /// Everything up to here the reader knows of.
    told: u64,
    written: Instant,
    pause: Duration,
}

impl Place {
    fn told(&mut self, position: u64) {
        self.told = position;
        self.written = Instant::now();
    }

    fn deadline(&self) -> Instant {
        self.written + self.pause
    }

    /// A checkpoint when there is something to move past, else a comment.
    fn sign_of_life(&mut self, head: Cursor) -> Bytes {
        let moved = self.cursor > self.told;
        self.told(self.cursor);
        if moved {
            let id = Cursor { position: self.cursor, ..head }.to_string();
            Bytes::from(frames::checkpoint(&id))
        } else {
            frames::heartbeat()
        }
    }
}

enum Next {
    Piece(Piece),
    Nothing,
    TooFarBehind,
}

async fn pull(
    streams: &Streams,
    attached: &Attached,
    head: Cursor,
    after: u64,
    wanted: &Wanted,
) -> Next {
    let behind = head.position.saturating_sub(after);
    let pulled = match attached.hub.pull(after, wanted) {
        Pull::Gone if behind > streams.settings.stream_replay_items_max => {
            return Next::TooFarBehind;
        }
        Pull::Gone => attached.hub.pull_stored(after, wanted).await,
        pulled => Ok(pulled),
    };
    match pulled {
        Ok(Pull::Piece(piece)) => Next::Piece(piece),
        Ok(Pull::UpToDate | Pull::Gone) => Next::Nothing,
        Err(error) => {
            tracing::warn!(cause = %error, "a reader's piece of the log could not be read");
            Next::TooFarBehind
        }
    }
}

/// Readers that came together do not all leave together: a fifth more or less.
pub(super) fn age_max(seconds: u32) -> Duration {
    let millis = u64::from(seconds) * 1_000;
    Duration::from_millis(millis * 4 / 5 + random_below(millis * 2 / 5 + 1))
}
