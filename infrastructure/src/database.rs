//! Connections to PostgreSQL: who logs in, which role a pool works under, migrations.

use std::time::Duration;

use application::PortError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

/// The migrations of this binary.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// What the server does to the database: insert, and update heads and read models. It cannot
/// update, delete or truncate events and evidence.
pub const SERVER_ROLE: &str = "exhibit_server";
/// What requests read with: rows of one tenant, by row-level security.
pub const READER_ROLE: &str = "exhibit_reader";

/// One listens, one notifies.
const HINT_CONNECTIONS: u32 = 2;

/// What helps when the schema is not that of this binary.
const MIGRATE_FIRST: &str = "run `exhibit migrate` with a login that may";
/// PostgreSQL's `invalid_authorization_specification`.
const NO_SUCH_LOGIN: &str = "28000";

/// Two pools over one database, each under its role.
#[derive(Debug, Clone)]
pub struct Database {
    /// Works as [`SERVER_ROLE`].
    pub server: PgPool,
    /// Works as [`READER_ROLE`].
    pub reader: PgPool,
    /// For hints to and from other servers: one connection listens, one notifies.
    pub hints: PgPool,
}

/// Connections that a pool may hold.
#[derive(Debug, Clone, Copy)]
pub struct PoolSizes {
    pub server: u32,
    pub reader: u32,
}

impl Database {
    /// Connects lazily: the first query opens the first connection.
    pub fn connect(options: &PgConnectOptions, sizes: PoolSizes) -> Self {
        Self {
            server: pool(options, SERVER_ROLE, sizes.server),
            reader: pool(options, READER_ROLE, sizes.reader),
            hints: pool(options, READER_ROLE, HINT_CONNECTIONS),
        }
    }

    /// Whether the database answers, and with the migrations that this binary brings.
    pub async fn check(&self) -> Result<(), PortError> {
        let head = MIGRATOR.iter().map(|m| m.version).max().unwrap_or_default();
        let applied: Option<i64> =
            sqlx::query_scalar("select max(version) from exhibit_migrations where success")
                .fetch_one(&self.server)
                .await
                .map_err(|e| PortError::new("asking the database", e))?;
        match applied {
            Some(applied) if applied >= head => Ok(()),
            applied => {
                let applied = applied.unwrap_or_default();
                let cause = format!("the schema is at {applied}, not at {head}: {MIGRATE_FIRST}");
                Err(PortError::new("migrations", cause))
            }
        }
    }

    /// Whether the role that logged in (before it switched), or one that it can switch to, could
    /// change evidence.
    pub async fn login_may_change_evidence(&self) -> Result<bool, PortError> {
        sqlx::query_scalar(
            "select exists (
                 select from pg_roles r,
                      unnest(array['events', 'evidence_events', 'sessions', 'session_seals']) t,
                      unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p
                 where pg_has_role(session_user, r.oid, 'member')
                   and has_table_privilege(r.oid, t, p)
             )",
        )
        .fetch_one(&self.server)
        .await
        .map_err(|e| PortError::new("asking for the login's privileges", e))
    }

    pub async fn close(&self) {
        self.hints.close().await;
        self.reader.close().await;
        self.server.close().await;
    }
}

fn pool(options: &PgConnectOptions, role: &'static str, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        // A ping before each use would double the round trips; a dead connection fails one command,
        // which the client may repeat.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                // `role` is one of the two constants above.
                sqlx::query(&format!("set role {role}")).execute(connection).await?;
                Ok(())
            })
        })
        .connect_lazy_with(
            options
                .clone()
                .application_name("exhibit")
                // Planning the write statement costs ten times its execution for a small group.
                .options([
                    ("plan_cache_mode", "force_generic_plan"),
                    // A transaction that waits so long has lost who began it: it must hold no lock.
                    ("idle_in_transaction_session_timeout", "60s"),
                ]),
        )
}

/// A pool of one connection, after a try outside: a pool waits instead of telling why it has none.
async fn connect_once(options: &PgConnectOptions) -> sqlx::Result<PgPool> {
    options.connect().await?.close().await?;
    PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await
}

fn not_connected(error: sqlx::Error) -> PortError {
    PortError::new("connecting to the database", error)
}

/// Brings the schema to this binary's version. Several servers may start at once: a lock of the
/// database lets one migrate while the others wait.
pub async fn migrate(options: &PgConnectOptions) -> Result<(), PortError> {
    let failed = |e: sqlx::Error| PortError::new("migrating", e);
    let pool = connect_once(options).await.map_err(not_connected)?;
    MIGRATOR.run(&pool).await.map_err(|e| PortError::new("migrating", e))?;
    // What was applied is for the server to see, when it starts without the right to migrate.
    let shown = "create or replace view exhibit_migrations as select * from _sqlx_migrations;
                 grant select on exhibit_migrations to exhibit_server";
    sqlx::raw_sql(shown).execute(&pool).await.map_err(failed)?;
    pool.close().await;
    Ok(())
}

/// Refuses a database that was never migrated, and says what to do about it.
pub async fn insist_on_schema(login: &PgConnectOptions) -> Result<(), PortError> {
    let missing = || PortError::new("migrations", format!("there is no schema: {MIGRATE_FIRST}"));
    let pool = match connect_once(login).await {
        Ok(pool) => pool,
        // The private login comes with the first migration.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_LOGIN) => {
            return Err(missing());
        }
        Err(error) => return Err(not_connected(error)),
    };
    let known: bool = sqlx::query_scalar("select to_regclass('exhibit_migrations') is not null")
        .fetch_one(&pool)
        .await
        .map_err(|e| PortError::new("asking for the schema", e))?;
    pool.close().await;
    if known { Ok(()) } else { Err(missing()) }
}

/// The login of the private PostgreSQL's server: a member of both roles, owner of nothing.
pub async fn create_private_login(
    owner: &PgConnectOptions,
    login: &'static str,
) -> Result<(), PortError> {
    let failed = |e: sqlx::Error| PortError::new("creating the server's login", e);
    let pool = connect_once(owner).await.map_err(not_connected)?;
    let known: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(login)
        .fetch_one(&pool)
        .await
        .map_err(failed)?;
    if !known {
        let statement = format!(
            "create role {login} login noinherit; grant {SERVER_ROLE}, {READER_ROLE} to {login}"
        );
        sqlx::raw_sql(&statement).execute(&pool).await.map_err(failed)?;
    }
    pool.close().await;
    Ok(())
}

/// The identity that seals name, made with the database.
pub async fn service_identity(pool: &PgPool) -> Result<String, PortError> {
    sqlx::query_scalar("select ingestion_service_id from service_identity")
        .fetch_one(pool)
        .await
        .map_err(|e| PortError::new("asking for the service's identity", e))
}
