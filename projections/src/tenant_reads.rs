//! Reads for one tenant: the second line that keeps tenants apart.

use std::panic::resume_unwind;

use domain::ids::TenantId;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

/// Opens transactions that see the rows of one tenant and write nothing.
#[derive(Debug, Clone)]
pub struct TenantReads {
    pool: PgPool,
}

impl TenantReads {
    /// `pool` works under the reader's role.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// A transaction that sees what is committed at each query.
    pub async fn begin(&self, tenant: TenantId) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut transaction = self.begun(None).await?;
        speak_for(&mut transaction, tenant).await?;
        Ok(transaction)
    }

    /// The same, with one view of the data from the first query to the last.
    pub async fn snapshot(&self, tenant: TenantId) -> sqlx::Result<Transaction<'static, Postgres>> {
        let begin = "begin isolation level repeatable read read only";
        let mut transaction = self.begun(Some(begin)).await?;
        speak_for(&mut transaction, tenant).await?;
        Ok(transaction)
    }

    /// A transaction that is begun even if nobody waits for it any more: dropped in the middle of a
    /// `begin`, sqlx 0.8 would give the connection back to the pool with an open transaction.
    async fn begun(
        &self,
        statement: Option<&'static str>,
    ) -> sqlx::Result<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        let begin = async move {
            match statement {
                Some(statement) => pool.begin_with(statement).await,
                None => pool.begin().await,
            }
        };
        match tokio::spawn(begin).await {
            Ok(transaction) => transaction,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime ends.
            Err(_) => Err(sqlx::Error::PoolClosed),
        }
    }
}

/// Row-level security reads the setting; it ends with the transaction.
async fn speak_for(connection: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query("select set_config('exhibit.tenant_id', $1, true)")
        .bind(tenant.to_string())
        .execute(connection)
        .await
        .map(|_| ())
}
