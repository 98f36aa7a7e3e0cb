//! The report: the verdict on one input, in the form of evidence.md, section 6.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::finding::{Code, Finding, Omitted};
use crate::evidence::class::{EvidenceClass, PartialReason};
use crate::hash::Hash;

/// How the input was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Format {
    /// One record a line.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// One array of records.
    #[serde(rename = "json")]
    Json,
    /// An object of the schema `exhibit-export/1`.
    #[serde(rename = "export-json")]
    ExportJson,
    /// Lines of the schema `exhibit-ndjson/1`.
    #[serde(rename = "ndjson")]
    Ndjson,
    /// A folder or a zip of the schema `exhibit-bundle/1`.
    #[serde(rename = "bundle")]
    Bundle,
    /// A folder or a zip of the schema `exhibit-pack/1`.
    #[serde(rename = "pack")]
    Pack,
    /// A PDF that carries its export.
    #[serde(rename = "pdf")]
    Pdf,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Json => "json",
            Self::ExportJson => "export-json",
            Self::Ndjson => "ndjson",
            Self::Bundle => "bundle",
            Self::Pack => "pack",
            Self::Pdf => "pdf",
        }
    }
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Pass,
    Degraded,
    Fail,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Degraded => "DEGRADED",
            Self::Fail => "FAIL",
        }
    }
}

/// Verdict on one input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub verifier_version: &'static str,
    pub input: String,
    pub format: Format,
    pub session_id: Option<String>,
    pub status: Status,
    /// None when verification failed: evidence that fails has no class.
    pub evidence_class: Option<EvidenceClass>,
    pub partial_reasons: Vec<PartialReason>,
    /// A valid `CHAIN_SEAL` is the last record.
    pub sealed: bool,
    /// Sealed, with a `SESSION_END`, and nothing reported as dropped.
    pub complete: bool,
    pub chain_authority: Option<String>,
    pub event_count: u64,
    pub total_drops: u64,
    /// Computed, never read.
    pub first_event_hash: Option<Hash>,
    /// Computed, never read.
    pub final_event_hash: Option<Hash>,
    /// What the input says of itself beside its records; a session's log and export say it elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Box<Artifact>>,
    pub axes: Axes,
    /// The first [`FINDINGS_MAX`](super::FINDINGS_MAX); fatal ones displace others.
    pub findings: Vec<Finding>,
    /// How many more there are, by code.
    pub findings_omitted: Omitted,
    pub not_verifiable: Vec<&'static str>,
    pub exit_code: u8,
}

/// A selection or a collection: who made it, what was asked, what was counted in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Artifact {
    pub id: Option<String>,
    pub tenant_id: Option<String>,
    pub made_at: Option<String>,
    pub made_by: Option<String>,
    pub purpose: Option<String>,
    /// As it says itself; none where nothing can be selected.
    pub filters: Option<Value>,
    /// What was counted; of a bundle, what its manifest says, and the files that were found.
    pub counts: BTreeMap<&'static str, u64>,
    /// SHA-256 of the whole file, or of the manifest.
    pub sha256: Option<Hash>,
    /// The evidence that lies in it, each file with its own verdict.
    pub evidence: Vec<Inside>,
}

/// The verdict on a file of evidence inside an artifact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inside {
    pub file: String,
    pub status: Status,
    pub evidence_class: Option<EvidenceClass>,
    pub event_count: u64,
}

impl Report {
    /// Adds what contradicts the artifact around the records: it fails, whatever its records are
    /// worth.
    pub fn contradict(&mut self, code: Code, message: String, details: Value) {
        self.findings.insert(
            0,
            Finding {
                code,
                severity: code.severity(),
                sequence_number: None,
                event_id: None,
                message,
                details,
            },
        );
        // What is unreadable, and what does not match its hashes, weighs more than a signature.
        if self.exit_code != 5 {
            self.exit_code = 2;
        }
        self.status = Status::Fail;
        self.evidence_class = None;
        self.partial_reasons.clear();
    }
}

/// What was checked, each on its own: the axes never collapse into one light.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axes {
    pub integrity: Axis,
    pub signer: Axis,
    pub inclusion: Axis,
    pub consistency: Axis,
    pub time: Axis,
    pub witnesses: Axis,
    pub completeness: Axis,
    pub policy: Axis,
    pub redactions: Axis,
}

impl Axes {
    /// All axes with their names, in the order of the contract.
    pub fn named(&self) -> [(&'static str, &Axis); 9] {
        [
            ("integrity", &self.integrity),
            ("signer", &self.signer),
            ("inclusion", &self.inclusion),
            ("consistency", &self.consistency),
            ("time", &self.time),
            ("witnesses", &self.witnesses),
            ("completeness", &self.completeness),
            ("policy", &self.policy),
            ("redactions", &self.redactions),
        ]
    }
}

/// One axis of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axis {
    pub result: AxisResult,
    /// A sentence.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisResult {
    Pass,
    Fail,
    NotEstablished,
}

impl AxisResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotEstablished => "not_established",
        }
    }
}

impl Axes {
    /// Time and witnesses are the same for everything: there is nothing yet that could prove them.
    pub(super) fn time() -> Axis {
        Axis::not_established(
            "The evidence carries no trusted time stamp: its times are the recorder's clock.",
        )
    }

    pub(super) fn witnesses() -> Axis {
        Axis::not_established("No witness has signed this chain.")
    }

    pub(super) fn redactions(proper: u64, violations: u64) -> Axis {
        if violations > 0 {
            let values = plural(violations, "redacted value");
            return Axis::fail(format!("{values} left no hash behind."));
        }
        if proper == 0 {
            return Axis::pass("Nothing in the log is marked as redacted.");
        }
        Axis::pass(format!("{} left a hash behind.", plural(proper, "redacted value")))
    }
}

impl Axis {
    pub(super) fn pass(reason: impl Into<String>) -> Self {
        Self { result: AxisResult::Pass, reason: reason.into() }
    }

    pub(super) fn fail(reason: impl Into<String>) -> Self {
        Self { result: AxisResult::Fail, reason: reason.into() }
    }

    pub(super) fn not_established(reason: impl Into<String>) -> Self {
        Self { result: AxisResult::NotEstablished, reason: reason.into() }
    }
}

/// What no verifier can find, whatever it is given in this form.
pub fn limits_of_verification(format: Format) -> Vec<&'static str> {
    let mut limits = vec![
        "Events that were never captured leave no trace in a chain: no verifier can tell that they are missing.",
        "A recorder that lies writes a valid chain: what is proven is that nothing was changed \
         after it was recorded, not that it was true.",
    ];
    if matches!(format, Format::ExportJson | Format::Pdf) {
        limits.push(
            "The seal covers the records. What an export says beside them (violations, policies, \
             personal data, tools, custody, purpose) is the word of the one who made it: whoever \
             changes it there breaks no hash.",
        );
    }
    limits
}

/// A number with its noun.
pub(super) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
