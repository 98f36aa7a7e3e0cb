//! What the readers of one tenant share: the newest piece of its log, as frames, once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TenantId};
use domain::log::Cursor;
use projections::TenantReads;
use projections::feed::Item;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::filter::TypeFilter;
use super::frames;
use crate::problem::Problem;

/// Frames that are kept.
const RING_FRAMES_MAX: usize = 512;
/// Events of one read of the log.
const READ_EVENTS_MAX: i64 = 500;
/// Pieces that are kept put together: enough for a full ring of large items.
const SHARED_MAX: usize = 8;
/// Bytes of one write to a reader.
pub(super) const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Readers of a busy log are woken at most so often: one write then carries many items.
const COALESCE: Duration = Duration::from_millis(25);
/// Hints may be lost: the log is looked at so often without one.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// One tenant's log while it is being read.
pub struct Hub {
    reads: TenantReads,
    tenant: TenantId,
    ring: Mutex<Ring>,
    /// The log's head as readers may know it: they wake when it changes.
    head: watch::Sender<Cursor>,
    /// The highest position that a hint has named.
    hinted: AtomicU64,
    hint: Notify,
    /// Reading the log: one at a time, and who waited for one that began after it asked is served.
    reading: tokio::sync::Mutex<Instant>,
}

#[derive(Default)]
struct Ring {
    frames: VecDeque<Frame>,
    /// Pieces that were put together for readers who want everything: most want the same ones.
    shared: VecDeque<Shared>,
}

struct Shared {
    after: u64,
    to: u64,
    text: Bytes,
}

/// One position of the log. What may not be read has no text.
struct Frame {
    position: u64,
    written_at: DateTime<Utc>,
    session: Option<SessionId>,
    event_type: String,
    text: String,
}

/// What a reader finds after its cursor.
pub(super) enum Pull {
    /// Everything up to a position that it wants of it. Empty when it wants nothing of it.
    Piece { text: Bytes, to: u64 },
    /// It has seen everything.
    UpToDate,
    /// The ring has moved on.
    Gone,
}

/// What a reader wants.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub types: TypeFilter,
    pub session: Option<SessionId>,
}

impl Wanted {
    fn everything(&self) -> bool {
        self.types.takes_all() && self.session.is_none()
    }
}

impl Frame {
    fn of(cursor: Cursor, item: &Item) -> Result<Self, serde_json::Error> {
        let text = item.body.as_ref().map(|body| frames::item(cursor, body)).transpose()?;
        Ok(Self {
            position: item.position,
            written_at: item.written_at,
            session: item.session,
            event_type: item.body.as_ref().map(|b| b.event_type.clone()).unwrap_or_default(),
            text: text.unwrap_or_default(),
        })
    }

    fn is_for(&self, wanted: &Wanted) -> bool {
        !self.text.is_empty()
            && wanted.types.takes(&self.event_type)
            && wanted.session.is_none_or(|session| self.session == Some(session))
    }
}

impl Hub {
    /// Reads the newest piece of the log.
    pub(super) async fn open(reads: TenantReads, tenant: TenantId) -> Result<Self, Problem> {
        let head = reads.log_head(tenant).await?;
        // A key belongs to a tenant, and a tenant's own making is its first event.
        let head = head.ok_or_else(|| Problem::internal("a tenant without a log"))?;
        let before = head.position.saturating_sub(RING_FRAMES_MAX as u64);
        let hub = Self {
            reads,
            tenant,
            ring: Mutex::new(Ring::default()),
            head: watch::Sender::new(Cursor { epoch: head.epoch, position: before }),
            hinted: AtomicU64::new(0),
            hint: Notify::new(),
            reading: tokio::sync::Mutex::new(Instant::now()),
        };
        while hub.read_on().await? {}
        Ok(hub)
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The head, and a wake-up for when it moves.
    pub(super) fn watch(&self) -> watch::Receiver<Cursor> {
        self.head.subscribe()
    }

    pub(super) fn has_readers(&self) -> bool {
        self.head.receiver_count() > 0
    }

    /// The log has reached a position, as somebody says.
    pub(super) fn heard(&self, position: u64) {
        if self.hinted.fetch_max(position, Ordering::Relaxed) < position {
            self.hint.notify_one();
        }
    }

    /// Waits for a hint, or a while; reads what is new; lets a busy log gather.
    pub(super) async fn keep_up(&self) {
        let hinted = tokio::time::timeout(LOOK_AROUND, self.hint.notified()).await.is_ok();
        let read = if hinted { self.read_piece().await } else { self.look().await };
        if let Err(error) = read {
            tracing::warn!(cause = %error, tenant = %self.tenant, "a log could not be read");
            tokio::time::sleep(LOOK_AROUND).await;
        }
        tokio::time::sleep(COALESCE).await;
    }

    /// Reads one piece; another follows after a pause, so that readers can keep up.
    async fn read_piece(&self) -> sqlx::Result<()> {
        let mut reading = self.reading.lock().await;
        *reading = Instant::now();
        if self.read_on().await? {
            self.hint.notify_one();
        }
        Ok(())
    }

    /// Compares with the store: hints may have been lost, a log may have been restored.
    async fn look(&self) -> sqlx::Result<()> {
        let mut reading = self.reading.lock().await;
        self.hinted.store(0, Ordering::Relaxed);
        let Some(stored) = self.reads.log_head(self.tenant).await? else { return Ok(()) };
        let known = *self.head.borrow();
        if stored.epoch != known.epoch || stored.position < known.position {
            // Another history: nothing of the old one is true any more.
            *self.ring() = Ring::default();
            self.head.send_replace(stored);
        } else if stored.position > known.position {
            *reading = Instant::now();
            if self.read_on().await? {
                self.hint.notify_one();
            }
        }
        Ok(())
    }

    /// Knows, after this, everything that was committed before the call.
    pub(super) async fn refresh(&self) -> sqlx::Result<()> {
        let asked = Instant::now();
        let mut reading = self.reading.lock().await;
        if *reading > asked {
            return Ok(());
        }
        *reading = Instant::now();
        while self.read_on().await? {}
        Ok(())
    }

    /// Reads a piece after the head and publishes it; whether there may be more.
    async fn read_on(&self) -> sqlx::Result<bool> {
        let head = *self.head.borrow();
        let items =
            self.reads.log_after(self.tenant, head.epoch, head.position, READ_EVENTS_MAX).await?;
        let Some(last) = items.last() else { return Ok(false) };
        let reached = Cursor { epoch: head.epoch, position: last.position };
        let decode = |error| sqlx::Error::Decode(Box::new(error));
        let mut frames = Vec::with_capacity(items.len());
        for item in &items {
            let cursor = Cursor { epoch: head.epoch, position: item.position };
            frames.push(Frame::of(cursor, item).map_err(decode)?);
        }
        {
            let mut ring = self.ring();
            ring.frames.extend(frames);
            let surplus = ring.frames.len().saturating_sub(RING_FRAMES_MAX);
            ring.frames.drain(..surplus);
            ring.shared.clear();
        }
        self.head.send_replace(reached);
        Ok(items.len() as i64 == READ_EVENTS_MAX)
    }

    /// What a reader that has seen everything up to `after` finds next.
    pub(super) fn pull(&self, after: u64, wanted: &Wanted) -> Pull {
        let mut ring = self.ring();
        let (Some(first), Some(last)) = (ring.frames.front(), ring.frames.back()) else {
            return Pull::UpToDate;
        };
        let (first, last) = (first.position, last.position);
        if after >= last {
            return Pull::UpToDate;
        }
        if after + 1 < first {
            return Pull::Gone;
        }
        if !wanted.everything() {
            let (text, to) = ring.piece(after, wanted);
            return Pull::Piece { text, to };
        }
        if let Some(known) = ring.shared.iter().find(|shared| shared.after == after) {
            return Pull::Piece { text: known.text.clone(), to: known.to };
        }
        let (text, to) = ring.piece(after, wanted);
        ring.shared.truncate(SHARED_MAX - 1);
        ring.shared.push_front(Shared { after, to, text: text.clone() });
        Pull::Piece { text, to }
    }

    /// The same from the store, for a reader that the ring has left behind.
    pub(super) async fn pull_stored(&self, after: u64, wanted: &Wanted) -> sqlx::Result<Pull> {
        let epoch = self.head.borrow().epoch;
        let items = self.reads.log_after(self.tenant, epoch, after, READ_EVENTS_MAX).await?;
        let decode = |error| sqlx::Error::Decode(Box::new(error));
        let (mut text, mut to) = (String::new(), after);
        for item in &items {
            let frame = Frame::of(Cursor { epoch, position: item.position }, item);
            let frame = frame.map_err(decode)?;
            if frame.is_for(wanted) {
                if !text.is_empty() && text.len() + frame.text.len() > WRITE_BYTES_MAX {
                    break;
                }
                text.push_str(&frame.text);
            }
            to = frame.position;
        }
        Ok(if to == after { Pull::UpToDate } else { Pull::Piece { text: text.into(), to } })
    }

    /// When the event at a position was written, if the ring still knows.
    pub(super) fn written_at(&self, position: u64) -> Option<DateTime<Utc>> {
        let ring = self.ring();
        ring.at(position).and_then(|index| ring.frames.get(index)).map(|frame| frame.written_at)
    }

    /// Whether anything between two positions concerns a session; true when the ring cannot say.
    pub(super) fn concerns(&self, session: SessionId, after: u64, to: u64) -> bool {
        let ring = self.ring();
        let Some(begin) = ring.at(after + 1) else { return true };
        let new = ring.frames.range(begin..).take_while(|frame| frame.position <= to);
        new.into_iter().any(|frame| frame.session == Some(session))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Where a position stands: positions have no hole.
    fn at(&self, position: u64) -> Option<usize> {
        let offset = position.checked_sub(self.frames.front()?.position)?;
        usize::try_from(offset).ok().filter(|index| *index < self.frames.len())
    }

    /// Frames after a position, as many as one write takes.
    fn piece(&self, after: u64, wanted: &Wanted) -> (Bytes, u64) {
        let (mut text, mut to) = (Vec::new(), after);
        let begin = self.at(after + 1).unwrap_or(self.frames.len());
        for frame in self.frames.range(begin..) {
            if frame.is_for(wanted) {
                if !text.is_empty() && text.len() + frame.text.len() > WRITE_BYTES_MAX {
                    break;
                }
                text.extend_from_slice(frame.text.as_bytes());
            }
            to = frame.position;
        }
        (text.into(), to)
    }
}
