//! Tenants and API keys: what authentication and `/admin` read.

use application::PortError;
use application::keys::KnownKey;
use application::tenants::TenantReadModel;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::hash::Hash;
use domain::ids::TenantId;
use domain::scope::Scope;
use domain::tenant::TenantEvent;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::runner::{Batch, FoldError, Projection, Runner};

/// Of the projection.
const NAME: &str = "tenants_and_keys";

/// One tenant.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct TenantRow {
    pub tenant_id: Uuid,
    pub name: String,
    pub suspended: bool,
    pub created_at: DateTime<Utc>,
}

/// One key, without its secret.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct KeyRow {
    pub key_id: String,
    pub tenant_id: Uuid,
    pub label: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub ip_allow: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The read model over all tenants; works under the server's role.
#[derive(Debug, Clone)]
pub struct Keys {
    pool: PgPool,
}

impl Keys {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The key with this id, whatever its state.
    pub async fn find(&self, key_id: &str) -> sqlx::Result<Option<KnownKey>> {
        let row = sqlx::query(
            "select k.key_id, k.tenant_id, t.suspended, k.secret_hash, k.scopes, k.expires_at,
                    k.revoked_at, k.ip_allow
             from projections p
             join api_keys k on k.generation = p.generation
             join tenants t on t.generation = p.generation and t.tenant_id = k.tenant_id
             where p.name = 'tenants_and_keys' and k.key_id = $1",
        )
        .bind(key_id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| known_key(&row)).transpose()
    }

    /// Tenants by age, oldest first, after the one given.
    pub async fn tenants(&self, after: Option<Uuid>, limit: i64) -> sqlx::Result<Vec<TenantRow>> {
        sqlx::query_as(
            "select tenant_id, t.name, suspended, created_at from tenants t
             join projections p on p.name = 'tenants_and_keys' and p.generation = t.generation
             where $1::uuid is null or tenant_id > $1 order by tenant_id limit $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
    }

    pub async fn tenant(&self, id: TenantId) -> sqlx::Result<Option<TenantRow>> {
        sqlx::query_as(
            "select tenant_id, t.name, suspended, created_at from tenants t
             join projections p on p.name = 'tenants_and_keys' and p.generation = t.generation
             where tenant_id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await
    }

    /// The tenants of a name; names are for people and need not be unique.
    pub async fn tenants_named(&self, name: &str) -> sqlx::Result<Vec<TenantRow>> {
        sqlx::query_as(
            "select tenant_id, t.name, suspended, created_at from tenants t
             join projections p on p.name = 'tenants_and_keys' and p.generation = t.generation
             where t.name = $1 order by tenant_id limit 2",
        )
        .bind(name)
        .fetch_all(&self.pool)
        .await
    }

    /// Keys by id, after the one given; of one tenant or of all.
    pub async fn keys(
        &self,
        tenant: Option<Uuid>,
        after: Option<&str>,
        limit: i64,
    ) -> sqlx::Result<Vec<KeyRow>> {
        sqlx::query_as(
            "select key_id, tenant_id, label, scopes, expires_at, ip_allow, created_at, revoked_at
             from api_keys k
             join projections p on p.name = 'tenants_and_keys' and p.generation = k.generation
             where ($1::uuid is null or tenant_id = $1)
             and ($2::text is null or key_id > $2) order by key_id limit $3",
        )
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
    }

    pub async fn key(&self, key_id: &str) -> sqlx::Result<Option<KeyRow>> {
        sqlx::query_as(
            "select key_id, tenant_id, label, scopes, expires_at, ip_allow, created_at, revoked_at
             from api_keys k
             join projections p on p.name = 'tenants_and_keys' and p.generation = k.generation
             where key_id = $1",
        )
        .bind(key_id)
        .fetch_optional(&self.pool)
        .await
    }
}

impl Keys {
    /// Folds what has been committed of all tenants, as far as it can be folded.
    pub async fn catch_up_all(&self) -> Result<(), PortError> {
        let caught_up = Runner::new(self.pool.clone()).catch_up(NAME, None).await;
        caught_up.map_err(|e| PortError::new("projecting tenants and keys", e))
    }
}

#[async_trait]
impl TenantReadModel for Keys {
    async fn catch_up(&self, tenant: TenantId) -> Result<(), PortError> {
        let failed = |e| PortError::new("projecting tenants and keys", e);
        let runner = Runner::new(self.pool.clone());
        runner.catch_up(NAME, Some(tenant)).await.map_err(failed)?;
        match runner.stopped_for(NAME, tenant).await.map_err(failed)? {
            None => Ok(()),
            // A key that was revoked would go on to open everything.
            Some(stopped) => Err(PortError::new(
                "what was asked for is stored, but has no effect: the read model of keys has stopped",
                format!("before event {}: {}", stopped.position, stopped.reason),
            )),
        }
    }
}

fn known_key(row: &PgRow) -> sqlx::Result<KnownKey> {
    let scopes: Vec<String> = row.try_get("scopes")?;
    let hash: &[u8] = row.try_get("secret_hash")?;
    Ok(KnownKey {
        key_id: row.try_get("key_id")?,
        tenant: TenantId(row.try_get("tenant_id")?),
        suspended: row.try_get("suspended")?,
        secret_hash: Hash::from_slice(hash)
            .ok_or_else(|| sqlx::Error::Decode("a key's hash has 32 bytes".into()))?,
        // A scope that this version does not know opens nothing here.
        scopes: scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        ip_allow: row.try_get("ip_allow")?,
    })
}

/// Folds tenants' events into `tenants` and `api_keys`.
pub struct KeysProjection;

#[async_trait]
impl Projection for KeysProjection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tenants", "api_keys"]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        for event in batch.tenants() {
            write(connection, batch.tenant, event?, generation).await?;
        }
        Ok(())
    }
}

/// Tenants' events are few: one statement each.
async fn write(
    connection: &mut PgConnection,
    tenant: TenantId,
    event: TenantEvent,
    generation: i32,
) -> sqlx::Result<()> {
    let query = match event {
        TenantEvent::Created { name, at } => sqlx::query(
            "insert into tenants (tenant_id, generation, name, suspended, created_at)
             values ($1, $2, $3, false, $4)",
        )
        .bind(tenant.0)
        .bind(generation)
        .bind(name)
        .bind(at),
        TenantEvent::Suspended { .. } => suspended(tenant, generation, true),
        TenantEvent::Resumed { .. } => suspended(tenant, generation, false),
        TenantEvent::KeyAdded { grant, at } => sqlx::query(
            "insert into api_keys (key_id, generation, tenant_id, secret_hash, label, scopes,
                                   expires_at, ip_allow, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(grant.key_id)
        .bind(generation)
        .bind(tenant.0)
        .bind(grant.secret_hash.0.to_vec())
        .bind(grant.label)
        .bind(grant.scopes.iter().map(|s| s.as_str().to_owned()).collect::<Vec<_>>())
        .bind(grant.expires_at)
        .bind(grant.ip_allow.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(at),
        TenantEvent::KeyRevoked { key_id, at } => {
            sqlx::query("update api_keys set revoked_at = $3 where key_id = $1 and generation = $2")
                .bind(key_id)
                .bind(generation)
                .bind(at)
        }
    };
    query.execute(connection).await.map(|_| ())
}

fn suspended(
    tenant: TenantId,
    generation: i32,
    suspended: bool,
) -> Query<'static, Postgres, PgArguments> {
    sqlx::query("update tenants set suspended = $3 where tenant_id = $1 and generation = $2")
        .bind(tenant.0)
        .bind(generation)
        .bind(suspended)
}
