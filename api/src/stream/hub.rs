//! What the readers of one tenant share: the newest piece of its log, as frames, once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TenantId};
use domain::log::Cursor;
use projections::TenantReads;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ring::{Frame, Pull, RING_FRAMES_MAX, Ring, WRITE_BYTES_MAX, Wanted};
use crate::problem::Problem;

/// Events of one read of the log.
const READ_EVENTS_MAX: i64 = 500;
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
            ring: Mutex::default(),
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
        self.ring().extend(frames);
        self.head.send_replace(reached);
        Ok(items.len() as i64 == READ_EVENTS_MAX)
    }

    /// What a reader that has seen everything up to `after` finds next.
    pub(super) fn pull(&self, after: u64, wanted: &Wanted) -> Pull {
        self.ring().pull(after, wanted)
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
        self.ring().written_at(position)
    }

    /// Whether anything between two positions concerns a session; true when the ring cannot say.
    pub(super) fn concerns(&self, session: SessionId, after: u64, to: u64) -> bool {
        self.ring().concerns(session, after, to)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
