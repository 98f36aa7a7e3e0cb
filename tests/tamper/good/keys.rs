//! Who signs: a signer with a window of validity, and a stranger.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const SEAL: &str = "application/vnd.exhibit.seal+json";
pub const SELECTION: &str = "application/vnd.exhibit.ndjson+json";
pub const BUNDLE: &str = "application/vnd.exhibit.bundle+json";

/// 2026-01-01 and 2027-01-01, around all that is signed here.
pub const WINDOW: (i64, i64) = (1_767_225_600, 1_798_761_600);

/// Whose public key the verifier is given.
pub fn signer() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub fn stranger() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

/// RFC 7638.
pub fn kid(key: &SigningKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

pub fn jwks(key: &SigningKey, (nbf, exp): (i64, i64)) -> Vec<u8> {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA", "kid": kid(key),
        "nbf": nbf, "exp": exp,
    });
    json!({ "keys": [key] }).to_string().into_bytes()
}

/// A DSSE envelope.
pub fn sign(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Vec<u8> {
    sign_as(key, &kid(key), payload_type, payload)
}

/// A DSSE envelope that names any key.
pub fn sign_as(key: &SigningKey, kid: &str, payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let signature = key.sign(&[head.as_bytes(), payload].concat()).to_bytes();
    let signatures = json!([{ "keyid": kid, "sig": STANDARD.encode(signature) }]);
    json!({
        "payloadType": payload_type, "payload": STANDARD.encode(payload), "signatures": signatures,
    })
    .to_string()
    .into_bytes()
}

/// What an envelope says.
pub fn payload(envelope: &[u8]) -> Vec<u8> {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()
}
