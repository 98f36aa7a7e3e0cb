//! Reads for one tenant: the second line that keeps tenants apart.

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
        let mut transaction = self.pool.begin().await?;
        speak_for(&mut transaction, tenant).await?;
        Ok(transaction)
    }

    /// The same, with one view of the data from the first query to the last.
    pub async fn snapshot(&self, tenant: TenantId) -> sqlx::Result<Transaction<'static, Postgres>> {
        let begin = "begin isolation level repeatable read read only";
        let mut transaction = self.pool.begin_with(begin).await?;
        speak_for(&mut transaction, tenant).await?;
        Ok(transaction)
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
