//! A database for one test, copied from the migrated template.

use application::Ids;
use infrastructure::system::SystemIds;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool};

/// Lives as long as the test run's PostgreSQL.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    pub url: String,
}

impl TestDatabase {
    /// # Panics
    /// Without the test run's PostgreSQL.
    pub async fn create() -> Self {
        Self::copied_from("exhibit_template").await
    }

    /// A database with the same rows, once nobody is connected to this one any more.
    ///
    /// # Panics
    /// When somebody stays connected.
    #[must_use]
    pub async fn copy(&self) -> Self {
        let options: PgConnectOptions = self.url.parse().unwrap();
        Self::copied_from(options.get_database().unwrap()).await
    }

    async fn copied_from(template: &str) -> Self {
        let url = std::env::var("EXHIBIT_TEST_POSTGRES")
            .expect("no PostgreSQL for tests: run them with `make test`");
        let name = format!("t_{}", SystemIds.uuid().simple());
        let admin: PgConnectOptions = url.replace("DATABASE", "postgres").parse().unwrap();
        let mut connection = admin.connect().await.unwrap();
        // Copying a template waits for no one else to be connected to it, but not for long enough
        // when several tests copy at once.
        for attempt in 0.. {
            let made = connection
                .execute(format!("create database {name} template {template}").as_str())
                .await;
            match made {
                Ok(_) => break,
                Err(error) if attempt < 100 => {
                    let busy = error.as_database_error().and_then(|e| e.code().map(String::from));
                    assert_eq!(busy.as_deref(), Some("55006"), "{error}");
                    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        Self { url: url.replace("DATABASE", &name) }
    }

    /// Connects as the schema's owner, a superuser: what even that must not do is tested with it.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn as_owner(&self) -> PgPool {
        PgPoolOptions::new().max_connections(2).connect(&self.url).await.unwrap()
    }

    /// Connects under a role of the server.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn as_role(&self, role: &'static str) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(format!("set role {role}").as_str()).await.map(|_| ())
                })
            })
            .connect(&self.url)
            .await
            .unwrap()
    }
}
