//! DSSE v1: the envelope that a signature travels in.
//!
//! Source: the DSSE specification, protocol section: `PAE(type, body) = "DSSEv1" SP LEN(type) SP
//! type SP LEN(body) SP body`, signatures over the PAE, all bytes base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use super::jwk::{JwkSet, KeyFault};

/// Payload type of a session's seal.
pub const SEAL_PAYLOAD_TYPE: &str = "application/vnd.exhibit.seal+json";
/// Payload type of a receipt for an append.
pub const RECEIPT_PAYLOAD_TYPE: &str = "application/vnd.exhibit.receipt+json";

/// A signed statement: what was signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Base64 of the signed bytes.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// RFC 7638 thumbprint of the public key.
    #[serde(default)]
    pub keyid: String,
    /// Base64 of the 64 bytes of an Ed25519 signature.
    pub sig: String,
}

/// Why an envelope is not signed by a key of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    #[error("the envelope's payload is not base64")]
    PayloadEncoding,
    #[error("the envelope carries no signature")]
    NoSignature,
    #[error("none of the given keys has made the signature (signed as {0})")]
    UnknownKey(String),
    #[error("the signature does not verify under the key {0}")]
    Invalid(String),
    #[error("the key {0} cannot be used: {1}")]
    Key(String, KeyFault),
}

impl Envelope {
    pub fn new(payload_type: &str, payload: &[u8], keyid: String, signature: &[u8]) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature { keyid, sig: STANDARD.encode(signature) }],
        }
    }

    /// The signed bytes.
    pub fn payload_bytes(&self) -> Result<Vec<u8>, EnvelopeFault> {
        decode(&self.payload).ok_or(EnvelopeFault::PayloadEncoding)
    }

    /// Checks every signature whose key is in `keys`; at least one must be, and all of those must
    /// verify. Returns the key's id.
    pub fn verify(&self, keys: &JwkSet) -> Result<String, EnvelopeFault> {
        let message = pae(&self.payload_type, &self.payload_bytes()?);
        let mut signer = None;
        for signature in &self.signatures {
            let Some(key) = keys.find(&signature.keyid) else { continue };
            let public = key
                .verifying_key()
                .map_err(|fault| EnvelopeFault::Key(signature.keyid.clone(), fault))?;
            let bytes: Option<[u8; 64]> = decode(&signature.sig).and_then(|b| b.try_into().ok());
            let valid = bytes.is_some_and(|bytes| {
                let signature = ed25519_dalek::Signature::from_bytes(&bytes);
                public.verify_strict(&message, &signature).is_ok()
            });
            if !valid {
                return Err(EnvelopeFault::Invalid(signature.keyid.clone()));
            }
            signer.get_or_insert_with(|| signature.keyid.clone());
        }
        signer.ok_or_else(|| match self.signatures.first() {
            Some(first) => EnvelopeFault::UnknownKey(first.keyid.clone()),
            None => EnvelopeFault::NoSignature,
        })
    }
}

/// The bytes that are signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// DSSE allows both alphabets of base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
