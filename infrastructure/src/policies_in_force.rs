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

/// Position of the last policy event; name, version, content hash and limit of what is in force.
type ActiveRow = (i64, Option<String>, Option<String>, Option<String>, Option<i64>);

/// In PostgreSQL, with a memory.
pub struct PgPoliciesInForce {
    pool: PgPool,
    lately: Cache<TenantId, Arc<InForce>>,
}

impl PgPoliciesInForce {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool) -> Self {
        let lately = Cache::builder().max_capacity(TENANTS_MAX).time_to_live(KEPT).build();
        Self { pool, lately }
    }

    /// In one statement: what is in force belongs to the position that is said with it.
    async fn read(&self, tenant: TenantId) -> sqlx::Result<InForce> {
        let rows: Vec<ActiveRow> = sqlx::query_as(
            "select p.position, v.name, v.version, v.content_hash,
                    (d.document -> 'limits' ->> 'max_events_per_session')::int8
             from (select coalesce(max(position), 0) as position from policy_versions
                   where tenant_id = $1) p
             left join (policy_versions v join policy_documents d using (tenant_id, content_hash))
                 on v.tenant_id = $1 and v.status = 'ACTIVE'
             order by v.name",
        )
        .bind(tenant.0)
        .fetch_all(&self.pool)
        .await?;
        let position = rows.first().map_or(0, |row| row.0);
        let mut policies = Vec::new();
        let mut session_limits = Vec::new();
        for (_, name, version, content_hash, limit) in rows {
            let (Some(name), Some(version), Some(hash)) = (name, version, content_hash) else {
                continue;
            };
            session_limits.extend(limit.map(|limit| (name.clone(), limit as u64)));
            policies.push(ActivePolicy(name, version, hash));
        }
        let session_limits = session_limits.into();
        Ok(InForce { position: position as u64, policies, session_limits })
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
