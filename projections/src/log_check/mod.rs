//! Whether a tenant's log is what it must be: dense, in order, and at one with its sessions.
//!
//! Reads only, and each tenant in one snapshot: what writers commit meanwhile is in all of its
//! answers or in none, so a log that is whole is never reported. Each check is one statement.

mod order;
mod sessions;
mod violations;

use domain::ids::TenantId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// Faults that are listed of each tenant; the rest are counted.
pub const FAULTS_MAX: usize = 100;

/// Each check of a log: what it looks at, and the select of its faults. `$1` is the tenant; the
/// columns are kind, position, aggregate, expected and found.
pub const CHECKS: [(&str, &str); 8] = [
    ("the head", order::HEAD),
    ("positions", order::POSITIONS),
    ("sequences of aggregates", order::SEQUENCES),
    ("appends to sessions", sessions::APPENDS),
    ("heads of sessions", sessions::HEADS),
    ("records", sessions::RECORDS),
    ("seals", sessions::SEALS),
    ("violations", violations::VIOLATIONS),
];

/// Begins one snapshot, in which nothing can be written.
const SNAPSHOT: &str = "begin transaction isolation level repeatable read, read only";

/// A tenant, and the position that its head names.
#[derive(Debug, Clone, Copy)]
pub struct TenantLog {
    pub tenant: TenantId,
    /// 0 when the head is missing.
    pub head: u64,
}

/// One thing in a log that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A stable name; `docs/OPERATIONS.md` lists them.
    pub kind: String,
    /// Absent where the fault has no place in the log.
    pub position: Option<i64>,
    /// `<type>/<id>`; absent where the fault is the whole log's.
    pub aggregate: Option<String>,
    pub expected: String,
    pub found: String,
}

/// What was looked at of one tenant, and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub struct LogReport {
    pub tenant_id: Uuid,
    /// Absent when the tenant has no head.
    pub epoch: Option<String>,
    pub events: i64,
    pub sessions: i64,
    pub records: i64,
    /// At most [`FAULTS_MAX`], in the order of [`CHECKS`].
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub faults_omitted: u64,
}

impl LogReport {
    /// Whether no check found a fault.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn take(&mut self, faults: Vec<Fault>, total: u64) {
        let room = FAULTS_MAX - self.faults.len();
        let listed = faults.len().min(room);
        self.faults.extend(faults.into_iter().take(room));
        self.faults_omitted += total - listed as u64;
    }
}

impl Fault {
    /// What is stored made a check itself fail.
    fn of_check(what: &str, error: &sqlx::Error) -> Self {
        Self {
            kind: "check_failed".to_owned(),
            position: None,
            aggregate: None,
            expected: format!("{what} can be checked"),
            found: error.to_string(),
        }
    }
}

/// Whether a statement failed for what it read (SQLSTATE class 22): no server has written that.
fn is_of_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22"))
}

/// Checks logs beside those who write them.
#[derive(Debug, Clone)]
pub struct LogCheck {
    pool: PgPool,
}

impl LogCheck {
    /// `pool` works under the server's role, which sees every tenant.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Every tenant that anything is stored of, so that one whose head is gone is checked, too.
    pub async fn tenants(&self) -> sqlx::Result<Vec<TenantLog>> {
        let read = |row: &PgRow| {
            let head = row.try_get::<i64, _>("head")? as u64;
            Ok(TenantLog { tenant: TenantId(row.try_get("tenant_id")?), head })
        };
        sqlx::query(order::TENANTS).fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Checks one tenant's log. `begin` hears of each of [`CHECKS`] what it looks at.
    pub async fn check(
        &self,
        tenant: TenantId,
        mut begin: impl FnMut(&'static str),
    ) -> sqlx::Result<LogReport> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let mut report = counted(&mut snapshot, tenant).await?;
        for (what, faults) in CHECKS {
            begin(what);
            match faults_of(&mut snapshot, tenant, faults).await {
                Ok((faults, total)) => report.take(faults, total),
                // The snapshot ends with the statement; the other tenants can still be checked.
                Err(error) if is_of_data(&error) => {
                    report.take(vec![Fault::of_check(what, &error)], 1);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        snapshot.rollback().await?;
        Ok(report)
    }
}

/// A report without faults.
async fn counted(snapshot: &mut PgConnection, tenant: TenantId) -> sqlx::Result<LogReport> {
    let row = sqlx::query(
        "select (select epoch from tenant_heads where tenant_id = $1) as epoch,
                (select count(*) from events where tenant_id = $1) as events,
                (select count(*) from sessions where tenant_id = $1) as sessions,
                (select count(*) from evidence_events where tenant_id = $1) as records",
    )
    .bind(tenant.0)
    .fetch_one(snapshot)
    .await?;
    Ok(LogReport {
        tenant_id: tenant.0,
        epoch: row.try_get("epoch")?,
        events: row.try_get("events")?,
        sessions: row.try_get("sessions")?,
        records: row.try_get("records")?,
        faults: Vec::new(),
        faults_omitted: 0,
    })
}

/// The first faults of one check, and how many there are in all.
async fn faults_of(
    snapshot: &mut PgConnection,
    tenant: TenantId,
    faults: &str,
) -> sqlx::Result<(Vec<Fault>, u64)> {
    let query = format!(
        "select fault.*, count(*) over () as total from ({faults}) as fault
         order by position nulls first, aggregate, kind limit $2"
    );
    let rows =
        sqlx::query(&query).bind(tenant.0).bind(FAULTS_MAX as i64).fetch_all(snapshot).await?;
    let total = rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>("total"))?;
    let read = |row: &PgRow| {
        Ok(Fault {
            kind: row.try_get("kind")?,
            position: row.try_get("position")?,
            aggregate: row.try_get("aggregate")?,
            expected: row.try_get("expected")?,
            found: row.try_get("found")?,
        })
    };
    Ok((rows.iter().map(read).collect::<sqlx::Result<_>>()?, total as u64))
}
