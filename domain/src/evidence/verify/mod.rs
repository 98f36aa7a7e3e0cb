//! The offline verifier: what a log is worth, to someone who trusts neither its maker nor its holder.
//!
//! Pure code over bytes that the caller reads: no file, no network, no clock. It follows the chain
//! with the hashes that it computed, collects all findings rather than the first, and believes
//! nothing that evidence says of itself. Rules: evidence.md, sections 4 to 6.

mod chain;
mod context;
mod drops;
mod export;
mod fields;
mod finding;
mod log;
mod reader;
mod redaction;
mod report;
mod seal;
mod signer;
mod times;
mod verdict;

#[cfg(test)]
mod tests;

pub use finding::{Code, FINDINGS_MAX, Finding, Severity};
pub use log::LogVerifier;
pub use reader::{DOCUMENT_BYTES_MAX, LINE_BYTES_MAX, unreadable, verify_reader};
pub use report::{Axes, Axis, AxisResult, Format, Report, Status, limits_of_verification};
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
    /// The seal's envelope, where it lies beside the log.
    pub seal: Option<&'a Envelope>,
}
