//! From what was found in a bundle or a pack to the verdict.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::VERIFIER_VERSION;
use super::super::context::brief;
use super::super::finding::{Code, Place, Severity};
use super::super::report::{
    Artifact, Axes, Axis, AxisResult, Format, Report, Status, limits_of_verification, plural,
};
use super::{BundleVerifier, MANIFEST_FILE};
use crate::evidence::class::EvidenceClass;
use crate::hash::Hash;

/// Findings on the files beside the manifest.
const ABOUT_FILES: [Code; 3] = [Code::ExtraFile, Code::MissingFile, Code::FileHashMismatch];

impl BundleVerifier<'_> {
    /// The last findings, and the report.
    pub fn finish(mut self, input: &str) -> Report {
        let is_signed = self.signature.is_some();
        self.note_missing();
        let signer = self.judge_signature();
        let incomplete = self.manifest_hash.is_none() || !is_signed;
        let status = self.status(incomplete);
        let exit_code = self.exit_code(incomplete);
        let axes = self.axes(signer);
        let artifact = self.artifact();
        let manifest = self.manifest.as_ref();
        let format = manifest.map_or(Format::Bundle, |manifest| manifest.format);
        let session_id = manifest.and_then(|manifest| manifest.session_id.clone());
        let failed = status == Status::Fail;
        // A pack holds one session, so the first file of evidence speaks for all, once none failed.
        let evidence = self.evidence.first().filter(|_| !failed);
        let whole = |test: fn(&Report) -> bool| {
            !failed && !self.evidence.is_empty() && self.evidence.iter().all(test)
        };
        let (sealed, complete) = (whole(|r| r.sealed), whole(|r| r.complete));
        let class = self.class().filter(|_| !failed);
        let partial_reasons = evidence.map(|r| r.partial_reasons.clone()).unwrap_or_default();
        let chain_authority = evidence.and_then(|report| report.chain_authority.clone());
        let hash = |of: fn(&Report) -> Option<Hash>| self.evidence.first().and_then(of);
        let (first_event_hash, final_event_hash) =
            (hash(|r| r.first_event_hash), hash(|r| r.final_event_hash));
        let event_count = self.evidence.iter().map(|r| r.event_count).max().unwrap_or_default();
        let total_drops = self.evidence.iter().map(|r| r.total_drops).max().unwrap_or_default();
        let (findings, findings_omitted) = self.findings.into_parts();
        Report {
            verifier_version: VERIFIER_VERSION,
            input: input.to_owned(),
            format,
            session_id,
            status,
            evidence_class: class,
            partial_reasons,
            sealed,
            complete,
            chain_authority,
            event_count,
            total_drops,
            first_event_hash,
            final_event_hash,
            artifact: Some(Box::new(artifact)),
            axes,
            findings,
            findings_omitted,
            not_verifiable: limits_of_verification(format),
            exit_code,
        }
    }

    /// Files that the manifest names and no one has found; a manifest that is not there.
    fn note_missing(&mut self) {
        if self.manifest_hash.is_none() && !self.unreadable {
            self.findings.note(Code::SignerNotEstablished, Place::default(), || {
                let message = "There is no manifest.json: nothing says which files belong here.";
                (message.to_owned(), json!({ "file": MANIFEST_FILE }))
            });
        }
        if let (Some(expected), true) = (self.options.expected_head, self.evidence.is_empty()) {
            // A check that was asked for and cannot be made must not end green.
            self.findings.note(Code::ExpectedHeadMismatch, Place::default(), || {
                let message = "There is no chain in it whose head could be compared.";
                (message.to_owned(), json!({ "expected": expected, "computed": null }))
            });
        }
        let Some(manifest) = &self.manifest else { return };
        for name in manifest.files.keys().filter(|name| !self.seen.contains(*name)) {
            let shown = brief(name);
            self.findings.note(Code::MissingFile, Place::default(), || {
                (format!("{shown} is not there."), json!({ "file": shown }))
            });
        }
    }

    fn status(&self, incomplete: bool) -> Status {
        let inside = |status| self.evidence.iter().any(|report| report.status == status);
        if self.findings.any_fatal() || self.unreadable || inside(Status::Fail) {
            Status::Fail
        } else if incomplete || inside(Status::Degraded) {
            Status::Degraded
        } else {
            Status::Pass
        }
    }

    /// The weightiest of all that applies: 5, 2, 3, 4, 1, 0 (evidence.md, section 6).
    fn exit_code(&self, incomplete: bool) -> u8 {
        let of_inside = |code: Code| {
            // What evidence inside says of itself is in its own exit code.
            self.evidence.iter().map(|report| count(report, code)).sum::<u64>()
        };
        let own = |test: &dyn Fn(Code) -> bool| {
            self.findings.any(|code| {
                code.severity() == Severity::Fatal
                    && test(code)
                    && self.findings.count(code) > of_inside(code)
            })
        };
        let inside = |exit: u8| self.evidence.iter().any(|report| report.exit_code == exit);
        let content = |code: Code| !code.concerns_signature() && !ABOUT_FILES.contains(&code);
        let applies = [
            (5, self.unreadable || inside(5)),
            (2, inside(2) || own(&content)),
            (3, inside(3) || own(&|code| code.concerns_signature())),
            (4, own(&|code| ABOUT_FILES.contains(&code))),
            (1, incomplete || inside(1)),
        ];
        applies.into_iter().find(|(_, applies)| *applies).map_or(0, |(code, _)| code)
    }

    /// The class of the evidence inside, where all of it has the same.
    fn class(&self) -> Option<EvidenceClass> {
        let first = self.evidence.first()?.evidence_class?;
        self.evidence.iter().all(|r| r.evidence_class == Some(first)).then_some(first)
    }

    fn artifact(&self) -> Artifact {
        let manifest = self.manifest.as_ref();
        let text = |of: fn(&super::Manifest) -> &Option<String>| {
            manifest.and_then(|manifest| of(manifest).clone())
        };
        let files = ("files", self.seen.len() as u64);
        let claimed = manifest.map(|manifest| manifest.counts.clone()).unwrap_or_default();
        Artifact {
            id: text(|m| &m.id),
            tenant_id: text(|m| &m.tenant_id),
            made_at: text(|m| &m.generated_at),
            made_by: text(|m| &m.generated_by),
            purpose: text(|m| &m.purpose),
            filters: manifest.and_then(|manifest| manifest.filters.clone()),
            counts: claimed.into_iter().chain([files]).collect::<BTreeMap<_, _>>(),
            sha256: self.manifest_hash,
            evidence: self.inside(),
        }
    }

    fn axes(&self, signer: Axis) -> Axes {
        let completeness = self.completeness(&signer);
        let of_pack = |axis: fn(&Axes) -> &Axis, otherwise: &str| {
            let worst = self.evidence.iter().max_by_key(|report| weight(axis(&report.axes).result));
            worst.map_or_else(
                || Axis::not_established(otherwise),
                |report| {
                    let axis = axis(&report.axes);
                    let reason = format!("{}: {}", report.input, axis.reason);
                    Axis { result: axis.result, reason }
                },
            )
        };
        Axes {
            integrity: self.integrity(),
            signer,
            inclusion: of_pack(
                |axes| &axes.inclusion,
                "A report does not carry what would prove its rows: that is in the exports of the \
                 sessions that it names.",
            ),
            consistency: of_pack(
                |axes| &axes.consistency,
                "No earlier state of the log was given to compare.",
            ),
            time: Axes::time(),
            witnesses: Axes::witnesses(),
            completeness,
            policy: of_pack(
                |axes| &axes.policy,
                "What policies found stands in the files as the server's word; the policies \
                 themselves are no part of this check.",
            ),
            redactions: of_pack(
                |axes| &axes.redactions,
                "A report holds no records, so there is nothing that could be redacted in it.",
            ),
        }
    }

    fn integrity(&self) -> Axis {
        if self.manifest_hash.is_none() {
            return Axis::not_established(
                "Without a manifest nothing says what the files must be.",
            );
        }
        let broken = |code: Code| code.severity() == Severity::Fatal && !code.concerns_signature();
        if self.findings.any(broken) || self.unreadable {
            let codes = Code::ALL.iter().filter(|code| broken(**code) && self.findings.has(**code));
            let names: Vec<_> = codes.map(|code| code.as_str()).collect();
            return Axis::fail(format!(
                "The contents contradict the manifest: {}.",
                names.join(", ")
            ));
        }
        let files = plural(self.seen.len() as u64, "file");
        let inside = match self.evidence.len() as u64 {
            0 => String::new(),
            many => format!(" {} inside was verified by itself.", plural(many, "file of evidence")),
        };
        Axis::pass(format!("Size and hash of {files} are those of the manifest.{inside}"))
    }

    fn completeness(&self, signer: &Axis) -> Axis {
        if self.manifest_hash.is_none() {
            return Axis::not_established(
                "Without a manifest nothing says which files belong here.",
            );
        }
        if self.findings.any(|code| ABOUT_FILES.contains(&code)) {
            return Axis::fail("Files are missing, changed or not named by the manifest.");
        }
        let inside = self.evidence.iter().map(|report| &report.axes.completeness);
        let worst = inside.max_by_key(|axis| weight(axis.result));
        if let Some(worst) = worst.filter(|axis| axis.result != AxisResult::Pass) {
            return worst.clone();
        }
        if signer.result == AxisResult::Pass {
            return Axis::pass(
                "All files that were signed are there, and no others. That nothing was left out of \
                 them is the word of the signer.",
            );
        }
        Axis::not_established(
            "The files are those of the manifest, but no known key has signed which files there were.",
        )
    }
}

fn weight(result: AxisResult) -> u8 {
    match result {
        AxisResult::Pass => 0,
        AxisResult::NotEstablished => 1,
        AxisResult::Fail => 2,
    }
}

/// How often evidence inside was found to have a fault.
fn count(report: &Report, code: Code) -> u64 {
    let kept = report.findings.iter().filter(|finding| finding.code == code).count() as u64;
    kept + report.findings_omitted.get(&code).copied().unwrap_or_default()
}
