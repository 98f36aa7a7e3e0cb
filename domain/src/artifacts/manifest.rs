//! The manifest of a bundle or a pack, and the statement that is signed over it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{NotCanonical, canonical};
use crate::export::{Audience, FileFact, Filters};
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};

/// Payload type of a manifest's signature.
pub const BUNDLE_PAYLOAD_TYPE: &str = "application/vnd.exhibit.bundle+json";
/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of its signature.
pub const SIGNATURE_FILE: &str = "bundle.sig";

/// What a manifest says beside its files.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    #[serde(flatten)]
    pub about: About,
    pub counts: BTreeMap<String, u64>,
    pub generated_at: String,
    pub generated_by: String,
    /// In the tenant's log, up to which it was read.
    pub position: u64,
    pub purpose: String,
    pub tenant_id: TenantId,
    files: BTreeMap<String, Entry>,
}

/// What is in the folder.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "schema")]
pub enum About {
    #[serde(rename = "exhibit-bundle/1")]
    Bundle { bundle_id: Uuid, filters: Filters },
    #[serde(rename = "exhibit-pack/1")]
    Pack { pack_id: Uuid, session_id: SessionId, formats: Vec<String>, audience: Audience },
}

#[derive(Debug, Clone, Serialize)]
struct Entry {
    bytes: u64,
    sha256: Hash,
}

/// Who made it when, of what.
#[derive(Debug, Clone)]
pub struct Making {
    pub at: String,
    pub by: String,
    pub position: u64,
    pub purpose: String,
    pub tenant: TenantId,
}

impl Manifest {
    pub fn new(
        about: About,
        making: Making,
        counts: BTreeMap<String, u64>,
        files: &[FileFact],
    ) -> Self {
        let Making { at, by, position, purpose, tenant } = making;
        let entry = |f: &FileFact| (f.name.clone(), Entry { bytes: f.bytes, sha256: f.sha256 });
        Self {
            about,
            counts,
            generated_at: at,
            generated_by: by,
            position,
            purpose,
            tenant_id: tenant,
            files: files.iter().map(entry).collect(),
        }
    }

    /// The bytes of the file; their SHA-256 is the bundle's hash.
    pub fn canonical(&self) -> Result<Vec<u8>, NotCanonical> {
        canonical(self)
    }
}

/// What is signed.
pub fn statement(manifest_hash: Hash, at: &str) -> Result<Vec<u8>, NotCanonical> {
    canonical(&json!({
        "algorithm": "Ed25519", "manifest_sha256": manifest_hash, "timestamp": at,
    }))
}
