//! Good artifacts, and the means to make and to unmake them.

pub mod bundle;
pub mod keys;
pub mod selection;
pub mod session;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// JCS, by the reference implementation.
pub fn jcs(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap()
}

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15];
    let digit = |digit| char::from_digit(u32::from(digit), 16).unwrap();
    bytes.iter().flat_map(digits).map(digit).collect()
}
