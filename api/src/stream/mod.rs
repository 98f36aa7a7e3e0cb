//! Live streams: one hub a tenant with readers, and what keeps readers apart and in bounds.
//!
//! A connection holds a cursor and a wake-up, never a queue. What it has not seen yet it pulls from
//! the hub's ring, or from the store when the ring has moved on.

mod admission;
mod filter;
mod frames;
mod hub;
mod reader;
mod session_reader;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use application::Hint;
use chrono::TimeDelta;
use domain::ids::TenantId;
use domain::log::{Cursor, ReplayBounds};
use futures::{Stream, StreamExt};
use projections::TenantReads;
use projections::keys::Keys;
use tokio::sync::watch;

pub use admission::{Admission, Farewell, Permit};
pub use filter::TypeFilter;
pub use frames::{bye, retry_and_bye};
pub use hub::Wanted;
pub use reader::{LogReader, Start};
pub use session_reader::SessionReader;

use crate::config::StreamSettings;
use crate::problem::Problem;
use hub::Hub;

/// A refused or overloaded reader comes again after so long.
pub const OVERLOAD_RETRY_MS: u64 = 15_000;

/// Locks that hubs are made under, shared by tenants.
const MAKING_LOCKS: usize = 64;

/// All streams of a server.
pub struct Streams {
    reads: TenantReads,
    hubs: Mutex<HashMap<TenantId, Arc<Hub>>>,
    /// Readers who come all at once, after a restart, wait for one to read the log for them.
    making: [tokio::sync::Mutex<()>; MAKING_LOCKS],
    pub admission: Admission,
    pub settings: StreamSettings,
    /// Turns true when the server ends.
    closing: watch::Sender<bool>,
}

impl Streams {
    pub fn new(reads: TenantReads, keys: Keys, settings: StreamSettings) -> Arc<Self> {
        let admission = Admission::new(keys, &settings);
        let closing = watch::Sender::new(false);
        let (hubs, making) =
            (Mutex::default(), std::array::from_fn(|_| tokio::sync::Mutex::default()));
        Arc::new(Self { reads, hubs, making, admission, settings, closing })
    }

    pub fn bounds(&self) -> ReplayBounds {
        ReplayBounds {
            window: TimeDelta::seconds(i64::from(self.settings.stream_window_seconds)),
            items_max: self.settings.stream_replay_items_max,
        }
    }

    /// The hub of a tenant, which knows everything that was committed before the call, and the
    /// wake-up that keeps it.
    pub async fn hub(self: &Arc<Self>, tenant: TenantId) -> Result<Attached, Problem> {
        if let Some(attached) = self.attach(tenant) {
            return attached.refreshed().await;
        }
        let making = self.making[tenant.0.as_u128() as usize % MAKING_LOCKS].lock().await;
        if let Some(attached) = self.attach(tenant) {
            drop(making);
            return attached.refreshed().await;
        }
        let hub = Arc::new(Hub::open(self.reads.clone(), tenant).await?);
        let attached = Attached { head: hub.watch(), hub: hub.clone() };
        self.hubs().insert(tenant, hub.clone());
        tokio::spawn(keep(self.clone(), hub));
        Ok(attached)
    }

    /// Under the lock that a hub is given up under: who is attached keeps it.
    fn attach(&self, tenant: TenantId) -> Option<Attached> {
        let hubs = self.hubs();
        let hub = hubs.get(&tenant)?.clone();
        Some(Attached { head: hub.watch(), hub })
    }

    /// Wakes the hubs of tenants whose logs have grown, for ever.
    pub async fn hear(&self, mut hints: impl Stream<Item = Hint> + Unpin) {
        while let Some(hint) = hints.next().await {
            let hubs = self.hubs();
            match hint {
                Hint::Reached { tenant, position } => {
                    if let Some(hub) = hubs.get(&tenant) {
                        hub.heard(position);
                    }
                }
                Hint::LookAround => hubs.values().for_each(|hub| hub.heard(u64::MAX)),
            }
        }
    }

    /// Ends every stream with a farewell, and lets no new one begin.
    pub fn close(&self) {
        self.admission.close();
        self.closing.send_replace(true);
    }

    fn hubs(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Arc<Hub>>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's hold on a hub.
pub struct Attached {
    hub: Arc<Hub>,
    /// Changes when the log grows.
    head: watch::Receiver<Cursor>,
}

impl Attached {
    /// With everything that was committed before the call.
    async fn refreshed(self) -> Result<Self, Problem> {
        self.hub.refresh().await.map_err(Problem::internal)?;
        Ok(self)
    }
}

/// Without readers for so long, a hub is given up.
const UNREAD_MAX: Duration = Duration::from_secs(10);

/// Keeps a hub up to date as long as it has readers.
async fn keep(streams: Arc<Streams>, hub: Arc<Hub>) {
    let mut closing = streams.closing.subscribe();
    let mut unread_since = None;
    while !*closing.borrow() {
        tokio::select! {
            () = hub.keep_up() => {}
            _ = closing.changed() => {}
        }
        if hub.has_readers() {
            unread_since = None;
            continue;
        }
        let since = *unread_since.get_or_insert_with(tokio::time::Instant::now);
        if since.elapsed() >= UNREAD_MAX {
            // Under the lock, so that a reader who comes now finds it or makes another.
            let mut hubs = streams.hubs();
            if !hub.has_readers() {
                hubs.remove(&hub.tenant());
                return;
            }
        }
    }
}
