//! A session as it is shown, and the shapes that several operations share.

use chrono::{DateTime, TimeDelta, Utc};
use domain::evidence::record::format_micros;
use projections::sessions::SessionRow;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// A session as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Session")]
pub struct SessionView {
    pub session_id: Uuid,
    pub agent_id: String,
    pub environment: Option<String>,
    pub framework: Option<String>,
    /// `active`, `sealed`, or `closed` (left alone for too long).
    pub status: &'static str,
    /// `server` or `sdk`.
    pub chain_authority: &'static str,
    /// `strict` or `permissive`.
    pub mode: String,
    /// What the session's class would be now, if its chain verifies.
    pub evidence_class: &'static str,
    pub partial_reasons: Vec<&'static str>,
    /// Stored events, the seal included.
    pub event_count: u64,
    pub total_drops: u64,
    pub next_sequence: u64,
    pub final_hash: Option<String>,
    pub ingestion_service_id: String,
    /// RFC 3339 UTC with microseconds, as all times here.
    pub started_at: String,
    pub last_event_at: Option<String>,
    pub sealed_at: Option<String>,
    pub tags: Vec<String>,
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    pub pii: PiiSummary,
    pub violations: ViolationsSummary,
    /// Position of the session's latest event in the tenant's log; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// Personal data that was found; nothing looks for any yet, and this says so.
#[derive(Debug, Serialize, ToSchema)]
pub struct PiiSummary {
    pub detectors_run: Vec<&'static str>,
    pub detectors_not_run: Vec<&'static str>,
}

/// Violations of policies; no policies are evaluated yet, and this says so.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViolationsSummary {
    /// Policies that the session's events were evaluated against.
    pub policies_evaluated: u64,
    pub open: u64,
}

/// Detectors that the contract names.
pub const PII_DETECTORS: [&str; 6] = ["email", "phone", "ssn", "credit_card", "iban", "ip_address"];

impl SessionView {
    pub fn of(row: SessionRow, now: DateTime<Utc>, idle_max: Option<TimeDelta>) -> Self {
        let facts = row.facts();
        Self {
            status: status(&row, now, idle_max),
            evidence_class: facts.class().as_str(),
            partial_reasons: facts.partial_reasons().iter().map(|r| r.as_str()).collect(),
            session_id: row.session_id,
            agent_id: row.agent_id,
            environment: row.environment,
            framework: row.framework,
            chain_authority: row.authority.as_str(),
            mode: row.mode,
            event_count: row.next_sequence,
            total_drops: row.total_drops,
            next_sequence: row.next_sequence,
            final_hash: row.head_hash.map(|hash| hash.to_string()),
            ingestion_service_id: row.ingestion_service_id,
            started_at: format_micros(row.started_at),
            last_event_at: (row.next_sequence > 0).then(|| format_micros(row.last_activity)),
            sealed_at: row.sealed_at.map(format_micros),
            tags: row.tags,
            metadata: row.metadata,
            pii: PiiSummary { detectors_run: vec![], detectors_not_run: PII_DETECTORS.to_vec() },
            violations: ViolationsSummary { policies_evaluated: 0, open: 0 },
            position: (row.position > 0).then_some(row.position),
        }
    }
}

fn status(row: &SessionRow, now: DateTime<Utc>, idle_max: Option<TimeDelta>) -> &'static str {
    match row.phase.as_str() {
        "sealed" => "sealed",
        _ if idle_max.is_some_and(|max| now - row.last_activity > max) => "closed",
        _ => "active",
    }
}

/// A DSSE v1 envelope.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Envelope")]
pub struct EnvelopeBody {
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Base64 of the signed bytes.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignatureBody>,
}

/// One signature of an envelope.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "EnvelopeSignature")]
pub struct EnvelopeSignatureBody {
    /// RFC 7638 thumbprint of the public key.
    pub keyid: String,
    /// Base64 of an Ed25519 signature over the PAE.
    pub sig: String,
}
