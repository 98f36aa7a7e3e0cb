//! What makes a violation the same one, however often it is found.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::evidence::canonical::{self, CanonicalError};
use crate::evidence::record::format_micros;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};

/// When a control was broken: by one event, or within a window that began then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Occurrence {
    Event(Uuid),
    /// `received_at` of the first failure that counted.
    Window(DateTime<Utc>),
    /// The same of one actor. Events of one request share their `received_at`: without the actor
    /// two people's windows would be one, and one of two breaches lost.
    WindowOf(DateTime<Utc>, String),
}

/// SHA-256 of JCS([tenant, policy, control, rule or null, session, event or window start]). No time
/// of evaluation is in it, and no version: what one version has found, the next finds again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupKey(pub Hash);

impl DedupKey {
    /// # Errors
    /// When a name cannot be written as JCS, which no valid policy has.
    pub fn of(
        tenant: TenantId,
        (policy, control, rule): (&str, &str, Option<&str>),
        session: SessionId,
        occurrence: Occurrence,
    ) -> Result<Self, CanonicalError> {
        let occurrence = match occurrence {
            Occurrence::Event(event) => json!(event),
            Occurrence::Window(start) => json!(format_micros(start)),
            Occurrence::WindowOf(start, actor) => json!([format_micros(start), actor]),
        };
        let parts = json!([tenant, policy, control, rule, session, occurrence]);
        Ok(Self(Hash::of(&canonical::of_serde(&parts)?)))
    }

    /// The violation's id, derived from the key: whoever finds it names it alike.
    pub fn violation_id(&self, tenant: TenantId) -> Uuid {
        Uuid::new_v5(&tenant.0, &self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(rule: Option<&str>, occurrence: Occurrence) -> DedupKey {
        let tenant = TenantId(Uuid::from_u128(1));
        let session = SessionId(Uuid::from_u128(2));
        DedupKey::of(tenant, ("tool-access", "allowed-tools", rule), session, occurrence).unwrap()
    }

    #[test]
    fn the_key_is_the_hash_of_the_contracts_list() {
        let list = r#"["00000000-0000-0000-0000-000000000001","tool-access","allowed-tools",null,"00000000-0000-0000-0000-000000000002","00000000-0000-0000-0000-000000000003"]"#;
        let computed = key(None, Occurrence::Event(Uuid::from_u128(3)));
        assert_eq!(computed.0, Hash::of(list.as_bytes()));
    }

    #[test]
    fn another_rule_another_event_and_another_window_are_other_violations() {
        let event = || Occurrence::Event(Uuid::from_u128(3));
        let keys = [
            key(None, event()),
            key(Some("a"), event()),
            key(None, Occurrence::Event(Uuid::from_u128(4))),
            key(None, Occurrence::Window(DateTime::UNIX_EPOCH)),
            key(None, Occurrence::WindowOf(DateTime::UNIX_EPOCH, "ada".to_owned())),
            key(None, Occurrence::WindowOf(DateTime::UNIX_EPOCH, "bob".to_owned())),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().map(|key| key.0.0).collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
