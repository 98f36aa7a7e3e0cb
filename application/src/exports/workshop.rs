//! Makes what takes long, behind the client's back: selections, bundles, packs.
//!
//! Any server takes up any export. Who makes one says every now and then that it lives; when it has
//! fallen silent, another begins anew. A crash leaves a row that is taken up again, and files that
//! nothing names.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::export::{ExportError, Made, Order};
use domain::ids::TenantId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Exports;
use crate::ports::{CommandError, Metadata, PortError};
use crate::rounds::Rounds;

/// From the beginning of one round to that of the next.
pub const ROUND: Duration = Duration::from_millis(250);
/// Exports that one server makes at a time: each keeps a core busy.
const MAKING_MAX: usize = 2;
/// Who makes one says so often that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// After so long without a word another takes its place.
const SILENCE_MAX: TimeDelta = TimeDelta::seconds(10);
/// What cannot be made so often is given up.
const ATTEMPTS_MAX: i32 = 3;

/// An export to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whose.
    pub tenant: TenantId,
    /// Of the export.
    pub id: Uuid,
    /// What was asked for.
    pub order: Order,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Of the request in the tenant's log: what was there before is exported.
    pub position: u64,
    /// 1 is the first: who was thought dead and comes back holds an old one.
    pub attempt: i32,
}

/// Rows of exports.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Takes up the oldest that nobody makes.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        silent_since: DateTime<Utc>,
    ) -> Result<Option<Job>, PortError>;

    /// Says that it is being made. Whether it still is this attempt's.
    async fn mark(&self, job: &Job, now: DateTime<Utc>) -> Result<bool, PortError>;

    /// Gives it back, unmade, for the next server.
    async fn give_back(&self, job: &Job) -> Result<(), PortError>;

    /// Some that were finished before a time and still have their files.
    async fn finished_before(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<(TenantId, Uuid)>, PortError>;
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Trying again would not help: the reason, for the client.
    #[error("{0}")]
    Impossible(String),
    /// Perhaps the next attempt does better.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Makes the files of an export.
#[async_trait]
pub trait Maker: Send + Sync {
    /// Makes all files, whole and on disk.
    async fn make(&self, job: &Job) -> Result<Made, MakeError>;

    /// Removes the files of an export, if there are any.
    async fn remove(&self, tenant: TenantId, id: Uuid) -> Result<(), PortError>;
}

/// Makes all tenants' exports.
#[derive(Clone)]
pub struct Workshop {
    /// Where it is written down.
    pub exports: Exports,
    /// What there is to do.
    pub jobs: Arc<dyn Jobs>,
    /// Who does it.
    pub maker: Arc<dyn Maker>,
    /// After so long the files are removed.
    pub keep: TimeDelta,
}

impl Workshop {
    /// Works until it is told to end; what is being made then is given back.
    pub async fn run(&self, mut rounds: Rounds) {
        let stop = rounds.stop();
        let mut making = JoinSet::new();
        while let Some(due) = rounds.next().await {
            while making.try_join_next().is_some() {}
            if let Err(error) = self.take_up(&mut making, &stop).await {
                tracing::warn!(cause = %error, "looking for exports to make failed");
            }
            if due.everywhere
                && let Err(error) = self.clear_out().await
            {
                tracing::warn!(cause = %error, "removing old exports failed");
            }
        }
        while making.join_next().await.is_some() {}
    }

    async fn take_up(
        &self,
        making: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), PortError> {
        while making.len() < MAKING_MAX {
            let now = self.exports.clock.now();
            let Some(job) = self.jobs.claim(now, now - SILENCE_MAX).await? else { return Ok(()) };
            making.spawn(self.clone().work(job, stop.clone()));
        }
        Ok(())
    }

    async fn work(self, job: Job, mut stop: watch::Receiver<bool>) {
        let id = job.id;
        let outcome = tokio::select! {
            biased;
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => {
                self.jobs.give_back(&job).await
            }
            made = self.make(&job) => self.conclude(&job, made).await,
            lost = self.live(&job) => lost,
        };
        if let Err(error) = outcome {
            tracing::warn!(cause = %error, export = %id, "an export could not be concluded");
        }
    }

    /// What has ended its maker again and again would do so for ever.
    async fn make(&self, job: &Job) -> Result<Made, MakeError> {
        if job.attempt > ATTEMPTS_MAX {
            let reason = format!("it was begun {ATTEMPTS_MAX} times and never finished");
            return Err(MakeError::Impossible(reason));
        }
        self.maker.make(job).await
    }

    /// Says that the export is being made, until it is another's.
    async fn live(&self, job: &Job) -> Result<(), PortError> {
        loop {
            tokio::time::sleep(BEAT).await;
            match self.jobs.mark(job, self.exports.clock.now()).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // The database is away: making will fail, or find it again.
                Err(error) => tracing::warn!(cause = %error, "a sign of life was lost"),
            }
        }
    }

    async fn conclude(&self, job: &Job, made: Result<Made, MakeError>) -> Result<(), PortError> {
        let by = Metadata { actor: "worker".to_owned(), correlation_id: job.id.to_string() };
        let reason = match made {
            Ok(made) => {
                let written = self.exports.complete(job.tenant, job.id, made, &by).await;
                return concluded(written);
            }
            Err(MakeError::Impossible(reason)) => reason,
            Err(MakeError::Port(error)) if job.attempt >= ATTEMPTS_MAX => {
                tracing::warn!(cause = %error, export = %job.id, "an export has failed");
                "it failed inside the server, whose log says why".to_owned()
            }
            Err(MakeError::Port(error)) => {
                tracing::warn!(cause = %error, export = %job.id, "an export is tried again");
                return Ok(());
            }
        };
        match self.exports.fail(job.tenant, job.id, &reason, &by).await {
            // Some of its files may be there.
            Ok(()) => self.maker.remove(job.tenant, job.id).await,
            other => concluded(other),
        }
    }

    /// Removes what was kept long enough: first it is said, so that nobody counts on it.
    async fn clear_out(&self) -> Result<(), PortError> {
        let by = Metadata { actor: "worker".to_owned(), correlation_id: String::new() };
        let before = self.exports.clock.now() - self.keep;
        for (tenant, id) in self.jobs.finished_before(before).await? {
            match self.exports.expire(tenant, id, &by).await {
                Ok(()) | Err(CommandError::Refused(_)) => self.maker.remove(tenant, id).await?,
                Err(CommandError::Conflict) => {}
                Err(CommandError::Port(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether it is written down, by this attempt or by a faster one.
fn concluded(written: Result<(), CommandError<ExportError>>) -> Result<(), PortError> {
    match written {
        // Another attempt was faster.
        Ok(()) | Err(CommandError::Refused(_)) => Ok(()),
        Err(CommandError::Conflict) => {
            Err(PortError::new("concluding an export", "others write to it"))
        }
        Err(CommandError::Port(error)) => Err(error),
    }
}
