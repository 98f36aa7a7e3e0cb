//! API keys: their written form, the keyed hash that is kept of them, what a request may do.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use domain::hash::Hash;
use domain::ids::TenantId;
use domain::scope::Scope;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// `exh_<8-character id>_<secret>`: the id finds the key, the secret proves it.
pub struct PresentedKey<'a> {
    /// Public, 8 characters of `a-z2-7`.
    pub id: &'a str,
    secret: &'a str,
}

/// Characters of a secret: 32 random bytes in base64url.
const SECRET_CHARS: usize = 43;
/// Characters of a key's id.
pub const KEY_ID_CHARS: usize = 8;

impl<'a> PresentedKey<'a> {
    /// Reads a key as it stands in a header.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("exh_")?.split_at_checked(KEY_ID_CHARS)?;
        let secret = secret.strip_prefix('_')?;
        let id_fits = id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        (id_fits && secret.len() == SECRET_CHARS).then_some(Self { id, secret })
    }

    /// Compares in constant time with what is kept.
    pub fn matches(&self, pepper: &[u8], kept: &Hash) -> bool {
        secret_hash(pepper, self.secret).0.ct_eq(&kept.0).into()
    }
}

/// HMAC-SHA-256 of a secret under the server's own secret: a stolen table opens nothing.
pub fn secret_hash(pepper: &[u8], secret: &str) -> Hash {
    // HMAC takes keys of any length (RFC 2104, section 3), so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(pepper) else { return Hash([0; 32]) };
    mac.update(secret.as_bytes());
    Hash(mac.finalize().into_bytes().into())
}

/// What is known of a key when a request shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Public id.
    pub key_id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// Whether the tenant is suspended.
    pub suspended: bool,
    /// Keyed hash of the secret.
    pub secret_hash: Hash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Until when.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when not any more.
    pub revoked_at: Option<DateTime<Utc>>,
    /// CIDR blocks as text: one that does not parse denies.
    pub ip_allow: Vec<String>,
}

/// Why a key does not open a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Missing, malformed, unknown, wrong, expired, revoked or shown from elsewhere: all alike.
    Unauthenticated,
    /// The key's tenant is suspended.
    TenantSuspended,
    /// The key lacks the route's scope.
    ScopeMissing,
}

impl KnownKey {
    /// Whether the key is who it says, now and from there.
    pub fn authenticate(
        &self,
        presented: &PresentedKey<'_>,
        pepper: &[u8],
        now: DateTime<Utc>,
        from: Option<IpAddr>,
    ) -> Result<(), Denial> {
        if !presented.matches(pepper, &self.secret_hash) {
            return Err(Denial::Unauthenticated);
        }
        self.is_live(now, from)
    }

    /// Whether a key that was shown before may still be used, now and from there.
    pub fn is_live(&self, now: DateTime<Utc>, from: Option<IpAddr>) -> Result<(), Denial> {
        let live = self.is_current(now) && self.allows_address(from);
        match (live, self.suspended) {
            (false, _) => Err(Denial::Unauthenticated),
            (true, true) => Err(Denial::TenantSuspended),
            (true, false) => Ok(()),
        }
    }

    /// Whether the key is neither revoked nor expired.
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether the key may do that.
    pub fn authorize(&self, scope: Scope) -> Result<(), Denial> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Denial::ScopeMissing) }
    }

    fn allows_address(&self, from: Option<IpAddr>) -> bool {
        if self.ip_allow.is_empty() {
            return true;
        }
        let blocks: Result<Vec<ipnet::IpNet>, _> =
            self.ip_allow.iter().map(|block| block.parse()).collect();
        let from = from.map(|address| address.to_canonical());
        matches!((blocks, from), (Ok(blocks), Some(from)) if blocks.iter().any(|b| b.contains(&from)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn key() -> KnownKey {
        KnownKey {
            key_id: "abcdefgh".to_owned(),
            tenant: TenantId(uuid::Uuid::nil()),
            suspended: false,
            secret_hash: secret_hash(b"pepper", SECRET),
            scopes: vec![Scope::IngestWrite],
            expires_at: None,
            revoked_at: None,
            ip_allow: vec![],
        }
    }

    fn try_from(key: &KnownKey, from: Option<&str>) -> Result<(), Denial> {
        let text = format!("exh_abcdefgh_{SECRET}");
        let presented = PresentedKey::parse(&text).unwrap();
        let from = from.map(|ip| ip.parse().unwrap());
        key.authenticate(&presented, b"pepper", DateTime::UNIX_EPOCH, from)
    }

    #[test]
    fn only_the_written_form_is_a_key() {
        for text in ["", "exh_", "exh_abcdefgh", "exh_abcdefgh_short", "exh_ABCDEFGH_", "exh_ä"] {
            assert!(PresentedKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_live_key_opens_and_a_wrong_pepper_does_not() {
        assert_eq!(try_from(&key(), None), Ok(()));
        let other = KnownKey { secret_hash: secret_hash(b"other", SECRET), ..key() };
        assert_eq!(try_from(&other, None), Err(Denial::Unauthenticated));
    }

    #[test]
    fn a_key_ends_at_its_expiry_and_with_its_revocation() {
        let now = DateTime::UNIX_EPOCH;
        let later = KnownKey { expires_at: Some(now + TimeDelta::seconds(1)), ..key() };
        assert_eq!(try_from(&later, None), Ok(()));
        let expired = KnownKey { expires_at: Some(now), ..key() };
        assert_eq!(try_from(&expired, None), Err(Denial::Unauthenticated));
        let revoked = KnownKey { revoked_at: Some(now), ..key() };
        assert_eq!(try_from(&revoked, None), Err(Denial::Unauthenticated));
    }

    #[test]
    fn an_allow_list_admits_its_blocks_and_a_broken_one_nobody() {
        let local = KnownKey { ip_allow: vec!["127.0.0.0/8".to_owned()], ..key() };
        assert_eq!(try_from(&local, Some("127.0.0.9")), Ok(()));
        assert_eq!(try_from(&local, Some("::ffff:127.0.0.9")), Ok(()));
        assert_eq!(try_from(&local, Some("192.0.2.1")), Err(Denial::Unauthenticated));
        assert_eq!(try_from(&local, None), Err(Denial::Unauthenticated));
        let broken = KnownKey { ip_allow: vec!["127.0.0.1/99".to_owned()], ..key() };
        assert_eq!(try_from(&broken, Some("127.0.0.1")), Err(Denial::Unauthenticated));
    }

    #[test]
    fn a_suspended_tenant_is_told_so_only_with_a_live_key() {
        let suspended = KnownKey { suspended: true, ..key() };
        assert_eq!(try_from(&suspended, None), Err(Denial::TenantSuspended));
        let wrong = KnownKey { suspended: true, secret_hash: Hash([0; 32]), ..key() };
        assert_eq!(try_from(&wrong, None), Err(Denial::Unauthenticated));
    }
}
