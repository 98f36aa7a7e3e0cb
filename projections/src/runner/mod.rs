//! The one loop that read models follow the log by.
//!
//! Who owns what: `projection_progress` says how far each generation of each projection has come in
//! each tenant's log; it moves in the transaction that writes the rows, so a crash between two
//! events repeats none and loses none. An advisory lock per tenant shares the work: whichever server
//! has it follows, and the lock ends with its connection, so that another goes on at once when a
//! server dies. An event that cannot be folded stops its own projection for its own tenant, in front
//! of the event, and nothing else.

mod batch;
mod follow;
mod lag;
mod rebuild;

use std::collections::VecDeque;
use std::time::Duration;

use application::rounds::{Due, Rounds};
use domain::ids::{SessionId, TenantId};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use uuid::Uuid;

pub use batch::{Batch, Logged};
pub use follow::{Outcome, Scope};
pub use lag::{Lag, Stopped};
pub use rebuild::{RebuildError, Rebuildable, Rebuilt};

use crate::folds;

/// From the beginning of one round to that of the next.
pub const ROUND: Duration = Duration::from_millis(200);
/// After a failure of the database.
const REST: Duration = Duration::from_secs(1);
/// Tenants of one round.
const TENANTS_MAX: i64 = 1_000;

/// A read model that folds the log.
#[async_trait::async_trait]
pub trait Projection: Send + Sync {
    /// Its row in `projections`.
    fn name(&self) -> &'static str;

    /// The tables that hold its rows, each with a column `generation`.
    fn tables(&self) -> &'static [&'static str];

    /// Folds a batch into the rows of a generation; runs in the transaction that moves the progress.
    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError>;
}

/// Why a batch was not folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// An event says what cannot be.
    #[error("{0}")]
    Poison(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl FoldError {
    pub(crate) fn never_started(session: SessionId) -> Self {
        Self::Poison(format!("the session {session} was never started"))
    }

    /// Whether trying again must fail again: the event is at fault, not the machinery.
    fn is_poison(&self) -> bool {
        match self {
            Self::Poison(_) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                // Data exceptions, integrity violations, errors raised by functions.
                let code = error.code().unwrap_or_default();
                ["22", "23", "P0"].iter().any(|class| code.starts_with(class))
            }
            Self::Database(error) => {
                matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
            }
        }
    }
}

/// Follows all logs for all projections.
#[derive(Debug, Clone)]
pub struct Runner {
    pool: PgPool,
}

impl Runner {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Follows until it is told to end, and ends between two batches.
    pub async fn run(&self, mut rounds: Rounds) {
        if let Err(error) = self.try_stopped_again().await {
            tracing::warn!(cause = %error, "stopped projections were not tried again");
        }
        let stop = rounds.stop();
        while let Some(due) = rounds.next().await {
            if let Err(error) = self.round(&due, &stop).await {
                tracing::warn!(cause = %error, "following the log failed");
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Follows every log that is ahead of a projection, in turns.
    async fn round(&self, due: &Due, stop: &watch::Receiver<bool>) -> sqlx::Result<()> {
        let mut tenants: VecDeque<TenantId> = self.behind(due).await?.into();
        while let Some(tenant) = tenants.pop_front() {
            if *stop.borrow() {
                return Ok(());
            }
            match self.follow(tenant, &Scope::served()).await {
                Ok(Outcome::More) => tenants.push_back(tenant),
                // Another server follows this one at the moment.
                Ok(Outcome::Done | Outcome::Busy | Outcome::Superseded) => {}
                Err(error) => tracing::warn!(cause = %error, %tenant, "following a log failed"),
            }
        }
        Ok(())
    }

    /// Tenants whose log is ahead of a projection that has not stopped, among those that are due.
    async fn behind(&self, due: &Due) -> sqlx::Result<Vec<TenantId>> {
        let named: Vec<Uuid> = due.tenants.iter().map(|tenant| tenant.0).collect();
        let tenants: Vec<Uuid> = sqlx::query_scalar(
            "select h.tenant_id from tenant_heads h
             where ($2 or h.tenant_id = any($3)) and exists (
                 select from projections p
                 left join projection_progress g on g.tenant_id = h.tenant_id
                     and g.projection = p.name and g.generation = p.generation
                 where p.name = any($4) and g.stopped_at is null and coalesce(g.position, 0) < h.position
             ) limit $1",
        )
        .bind(TENANTS_MAX)
        .bind(due.everywhere)
        .bind(named)
        .bind(Self::names())
        .fetch_all(&self.pool)
        .await?;
        Ok(tenants.into_iter().map(TenantId).collect())
    }

    /// A new start may bring a binary that can fold what the last one could not.
    async fn try_stopped_again(&self) -> sqlx::Result<()> {
        sqlx::query(
            "update projection_progress set stopped_at = null, stopped_reason = null
             where stopped_at is not null",
        )
        .execute(&self.pool)
        .await
        .map(|_| ())
    }

    /// Brings one projection up to everything that was committed before the call, of one tenant or of
    /// all, waiting for whoever follows a log at the moment.
    pub async fn catch_up(&self, name: &str, tenant: Option<TenantId>) -> sqlx::Result<()> {
        let behind: Vec<Uuid> = sqlx::query_scalar(
            "select h.tenant_id from tenant_heads h
             join projections p on p.name = $1
             left join projection_progress g on g.tenant_id = h.tenant_id
                 and g.projection = p.name and g.generation = p.generation
             where g.stopped_at is null and coalesce(g.position, 0) < h.position
               and ($2::uuid is null or h.tenant_id = $2)",
        )
        .bind(name)
        .bind(tenant.map(|tenant| tenant.0))
        .fetch_all(&self.pool)
        .await?;
        for tenant in behind {
            let scope = Scope::only(name);
            while self.follow(TenantId(tenant), &scope).await? == Outcome::More {}
        }
        Ok(())
    }

    /// Where a projection stands still for a tenant, if it does.
    pub async fn stopped_for(&self, name: &str, tenant: TenantId) -> sqlx::Result<Option<Stopped>> {
        sqlx::query_as(
            "select g.stopped_at as position, coalesce(g.stopped_reason, '') as reason
             from projection_progress g
             join projections p on p.name = g.projection and p.generation = g.generation
             where g.projection = $1 and g.tenant_id = $2 and g.stopped_at is not null",
        )
        .bind(name)
        .bind(tenant.0)
        .fetch_optional(&self.pool)
        .await
    }

    /// The names of all projections.
    pub(crate) fn names() -> Vec<&'static str> {
        folds::ALL.iter().map(|projection| projection.name()).collect()
    }
}
