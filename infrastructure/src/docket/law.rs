//! Which policies were in force where in a log, and their compiled texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use application::PortError;
use domain::ids::TenantId;
use domain::policy::compile::CompiledPolicy;
use domain::policy::fault::Fault;
use domain::policy::validate::Policy;
use moka::sync::Cache;
use serde_json::Value;
use sqlx::PgConnection;

/// Compiled texts that are kept at hand, about 20 KiB each.
const COMPILED_MAX: u64 = 2_000;
/// Tenants whose policies are kept at hand.
const TENANTS_MAX: u64 = 10_000;

/// The policies of all tenants, compiled once a text.
#[derive(Clone)]
pub struct PolicyBook {
    compiled: Cache<String, Arc<CompiledPolicy>>,
    /// What was in force at a position. A log's past does not change, so this is never wrong.
    known: Cache<TenantId, Arc<InForceAt>>,
}

struct InForceAt {
    position: i64,
    /// Name → version and content hash.
    policies: BTreeMap<String, (String, String)>,
}

impl Default for PolicyBook {
    fn default() -> Self {
        Self { compiled: Cache::new(COMPILED_MAX), known: Cache::new(TENANTS_MAX) }
    }
}

impl PolicyBook {
    /// The policies that the event after `position` is judged by, in the order of their names.
    pub(super) async fn in_force_at(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        position: i64,
    ) -> Result<Vec<Arc<CompiledPolicy>>, PortError> {
        let known = self.known.get(&tenant).filter(|known| known.position <= position);
        let (from, mut policies) = match &known {
            Some(known) => (known.position, known.policies.clone()),
            None => (0, BTreeMap::new()),
        };
        let changes: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
            "select event_type, payload ->> 'name', payload ->> 'version', payload ->> 'content_hash'
             from events
             where tenant_id = $1 and position > $2 and position <= $3
               and event_type in ('policy.activated', 'policy.retired')
               and event_type <> 'session.events_appended'
             order by position",
        )
        .bind(tenant.0)
        .bind(from)
        .bind(position)
        .fetch_all(&mut *connection)
        .await
        .map_err(|e| PortError::new("asking which policies were in force", e))?;
        for (event_type, name, version, content_hash) in changes {
            match content_hash.filter(|_| event_type == "policy.activated") {
                Some(content_hash) => {
                    policies.insert(name, (version, content_hash));
                }
                None => policies.retain(|known, (at, _)| *known != name || *at != version),
            }
        }
        let mut compiled = Vec::with_capacity(policies.len());
        for (_, content_hash) in policies.values() {
            compiled.push(self.by_hash(connection, tenant, content_hash).await?);
        }
        self.known.insert(tenant, Arc::new(InForceAt { position, policies }));
        Ok(compiled)
    }

    /// The compiled text behind a hash.
    pub(crate) async fn by_hash(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        content_hash: &str,
    ) -> Result<Arc<CompiledPolicy>, PortError> {
        if let Some(policy) = self.compiled.get(content_hash) {
            return Ok(policy);
        }
        let document: sqlx::types::Json<Value> = sqlx::query_scalar(
            "select document from policy_documents where tenant_id = $1 and content_hash = $2",
        )
        .bind(tenant.0)
        .bind(content_hash)
        .fetch_one(connection)
        .await
        .map_err(|e| PortError::new("reading a policy's text", e))?;
        let policy = compiled(&document.0).map_err(|faults| {
            let first = faults.first().map(|f| format!("{} at {}", f.message, f.pointer));
            let cause = format!("{content_hash}: {}", first.unwrap_or_default());
            PortError::new("a policy in force cannot be read by this version", cause)
        })?;
        let policy = Arc::new(policy);
        self.compiled.insert(content_hash.to_owned(), policy.clone());
        Ok(policy)
    }
}

/// Reads and compiles a document.
pub fn compiled(document: &Value) -> Result<CompiledPolicy, Vec<Fault>> {
    CompiledPolicy::new(&Policy::read(document)?)
}
