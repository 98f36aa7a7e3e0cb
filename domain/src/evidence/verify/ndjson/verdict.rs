//! From what was found in an evidence export to the verdict.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::Digest;

use super::super::VERIFIER_VERSION;
use super::super::context::brief;
use super::super::finding::{Code, Place, Severity};
use super::super::members;
use super::super::report::{
    Artifact, Axes, Axis, AxisResult, Format, Report, Status, limits_of_verification, plural,
};
use super::super::verdict::exit_code;
use super::NdjsonVerifier;
use crate::hash::Hash;

impl NdjsonVerifier<'_> {
    /// The last findings, and the report.
    pub(in super::super) fn finish(mut self, input: &str) -> Report {
        let sha256 = Hash(self.hasher.clone().finalize().into());
        self.note_whole_file();
        let signer = self.judge_signature(sha256);
        let failed = self.findings.any_fatal();
        let status = match self.options.seal {
            _ if failed => Status::Fail,
            // Nothing was selected: whole, but nothing that one could rely on.
            Some(_) if self.counts.events + self.counts.violations > 0 => Status::Pass,
            _ => Status::Degraded,
        };
        let violations = self.findings.count(Code::RedactionIntegrityViolation);
        let axes = Axes {
            integrity: self.integrity(),
            completeness: self.completeness(&signer),
            signer,
            inclusion: Axis::not_established(
                "A selection does not carry what would prove that its records stand in sealed \
                 sessions: that is in the export of each session.",
            ),
            consistency: Axis::not_established(
                "No earlier state of the log was given to compare, and what the filters left out \
                 was not seen.",
            ),
            time: Axes::time(),
            witnesses: Axes::witnesses(),
            policy: self.policy(),
            redactions: Axes::redactions(self.redactions, violations),
        };
        let exit_code = exit_code(self.unreadable, status, &self.findings);
        let artifact = self.artifact(sha256);
        let header = self.header.as_ref();
        let session = header.and_then(|header| header.filters.session_id.as_deref());
        let session_id = session.map(brief);
        let (findings, findings_omitted) = self.findings.into_parts();
        Report {
            verifier_version: VERIFIER_VERSION,
            input: input.to_owned(),
            format: Format::Ndjson,
            session_id,
            status,
            // A selection has no class: classes are of sessions.
            evidence_class: None,
            partial_reasons: Vec::new(),
            sealed: false,
            complete: false,
            chain_authority: None,
            event_count: self.counts.events,
            total_drops: self.drops.total,
            first_event_hash: None,
            final_event_hash: None,
            artifact: Some(Box::new(artifact)),
            axes,
            findings,
            findings_omitted,
            not_verifiable: limits_of_verification(Format::Ndjson),
            exit_code,
        }
    }

    /// Findings about the file as a whole.
    fn note_whole_file(&mut self) {
        if self.header.is_none() && !self.unreadable {
            members::not_what_it_must_be(None, "header", "a first line", &mut self.findings);
        }
        match &self.footer {
            Some(footer) => footer.compare(self.counts, &mut self.findings),
            None => members::not_what_it_must_be(None, "footer", "a last line", &mut self.findings),
        }
        if let Some(named) = &self.named {
            named.conclude(&mut self.findings);
        }
        self.drops.conclude(&mut self.findings);
        if self.redactions > 0 {
            let count = self.redactions;
            self.findings.note(Code::RedactionPresent, Place::default(), || {
                let message = format!("{} redacted, each with its hash.", plural(count, "value"));
                (message, json!({ "redactions": count }))
            });
        }
        if let Some(expected) = self.options.expected_head {
            // A check that was asked for and cannot be made must not end green.
            self.findings.note(Code::ExpectedHeadMismatch, Place::default(), || {
                let message = "A selection of records has no head that could be compared.";
                (message.to_owned(), json!({ "expected": expected, "computed": null }))
            });
        }
    }

    fn artifact(&self, sha256: Hash) -> Artifact {
        let header = self.header.as_ref();
        let text = |value: Option<&String>| value.map(|text| brief(text));
        let counts = self.counts.named().into_iter();
        Artifact {
            id: text(header.and_then(|header| header.export_id.as_ref())),
            tenant_id: text(header.and_then(|header| header.tenant_id.as_ref())),
            made_at: text(header.and_then(|header| header.exported_at.as_ref())),
            made_by: text(header.and_then(|header| header.exported_by.as_ref())),
            purpose: text(header.and_then(|header| header.purpose.as_ref())),
            filters: header.and_then(|header| header.shown_filters.clone()),
            counts: counts.chain([("sessions", self.sessions.len())]).collect::<BTreeMap<_, _>>(),
            sha256: Some(sha256),
            evidence: Vec::new(),
        }
    }

    fn integrity(&self) -> Axis {
        if self.lines == 0 {
            return Axis::fail("There is no line that could be checked.");
        }
        let broken = |code: Code| {
            let signature = code.concerns_signature();
            let another_axis =
                matches!(code, Code::RedactionIntegrityViolation | Code::ExpectedHeadMismatch);
            code.severity() == Severity::Fatal && !signature && !another_axis
        };
        if self.findings.any(broken) {
            let codes = Code::ALL.iter().filter(|code| broken(**code) && self.findings.has(**code));
            let names: Vec<_> = codes.map(|code| code.as_str()).collect();
            return Axis::fail(format!("The file contradicts itself: {}.", names.join(", ")));
        }
        let records = plural(self.counts.events, "record");
        let (linked, lines) = (self.sessions.linked, plural(self.lines, "line"));
        let beyond = match self.sessions.beyond {
            0 => String::new(),
            beyond => {
                format!(" {beyond} records of further sessions were not compared with others.")
            }
        };
        Axis::pass(format!(
            "The hashes of {records} were recomputed, {linked} of them name the hash of the record \
             before in their session, and the footer's hash is that of the {lines}.{beyond}"
        ))
    }

    fn completeness(&self, signer: &Axis) -> Axis {
        if self.footer.is_none() {
            return Axis::fail("The last line is missing: the file was cut.");
        }
        if self.drops.events > 0 {
            let dropped = plural(self.drops.total, "dropped event");
            return Axis::fail(format!("The recorder itself reports {dropped}."));
        }
        let missing = [Code::SequenceGap, Code::FileHashMismatch, Code::MetadataMismatch];
        if self.findings.any(|code| missing.contains(&code)) {
            return Axis::fail("Lines are missing, changed or not those that were asked for.");
        }
        match (signer.result, self.options.seal) {
            (AxisResult::Pass, _) => Axis::pass(
                "All lines that were signed are there. That the filters left out nothing that they \
                 should have let in is the word of the signer.",
            ),
            (_, None) => Axis::not_established(
                "Header, lines and footer agree, but whoever cuts an unsigned file can write a new \
                 footer.",
            ),
            (_, Some(_)) => Axis::not_established(
                "Header, lines and footer agree, but no known key has signed how much there was.",
            ),
        }
    }

    fn policy(&self) -> Axis {
        Axis::not_established(match &self.named {
            None => {
                "What policies found stands in the file as the server's word; the policies \
                     themselves are no part of this check."
            }
            Some(named) if named.beyond > 0 => {
                "Not each event could be compared with the violations: there are too many. The \
                 policy itself was not given."
            }
            Some(_) => {
                "Each event is named by a violation of the policy; the policy itself was not given."
            }
        })
    }
}
