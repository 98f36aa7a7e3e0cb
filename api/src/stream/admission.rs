//! Who may stream: limits per key, tenant and server, and rights that are looked at again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::Clock;
use domain::ids::TenantId;
use domain::scope::Scope;
use projections::keys::Keys;
use tokio::sync::watch;

use crate::config::StreamSettings;

/// Between two looks at a key. With the time that a look takes, well below the 5 s within which a
/// lost right ends its streams.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    Shutdown,
    MaxAge,
    KeyRevoked,
    SlowConsumer,
    TooManyStreams,
}

impl Farewell {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::MaxAge => "max_age",
            Self::KeyRevoked => "key_revoked",
            Self::SlowConsumer => "slow_consumer",
            Self::TooManyStreams => "too_many_streams",
        }
    }
}

/// Counts streams and knows whose they are.
#[derive(Clone)]
pub struct Admission(Arc<Gate>);

struct Gate {
    keys: Keys,
    per_key_max: usize,
    per_tenant_max: usize,
    all_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    closed: bool,
    all: usize,
    by_tenant: HashMap<TenantId, usize>,
    by_key: HashMap<String, OfKey>,
}

struct OfKey {
    streams: usize,
    /// Says farewell to every stream of the key.
    ending: watch::Sender<Option<Farewell>>,
}

/// One stream's place, given back when it is dropped.
pub struct Permit {
    gate: Arc<Gate>,
    tenant: TenantId,
    key_id: String,
    /// Turns into a farewell when the stream must end.
    pub ending: watch::Receiver<Option<Farewell>>,
}

impl Admission {
    pub fn new(keys: Keys, settings: &StreamSettings) -> Self {
        Self(Arc::new(Gate {
            keys,
            per_key_max: settings.streams_per_key_max,
            per_tenant_max: settings.streams_per_tenant_max,
            all_max: settings.streams_max,
            open: Mutex::default(),
        }))
    }

    /// A place for one more stream of a key.
    pub fn admit(&self, tenant: TenantId, key_id: &str) -> Result<Permit, Farewell> {
        let gate = &self.0;
        let mut open = gate.open();
        if open.closed {
            return Err(Farewell::Shutdown);
        }
        let of_tenant = open.by_tenant.get(&tenant).copied().unwrap_or_default();
        let of_key = open.by_key.get(key_id).map_or(0, |key| key.streams);
        let is_full = open.all >= gate.all_max
            || of_tenant >= gate.per_tenant_max
            || of_key >= gate.per_key_max;
        if is_full {
            return Err(Farewell::TooManyStreams);
        }
        open.all += 1;
        *open.by_tenant.entry(tenant).or_default() += 1;
        let fresh = || OfKey { streams: 0, ending: watch::Sender::new(None) };
        let key = open.by_key.entry(key_id.to_owned()).or_insert_with(fresh);
        key.streams += 1;
        let ending = key.ending.subscribe();
        Ok(Permit { gate: gate.clone(), tenant, key_id: key_id.to_owned(), ending })
    }

    /// Streams that are open.
    pub fn count(&self) -> usize {
        self.0.open().all
    }

    /// Ends every stream.
    pub fn close(&self) {
        let mut open = self.0.open();
        open.closed = true;
        for key in open.by_key.values() {
            key.ending.send_replace(Some(Farewell::Shutdown));
        }
    }

    /// Ends the streams of keys that have lost their right, for ever.
    pub async fn watch(&self, clock: Arc<dyn Clock>) {
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            let held: Vec<String> = self.0.open().by_key.keys().cloned().collect();
            for key_id in held {
                match self.0.keys.find(&key_id).await {
                    Ok(Some(key))
                        if key.suspended
                            || key.authorize(Scope::EvidenceRead).is_err()
                            || !key.is_current(clock.now()) =>
                    {
                        self.end(&key_id);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.end(&key_id),
                    Err(error) => {
                        tracing::warn!(cause = %error, "a stream's key was not looked at");
                    }
                }
            }
        }
    }

    fn end(&self, key_id: &str) {
        // The key's later streams, should it get its right back, hear of nothing.
        let ended = self.0.open().by_key.remove(key_id);
        if let Some(key) = ended {
            key.ending.send_replace(Some(Farewell::KeyRevoked));
        }
    }
}

impl Gate {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.gate.open();
        open.all -= 1;
        if let Some(count) = open.by_tenant.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.by_tenant.remove(&self.tenant);
            }
        }
        // A key that was ended has a new entry, or none: its old streams do not count there.
        let is_ended = self.ending.borrow().is_some_and(|why| why == Farewell::KeyRevoked);
        if is_ended {
            return;
        }
        if let Some(key) = open.by_key.get_mut(&self.key_id) {
            key.streams -= 1;
            if key.streams == 0 {
                open.by_key.remove(&self.key_id);
            }
        }
    }
}
