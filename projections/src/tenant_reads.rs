//! Reads for one tenant: the second line that keeps tenants apart.

use domain::ids::TenantId;
use sqlx::{PgPool, Postgres, Transaction};

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

    /// Row-level security reads the setting; it ends with the transaction.
    pub async fn begin(&self, tenant: TenantId) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("select set_config('exhibit.tenant_id', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}
