//! The judge's docket: pieces of logs with a checkpoint, and what was found in them.
//!
//! Who owns what: `projection_progress` says how far the judge has come in each tenant's log; it
//! moves in the transaction that writes what was found, so a crash between two events loses none and
//! doubles none. An advisory lock per tenant lets one server judge it at a time; what two find all
//! the same, `violation_keys` keeps once.

mod evidence;
mod found;
mod law;
mod raise;

use std::sync::Arc;

use application::judging::{Bench, Docket, Hearing, Opened, Progress};
use application::{Hints, PortError};
use async_trait::async_trait;
use domain::ids::TenantId;
use domain::judgement::{Entry, Matter, Rulings};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

pub(crate) use evidence::history;
pub use law::{PolicyBook, compiled};
pub use raise::raise;

/// Its row in `projections`.
pub const NAME: &str = "judgement";
/// The tables that a rebuild writes anew.
pub const TABLES: [&str; 5] =
    ["policy_windows", "pii_findings", "session_pii", "pii_totals", "tool_uses"];

/// First key of the advisory lock that shares tenants among judges; the second is the tenant's.
const TENANT_LOCK: i32 = 0x6578_6803;
/// A reason is for people.
const REASON_CHARS_MAX: usize = 300;
/// Tenants of one round.
const TENANTS_MAX: i64 = 1_000;

/// The docket of all tenants, in PostgreSQL.
#[derive(Clone)]
pub struct PgDocket {
    pool: PgPool,
    book: PolicyBook,
    hints: Arc<dyn Hints>,
}

impl PgDocket {
    /// `pool` works under the server's role; `hints` hears of violations.
    pub fn new(pool: PgPool, book: PolicyBook, hints: Arc<dyn Hints>) -> Self {
        Self { pool, book, hints }
    }

    async fn begin(
        &self,
        tenant: TenantId,
        bench: Bench,
    ) -> sqlx::Result<Result<Standing, Progress>> {
        let mut transaction = self.pool.begin().await?;
        if bench == Bench::Served {
            let locked: bool =
                sqlx::query_scalar("select pg_try_advisory_xact_lock($1, hashtext($2))")
                    .bind(TENANT_LOCK)
                    .bind(tenant.to_string())
                    .fetch_one(&mut *transaction)
                    .await?;
            if !locked {
                return Ok(Err(Progress::Busy));
            }
        }
        // The row's lock first, and where it stands after it: see the runner's `standing`.
        let (served, building): (i32, Option<i32>) = sqlx::query_as(
            "select generation, building from projections where name = $1 for share",
        )
        .bind(NAME)
        .fetch_one(&mut *transaction)
        .await?;
        let generation = match bench {
            Bench::Served => served,
            Bench::Built(generation) if building == Some(generation) => generation,
            Bench::Built(_) => return Ok(Err(Progress::Superseded)),
        };
        let stands: Option<(i64, bool)> = sqlx::query_as(
            "select position, stopped_at is not null from projection_progress
             where tenant_id = $1 and projection = $2 and generation = $3",
        )
        .bind(tenant.0)
        .bind(NAME)
        .bind(generation)
        .fetch_optional(&mut *transaction)
        .await?;
        match stands.unwrap_or((0, false)) {
            (_, true) => Ok(Err(Progress::Done)),
            (after, false) => Ok(Ok(Standing { transaction, generation, after })),
        }
    }
}

/// Where a judge stands in a tenant's log, in the transaction that will move it.
struct Standing {
    transaction: Transaction<'static, Postgres>,
    generation: i32,
    after: i64,
}

/// A piece of a log on its way.
struct PgHearing {
    tenant: TenantId,
    standing: Standing,
    /// Of the last event of the piece.
    reached: i64,
    hints: Arc<dyn Hints>,
}

#[async_trait]
impl Docket for PgDocket {
    async fn due(&self, among: Option<&[TenantId]>) -> Result<Vec<TenantId>, PortError> {
        let named: Option<Vec<Uuid>> = among.map(|tenants| tenants.iter().map(|t| t.0).collect());
        let tenants: Vec<Uuid> = sqlx::query_scalar(
            "select h.tenant_id from tenant_heads h
             join projections p on p.name = $1
             left join projection_progress g on g.tenant_id = h.tenant_id
                 and g.projection = p.name and g.generation = p.generation
             where ($2::uuid[] is null or h.tenant_id = any($2))
               and g.stopped_at is null and coalesce(g.position, 0) < h.position
             limit $3",
        )
        .bind(NAME)
        .bind(named)
        .bind(TENANTS_MAX)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| PortError::new("asking what is to be judged", e))?;
        Ok(tenants.into_iter().map(TenantId).collect())
    }

    async fn open(&self, tenant: TenantId, bench: Bench) -> Result<Opened, PortError> {
        let failed = |e| PortError::new("reading what is to be judged", e);
        let mut standing = match self.begin(tenant, bench).await.map_err(failed)? {
            Ok(standing) => standing,
            Err(progress) => return Ok(Opened::Nothing(progress)),
        };
        let Standing { transaction, generation, after } = &mut standing;
        let piece = evidence::piece(transaction, tenant, *after).await.map_err(failed)?;
        let Some(reached) = piece.reached() else { return Ok(Opened::Nothing(Progress::Done)) };
        let active = self.book.in_force_at(transaction, tenant, *after).await?;
        let entries = match evidence::entries(transaction, tenant, piece, &self.book).await {
            Ok(entries) => entries,
            Err(Unjudged::Stored(reason)) => return Ok(Opened::Unjudgeable(reason)),
            Err(Unjudged::Port(error)) => return Err(error),
        };
        let policies = active.iter().chain(entries.iter().filter_map(|entry| match entry {
            Entry::Activated(policy) => Some(policy),
            Entry::Retired { .. } | Entry::Records(_) => None,
        }));
        let policies: Vec<_> = policies.cloned().collect();
        let windows = found::windows(transaction, tenant, *generation, &policies, &entries)
            .await
            .map_err(failed)?;
        let open_calls =
            found::open_calls(transaction, tenant, *generation, &entries).await.map_err(failed)?;
        let matter =
            Matter { tenant, active, entries, windows, open_calls, violations_alone: false };
        let hearing = PgHearing { tenant, standing, reached, hints: self.hints.clone() };
        Ok(Opened::Hearing { matter, hearing: Box::new(hearing) })
    }

    async fn stop(&self, tenant: TenantId, bench: Bench, reason: &str) -> Result<(), PortError> {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let built = match bench {
            Bench::Served => None,
            Bench::Built(generation) => Some(generation),
        };
        sqlx::query(
            "insert into projection_progress as g
                 (tenant_id, projection, generation, position, stopped_at, stopped_reason)
             select $1, name, coalesce($3, generation), 0, 1, $4 from projections where name = $2
             on conflict (tenant_id, projection, generation)
             do update set stopped_at = g.position + 1, stopped_reason = excluded.stopped_reason",
        )
        .bind(tenant.0)
        .bind(NAME)
        .bind(built)
        .bind(reason)
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(|e| PortError::new("stopping the judge", e))
    }
}

/// Why a piece was not read.
enum Unjudged {
    /// What is stored is not what was stored, or is nothing that this version can read.
    Stored(String),
    Port(PortError),
}

impl From<PortError> for Unjudged {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<Unjudged> for PortError {
    fn from(unjudged: Unjudged) -> Self {
        match unjudged {
            Unjudged::Stored(reason) => Self::new("reading what is stored", reason),
            Unjudged::Port(error) => error,
        }
    }
}

#[async_trait]
impl Hearing for PgHearing {
    async fn close(self: Box<Self>, rulings: Rulings) -> Result<(), PortError> {
        let Self { tenant, standing, reached, hints } = *self;
        let Standing { mut transaction, generation, after } = standing;
        let failed = |e| PortError::new("writing what was judged", e);
        found::write(&mut transaction, tenant, generation, &rulings).await.map_err(failed)?;
        move_on(&mut transaction, tenant, generation, after, reached).await.map_err(failed)?;
        // Last, because it takes the lock that all writers of the tenant wait for.
        let raised = raise(&mut transaction, tenant, &rulings.violations).await?;
        transaction.commit().await.map_err(failed)?;
        if let Some(position) = raised.position {
            hints.committed(tenant, position);
        }
        Ok(())
    }
}

/// Moves from where the piece began, and from nowhere else.
async fn move_on(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    after: i64,
    reached: i64,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "insert into projection_progress as g (tenant_id, projection, generation, position)
         values ($1, $2, $3, $4)
         on conflict (tenant_id, projection, generation)
         do update set position = excluded.position where g.position = $5",
    )
    .bind(tenant.0)
    .bind(NAME)
    .bind(generation)
    .bind(reached)
    .bind(after)
    .execute(connection)
    .await?;
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::Protocol("another judge has moved on meanwhile".to_owned()));
    }
    Ok(())
}
