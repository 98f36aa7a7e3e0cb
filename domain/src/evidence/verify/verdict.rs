//! From what was found to the verdict: axes, class, status, exit code.

use serde_json::json;

use super::context::brief;
use super::export::Claims;
use super::finding::{Code, Findings, Place};
use super::log::LogVerifier;
use super::report::{Axes, Axis, Format, Report, Status, limits_of_verification, plural};
use super::seal::Inclusion;
use super::{VERIFIER_VERSION, signer};
use crate::evidence::class::EvidenceClass;

impl LogVerifier<'_> {
    /// The last findings, those of an export's claims among them, and the report.
    pub(super) fn conclude(
        mut self,
        input: &str,
        format: Format,
        claims: Option<&Claims<'_>>,
    ) -> Report {
        self.note_whole_log();
        let inside = claims.and_then(|claims| claims.envelope.as_ref());
        let signer = signer::judge(&self.options, inside, self.seal.as_mut(), &mut self.findings);
        let consistency = self.check_expected_head();
        let sealed = self.seal.as_ref().is_some_and(|seal| seal.valid && seal.after == 0);
        let facts = self.class_facts(sealed);
        if let Some(claims) = claims {
            claims.compare(&mut self, facts.map(|facts| facts.class()));
        }
        let failed = self.findings.any_fatal();
        let facts = facts.filter(|_| !failed);
        let class = facts.map(|facts| facts.class());
        let status = match class {
            _ if failed => Status::Fail,
            Some(EvidenceClass::Authoritative) => Status::Pass,
            _ => Status::Degraded,
        };
        let exit_code = exit_code(self.unreadable, status, &self.findings);
        let axes = Axes {
            integrity: self.integrity(),
            signer,
            inclusion: self.inclusion(),
            consistency,
            time: Axes::time(),
            witnesses: Axes::witnesses(),
            completeness: self.completeness(),
            policy: self.policy(),
            redactions: Axes::redactions(
                self.redactions,
                self.findings.count(Code::RedactionIntegrityViolation),
            ),
        };
        let (findings, findings_omitted) = self.findings.into_parts();
        Report {
            verifier_version: VERIFIER_VERSION,
            input: input.to_owned(),
            format,
            session_id: self.context.session_id.as_deref().map(brief),
            status,
            evidence_class: class,
            partial_reasons: facts.map(|facts| facts.partial_reasons()).unwrap_or_default(),
            sealed,
            complete: sealed && self.has_session_end && self.drops.events == 0,
            chain_authority: self.context.authority.as_deref().map(brief),
            event_count: self.chain.records,
            total_drops: self.drops.total,
            first_event_hash: self.chain.first_hash,
            final_event_hash: self.chain.head,
            artifact: None,
            axes,
            findings,
            findings_omitted,
            not_verifiable: limits_of_verification(format),
            exit_code,
        }
    }

    /// Findings about the log as a whole.
    fn note_whole_log(&mut self) {
        let findings = &mut self.findings;
        if self.chain.records == 0 {
            if !self.unreadable {
                findings.note(Code::EmptyLog, Place::default(), || {
                    ("There is no record in the input.".to_owned(), json!({ "event_count": 0 }))
                });
            }
            return;
        }
        match &self.seal {
            Some(seal) if seal.after > 0 => findings.note(Code::SealNotLast, seal.place(), || {
                ("Records stand behind the seal.".to_owned(), json!({ "records": seal.after }))
            }),
            Some(_) => {}
            None => findings.note(Code::UnsealedSession, Place::default(), || {
                ("The log has no CHAIN_SEAL: its end may be missing.".to_owned(), json!({}))
            }),
        }
        if !self.has_session_end {
            findings.note(Code::MissingSessionEnd, Place::default(), || {
                ("The log has no SESSION_END.".to_owned(), json!({}))
            });
        }
        self.drops.conclude(findings);
        if self.redactions > 0 {
            let count = self.redactions;
            findings.note(Code::RedactionPresent, Place::default(), || {
                let message = format!("{} redacted, each with its hash.", plural(count, "value"));
                (message, json!({ "redactions": count }))
            });
        }
    }

    fn check_expected_head(&mut self) -> Axis {
        let Some(expected) = self.options.expected_head else {
            return Axis::not_established("No earlier head of this chain was given to compare.");
        };
        let computed = self.chain.head;
        if computed == Some(expected) {
            return Axis::pass("The chain ends in the head that was expected.");
        }
        self.findings.note(Code::ExpectedHeadMismatch, Place::default(), || {
            let message = "The chain does not end in the head that was expected.".to_owned();
            (message, json!({ "expected": expected, "computed": computed }))
        });
        Axis::fail("The chain does not end in the head that was expected.")
    }

    fn integrity(&self) -> Axis {
        if self.chain.records == 0 {
            return Axis::fail("There is no record that could be checked.");
        }
        if self.findings.any(Code::breaks_integrity) {
            let first = Code::ALL.iter().filter(|code| code.breaks_integrity());
            let names: Vec<_> =
                first.filter(|code| self.findings.has(**code)).map(|code| code.as_str()).collect();
            return Axis::fail(format!("The records contradict the chain: {}.", names.join(", ")));
        }
        Axis::pass(format!(
            "The hashes of {} were recomputed, and each names the one before.",
            plural(self.chain.records, "record")
        ))
    }

    fn inclusion(&self) -> Axis {
        let Some(seal) = &self.seal else {
            return Axis::not_established("The log is not sealed, so no digest covers it.");
        };
        match seal.inclusion {
            Inclusion::Proven if seal.after > 0 => {
                Axis::fail("Records stand behind the seal, and its digest does not cover them.")
            }
            Inclusion::Proven => Axis::pass(format!(
                "The seal's digest covers {}, with every unsigned field.",
                plural(seal.covers, "record")
            )),
            Inclusion::Refuted => {
                Axis::fail("The seal's digest is not the tree hash of the records before it.")
            }
            Inclusion::Opaque => Axis::not_established(
                "The seal's digest is opaque: it is not sha256: and 64 hex digits.",
            ),
        }
    }

    fn completeness(&self) -> Axis {
        if self.drops.events > 0 {
            let dropped = plural(self.drops.total, "dropped event");
            return Axis::fail(format!("The recorder itself reports {dropped}."));
        }
        if self.findings.has(Code::SequenceGap) {
            return Axis::fail("Records are missing: their numbers have gaps.");
        }
        let Some(seal) = &self.seal else {
            return Axis::not_established("The log is not sealed, so its end may be missing.");
        };
        if self.findings.has(Code::SealCountMismatch) {
            return Axis::fail("The seal counts otherwise than the log.");
        }
        if !seal.valid || seal.after > 0 {
            return Axis::not_established("The seal is contradicted, so it proves no end.");
        }
        if !self.has_session_end {
            return Axis::fail("The log is sealed without a SESSION_END.");
        }
        Axis::pass("From the first record to SESSION_END and seal no number is missing.")
    }

    fn policy(&self) -> Axis {
        Axis::not_established(match &self.seal {
            Some(seal) if seal.names_policies => {
                "The seal names the active policies by policy_set_digest; which policies those were \
                 is no part of this check."
            }
            Some(_) => "The seal does not say which policies were active.",
            None => "The log is not sealed, so it does not say which policies were active.",
        })
    }
}

/// Exit codes are the same for every input (evidence.md, section 6).
pub(super) fn exit_code(unreadable: bool, status: Status, findings: &Findings) -> u8 {
    let fatal = |code: Code| code.severity() == super::Severity::Fatal;
    match status {
        _ if unreadable => 5,
        Status::Fail if findings.any(|code| fatal(code) && !code.concerns_signature()) => 2,
        Status::Fail => 3,
        Status::Degraded => 1,
        Status::Pass => 0,
    }
}
