//! Rows of backtests, and the history that they are made of: what the process needs from outside.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::backtest::{Report, Span};
use domain::ids::TenantId;
use domain::judgement::Records;
use domain::policy::compile::CompiledPolicy;
use uuid::Uuid;

use crate::ports::PortError;

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
