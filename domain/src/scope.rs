//! What a key may do (http.md, section 1).

use serde::{Deserialize, Serialize};

/// A right; each route asks for exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    #[serde(rename = "ingest:write")]
    IngestWrite,
    #[serde(rename = "evidence:read")]
    EvidenceRead,
    #[serde(rename = "evidence:write")]
    EvidenceWrite,
    #[serde(rename = "evidence:export")]
    EvidenceExport,
    #[serde(rename = "certificates:read")]
    CertificatesRead,
    #[serde(rename = "policies:read")]
    PoliciesRead,
    #[serde(rename = "policies:write")]
    PoliciesWrite,
    #[serde(rename = "policies:approve")]
    PoliciesApprove,
    #[serde(rename = "violations:write")]
    ViolationsWrite,
    #[serde(rename = "webhooks:read")]
    WebhooksRead,
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    #[serde(rename = "models:read")]
    ModelsRead,
    #[serde(rename = "models:write")]
    ModelsWrite,
    /// Opens `/admin`, and nothing else.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 14] = [
        Self::IngestWrite,
        Self::EvidenceRead,
        Self::EvidenceWrite,
        Self::EvidenceExport,
        Self::CertificatesRead,
        Self::PoliciesRead,
        Self::PoliciesWrite,
        Self::PoliciesApprove,
        Self::ViolationsWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::ModelsRead,
        Self::ModelsWrite,
        Self::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngestWrite => "ingest:write",
            Self::EvidenceRead => "evidence:read",
            Self::EvidenceWrite => "evidence:write",
            Self::EvidenceExport => "evidence:export",
            Self::CertificatesRead => "certificates:read",
            Self::PoliciesRead => "policies:read",
            Self::PoliciesWrite => "policies:write",
            Self::PoliciesApprove => "policies:approve",
            Self::ViolationsWrite => "violations:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::ModelsRead => "models:read",
            Self::ModelsWrite => "models:write",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
