//! The process manager that turns evidence into violations.
//!
//! It follows each tenant's log with a checkpoint of its own. What it finds in a piece of the log,
//! and how far it has come, are committed together: a crash loses nothing and doubles nothing. Who
//! judges the same piece again finds the same violations, and the store keeps each once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::TenantId;
use domain::judgement::{Matter, Rulings, judge};
use tokio::sync::watch;

use crate::ports::{Clock, PortError};
use crate::rounds::{Due, Rounds};

/// From the beginning of one round to that of the next: larger pieces cost less each event.
pub const ROUND: Duration = Duration::from_millis(100);
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
    Hearing(Box<dyn Hearing>),
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
    /// What is to be judged; empty when it was taken before.
    fn take_matter(&mut self) -> Option<Matter>;

    /// Commits the rulings and the checkpoint together. How many violations were new.
    async fn close(self: Box<Self>, rulings: Rulings) -> Result<u64, PortError>;
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
        while let Some(due) = rounds.next().await {
            if let Err(error) = self.round(&due, &stop).await {
                tracing::warn!(cause = %error, "judging failed");
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Judges every log that is ahead, in turns.
    async fn round(&self, due: &Due, stop: &watch::Receiver<bool>) -> Result<(), PortError> {
        let named: Vec<TenantId> = due.tenants.iter().copied().collect();
        let among = (!due.everywhere).then_some(named.as_slice());
        let mut tenants: VecDeque<TenantId> = self.docket.due(among).await?.into();
        while let Some(tenant) = tenants.pop_front() {
            if *stop.borrow() {
                return Ok(());
            }
            match self.step(tenant, Bench::Served).await {
                Ok(Progress::More) => tenants.push_back(tenant),
                Ok(Progress::Done | Progress::Busy | Progress::Superseded) => {}
                Err(error) => tracing::warn!(cause = %error, %tenant, "judging a log failed"),
            }
        }
        Ok(())
    }

    /// Judges one piece of one tenant's log.
    pub async fn step(&self, tenant: TenantId, bench: Bench) -> Result<Progress, PortError> {
        let mut hearing = match self.docket.open(tenant, bench).await? {
            Opened::Hearing(hearing) => hearing,
            Opened::Nothing(progress) => return Ok(progress),
            Opened::Unjudgeable(reason) => return self.stop(tenant, bench, &reason).await,
        };
        let Some(matter) = hearing.take_matter() else { return Ok(Progress::Done) };
        match judge(matter, self.clock.now()) {
            Ok(rulings) => hearing.close(rulings).await.map(|_| Progress::More),
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
