//! The offline verifier: what a log is worth, to someone who trusts neither its maker nor its holder.
//!
//! Pure code over bytes that the caller reads: no file, no network, no clock. It follows the chain
//! with the hashes that it computed, collects all findings rather than the first, and believes
//! nothing that evidence says of itself. Rules: evidence.md, sections 4 to 6.

mod bundle;
mod chain;
mod context;
mod document;
mod drops;
mod export;
mod fields;
mod filters;
mod finding;
mod lines;
mod log;
mod members;
mod ndjson;
mod reader;
mod redaction;
mod report;
mod seal;
mod signer;
mod stream;
mod times;
mod unread;
mod values;
mod verdict;

#[cfg(test)]
mod tests;

pub use bundle::{
    BundleVerifier, FileClaim, Found, MANIFEST_BYTES_MAX, MANIFEST_FILE, SIGNATURE_FILE,
};
pub use finding::{Code, FINDINGS_MAX, Finding, Severity};
pub use lines::LINE_BYTES_MAX;
pub use log::{LogVerifier, RECORD_DEPTH_MAX};
pub use ndjson::{NAMED_MAX, SESSIONS_MAX};
pub use reader::{unreadable, verify_reader};
pub use report::{
    Artifact, Axes, Axis, AxisResult, Format, Inside, Report, Status, limits_of_verification,
};
pub use signer::parse_envelope;

use super::dsse::Envelope;
use super::jwk::JwkSet;
use crate::hash::Hash;

/// Name and version of this verifier, as reports carry it.
pub const VERIFIER_VERSION: &str = concat!("exhibit-verify/", env!("CARGO_PKG_VERSION"));

/// What the caller knows from elsewhere. Nothing here is ever taken from the evidence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Public keys that the caller trusts; without them the signer is not established.
    pub keys: Option<&'a JwkSet>,
    /// Hash of the last record, as the caller noted it earlier.
    pub expected_head: Option<Hash>,
    /// The envelope that lies beside the input: a session's seal, or an export's signature.
    pub seal: Option<&'a Envelope>,
}
