//! Backtests: any version of a policy tried on stored history, beside the active one.
//!
//! A backtest writes its own row and nothing else. Whoever runs it says every now and then that it
//! lives; one that has fallen silent counts as failed, so a crash here leaves a row that nobody
//! waits for. Cancelling is asked through the row: any server can be asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::backtest::Trial;
pub use domain::backtest::{Report, Span};
use domain::ids::TenantId;
use domain::judgement::Records;
use domain::policy::compile::CompiledPolicy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ports::{Clock, Ids, PortError};

/// Backtests that one server runs at a time: each keeps a core busy.
pub const RUNNING_MAX: usize = 2;
/// Records that are tried at a time, as long as that is more than one append.
const BITE_RECORDS: usize = 1_000;
/// A running backtest says so often that it lives, and asks whether it is to end.
const MARK: Duration = Duration::from_millis(500);
/// After so long without a word it has died.
pub const SILENCE_MAX: TimeDelta = TimeDelta::seconds(30);

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose history.
    pub tenant: TenantId,
    /// Of the policy.
    pub name: String,
    /// Any version of it, whatever its status.
    pub version: String,
    /// Which part of the history.
    pub span: Span,
    /// Who asks.
    pub by: String,
}

/// The versions that are held against each other.
#[derive(Debug, Clone)]
pub struct Parties {
    /// On trial.
    pub candidate: Arc<CompiledPolicy>,
    /// In force, if one of the name is.
    pub active: Option<Arc<CompiledPolicy>>,
}

/// A row to write.
#[derive(Debug, Clone)]
pub struct NewBacktest {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is held against what.
    pub parties: Parties,
    /// Records that there are, about.
    pub events_total: u64,
    /// Who asked.
    pub by: String,
    /// When it begins.
    pub at: DateTime<Utc>,
    /// What has been silent since then is dead.
    pub silent_since: DateTime<Utc>,
}

/// A piece of history.
#[derive(Debug)]
pub struct Piece {
    /// In the order of the log.
    pub records: Vec<Records>,
    /// The position that it goes up to.
    pub reached: u64,
}

/// How far a tenant's history goes.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Of the last event of the log.
    pub position: u64,
    /// Records that there are, about.
    pub events: u64,
}

/// How a backtest ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// All of it was tried.
    Completed(Box<Report>),
    /// Somebody asked for that.
    Cancelled,
    /// Why it did not come to its end.
    Failed(&'static str),
}

/// Rows of backtests, and the history that they are made of.
#[async_trait]
pub trait BacktestStore: Send + Sync {
    /// The text of a version, if there is one.
    async fn version(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> Result<Option<Arc<CompiledPolicy>>, PortError>;

    /// The version of a name that is in force, if one is.
    async fn active(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Arc<CompiledPolicy>>, PortError>;

    /// How far the history goes now.
    async fn extent(&self, tenant: TenantId) -> Result<Extent, PortError>;

    /// The next piece of the history, none behind `until`.
    async fn piece(
        &self,
        tenant: TenantId,
        after: u64,
        until: u64,
    ) -> Result<Option<Piece>, PortError>;

    /// Writes the row, unless one of the tenant's runs: that one's id.
    async fn begin(&self, new: &NewBacktest) -> Result<Option<Uuid>, PortError>;

    /// Says that it lives and how far it has come. Whether it is to go on.
    async fn mark(
        &self,
        tenant: TenantId,
        id: Uuid,
        events_done: u64,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError>;

    /// Writes how it ended, if it was not given up by others meanwhile.
    async fn end(
        &self,
        tenant: TenantId,
        id: Uuid,
        ending: &Ending,
        events_done: u64,
        at: DateTime<Utc>,
    ) -> Result<(), PortError>;

    /// Asks whoever runs it to end.
    async fn ask_to_cancel(&self, tenant: TenantId, id: Uuid) -> Result<(), PortError>;
}

/// Hears how far a backtest has come.
pub trait Watcher: Send {
    /// Records that were looked at, of about so many. Whether it is to go on.
    fn hears(&mut self, done: u64, total: u64) -> bool;
}

/// Nobody listens.
struct Nobody;

impl Watcher for Nobody {
    fn hears(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

/// Why a backtest does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// Another tenant's, or none.
    #[error("there is no such policy version")]
    NotFound,
    /// This tenant has one already.
    #[error("a backtest of this tenant is running")]
    TenantBusy(Uuid),
    /// This server has as many as it runs.
    #[error("this server runs {RUNNING_MAX} backtests already")]
    ServerBusy,
    /// The machinery failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A backtest whose row is written, about to run.
#[derive(Debug)]
pub struct Begun {
    /// Of the row.
    pub id: Uuid,
    tenant: TenantId,
    parties: Parties,
    span: Span,
    extent: Extent,
    _slot: OwnedSemaphorePermit,
}

/// Runs backtests.
#[derive(Clone)]
pub struct Backtests {
    store: Arc<dyn BacktestStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    slots: Arc<Semaphore>,
    stop: Arc<watch::Sender<bool>>,
}

impl Backtests {
    /// None runs yet.
    pub fn new(store: Arc<dyn BacktestStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let slots = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { store, clock, ids, slots, stop: Arc::new(watch::Sender::new(false)) }
    }

    /// Writes the row, from where any server knows of it.
    pub async fn begin(&self, order: Order) -> Result<Begun, BacktestError> {
        let Order { tenant, name, version, span, by } = order;
        let candidate = self.store.version(tenant, &name, &version).await?;
        let candidate = candidate.ok_or(BacktestError::NotFound)?;
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| BacktestError::ServerBusy)?;
        let parties = Parties { candidate, active: self.store.active(tenant, &name).await? };
        let extent = self.store.extent(tenant).await?;
        let (id, at) = (self.ids.uuid(), self.clock.now());
        let new = NewBacktest {
            id,
            tenant,
            parties: parties.clone(),
            events_total: extent.events,
            by,
            at,
            silent_since: at - SILENCE_MAX,
        };
        match self.store.begin(&new).await? {
            Some(running) => Err(BacktestError::TenantBusy(running)),
            None => Ok(Begun { id, tenant, parties, span, extent, _slot: slot }),
        }
    }

    /// Lets it run behind the caller's back.
    pub fn spawn(&self, begun: Begun) {
        let backtests = self.clone();
        tokio::spawn(async move {
            let id = begun.id;
            if let Err(error) = backtests.run(begun, &mut Nobody).await {
                tracing::warn!(cause = %error, backtest = %id, "a backtest could not be ended");
            }
        });
    }

    /// Runs it to its end, and writes that down.
    pub async fn run(&self, begun: Begun, watcher: &mut dyn Watcher) -> Result<Ending, PortError> {
        let Begun { id, tenant, parties, span, extent, _slot } = begun;
        let mut heart = Heart { of: self, row: Some((tenant, id)), watcher, beat: Instant::now() };
        let mut done = 0;
        let walked = self.walk(tenant, parties, span, extent, &mut heart, &mut done).await;
        let ending = walked.unwrap_or_else(|error| {
            tracing::warn!(cause = %error, backtest = %id, "a backtest failed");
            Ending::Failed("it failed inside the server, whose log says why")
        });
        self.store.end(tenant, id, &ending, done, self.clock.now()).await?;
        Ok(ending)
    }

    /// Tries a text that is stored nowhere, and writes nothing.
    pub async fn try_out(
        &self,
        tenant: TenantId,
        candidate: Arc<CompiledPolicy>,
        span: Span,
        watcher: &mut dyn Watcher,
    ) -> Result<Ending, PortError> {
        let active = self.store.active(tenant, &candidate.document().name).await?;
        let extent = self.store.extent(tenant).await?;
        let parties = Parties { candidate, active };
        let mut heart = Heart { of: self, row: None, watcher, beat: Instant::now() };
        self.walk(tenant, parties, span, extent, &mut heart, &mut 0).await
    }

    /// Asks whoever runs it to end; what has ended stays so.
    pub async fn cancel(&self, tenant: TenantId, id: Uuid) -> Result<(), PortError> {
        self.store.ask_to_cancel(tenant, id).await
    }

    /// Ends what runs here, and waits until that is written down.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        let _ = self.slots.acquire_many(RUNNING_MAX as u32).await;
    }

    async fn walk(
        &self,
        tenant: TenantId,
        parties: Parties,
        span: Span,
        extent: Extent,
        heart: &mut Heart<'_>,
        done: &mut u64,
    ) -> Result<Ending, PortError> {
        let Parties { candidate, active } = parties;
        let until = extent.position;
        let mut trial = Trial::new(tenant, span, candidate, active);
        let mut next = self.store.piece(tenant, 0, until).await?;
        while let Some(piece) = next {
            // The next piece is read while this one is tried.
            let read = self.store.piece(tenant, piece.reached, until);
            let tried = async {
                for bite in bites(piece.records) {
                    trial = bitten(trial, bite).await?;
                    *done = trial.seen();
                    if let Some(ending) = heart.beats(*done, extent.events).await? {
                        return Ok((trial, Some(ending)));
                    }
                }
                Ok::<_, PortError>((trial, None))
            };
            let (tried, read) = tokio::join!(tried, read);
            let (back, ending) = tried?;
            if let Some(ending) = ending {
                return Ok(ending);
            }
            (trial, next) = (back, read?);
        }
        Ok(Ending::Completed(Box::new(trial.finish(1, until))))
    }
}

/// Parts of a piece: between two of them a backtest says that it lives.
fn bites(mut records: Vec<Records>) -> impl Iterator<Item = Vec<Records>> {
    std::iter::from_fn(move || {
        let mut count = 0;
        let fits = records.iter().take_while(|appended| {
            let fits = count < BITE_RECORDS;
            count += appended.records.len();
            fits
        });
        let rest = records.split_off(fits.count());
        let bite = std::mem::replace(&mut records, rest);
        (!bite.is_empty()).then_some(bite)
    })
}

/// Tries a part on a thread that may be kept busy.
async fn bitten(mut trial: Trial, bite: Vec<Records>) -> Result<Trial, PortError> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        PortError::new("trying a policy on history", e)
    };
    let tried = tokio::task::spawn_blocking(move || trial.take(bite).map(|()| trial));
    tried.await.map_err(|e| failed(e.into()))?.map_err(|e| failed(e.into()))
}

/// What a running backtest says, and what it hears.
struct Heart<'h> {
    of: &'h Backtests,
    row: Option<(TenantId, Uuid)>,
    watcher: &'h mut dyn Watcher,
    beat: Instant,
}

impl Heart<'_> {
    /// Why it is to end, if it is.
    async fn beats(&mut self, done: u64, total: u64) -> Result<Option<Ending>, PortError> {
        if *self.of.stop.borrow() {
            return Ok(Some(Ending::Failed("the server that ran it has stopped")));
        }
        if !self.watcher.hears(done, total) {
            return Ok(Some(Ending::Cancelled));
        }
        let Some((tenant, id)) = self.row.filter(|_| self.beat.elapsed() >= MARK) else {
            return Ok(None);
        };
        self.beat = Instant::now();
        let goes_on = self.of.store.mark(tenant, id, done, self.of.clock.now()).await?;
        Ok((!goes_on).then_some(Ending::Cancelled))
    }
}
