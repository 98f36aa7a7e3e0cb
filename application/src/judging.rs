//! The process manager that turns evidence into violations.
//!
//! It follows each tenant's log with a checkpoint of its own. What it finds in a piece of the log,
//! and how far it has come, are committed together: a crash loses nothing and doubles nothing. Who
//! judges the same piece again finds the same violations, and the store keeps each once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::TenantId;
use domain::judgement::{Matter, Rulings, judge};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::ports::{Clock, PortError};
use crate::rounds::Rounds;

/// From the beginning of one round to that of the next: larger pieces cost less each event.
pub const ROUND: Duration = Duration::from_millis(100);
/// Tenants that one server judges at a time; each holds a connection to the database.
const TENANTS_AT_ONCE: usize = 4;
/// After a failure of the database.
const REST: Duration = Duration::from_secs(1);

/// Which rows a hearing writes: those that are served, or those that a rebuild makes beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    /// One server at a time judges a tenant.
    Served,
    /// The generation of a rebuild.
    Built(i32),
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more.
    More,
    /// Everything that was there is judged.
    Done,
    /// Another server judges this tenant at the moment.
    Busy,
    /// The generation is not being built any more.
    Superseded,
}

/// What the docket has for the judge.
pub enum Opened {
    /// A piece of the log, and where its rulings go.
    Hearing {
        /// What is to be judged.
        matter: Matter,
        /// Takes the rulings.
        hearing: Box<dyn Hearing>,
    },
    /// Nothing, and why.
    Nothing(Progress),
    /// What is stored cannot be judged, and trying again would not help: the reason.
    Unjudgeable(String),
}

/// Where the judge finds what to judge.
#[async_trait]
pub trait Docket: Send + Sync {
    /// Tenants whose log is ahead of the judge, among those given or all.
    async fn due(&self, among: Option<&[TenantId]>) -> Result<Vec<TenantId>, PortError>;

    /// The next piece of a tenant's log.
    async fn open(&self, tenant: TenantId, bench: Bench) -> Result<Opened, PortError>;

    /// Marks the judge as standing still for a tenant, before what cannot be judged.
    async fn stop(&self, tenant: TenantId, bench: Bench, reason: &str) -> Result<(), PortError>;
}

/// One piece of a log, held until its rulings are committed or given up.
#[async_trait]
pub trait Hearing: Send {
    /// Commits the rulings and the checkpoint together.
    async fn close(self: Box<Self>, rulings: Rulings) -> Result<(), PortError>;
}

/// Judges all tenants' logs.
#[derive(Clone)]
pub struct Judge {
    /// Where the logs are.
    pub docket: Arc<dyn Docket>,
    /// When a violation is said to be detected.
    pub clock: Arc<dyn Clock>,
}

impl Judge {
    /// Judges until it is told to end, and ends between two pieces.
    pub async fn run(&self, mut rounds: Rounds) {
        let stop = rounds.stop();
        let places = Arc::new(Semaphore::new(TENANTS_AT_ONCE));
        let mut running = JoinSet::new();
        let (mut at_work, mut heard) = (HashSet::new(), HashSet::new());
        while let Some(due) = rounds.next().await {
            while let Some(done) = running.try_join_next() {
                // A task that panicked has said so; its tenant is judged again after the next start.
                if let Ok(tenant) = done {
                    at_work.remove(&tenant);
                }
            }
            let named: Vec<TenantId> = due.tenants.into_iter().chain(heard.drain()).collect();
            let among = (!due.everywhere).then_some(named.as_slice());
            match self.docket.due(among).await {
                Ok(tenants) => {
                    for tenant in tenants {
                        if at_work.insert(tenant) {
                            let judge = self.clone();
                            running.spawn(judge.follow(tenant, places.clone(), stop.clone()));
                        } else {
                            // Perhaps it has looked for the last time already.
                            heard.insert(tenant);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "judging failed");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Judges one tenant's log to its end. Tenants do not wait for each other but for a place: one
    /// whose policies take long holds up nobody else.
    async fn follow(
        self,
        tenant: TenantId,
        places: Arc<Semaphore>,
        stop: watch::Receiver<bool>,
    ) -> TenantId {
        while !*stop.borrow() {
            let Ok(_place) = places.acquire().await else { return tenant };
            match self.step(tenant, Bench::Served).await {
                Ok(Progress::More) => {}
                Ok(Progress::Done | Progress::Busy | Progress::Superseded) => return tenant,
                Err(error) => {
                    tracing::warn!(cause = %error, %tenant, "judging a log failed");
                    return tenant;
                }
            }
        }
        tenant
    }

    /// Judges one piece of one tenant's log.
    pub async fn step(&self, tenant: TenantId, bench: Bench) -> Result<Progress, PortError> {
        let (matter, hearing) = match self.docket.open(tenant, bench).await? {
            Opened::Hearing { matter, hearing } => (matter, hearing),
            Opened::Nothing(progress) => return Ok(progress),
            Opened::Unjudgeable(reason) => return self.stop(tenant, bench, &reason).await,
        };
        let now = self.clock.now();
        // On a thread of its own: regular expressions are bounded, and may still take seconds, in
        // which requests must be answered.
        let judged = tokio::task::spawn_blocking(move || judge(matter, now)).await;
        match judged.map_err(|error| PortError::new("judging", error))? {
            Ok(rulings) => hearing.close(rulings).await.map(|()| Progress::More),
            Err(error) => {
                drop(hearing);
                self.stop(tenant, bench, &error.to_string()).await
            }
        }
    }

    async fn stop(
        &self,
        tenant: TenantId,
        bench: Bench,
        reason: &str,
    ) -> Result<Progress, PortError> {
        tracing::error!(%tenant, reason, "the judge has stopped: what is stored cannot be judged");
        self.docket.stop(tenant, bench, reason).await?;
        Ok(Progress::Done)
    }
}
