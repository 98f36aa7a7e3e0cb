//! A session as it is shown, and the shapes that several operations share.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::evidence::record::format_micros;
use projections::sessions::SessionRow;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::judged::Judged;

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

/// Personal data and secrets that were found: kinds and numbers, never the text.
#[derive(Debug, Serialize, ToSchema)]
pub struct PiiSummary {
    /// Something was found.
    pub flagged: bool,
    /// Detectors that have seen every event of the session.
    pub detectors_run: Vec<&'static str>,
    /// Those that have not yet.
    pub detectors_not_run: Vec<&'static str>,
    /// Matches by detector.
    pub found: BTreeMap<String, i64>,
}

/// Violations of policies in the session's events.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViolationsSummary {
    /// Every event of the session was judged by the policies in force.
    pub judged: bool,
    pub total: i64,
    /// Not even acknowledged.
    pub open: i64,
    pub unresolved: i64,
}

impl SessionView {
    pub fn of(
        row: SessionRow,
        judged: Judged,
        now: DateTime<Utc>,
        idle_max: Option<TimeDelta>,
    ) -> Self {
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
            pii: judged.pii,
            violations: judged.violations,
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
