//! Public keys as a JWK set (RFC 7517, RFC 8037), with the window in which each may have signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// The document at `/.well-known/jwks.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

/// One Ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    /// The 32 bytes of the key, base64url without padding.
    pub x: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Seconds since 1970 from which the key signs (as in the historical keys of `OpenID` Federation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Seconds since 1970 after which it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// Why a JWK is no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("not an Ed25519 key")]
    Kind,
    #[error("not a point of the curve")]
    Point,
    #[error("its kid is not its thumbprint")]
    Thumbprint,
}

impl JwkSet {
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

impl Jwk {
    /// The public half of a signing key, valid from `nbf`.
    pub fn of_ed25519(public: &[u8; 32], nbf: Option<i64>, exp: Option<i64>) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        Self {
            kid: thumbprint(&x),
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x,
            purpose: Some("sig".to_owned()),
            alg: Some("EdDSA".to_owned()),
            nbf,
            exp,
        }
    }

    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyFault> {
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err(KeyFault::Kind);
        }
        if self.kid != thumbprint(&self.x) {
            return Err(KeyFault::Thumbprint);
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD
            .decode(&self.x)
            .ok()
            .and_then(|x| x.try_into().ok())
            .ok_or(KeyFault::Point)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| KeyFault::Point)
    }

    /// Whether the key may have signed at that moment. The window is in whole seconds.
    pub fn covers(&self, at: DateTime<Utc>) -> bool {
        let at = at.timestamp();
        self.nbf.is_none_or(|nbf| nbf <= at) && self.exp.is_none_or(|exp| at <= exp)
    }
}

/// RFC 7638 over the required members of an OKP key (RFC 8037, section 2), in lexicographic order.
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Hash::of(members.as_bytes()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a3() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
