//! One batch of one tenant's log, into every projection that stands before it.

use domain::ids::TenantId;
use sqlx::{PgConnection, Postgres, Transaction};

use super::batch::Batch;
use super::{FoldError, Projection, Runner};
use crate::folds;

/// Events of one transaction.
const BATCH_EVENTS_MAX: i64 = 2_500;
/// First key of the advisory lock that shares tenants among servers; the second is the tenant's.
const TENANT_LOCK: i32 = 0x6578_6801;
/// A reason is for people: a database's message may repeat a whole row.
const REASON_CHARS_MAX: usize = 300;

/// Which projections follow.
#[derive(Debug, Clone)]
pub enum Scope {
    /// The served generation of all (`None`), or of one by name, which waits for its turn.
    Served(Option<String>),
    /// A generation that is being built.
    Built { name: String, generation: i32 },
}

/// How following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There may be more to follow.
    More,
    /// Everything that was there is folded.
    Done,
    /// Somebody else follows this tenant's log.
    Busy,
    /// The generation is not being built any more: another rebuild has begun.
    Superseded,
}

/// A generation and where it stands.
struct Standing {
    projection: &'static dyn Projection,
    generation: i32,
    position: i64,
}

/// Why a batch was undone.
enum Failure {
    /// One projection could not fold it.
    Fold {
        name: &'static str,
        generation: i32,
        after: i64,
        error: FoldError,
    },
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Scope {
    pub fn served() -> Self {
        Self::Served(None)
    }

    pub fn only(name: &str) -> Self {
        Self::Served(Some(name.to_owned()))
    }
}

impl Runner {
    /// Folds one batch. What one projection cannot fold, the others do without it.
    pub async fn follow(&self, tenant: TenantId, scope: &Scope) -> sqlx::Result<Outcome> {
        match self.batch(tenant, scope, BATCH_EVENTS_MAX).await {
            Ok(outcome) => Ok(outcome),
            Err(Failure::Database(error)) => Err(error),
            Err(Failure::Fold { error, name, .. }) if !error.is_poison() => {
                tracing::warn!(projection = name, cause = %error, "folding failed");
                Err(database(error))
            }
            // All was undone: each goes on by itself, and one comes to the event at fault.
            Err(Failure::Fold { name, generation, .. }) => {
                if let Scope::Built { .. } = scope {
                    let scope = Scope::Built { name: name.to_owned(), generation };
                    self.up_to_the_poison(tenant, &scope).await?;
                } else {
                    for name in Self::names() {
                        self.up_to_the_poison(tenant, &Scope::only(name)).await?;
                    }
                }
                Ok(Outcome::More)
            }
        }
    }

    /// One batch of one projection, halved until what is left is good, or is the one bad event.
    async fn up_to_the_poison(&self, tenant: TenantId, scope: &Scope) -> sqlx::Result<()> {
        let mut limit = BATCH_EVENTS_MAX;
        loop {
            match self.batch(tenant, scope, limit).await {
                Ok(_) if limit == BATCH_EVENTS_MAX => return Ok(()),
                // The rest up to the event at fault is found by further halving.
                Ok(Outcome::More) => {}
                Ok(Outcome::Done | Outcome::Busy | Outcome::Superseded) => return Ok(()),
                Err(Failure::Database(error)) => return Err(error),
                Err(Failure::Fold { error, .. }) if !error.is_poison() => {
                    return Err(database(error));
                }
                Err(Failure::Fold { name, generation, after, error }) if limit == 1 => {
                    return self.stop(tenant, name, generation, after, &error).await;
                }
                Err(Failure::Fold { .. }) => limit /= 2,
            }
        }
    }

    /// Marks a projection as standing still before an event.
    async fn stop(
        &self,
        tenant: TenantId,
        name: &'static str,
        generation: i32,
        after: i64,
        error: &FoldError,
    ) -> sqlx::Result<()> {
        let position = after + 1;
        let reason: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        tracing::error!(projection = name, %tenant, position, reason, "a projection has stopped");
        sqlx::query(
            "insert into projection_progress
                 (tenant_id, projection, generation, position, stopped_at, stopped_reason)
             values ($1, $2, $3, $4, $4 + 1, $5)
             on conflict (tenant_id, projection, generation)
             do update set stopped_at = excluded.stopped_at,
                           stopped_reason = excluded.stopped_reason
             where projection_progress.position = excluded.position",
        )
        .bind(tenant.0)
        .bind(name)
        .bind(generation)
        .bind(after)
        .bind(reason)
        .execute(&self.pool)
        .await
        .map(|_| ())
    }

    async fn batch(&self, tenant: TenantId, scope: &Scope, limit: i64) -> Result<Outcome, Failure> {
        let mut transaction = self.pool.begin().await?;
        if !lock(&mut transaction, tenant, scope).await? {
            return Ok(Outcome::Busy);
        }
        let standing = standing(&mut transaction, tenant, scope).await?;
        if let Scope::Built { name, generation } = scope
            && standing.is_empty()
        {
            // It stands still, or another rebuild has taken its place.
            let current = is_building(&mut transaction, name, *generation).await?;
            return Ok(if current { Outcome::Done } else { Outcome::Superseded });
        }
        // Those that are farthest behind first; they join the next ones where those stand.
        let Some(after) = standing.iter().map(|s| s.position).min() else {
            return Ok(Outcome::Done);
        };
        let (now, later): (Vec<Standing>, Vec<Standing>) =
            standing.into_iter().partition(|s| s.position == after);
        let until = later.iter().map(|s| s.position).min();
        let batch =
            Batch::read(&mut transaction, tenant, after, until.unwrap_or(i64::MAX), limit).await?;
        let Some(reached) = batch.last_position() else { return Ok(Outcome::Done) };
        for Standing { projection, generation, .. } in &now {
            projection.fold(&mut transaction, &batch, *generation).await.map_err(|error| {
                let (name, generation) = (projection.name(), *generation);
                Failure::Fold { name, generation, after, error }
            })?;
        }
        move_on(&mut transaction, tenant, &now, reached as i64).await?;
        transaction.commit().await?;
        let is_full = batch.len() as i64 == limit;
        Ok(if is_full || until.is_some() { Outcome::More } else { Outcome::Done })
    }
}

/// The lock ends with the transaction, however that ends.
async fn lock(
    transaction: &mut Transaction<'static, Postgres>,
    tenant: TenantId,
    scope: &Scope,
) -> sqlx::Result<bool> {
    let query = match scope {
        Scope::Served(None) => "select pg_try_advisory_xact_lock($1, hashtext($2))",
        Scope::Served(Some(_)) => "select true from pg_advisory_xact_lock($1, hashtext($2))",
        // Only one process builds, which a lock of its own sees to.
        Scope::Built { .. } => return Ok(true),
    };
    sqlx::query_scalar(query)
        .bind(TENANT_LOCK)
        .bind(tenant.to_string())
        .fetch_one(&mut **transaction)
        .await
}

/// The generations in scope that have not stopped.
///
/// First the lock, which a swap waits for and which waits for a swap; then, with what is committed by
/// then, where they stand. One query for both would join the row that it has waited for to what it
/// saw before, take a generation that was just swapped in for one that has seen nothing, and fold
/// the log twice.
async fn standing(
    connection: &mut PgConnection,
    tenant: TenantId,
    scope: &Scope,
) -> sqlx::Result<Vec<Standing>> {
    let (name, built) = match scope {
        Scope::Served(name) => (name.as_deref(), None),
        Scope::Built { name, generation } => (Some(name.as_str()), Some(*generation)),
    };
    let generations: Vec<(String, i32)> = sqlx::query_as(
        "select name, coalesce($2, generation) from projections
         where ($1::text is null or name = $1) and ($2::int is null or building = $2)
         for share",
    )
    .bind(name)
    .bind(built)
    .fetch_all(&mut *connection)
    .await?;
    let (names, numbers): (Vec<String>, Vec<i32>) = generations.into_iter().unzip();
    let rows: Vec<(String, i32, i64)> = sqlx::query_as(
        "select p.name, p.generation, coalesce(g.position, 0)
         from unnest($2::text[], $3::int4[]) as p(name, generation)
         left join projection_progress g on g.tenant_id = $1 and g.projection = p.name
             and g.generation = p.generation
         where g.stopped_at is null",
    )
    .bind(tenant.0)
    .bind(names)
    .bind(numbers)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(name, generation, position)| {
            // A projection that this binary does not know is a newer one's.
            let projection = folds::find(&name)?;
            Some(Standing { projection, generation, position })
        })
        .collect())
}

/// Whether a generation is the one that is being built.
pub(super) async fn is_building(
    connection: &mut PgConnection,
    name: &str,
    generation: i32,
) -> sqlx::Result<bool> {
    sqlx::query_scalar("select coalesce(building = $2, false) from projections where name = $1")
        .bind(name)
        .bind(generation)
        .fetch_one(connection)
        .await
}

/// Moves from where the batch began, and from nowhere else: that nothing is folded twice does not
/// hang on locks alone.
async fn move_on(
    connection: &mut PgConnection,
    tenant: TenantId,
    moved: &[Standing],
    position: i64,
) -> sqlx::Result<()> {
    let after = moved.first().map_or(0, |standing| standing.position);
    let names: Vec<&str> = moved.iter().map(|s| s.projection.name()).collect();
    let generations: Vec<i32> = moved.iter().map(|s| s.generation).collect();
    let done = sqlx::query(
        "insert into projection_progress as g (tenant_id, projection, generation, position)
         select $1, name, generation, $4 from unnest($2::text[], $3::int4[]) as m(name, generation)
         on conflict (tenant_id, projection, generation)
         do update set position = excluded.position where g.position = $5",
    )
    .bind(tenant.0)
    .bind(names)
    .bind(generations)
    .bind(position)
    .bind(after)
    .execute(connection)
    .await?;
    if done.rows_affected() != moved.len() as u64 {
        return Err(sqlx::Error::Protocol("somebody else has moved on meanwhile".to_owned()));
    }
    Ok(())
}

fn database(error: FoldError) -> sqlx::Error {
    match error {
        FoldError::Database(error) => error,
        FoldError::Poison(reason) => sqlx::Error::Protocol(reason),
    }
}
