//! The files that leave, byte by byte: selections, manifests, tables.
//!
//! Writers alone; what reads them is the verifier, which shares nothing with them but the format.
//! Formats: `docs/EXPORTS.md`.

pub mod csv;
pub mod manifest;
pub mod ndjson;

/// Stands in everything that people read (contract/exports.md).
pub const DISCLAIMER: &str = "EVIDENCE SUPPORT STATEMENT. This report provides cryptographic evidence \
    to support audit and investigation. It does not certify compliance with any legal, regulatory or \
    contractual standard.";

/// A value had no canonical form.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}")]
pub struct NotCanonical(String);

fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    crate::evidence::canonical::of_serde(value).map_err(|e| NotCanonical(e.to_string()))
}
