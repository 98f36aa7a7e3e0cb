//! A tenant and its keys.
//!
//! **Invariants:** a key belongs to one tenant for ever, its scopes never change, and once revoked it
//! stays revoked. The aggregate holds keyed hashes of secrets, never a secret.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::scope::Scope;

/// The state that decisions need.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    name: Option<String>,
    suspended: bool,
    /// Key id → whether it is revoked.
    keys: BTreeMap<String, bool>,
}

/// A key as it is kept: everything but its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGrant {
    /// 8 characters, public.
    pub key_id: String,
    /// Keyed hash of the secret.
    pub secret_hash: Hash,
    pub label: String,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Empty: any address.
    pub ip_allow: Vec<IpNet>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TenantCommand {
    Create { name: String, at: DateTime<Utc> },
    Suspend { at: DateTime<Utc> },
    Resume { at: DateTime<Utc> },
    AddKey { grant: KeyGrant, at: DateTime<Utc> },
    RevokeKey { key_id: String, at: DateTime<Utc> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TenantEvent {
    Created { name: String, at: DateTime<Utc> },
    Suspended { at: DateTime<Utc> },
    Resumed { at: DateTime<Utc> },
    KeyAdded { grant: KeyGrant, at: DateTime<Utc> },
    KeyRevoked { key_id: String, at: DateTime<Utc> },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    #[error("there is no such tenant")]
    NotFound,
    #[error("the tenant exists already")]
    Exists,
    #[error("the tenant has no such key")]
    KeyNotFound,
    #[error("a key with this id exists already")]
    KeyExists,
    #[error("a name has 1 to {TENANT_NAME_CHARS_MAX} printable characters")]
    Name,
    #[error("a label has at most {KEY_LABEL_CHARS_MAX} printable characters")]
    Label,
    #[error("a key has at least one scope")]
    NoScope,
    #[error("a key expires after it was made")]
    Expiry,
    #[error("a tenant has at most {KEYS_MAX} keys")]
    TooManyKeys,
}

pub const TENANT_NAME_CHARS_MAX: usize = 128;
pub const KEY_LABEL_CHARS_MAX: usize = 128;
/// Revoked ones included: the aggregate is loaded whole.
pub const KEYS_MAX: usize = 10_000;

impl Tenant {
    /// Every rule of tenants and keys, as one table from (state, command) to events.
    pub fn decide(&self, command: TenantCommand) -> Result<Vec<TenantEvent>, TenantError> {
        match (command, self.name.is_some()) {
            (TenantCommand::Create { name, at }, false)
                if is_label(&name, TENANT_NAME_CHARS_MAX) =>
            {
                Ok(vec![TenantEvent::Created { name, at }])
            }
            (TenantCommand::Create { .. }, false) => Err(TenantError::Name),
            (TenantCommand::Create { .. }, true) => Err(TenantError::Exists),
            (_, false) => Err(TenantError::NotFound),
            (TenantCommand::Suspend { at }, true) => {
                Ok(if self.suspended { vec![] } else { vec![TenantEvent::Suspended { at }] })
            }
            (TenantCommand::Resume { at }, true) => {
                Ok(if self.suspended { vec![TenantEvent::Resumed { at }] } else { vec![] })
            }
            (TenantCommand::AddKey { grant, at }, true) => self.add_key(grant, at),
            (TenantCommand::RevokeKey { key_id, at }, true) => match self.keys.get(&key_id) {
                None => Err(TenantError::KeyNotFound),
                Some(true) => Ok(vec![]),
                Some(false) => Ok(vec![TenantEvent::KeyRevoked { key_id, at }]),
            },
        }
    }

    fn add_key(&self, grant: KeyGrant, at: DateTime<Utc>) -> Result<Vec<TenantEvent>, TenantError> {
        if self.keys.contains_key(&grant.key_id) {
            return Err(TenantError::KeyExists);
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(TenantError::TooManyKeys);
        }
        if !grant.label.is_empty() && !is_label(&grant.label, KEY_LABEL_CHARS_MAX) {
            return Err(TenantError::Label);
        }
        if grant.scopes.is_empty() {
            return Err(TenantError::NoScope);
        }
        if grant.expires_at.is_some_and(|expiry| expiry <= at) {
            return Err(TenantError::Expiry);
        }
        Ok(vec![TenantEvent::KeyAdded { grant, at }])
    }
}

fn is_label(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

impl Aggregate for Tenant {
    const TYPE: &'static str = "tenant";
    type Command = TenantCommand;
    type Event = TenantEvent;
    type Error = TenantError;
    type Services = ();

    async fn handle(
        &mut self,
        command: TenantCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), TenantError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TenantEvent) {
        match event {
            TenantEvent::Created { name, .. } => self.name = Some(name),
            TenantEvent::Suspended { .. } => self.suspended = true,
            TenantEvent::Resumed { .. } => self.suspended = false,
            TenantEvent::KeyAdded { grant, .. } => {
                self.keys.insert(grant.key_id, false);
            }
            TenantEvent::KeyRevoked { key_id, .. } => {
                self.keys.insert(key_id, true);
            }
        }
    }
}

impl DomainEvent for TenantEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "tenant.created",
            Self::Suspended { .. } => "tenant.suspended",
            Self::Resumed { .. } => "tenant.resumed",
            Self::KeyAdded { .. } => "tenant.key_added",
            Self::KeyRevoked { .. } => "tenant.key_revoked",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn grant(key_id: &str) -> KeyGrant {
        KeyGrant {
            key_id: key_id.to_owned(),
            secret_hash: Hash([1; 32]),
            label: "ci".to_owned(),
            scopes: vec![Scope::IngestWrite],
            expires_at: None,
            ip_allow: vec![],
        }
    }

    fn tenant_with_key() -> Tenant {
        let mut tenant = Tenant::default();
        tenant.apply(TenantEvent::Created { name: "acme".to_owned(), at: at() });
        tenant.apply(TenantEvent::KeyAdded { grant: grant("abcdefgh"), at: at() });
        tenant
    }

    #[test]
    fn a_tenant_that_was_never_created_has_no_keys() {
        let command = TenantCommand::AddKey { grant: grant("abcdefgh"), at: at() };
        assert_eq!(Tenant::default().decide(command), Err(TenantError::NotFound));
    }

    #[test]
    fn revoking_twice_changes_nothing_the_second_time() {
        let mut tenant = tenant_with_key();
        let revoke = TenantCommand::RevokeKey { key_id: "abcdefgh".to_owned(), at: at() };
        let events = tenant.decide(revoke.clone()).unwrap();
        assert_eq!(events.len(), 1);
        for event in events {
            tenant.apply(event);
        }
        assert_eq!(tenant.decide(revoke), Ok(vec![]));
    }

    #[test]
    fn a_key_needs_a_scope_an_unused_id_and_a_future_expiry() {
        let tenant = tenant_with_key();
        let add = |grant| tenant.decide(TenantCommand::AddKey { grant, at: at() });
        assert_eq!(add(grant("abcdefgh")), Err(TenantError::KeyExists));
        let no_scope = KeyGrant { scopes: vec![], ..grant("other") };
        assert_eq!(add(no_scope), Err(TenantError::NoScope));
        let past = KeyGrant { expires_at: Some(at()), ..grant("other") };
        assert_eq!(add(past), Err(TenantError::Expiry));
        assert_eq!(add(grant("other")).unwrap().len(), 1);
    }
}
