//! Connections to PostgreSQL: who logs in, which role a pool works under, migrations.

use std::time::Duration;

use application::PortError;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// The migrations of this binary.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// What the server does to the database: insert, and update heads and read models. It cannot
/// update, delete or truncate events and evidence.
pub const SERVER_ROLE: &str = "exhibit_server";
/// What requests read with: rows of one tenant, by row-level security.
pub const READER_ROLE: &str = "exhibit_reader";

/// Two pools over one database, each under its role.
#[derive(Debug, Clone)]
pub struct Database {
    /// Works as [`SERVER_ROLE`].
    pub server: PgPool,
    /// Works as [`READER_ROLE`].
    pub reader: PgPool,
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
                let cause = format!("at {}, not at {head}", applied.unwrap_or_default());
                Err(PortError::new("migrations", cause))
            }
        }
    }

    /// Whether the role that logged in (before it switched) could change evidence.
    pub async fn login_may_change_evidence(&self) -> Result<bool, PortError> {
        sqlx::query_scalar(
            "select bool_or(has_table_privilege(session_user, t, p))
             from unnest(array['events', 'evidence_events', 'session_seals']) t,
                  unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p",
        )
        .fetch_one(&self.server)
        .await
        .map_err(|e| PortError::new("asking for the login's privileges", e))
    }

    pub async fn close(&self) {
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
        .connect_lazy_with(options.clone().application_name("exhibit"))
}

/// Brings the schema to this binary's version. Several servers may start at once: a lock of the
/// database lets one migrate while the others wait.
pub async fn migrate(options: &PgConnectOptions) -> Result<(), PortError> {
    let failed = |e: sqlx::Error| PortError::new("connecting to migrate", e);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let result = MIGRATOR.run(&pool).await.map_err(|e| PortError::new("migrating", e));
    if result.is_ok() {
        // What was applied is for the server to see, when it starts without the right to migrate.
        sqlx::query("create or replace view exhibit_migrations as select * from _sqlx_migrations")
            .execute(&pool)
            .await
            .map_err(failed)?;
        sqlx::query("grant select on exhibit_migrations to exhibit_server")
            .execute(&pool)
            .await
            .map_err(failed)?;
    }
    pool.close().await;
    result
}

/// The login of the private PostgreSQL's server: a member of both roles, owner of nothing.
pub async fn create_private_login(
    owner: &PgConnectOptions,
    login: &'static str,
) -> Result<(), PortError> {
    let failed = |e: sqlx::Error| PortError::new("creating the server's login", e);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(owner.clone())
        .await
        .map_err(failed)?;
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
