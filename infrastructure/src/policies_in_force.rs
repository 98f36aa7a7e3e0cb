//! Which policies are in force now, for seals and for the limits of appends.

use std::sync::Arc;
use std::time::Duration;

use application::PortError;
use application::policies::{InForce, PoliciesInForce};
use async_trait::async_trait;
use domain::evidence::seal::ActivePolicy;
use domain::ids::TenantId;
use moka::future::Cache;
use sqlx::PgPool;

/// What another server has activated is heeded after so long.
const KEPT: Duration = Duration::from_secs(1);
/// Tenants that are kept at hand.
const TENANTS_MAX: u64 = 10_000;

/// In PostgreSQL, with a memory.
pub struct PgPoliciesInForce {
    pool: PgPool,
    lately: Cache<TenantId, Arc<InForce>>,
}

impl PgPoliciesInForce {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool) -> Self {
        let lately =
            Cache::builder().max_capacity(TENANTS_MAX).time_to_live(KEPT).build();
        Self { pool, lately }
    }

    async fn read(&self, tenant: TenantId) -> sqlx::Result<InForce> {
        let rows: Vec<(String, String, String, Option<i64>, i64)> = sqlx::query_as(
            "select v.name, v.version, v.content_hash,
                    (d.document -> 'limits' ->> 'max_events_per_session')::int8,
                    (select max(position) from policy_versions where tenant_id = $1)
             from policy_versions v
             join policy_documents d using (tenant_id, content_hash)
             where v.tenant_id = $1 and v.status = 'ACTIVE' order by v.name",
        )
        .bind(tenant.0)
        .fetch_all(&self.pool)
        .await?;
        let position = match rows.first() {
            Some(row) => row.4,
            None => {
                sqlx::query_scalar(
                    "select coalesce(max(position), 0) from policy_versions where tenant_id = $1",
                )
                .bind(tenant.0)
                .fetch_one(&self.pool)
                .await?
            }
        };
        let mut in_force = InForce { position: position as u64, ..InForce::default() };
        for (name, version, content_hash, limit, _) in rows {
            if let Some(limit) = limit {
                in_force.session_limits.push((name.clone(), limit as u64));
            }
            in_force.policies.push(ActivePolicy(name, version, content_hash));
        }
        Ok(in_force)
    }
}

#[async_trait]
impl PoliciesInForce for PgPoliciesInForce {
    async fn now(&self, tenant: TenantId) -> Result<Arc<InForce>, PortError> {
        let read = self.read(tenant).await;
        read.map(Arc::new).map_err(|e| PortError::new("asking which policies are in force", e))
    }

    async fn lately(&self, tenant: TenantId) -> Result<Arc<InForce>, PortError> {
        let read = self.lately.try_get_with(tenant, self.now(tenant)).await;
        read.map_err(|e| PortError::new("asking which policies are in force", e.to_string()))
    }

    fn forget(&self, tenant: TenantId) {
        let lately = self.lately.clone();
        tokio::spawn(async move { lately.invalidate(&tenant).await });
    }
}
