//! The seal: the last event of a session, and the statement that is signed over it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::canonical::{self, CanonicalError};
use super::class::EvidenceClass;
use super::record::ChainAuthority;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};

/// Payload of `CHAIN_SEAL` (evidence.md, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub ingestion_service_id: String,
    /// RFC 3339 UTC, milliseconds, `Z`.
    pub seal_timestamp: String,
    /// `sha256:` and the Merkle tree hash of the records before the seal.
    pub session_digest: String,
    pub final_event_hash: Hash,
    pub event_count: u64,
    pub total_drops: u64,
    pub evidence_class: EvidenceClass,
    /// `sha256:` and the hash of the policies that were active.
    pub policy_set_digest: String,
}

/// One policy that was active when a session was sealed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ActivePolicy(pub String, pub String, pub String);

/// `sha256:` over JCS of the sorted list of [name, version, content hash].
pub fn policy_set_digest(mut policies: Vec<ActivePolicy>) -> Result<String, CanonicalError> {
    policies.sort();
    Ok(format!("sha256:{}", Hash::of(&canonical::of_serde(&policies)?)))
}

/// What a seal's signature covers, beside the seal itself.
#[derive(Debug, Clone, Copy)]
pub struct SealStatement<'a> {
    pub tenant_id: &'a str,
    pub session_id: &'a str,
    pub chain_authority: &'a str,
    pub seal_event_hash: &'a Hash,
    /// Canonical form of the `CHAIN_SEAL` payload.
    pub seal: &'a str,
}

impl SealStatement<'_> {
    /// JCS of `{chain_authority, seal, seal_event_hash, session_id, tenant_id}`.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.seal.len() + 320);
        out.extend_from_slice(b"{\"chain_authority\":");
        canonical::write_string(self.chain_authority, &mut out);
        out.extend_from_slice(b",\"seal\":");
        out.extend_from_slice(self.seal.as_bytes());
        out.extend_from_slice(b",\"seal_event_hash\":\"");
        out.extend_from_slice(&self.seal_event_hash.hex());
        out.extend_from_slice(b"\",\"session_id\":");
        canonical::write_string(self.session_id, &mut out);
        out.extend_from_slice(b",\"tenant_id\":");
        canonical::write_string(self.tenant_id, &mut out);
        out.push(b'}');
        out
    }
}

/// Names the statement of a session that this server holds.
pub fn seal_statement(
    tenant_id: TenantId,
    session_id: SessionId,
    authority: ChainAuthority,
    seal_event_hash: &Hash,
    seal: &str,
) -> Vec<u8> {
    SealStatement {
        tenant_id: &tenant_id.to_string(),
        session_id: &session_id.to_string(),
        chain_authority: authority.as_str(),
        seal_event_hash,
        seal,
    }
    .canonical()
}

/// What a receipt says: the server has stored the chain up to here.
pub fn receipt(
    session_id: SessionId,
    through_seq: u64,
    final_hash: &Hash,
    received_at: DateTime<Utc>,
) -> Result<Vec<u8>, CanonicalError> {
    canonical::of_serde(&json!({
        "session_id": session_id,
        "through_seq": through_seq,
        "final_hash": final_hash,
        "received_at": super::record::format_micros(received_at),
    }))
}
