//! Bundles and packs: a manifest, its signature, and the files that it names.
//!
//! Knows nothing of folders and zips: who reads them pushes the facts of each file, and asks before
//! how much of it there is to read.

mod manifest;
mod signature;
mod verdict;

pub use manifest::FileClaim;

use std::collections::BTreeSet;

use serde_json::json;

use self::manifest::Manifest;
use super::Options;
use super::finding::{Code, Findings, Place};
use super::report::{Format, Inside, Report};
use crate::evidence::json::Json;
use crate::hash::Hash;

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of its signature.
pub const SIGNATURE_FILE: &str = "bundle.sig";
/// A manifest or a signature: a thousand files take some 200 KiB.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// Tables of a bundle, with the count of the manifest that is of their rows.
const TABLES: [(&str, &str); 5] = [
    ("chain_of_custody.csv", "custody"),
    ("personal_data.csv", "personal_data"),
    ("tool_access.csv", "tool_uses"),
    ("violation_actions.csv", "violation_actions"),
    ("violations.csv", "violations"),
];

/// What was found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The whole content.
    Whole { bytes: u64, sha256: Hash },
    /// More than the manifest says; the rest was not read.
    Longer,
    /// Its content cannot be unpacked.
    Damaged,
    /// Nothing that a bundle may hold: the reason is the end of a sentence.
    Irregular(&'static str),
}

/// Verifies one bundle or pack.
#[derive(Debug)]
pub struct BundleVerifier<'a> {
    options: Options<'a>,
    findings: Findings,
    manifest: Option<Manifest>,
    /// SHA-256 of the manifest, if there is one.
    manifest_hash: Option<Hash>,
    signature: Option<Vec<u8>>,
    seen: BTreeSet<String>,
    evidence: Vec<Report>,
    unreadable: bool,
}

impl<'a> BundleVerifier<'a> {
    /// Begins with the two files that speak of the others, where they exist.
    pub fn new(options: &Options<'a>, manifest: Option<&[u8]>, signature: Option<Vec<u8>>) -> Self {
        let mut findings = Findings::default();
        let mut unreadable = false;
        let read = manifest.and_then(|text| {
            let read = Manifest::read(text, &mut findings);
            // Without a signature there is not even a hash that a broken manifest contradicts.
            unreadable = read.is_none() && (signature.is_none() || manifest::is_foreign(text));
            read
        });
        findings.locate_since(0, "file", &MANIFEST_FILE.into());
        Self {
            options: *options,
            findings,
            manifest: read,
            manifest_hash: manifest.map(Hash::of),
            signature,
            seen: BTreeSet::new(),
            evidence: Vec::new(),
            unreadable,
        }
    }

    /// What the manifest says of a file; none when it does not name it.
    pub fn claim(&self, name: &str) -> Option<FileClaim> {
        self.manifest.as_ref()?.files.get(name).copied()
    }

    /// The files that the manifest names, in the order of their names.
    pub fn claims(&self) -> impl Iterator<Item = (&str, FileClaim)> {
        let files = self.manifest.iter().flat_map(|manifest| &manifest.files);
        files.map(|(name, claim)| (name.as_str(), *claim))
    }

    /// Whether the evidence inside is to be verified as well.
    pub fn is_pack(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.format == Format::Pack)
    }

    /// Takes a file that the manifest names, or one that it does not. Whether it is as the manifest says.
    pub fn push(&mut self, name: &str, found: Found) -> bool {
        // Without a manifest there is nothing to hold a file against.
        if self.manifest.is_none() {
            return false;
        }
        let shown = Json::String(name.into()).describe();
        if let Found::Irregular(reason) = found {
            self.findings.note(Code::ExtraFile, Place::default(), || {
                (format!("{shown} is {reason}."), json!({ "file": shown, "reason": reason }))
            });
            return false;
        }
        if !self.seen.insert(name.to_owned()) {
            self.findings.note(Code::ExtraFile, Place::default(), || {
                let reason = "a second file of this name";
                (format!("{shown} is {reason}."), json!({ "file": shown, "reason": reason }))
            });
            return false;
        }
        let Some(claim) = self.claim(name) else {
            self.findings.note(Code::ExtraFile, Place::default(), || {
                let message = format!("The manifest does not name {shown}.");
                (message, json!({ "file": shown }))
            });
            return false;
        };
        let (bytes, sha256) = match found {
            Found::Whole { bytes, sha256 } => (Some(bytes), Some(sha256)),
            Found::Longer | Found::Damaged | Found::Irregular(_) => (None, None),
        };
        if (bytes, sha256) == (Some(claim.bytes), Some(claim.sha256)) {
            return true;
        }
        self.findings.note(Code::FileHashMismatch, Place::default(), || {
            let message = format!("{shown} is not the file that the manifest names.");
            let computed = json!({ "bytes": bytes, "sha256": sha256 });
            let claimed = json!({ "bytes": claim.bytes, "sha256": claim.sha256 });
            (message, json!({ "file": shown, "claimed": claimed, "computed": computed }))
        });
        false
    }

    /// Takes the verdict on evidence that lies in a pack, in a file that is as the manifest says.
    pub fn push_evidence(&mut self, report: Report) {
        let file = report.input.clone();
        let session = self.manifest.as_ref().and_then(|manifest| manifest.session_id.clone());
        // A log that names no session has its finding already: it is empty, or lacks the field.
        let found = report.session_id.clone();
        if let Some(session) = session.filter(|id| found.as_ref().is_some_and(|found| found != id))
        {
            self.findings.note(Code::SessionMismatch, Place::default(), || {
                let message = format!("The evidence in {file} is of another session.");
                (message, json!({ "file": file, "expected": session, "received": found }))
            });
        }
        let claimed = self.manifest.as_ref().and_then(|manifest| manifest.counts.get("events"));
        if let Some(claimed) = claimed.copied().filter(|claimed| *claimed != report.event_count) {
            let computed = report.event_count;
            self.findings.note(Code::MetadataMismatch, Place::default(), || {
                let message = format!("The manifest counts other events than {file} has.");
                let details = json!({
                    "field": "counts.events", "file": file, "claimed": claimed, "computed": computed,
                });
                (message, details)
            });
        }
        self.findings.adopt(&file, report.findings.clone(), &report.findings_omitted);
        self.evidence.push(report);
    }

    /// Takes the number of rows of a table that is as the manifest says.
    pub fn push_rows(&mut self, name: &str, rows: u64) {
        let Some((_, count)) = TABLES.iter().find(|(table, _)| *table == name) else { return };
        let claimed = self.manifest.as_ref().and_then(|manifest| manifest.counts.get(*count));
        if let Some(claimed) = claimed.copied().filter(|claimed| *claimed != rows) {
            self.findings.note(Code::MetadataMismatch, Place::default(), || {
                let message = format!("The manifest counts other rows than {name} has.");
                let details = json!({
                    "field": format!("counts.{count}"), "file": name, "claimed": claimed,
                    "computed": rows,
                });
                (message, details)
            });
        }
    }

    /// Notes that the input cannot be read, or not to its end.
    pub fn not_read(&mut self, reason: &str) {
        self.unreadable = true;
        self.findings.note(Code::InvalidCanonicalForm, Place::default(), || {
            (format!("Not read: {reason}."), json!({ "reason": reason }))
        });
    }

    fn inside(&self) -> Vec<Inside> {
        let inside = |report: &Report| Inside {
            file: report.input.clone(),
            status: report.status,
            evidence_class: report.evidence_class,
            event_count: report.event_count,
        };
        self.evidence.iter().map(inside).collect()
    }
}
