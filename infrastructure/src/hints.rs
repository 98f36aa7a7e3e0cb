//! Wake-ups: who follows a tenant's log hears of a commit at once, here and on other servers.
//!
//! Within the process a hint goes over a channel. To other servers it goes as a `NOTIFY` on a
//! connection of its own, never inside a writer's transaction (it takes a lock that the whole
//! database shares), gathered, at most 20 times a second.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use application::{Hint, Hints};
use domain::ids::TenantId;
use futures::Stream;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// Hints that may wait for a slow listener; after more it looks around by itself.
const WAITING_MAX: usize = 1024;
/// Between two notifications: 20 a second.
const NOTIFY_PAUSE: Duration = Duration::from_millis(50);
/// After the connection was lost.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// PostgreSQL takes less than 8,000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_500;
/// In the place of tenants: too many to name.
const EVERYONE: &str = "*";
const CHANNEL: &str = "exhibit_hints";

#[derive(Debug, Clone, Copy)]
struct Signal {
    hint: Hint,
    /// From another server: not to be sent on.
    foreign: bool,
}

/// The channel of one process.
#[derive(Debug, Clone)]
pub struct HintChannel {
    signals: broadcast::Sender<Signal>,
    /// Tells own notifications from others'.
    server: Uuid,
}

/// Hears all hints from its making on.
pub struct HintListener(broadcast::Receiver<Signal>);

impl Hints for HintChannel {
    fn committed(&self, tenant: TenantId, position: u64) {
        self.send(Hint::Reached { tenant, position }, false);
    }
}

impl HintChannel {
    /// `server` is any id that no other process has.
    pub fn new(server: Uuid) -> Self {
        Self { signals: broadcast::Sender::new(WAITING_MAX), server }
    }

    pub fn listen(&self) -> HintListener {
        HintListener(self.signals.subscribe())
    }

    fn send(&self, hint: Hint, foreign: bool) {
        // Nobody listens: nobody has to be woken.
        let _ = self.signals.send(Signal { hint, foreign });
    }

    /// Carries hints to and from other servers, for ever. `pool` gives up two connections.
    pub async fn relay(&self, pool: PgPool) {
        tokio::join!(self.notify(&pool), self.hear(&pool));
    }

    async fn notify(&self, pool: &PgPool) {
        let mut signals = self.signals.subscribe();
        loop {
            let mut gathered = Gathered::default();
            gathered.take(&signals.recv().await);
            while let Ok(signal) = signals.try_recv() {
                gathered.take(&Ok(signal));
            }
            if let Some(payload) = gathered.payload(self.server) {
                let sent = sqlx::query("select pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(payload)
                    .execute(pool)
                    .await;
                if let Err(error) = sent {
                    tracing::warn!(cause = %error, "a hint to other servers was lost");
                }
            }
            tokio::time::sleep(NOTIFY_PAUSE).await;
        }
    }

    async fn hear(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.hear_until_lost(pool).await {
                tracing::warn!(cause = %error, "hints of other servers are not heard");
            }
            tokio::time::sleep(RETRY_PAUSE).await;
            self.send(Hint::LookAround, true);
        }
    }

    async fn hear_until_lost(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            match listener.try_recv().await? {
                Some(notification) => self.heard(notification.payload()),
                // The listener has connected again: what was sent meanwhile is lost.
                None => self.send(Hint::LookAround, true),
            }
        }
    }

    /// `<server> <tenant>:<position> …`, or `<server> *`. What cannot be read wakes everybody.
    fn heard(&self, payload: &str) {
        let mut words = payload.split(' ');
        if words.next().and_then(|id| id.parse().ok()) == Some(self.server) {
            return;
        }
        for word in words {
            let reached = word.split_once(':').and_then(|(tenant, position)| {
                Some((TenantId::parse(tenant)?, position.parse().ok()?))
            });
            let hint = reached
                .map_or(Hint::LookAround, |(tenant, position)| Hint::Reached { tenant, position });
            self.send(hint, true);
        }
    }
}

impl HintListener {
    /// The next hint; [`Hint::LookAround`] in the place of those that came too fast.
    pub async fn next(&mut self) -> Hint {
        match self.0.recv().await {
            Ok(signal) => signal.hint,
            Err(RecvError::Lagged(_)) => Hint::LookAround,
            // The channel lives as long as the server does.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// The same, as a stream that does not end.
    pub fn into_stream(self) -> impl Stream<Item = Hint> + Send + Unpin {
        Box::pin(futures::stream::unfold(self, async |mut listener| {
            let hint = listener.next().await;
            Some((hint, listener))
        }))
    }
}

/// The own hints since the last notification.
#[derive(Default)]
struct Gathered {
    heads: HashMap<TenantId, u64>,
    too_many: bool,
}

impl Gathered {
    fn take(&mut self, signal: &Result<Signal, RecvError>) {
        match signal {
            Ok(Signal { foreign: true, .. }) => {}
            Ok(Signal { hint: Hint::Reached { tenant, position }, .. }) => {
                let head = self.heads.entry(*tenant).or_default();
                *head = (*position).max(*head);
            }
            Ok(Signal { hint: Hint::LookAround, .. }) | Err(_) => self.too_many = true,
        }
    }

    fn payload(&self, server: Uuid) -> Option<String> {
        if self.heads.is_empty() && !self.too_many {
            return None;
        }
        let mut payload = server.to_string();
        for (tenant, position) in &self.heads {
            // Writing to a String does not fail.
            let _ = write!(payload, " {tenant}:{position}");
        }
        if self.too_many || payload.len() > PAYLOAD_BYTES_MAX {
            payload = format!("{server} {EVERYONE}");
        }
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    fn own(tenant: TenantId, position: u64) -> Signal {
        Signal { hint: Hint::Reached { tenant, position }, foreign: false }
    }

    #[tokio::test]
    async fn hints_of_one_server_are_heard_by_another_and_not_by_itself() {
        let (here, there) =
            (HintChannel::new(Uuid::from_u128(1)), HintChannel::new(Uuid::from_u128(2)));
        let mut gathered = Gathered::default();
        for signal in [own(tenant(7), 3), own(tenant(7), 9), own(tenant(7), 4)] {
            gathered.take(&Ok(signal));
        }
        let payload = gathered.payload(here.server).unwrap();
        let (mut by_sender, mut by_other) = (here.listen(), there.listen());
        here.heard(&payload);
        there.heard(&payload);
        assert_eq!(by_other.next().await, Hint::Reached { tenant: tenant(7), position: 9 });
        assert!(by_sender.0.try_recv().is_err());
    }

    #[test]
    fn what_another_server_has_sent_is_not_sent_on() {
        let mut gathered = Gathered::default();
        let hint = Hint::Reached { tenant: tenant(1), position: 1 };
        gathered.take(&Ok(Signal { hint, foreign: true }));
        assert_eq!(gathered.payload(Uuid::nil()), None);
    }

    #[tokio::test]
    async fn more_tenants_than_a_notification_holds_make_everybody_look_around() {
        let mut gathered = Gathered::default();
        for number in 0..500 {
            gathered.take(&Ok(own(tenant(number), 1)));
        }
        let payload = gathered.payload(Uuid::from_u128(1)).unwrap();
        assert!(payload.len() <= PAYLOAD_BYTES_MAX);
        let there = HintChannel::new(Uuid::from_u128(2));
        let mut listener = there.listen();
        there.heard(&payload);
        assert_eq!(listener.next().await, Hint::LookAround);
    }

    #[tokio::test]
    async fn a_listener_that_was_too_slow_looks_around() {
        let channel = HintChannel::new(Uuid::nil());
        let mut listener = channel.listen();
        for position in 0..=WAITING_MAX as u64 {
            channel.committed(tenant(1), position);
        }
        assert_eq!(listener.next().await, Hint::LookAround);
    }
}
