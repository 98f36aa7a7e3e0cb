//! What the readers of one tenant share: the newest piece of its log, as frames, once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TenantId};
use domain::log::{Cursor, Epoch};
use projections::TenantReads;
use projections::feed::Item;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ring::{Frame, Piece, Pull, RING_FRAMES_MAX, Ring, Wanted};
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
    hint: Notify,
    /// When the last whole reading of the log began. One reads at a time; who waited for a reading
    /// that began after it asked is served.
    read_since: tokio::sync::Mutex<Instant>,
}

impl Hub {
    /// Reads the newest piece of the log.
    pub(super) async fn open(reads: TenantReads, tenant: TenantId) -> Result<Self, Problem> {
        let head = reads.log_head(tenant).await?;
        // A key belongs to a tenant, and a tenant's own making is its first event.
        let head = head.ok_or_else(|| Problem::internal("a tenant without a log"))?;
        let hub = Self {
            reads,
            tenant,
            ring: Mutex::default(),
            head: watch::Sender::new(before_the_newest(head)),
            hint: Notify::new(),
            read_since: tokio::sync::Mutex::new(Instant::now()),
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
        if position > self.head.borrow().position {
            self.hint.notify_one();
        }
    }

    /// Waits for a hint, or a while; reads what is new; lets a busy log gather.
    pub(super) async fn keep_up(&self) {
        let hinted = tokio::time::timeout(LOOK_AROUND, self.hint.notified()).await.is_ok();
        if let Err(error) = self.read_piece(!hinted).await {
            tracing::warn!(cause = %error, tenant = %self.tenant, "a log could not be read");
            tokio::time::sleep(LOOK_AROUND).await;
        }
        tokio::time::sleep(COALESCE).await;
    }

    /// Reads one piece; another follows after a pause, so that readers can keep up. Hints may have
    /// been lost, and a log restored: now and then it is looked at first.
    async fn read_piece(&self, look: bool) -> sqlx::Result<()> {
        let _reading = self.read_since.lock().await;
        if look {
            self.follow_history().await?;
        }
        if self.read_on().await? {
            self.hint.notify_one();
        }
        Ok(())
    }

    /// Knows, after this, everything that was committed before the call.
    pub(super) async fn refresh(&self) -> sqlx::Result<()> {
        let asked = Instant::now();
        let mut read_since = self.read_since.lock().await;
        if *read_since > asked {
            return Ok(());
        }
        let began = Instant::now();
        self.follow_history().await?;
        while self.read_on().await? {}
        // Not before: a read that failed, or whose asker has gone, serves nobody.
        *read_since = began;
        Ok(())
    }

    /// A log that was restored has another history: nothing of the old one is true any more.
    async fn follow_history(&self) -> sqlx::Result<()> {
        let Some(stored) = self.reads.log_head(self.tenant).await? else { return Ok(()) };
        let known = *self.head.borrow();
        if stored.epoch != known.epoch || stored.position < known.position {
            *self.ring() = Ring::default();
            self.head.send_replace(before_the_newest(stored));
        }
        Ok(())
    }

    /// Reads a piece after the head and publishes it; whether there may be more.
    async fn read_on(&self) -> sqlx::Result<bool> {
        let head = *self.head.borrow();
        let items =
            self.reads.log_after(self.tenant, head.epoch, head.position, READ_EVENTS_MAX).await?;
        let Some(last) = items.last() else { return Ok(false) };
        let reached = Cursor { epoch: head.epoch, position: last.position };
        let frames = frames_of(head.epoch, &items)?;
        self.ring().extend(frames);
        self.head.send_replace(reached);
        Ok(items.len() as i64 == READ_EVENTS_MAX)
    }

    /// What a reader that has seen everything up to `after` finds next.
    pub(super) fn pull(&self, after: u64, wanted: &Wanted) -> Pull {
        let head = self.head.borrow().position;
        match self.ring().pull(after, wanted) {
            // An empty ring knows of nothing.
            Pull::UpToDate if after < head => Pull::Gone,
            pulled => pulled,
        }
    }

    /// The same from the store, for a reader that the ring has left behind.
    pub(super) async fn pull_stored(&self, after: u64, wanted: &Wanted) -> sqlx::Result<Pull> {
        let epoch = self.head.borrow().epoch;
        let items = self.reads.log_after(self.tenant, epoch, after, READ_EVENTS_MAX).await?;
        let frames = frames_of(epoch, &items)?;
        let piece = Piece::of(&frames, after, wanted);
        Ok(if piece.to == after { Pull::UpToDate } else { Pull::Piece(piece) })
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

/// Where reading begins, for a ring full of what is newest.
fn before_the_newest(head: Cursor) -> Cursor {
    Cursor { position: head.position.saturating_sub(RING_FRAMES_MAX as u64), ..head }
}

fn frames_of(epoch: Epoch, items: &[Item]) -> sqlx::Result<Vec<Frame>> {
    let frame = |item: &Item| Frame::of(Cursor { epoch, position: item.position }, item);
    let frames: Result<Vec<Frame>, _> = items.iter().map(frame).collect();
    frames.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
