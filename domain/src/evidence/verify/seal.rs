//! `CHAIN_SEAL`: what the seal says of the records before it, against what they are.

use serde_json::{Value, json};

use super::context::brief;
use super::fields::{Field, Fields};
use super::finding::{Code, Findings, Place};
use super::times::instant;
use crate::evidence::class::EvidenceClass;
use crate::evidence::json::Json;
use crate::evidence::record::{ChainAuthority, SchemaVersion, format_micros};
use crate::hash::Hash;

/// The log up to the seal, by what was computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) records: u64,
    /// Hash of the last record, unless that could not be computed.
    pub(super) head: Option<Hash>,
    pub(super) digest: Hash,
    /// Of an SDK's records as it sent them.
    pub(super) sent_digest: Option<Hash>,
    pub(super) total_drops: u64,
    /// The class that a valid seal would give; none under an unknown authority.
    pub(super) class: Option<EvidenceClass>,
}

/// Whether the seal's digest covers the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inclusion {
    Proven,
    Refuted,
    Opaque,
}

/// The first `CHAIN_SEAL` of a log, and what was found of it.
#[derive(Debug)]
pub(super) struct SealRecord {
    pub(super) sequence_number: Option<u64>,
    pub(super) session_id: String,
    pub(super) authority: String,
    pub(super) event_hash: Option<Hash>,
    /// Canonical form.
    pub(super) payload: String,
    pub(super) timestamp: Option<String>,
    pub(super) inclusion: Inclusion,
    /// How many records it covers.
    pub(super) covers: u64,
    pub(super) names_policies: bool,
    pub(super) valid: bool,
    /// Records that stand behind it.
    pub(super) after: u64,
    /// What its own record says that no server of ours writes beside a seal, by field. The digest
    /// covers the records before it only, so this closes the last one once the signer is known.
    pub(super) foreign: Vec<(String, Option<String>)>,
}

impl SealRecord {
    /// Reads and judges a seal record that the chain has already taken in.
    pub(super) fn read(
        fields: &Fields<'_>,
        event_hash: Option<Hash>,
        payload: &[u8],
        before: &Before,
        findings: &mut Findings,
    ) -> Self {
        let seal = fields.get(Field::Payload).unwrap_or(&Json::Null);
        let mut check = Check { seal, at: fields.place(), findings, valid: true };
        check.required(before);
        let inclusion = check.digest(before);
        check.final_hash(before);
        check.counts(before);
        check.class(before);
        check.opacity(inclusion);
        let full = check.says("event_count").is_some() && check.says("final_event_hash").is_some();
        let server = fields.text(Field::ChainAuthority) == Some(ChainAuthority::Server.as_str());
        let foreign = if full && server { check.foreign_fields(fields) } else { Vec::new() };
        let text = |field| fields.text(field).unwrap_or_default().to_owned();
        Self {
            sequence_number: check.at.sequence_number,
            session_id: text(Field::SessionId),
            authority: text(Field::ChainAuthority),
            event_hash,
            payload: String::from_utf8_lossy(payload).into_owned(),
            timestamp: check.text("seal_timestamp").map(str::to_owned),
            inclusion,
            covers: before.records,
            names_policies: check.text("policy_set_digest").is_some(),
            valid: check.valid,
            after: 0,
            foreign,
        }
    }

    pub(super) fn place(&self) -> Place<'static> {
        Place { sequence_number: self.sequence_number, event_id: None }
    }
}

struct Check<'c, 'f> {
    seal: &'c Json<'c>,
    at: Place<'c>,
    findings: &'f mut Findings,
    valid: bool,
}

impl<'c> Check<'c, '_> {
    /// A member that says something; null says nothing.
    fn says(&self, key: &str) -> Option<&'c Json<'c>> {
        self.seal.get(key).filter(|value| **value != Json::Null)
    }

    fn text(&self, key: &str) -> Option<&'c str> {
        self.seal.get(key).and_then(Json::as_str)
    }

    fn fault(&mut self, code: Code, message: &str, details: Value) {
        self.valid = false;
        self.findings.note(code, self.at, || (message.to_owned(), details));
    }

    fn required(&mut self, before: &Before) {
        const REQUIRED: [&str; 3] = ["ingestion_service_id", "seal_timestamp", "session_digest"];
        let missing: Vec<_> = REQUIRED.into_iter().filter(|key| self.text(key).is_none()).collect();
        if !missing.is_empty() {
            let details = json!({ "missing": missing });
            self.fault(Code::InvalidSeal, "The seal lacks what every seal must say.", details);
        }
        if before.records == 0 {
            let details = json!({ "event_count": 0 });
            self.fault(Code::InvalidSeal, "The seal has no record before it.", details);
        }
    }

    fn digest(&mut self, before: &Before) -> Inclusion {
        let claim = self.text("session_digest").and_then(|text| text.strip_prefix("sha256:"));
        let Some(claimed) = claim.and_then(Hash::from_hex) else { return Inclusion::Opaque };
        if claimed == before.digest || Some(claimed) == before.sent_digest {
            return Inclusion::Proven;
        }
        let details =
            json!({ "field": "session_digest", "claimed": claimed, "computed": before.digest });
        let message = "session_digest is not the tree hash of the records before the seal.";
        self.fault(Code::SealDigestMismatch, message, details);
        Inclusion::Refuted
    }

    fn final_hash(&mut self, before: &Before) {
        let Some(claim) = self.says("final_event_hash") else { return };
        // What cannot be hashed has its finding already.
        let Some(head) = before.head else { return };
        if claim.as_str().and_then(Hash::from_hex) != Some(head) {
            let details = json!({
                "field": "final_event_hash", "claimed": claim.describe(), "computed": head,
            });
            let message = "final_event_hash is not the hash of the record before the seal.";
            self.fault(Code::SealDigestMismatch, message, details);
        }
    }

    fn counts(&mut self, before: &Before) {
        let counted = [("event_count", before.records), ("total_drops", before.total_drops)];
        for (field, computed) in counted {
            let Some(claim) = self.says(field) else { continue };
            if claim.as_integer() != Some(computed) {
                let details =
                    json!({ "field": field, "claimed": claim.describe(), "computed": computed });
                self.fault(Code::SealCountMismatch, "The seal counts otherwise.", details);
            }
        }
    }

    fn class(&mut self, before: &Before) {
        let Some(claim) = self.says("evidence_class") else { return };
        let Some(class) = before.class else { return };
        if claim.as_str() != Some(class.as_str()) {
            let details = json!({
                "field": "seal.evidence_class", "claimed": claim.describe(), "computed": class,
            });
            let message = "The seal claims a class that the records do not have.";
            self.fault(Code::MetadataMismatch, message, details);
        }
    }

    /// Says which checks a seal made elsewhere leaves out.
    fn opacity(&mut self, inclusion: Inclusion) {
        let mut unchecked = Vec::new();
        if inclusion == Inclusion::Opaque {
            unchecked.push("session_digest");
        }
        let optional = ["final_event_hash", "event_count", "total_drops"];
        unchecked.extend(optional.into_iter().filter(|key| self.says(key).is_none()));
        if !unchecked.is_empty() {
            self.findings.note(Code::OpaqueSeal, self.at, || {
                let names = unchecked.join(", ");
                let message = format!("The seal leaves out what could be checked: {names}.");
                (message, json!({ "not_checked": unchecked }))
            });
        }
    }

    /// Members of the seal's own record that differ from what this kind of server writes.
    fn foreign_fields(&self, fields: &Fields<'_>) -> Vec<(String, Option<String>)> {
        // The server stamps both from one reading of its clock, cut to milliseconds.
        let moment = self.text("seal_timestamp").and_then(instant).map(format_micros);
        let received = fields.get(Field::ReceivedAt);
        let version = fields.get(Field::SchemaVer);
        let closed = [
            ("received_at", received.is_none_or(|text| text.as_str() == moment.as_deref())),
            ("schema_ver", version.is_none_or(|v| v.as_str() == Some(SchemaVersion::V06.as_str()))),
            ("actor_id", fields.get(Field::ActorId).is_none()),
            ("source_sdk_ver", fields.get(Field::SourceSdkVer).is_none()),
            ("timestamp_monotonic", fields.get(Field::TimestampMonotonic).is_none()),
        ];
        let known = closed.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name.to_owned());
        let claimed = |name: &str| {
            let found = fields.members().iter().find(|(member, _)| member == name);
            found.map(|(_, value)| value.describe())
        };
        known.chain(fields.unknown()).map(|name| (brief(&name), claimed(&name))).collect()
    }
}
