//! Making tenants and their keys.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::scope::Scope;
use domain::tenant::{KeyGrant, Tenant, TenantCommand, TenantError};
use ipnet::IpNet;

use crate::keys::secret_hash;
use crate::ports::{
    AggregateId, Clock, CommandError, Commands, Committed, Ids, Metadata, PortError,
};

/// Makes key material; the one place where secrets are born.
pub trait KeyMaker: Send + Sync {
    /// An unused id of 8 characters and a secret of 43.
    fn make(&self) -> Result<(String, String), PortError>;
}

/// Brings the read models of tenants and keys up to the latest event, so that a key opens as soon
/// as it was shown.
#[async_trait]
pub trait TenantReadModel: Send + Sync {
    /// Folds what has been committed of a tenant; fails when it cannot, so that nobody believes that
    /// a key is revoked which is not.
    async fn catch_up(&self, tenant: TenantId) -> Result<(), PortError>;
}

/// The write side of tenants.
#[derive(Clone)]
pub struct Tenants {
    /// The write door.
    pub commands: Arc<dyn Commands<Tenant>>,
    /// What auth reads.
    pub read_model: Arc<dyn TenantReadModel>,
    /// Secrets.
    pub key_maker: Arc<dyn KeyMaker>,
    /// Keys the hashes of secrets.
    pub pepper: Arc<[u8]>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
}

/// A key that is asked for.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    /// Whose it will be.
    pub tenant: TenantId,
    /// For people.
    pub label: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Until when.
    pub expires_at: Option<DateTime<Utc>>,
    /// From where; empty is anywhere.
    pub ip_allow: Vec<IpNet>,
}

/// A key that was made. Does not print its secret by accident: no `Debug`.
pub struct NewKey {
    /// As it is kept.
    pub grant: KeyGrant,
    /// As it is shown, this once.
    pub key: String,
    /// Position in the tenant's log.
    pub position: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

type Outcome<T> = Result<T, CommandError<TenantError>>;

impl Tenants {
    /// Makes a tenant.
    pub async fn create(&self, name: &str, metadata: &Metadata) -> Outcome<(TenantId, u64)> {
        let tenant = TenantId(self.ids.uuid());
        let at = self.clock.now();
        let command = TenantCommand::Create { name: name.to_owned(), at };
        let committed = self.execute(tenant, command, metadata).await?;
        Ok((tenant, committed.position.unwrap_or_default()))
    }

    /// Suspends a tenant, or takes the suspension back.
    pub async fn set_suspended(
        &self,
        tenant: TenantId,
        suspended: bool,
        metadata: &Metadata,
    ) -> Outcome<()> {
        let at = self.clock.now();
        let command =
            if suspended { TenantCommand::Suspend { at } } else { TenantCommand::Resume { at } };
        self.execute(tenant, command, metadata).await.map(|_| ())
    }

    /// Makes a key. The secret is in the answer and nowhere else.
    pub async fn add_key(&self, order: KeyOrder, metadata: &Metadata) -> Outcome<NewKey> {
        let (key_id, secret) = self.key_maker.make()?;
        let grant = KeyGrant {
            secret_hash: secret_hash(&self.pepper, &secret),
            key_id,
            label: order.label,
            scopes: order.scopes,
            expires_at: order.expires_at,
            ip_allow: order.ip_allow,
        };
        let at = self.clock.now();
        let command = TenantCommand::AddKey { grant: grant.clone(), at };
        let committed = self.execute(order.tenant, command, metadata).await?;
        let key = format!("exh_{}_{secret}", grant.key_id);
        let position = committed.position.unwrap_or_default();
        Ok(NewKey { grant, key, position, created_at: at })
    }

    /// Revokes a key for good; a second time changes nothing.
    pub async fn revoke_key(
        &self,
        tenant: TenantId,
        key_id: &str,
        metadata: &Metadata,
    ) -> Outcome<()> {
        let command = TenantCommand::RevokeKey { key_id: key_id.to_owned(), at: self.clock.now() };
        self.execute(tenant, command, metadata).await.map(|_| ())
    }

    async fn execute(
        &self,
        tenant: TenantId,
        command: TenantCommand,
        metadata: &Metadata,
    ) -> Outcome<Committed<Tenant>> {
        let id = AggregateId::tenant(tenant);
        let committed = self.commands.execute(&id, command, metadata).await?;
        self.read_model.catch_up(tenant).await?;
        Ok(committed)
    }
}
