//! When those who follow logs look again: on hints, and now and then without one.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use domain::ids::TenantId;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ports::Hint;

/// Without a hint, all logs are looked at so often: hints may be lost.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Where there may be something to follow.
#[derive(Debug, Default)]
pub struct Due {
    /// Tenants that were heard of.
    pub tenants: HashSet<TenantId>,
    /// Any tenant.
    pub everywhere: bool,
}

impl Due {
    fn hear(&mut self, hint: Hint) {
        match hint {
            Hint::Reached { tenant, .. } => {
                self.tenants.insert(tenant);
            }
            Hint::LookAround => self.everywhere = true,
        }
    }
}

/// The beat of a follower.
pub struct Rounds {
    hints: Pin<Box<dyn Stream<Item = Hint> + Send>>,
    stop: watch::Receiver<bool>,
    /// From the beginning of one round to that of the next: many small pieces cost more than a
    /// large one, and take it from the writers.
    pause: Duration,
    began: Option<Instant>,
    looked: Instant,
}

impl Rounds {
    /// Rounds begin at least `pause` apart, until `stop` turns true.
    pub fn new(
        hints: impl Stream<Item = Hint> + Send + 'static,
        stop: watch::Receiver<bool>,
        pause: Duration,
    ) -> Self {
        Self { hints: Box::pin(hints), stop, pause, began: None, looked: Instant::now() }
    }

    /// Turns true when it is time to end.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Waits for the next round; the first is at once, and everywhere. None when it is time to end.
    pub async fn next(&mut self) -> Option<Due> {
        let mut due = Due::default();
        if let Some(began) = self.began {
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                Some(hint) = self.hints.next() => due.hear(hint),
                () = tokio::time::sleep_until(self.looked + LOOK_AROUND) => {}
            }
            tokio::time::sleep_until(began + self.pause).await;
            while let Some(Some(hint)) = self.hints.next().now_or_never() {
                due.hear(hint);
            }
            due.everywhere |= self.looked.elapsed() >= LOOK_AROUND;
        } else {
            due.everywhere = true;
        }
        if *self.stop.borrow() {
            return None;
        }
        let now = Instant::now();
        self.began = Some(now);
        if due.everywhere {
            self.looked = now;
        }
        Some(due)
    }
}
