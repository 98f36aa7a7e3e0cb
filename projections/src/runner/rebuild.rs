//! A read model thrown away and folded anew, while it serves.
//!
//! The next generation is written beside the served one. When it has caught up, one row changes, and
//! readers see the new rows. A rebuild that dies leaves rows that nobody reads; the next one
//! removes them.

use application::PortError;
use domain::ids::TenantId;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Postgres};
use uuid::Uuid;

use super::follow::is_building;
use super::{Outcome, Projection, Runner, Scope};
use crate::folds;

/// First key of the advisory lock that lets one process build at a time; the second is the name's.
pub(super) const BUILD_LOCK: i32 = 0x6578_6802;

/// Why nothing was rebuilt. The served rows are untouched.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no projection `{0}`: see `exhibit projections list`")]
    Unknown(String),
    #[error("another process rebuilds it at the moment")]
    Running,
    #[error("another rebuild has taken the place of this one")]
    Superseded,
    #[error("event {position} cannot be folded: {reason}")]
    Stopped { position: i64, reason: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What a rebuild has done.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt {
    pub generation: i32,
    /// Domain events that were folded.
    pub events: i64,
}

/// Something that follows logs generation by generation, and can be made anew.
#[async_trait::async_trait]
pub trait Rebuildable: Send + Sync {
    /// Its row in `projections`.
    fn name(&self) -> &'static str;

    /// The tables that hold its rows, each with a column `generation`.
    fn tables(&self) -> &'static [&'static str];

    /// Follows a piece of a tenant's log into a generation that is being built.
    async fn follow(&self, tenant: TenantId, generation: i32) -> Result<Outcome, RebuildError>;
}

/// A read model, folded by the runner.
struct Folded<'r> {
    runner: &'r Runner,
    projection: &'static dyn Projection,
}

#[async_trait::async_trait]
impl Rebuildable for Folded<'_> {
    fn name(&self) -> &'static str {
        self.projection.name()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.projection.tables()
    }

    async fn follow(&self, tenant: TenantId, generation: i32) -> Result<Outcome, RebuildError> {
        let scope = Scope::Built { name: self.name().to_owned(), generation };
        Ok(self.runner.follow(tenant, &scope).await?)
    }
}

impl Runner {
    /// Folds the whole log into the next generation and serves that. `told` hears how many events
    /// are folded, and how many there are.
    pub async fn rebuild(
        &self,
        name: &str,
        told: impl FnMut(i64, i64),
    ) -> Result<Rebuilt, RebuildError> {
        let projection = folds::find(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        self.rebuild_as(&Folded { runner: self, projection }, told).await
    }

    /// The same for whatever else follows logs.
    pub async fn rebuild_as(
        &self,
        what: &dyn Rebuildable,
        mut told: impl FnMut(i64, i64),
    ) -> Result<Rebuilt, RebuildError> {
        let name = what.name();
        // The lock is the connection's: it ends with this process, whatever happens to it.
        let mut guard = self.pool.acquire().await?;
        if !lock(&mut guard, name).await? {
            return Err(RebuildError::Running);
        }
        let built = self.build(what, &mut told).await;
        // What was not finished is nobody's; who has taken our place has what is there now.
        if built.is_err() && !matches!(built, Err(RebuildError::Superseded)) {
            self.clear(what).await?;
        }
        unlock(guard, name).await;
        built
    }

    async fn build(
        &self,
        what: &dyn Rebuildable,
        told: &mut impl FnMut(i64, i64),
    ) -> Result<Rebuilt, RebuildError> {
        let name = what.name();
        self.clear(what).await?;
        let generation: i32 = sqlx::query_scalar(
            "update projections
             set last_generation = last_generation + 1, building = last_generation + 1
             where name = $1 returning building",
        )
        .bind(name)
        .fetch_one(&self.pool)
        .await?;
        let mut events = 0;
        loop {
            for (tenant, ahead) in self.unbuilt(name, generation).await? {
                let mut left = ahead;
                while left > 0 {
                    let outcome = what.follow(tenant, generation).await?;
                    if outcome == Outcome::Superseded {
                        return Err(RebuildError::Superseded);
                    }
                    let now_left = self.left(tenant, name, generation).await?;
                    events += (left - now_left).max(0);
                    told(events, events + now_left);
                    left = if outcome == Outcome::Done { 0 } else { now_left };
                }
            }
            if self.swap(name, generation).await? {
                break;
            }
            if !is_building(&mut *self.pool.acquire().await?, name, generation).await? {
                return Err(RebuildError::Superseded);
            }
        }
        self.clear(what).await?;
        Ok(Rebuilt { generation, events })
    }

    /// Tenants whose log is ahead of the generation, and by how much.
    async fn unbuilt(&self, name: &str, generation: i32) -> sqlx::Result<Vec<(TenantId, i64)>> {
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "select h.tenant_id, h.position - coalesce(g.position, 0) from tenant_heads h
             left join projection_progress g on g.tenant_id = h.tenant_id
                 and g.projection = $1 and g.generation = $2
             where coalesce(g.position, 0) < h.position order by h.tenant_id",
        )
        .bind(name)
        .bind(generation)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(tenant, ahead)| (TenantId(tenant), ahead)).collect())
    }

    /// How much of a tenant's log is left. A generation that cannot be finished is not served.
    async fn left(
        &self,
        tenant: TenantId,
        name: &str,
        generation: i32,
    ) -> Result<i64, RebuildError> {
        let (left, stopped_at, reason): (i64, Option<i64>, String) = sqlx::query_as(
            "select h.position - coalesce(g.position, 0), g.stopped_at,
                    coalesce(g.stopped_reason, '')
             from tenant_heads h
             left join projection_progress g on g.tenant_id = h.tenant_id
                 and g.projection = $2 and g.generation = $3
             where h.tenant_id = $1",
        )
        .bind(tenant.0)
        .bind(name)
        .bind(generation)
        .fetch_one(&self.pool)
        .await?;
        match stopped_at {
            None => Ok(left),
            Some(position) => Err(RebuildError::Stopped { position, reason }),
        }
    }

    /// Serves the generation, if it has come as far as the served one everywhere: a reader must not
    /// go back. Followers wait meanwhile, for the row of the projection.
    async fn swap(&self, name: &str, generation: i32) -> sqlx::Result<bool> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("select from projections where name = $1 for update")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        let swapped = sqlx::query(
            "update projections p set generation = $2, building = null
             where name = $1 and building = $2 and not exists (
                 select from projection_progress old
                 left join projection_progress new on new.tenant_id = old.tenant_id
                     and new.projection = old.projection and new.generation = $2
                 where old.projection = $1 and old.generation = p.generation
                   and coalesce(new.position, 0) < old.position
             )",
        )
        .bind(name)
        .bind(generation)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(swapped.rows_affected() == 1)
    }

    /// Removes the rows of every generation but the served one.
    async fn clear(&self, what: &dyn Rebuildable) -> sqlx::Result<()> {
        let served: i32 = sqlx::query_scalar(
            "update projections set building = null where name = $1 returning generation",
        )
        .bind(what.name())
        .fetch_one(&self.pool)
        .await?;
        for table in what.tables() {
            // The names are the followers' own constants.
            sqlx::query(&format!("delete from {table} where generation <> $1"))
                .bind(served)
                .execute(&self.pool)
                .await?;
        }
        sqlx::query("delete from projection_progress where projection = $1 and generation <> $2")
            .bind(what.name())
            .bind(served)
            .execute(&self.pool)
            .await
            .map(|_| ())
    }
}

async fn lock(connection: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_lock($1, hashtext($2))")
        .bind(BUILD_LOCK)
        .bind(name)
        .fetch_one(connection)
        .await
}

async fn unlock(mut guard: PoolConnection<Postgres>, name: &str) {
    let unlocked = sqlx::query("select pg_advisory_unlock($1, hashtext($2))")
        .bind(BUILD_LOCK)
        .bind(name)
        .execute(&mut *guard)
        .await;
    if unlocked.is_err() {
        // A connection that may still hold the lock must not go back into the pool.
        let _ = guard.detach().close().await;
    }
}
