//! The cover: what this is, what it is worth, and by which values it is known.

use domain::evidence::class::{EvidenceClass, PartialReason};
use domain::evidence::verify::{AxisResult, Report, Severity, Status as Verdict};
use domain::policy::document::Severity as Gravity;

use super::super::page::{Cover, Fact, Status, Text, Tone};
use super::super::{DISCLAIMER, RENDERER_VERSION};
use super::export::{Export, plain, text};
use super::violations::judged;

/// Findings that the cover names.
const REASONS_MAX: usize = 4;

pub(super) fn cover(export: &Export<'_>) -> Cover {
    Cover {
        kicker: "Exhibit · Evidence report of one session".into(),
        status: Some(status(export)),
        facts: facts(export),
        qr: Some(
            "The code holds the session’s id, its final hash and the SHA-256 of the attached JSON \
             export. Note them elsewhere: whoever knows the final hash notices another history."
                .into(),
        ),
        disclaimer: DISCLAIMER.into(),
    }
}

/// What the code on the cover holds.
pub(super) fn code(export: &Export<'_>) -> String {
    let head = export.report.final_event_hash.map(|hash| hash.to_string()).unwrap_or_default();
    let session: String = export.session_id().chars().take(64).collect();
    format!("exhibit-export/1 session={session} head={head} sha256={}", export.sha256)
}

fn facts(export: &Export<'_>) -> Vec<Fact> {
    let report = &export.report;
    let members = &export.members;
    let timeline = &export.timeline;
    let time = |at: &Option<String>| at.clone().unwrap_or_else(|| "–".to_owned());
    let head = report.final_event_hash.map_or_else(|| "–".to_owned(), |hash| hash.to_string());
    vec![
        Fact::mono("Session", export.session_id()),
        Fact::new("Agent", Text::cut(&plain(&members.session["agent_id"]), 200)),
        Fact::new(
            "Events",
            format!("{}, {} reported as dropped", report.event_count, report.total_drops),
        ),
        Fact::new(
            "First and last event",
            format!("{} – {}", time(&timeline.first), time(&timeline.last)),
        ),
        Fact::new("Seal", seal(report)),
        Fact::new("Violations", violations(export)),
        Fact::mono("Final hash", head),
        Fact::mono("SHA-256 of the JSON", export.sha256.as_str()),
        Fact::new("Exported", format!("{} by {}", members.exported_at, members.exported_by)),
        Fact::new("Purpose", Text::cut(&members.purpose, 300)),
        Fact::new("Made by", format!("{RENDERER_VERSION}, {}", report.verifier_version)),
    ]
}

/// How many, and how grave: that the evidence is whole does not say that all is well.
fn violations(export: &Export<'_>) -> String {
    let found = &export.members.violations;
    if !judged(export) {
        return "not judged yet".to_owned();
    }
    if found.total == 0 {
        return "none found by the policies in force".to_owned();
    }
    let of = |severity: &Gravity| {
        let severity = severity.as_str();
        let count = found.items.iter().filter(|v| text(v, "severity") == severity).count();
        (count > 0).then(|| format!("{count} {severity}"))
    };
    let grave: Vec<_> = Gravity::ALL.iter().rev().filter_map(of).collect();
    let shown = if found.left_out() > 0 { "of those printed " } else { "" };
    format!("{} ({shown}{})", found.total, grave.join(", "))
}

fn seal(report: &Report) -> &'static str {
    match (report.sealed, report.complete) {
        (true, true) => "sealed, complete",
        (true, false) => "sealed, incomplete",
        (false, _) => "not sealed: what came last may be missing",
    }
}

/// The class and the verdict, never better than the records.
pub(super) fn status(export: &Export<'_>) -> Status {
    let report = &export.report;
    let members = &export.members;
    let class = report.evidence_class.map_or("NO EVIDENCE CLASS", EvidenceClass::as_str);
    let claims = (text(&members.verification, "status"), members.evidence_class.as_deref());
    if claims != (report.status.as_str(), report.evidence_class.map(EvidenceClass::as_str)) {
        let claim = format!(
            "The export claims {} and {}; its records give {} and {}.",
            brief(claims.0),
            brief(claims.1.unwrap_or("no class")),
            report.status.as_str(),
            report.evidence_class.map_or("no class", EvidenceClass::as_str)
        );
        let text = "CLAIM CONTRADICTED – VERIFICATION FAILED".into();
        let reasons = std::iter::once(claim.into()).chain(fatal(report)).collect();
        return Status { tone: Tone::Bad, text, reasons };
    }
    match report.status {
        Verdict::Pass => passed(report, class),
        Verdict::Degraded => Status {
            tone: Tone::Warn,
            text: format!("{class} – DEGRADED").into(),
            reasons: degraded(report),
        },
        Verdict::Fail => Status {
            tone: Tone::Bad,
            text: format!("{class} – VERIFICATION FAILED").into(),
            reasons: fatal(report),
        },
    }
}

/// Of a claim, which may be anything.
fn brief(claim: &str) -> String {
    claim.chars().take(60).collect()
}

fn passed(report: &Report, class: &str) -> Status {
    if report.axes.signer.result == AxisResult::Pass {
        let reason = "Every hash was recomputed, the seal covers every record, and its signature \
            verifies under a key of the exporting server. Check it again with a key that you have \
            from elsewhere: see “How to verify”.";
        return Status {
            tone: Tone::Good,
            text: format!("{class} – VERIFIED").into(),
            reasons: vec![reason.into()],
        };
    }
    Status {
        tone: Tone::Warn,
        text: format!("{class} – VERIFIED, SIGNER NOT ESTABLISHED").into(),
        reasons: vec![report.axes.signer.reason.as_str().into()],
    }
}

fn degraded(report: &Report) -> Vec<Text> {
    if report.evidence_class == Some(EvidenceClass::NonAuthoritative) {
        return vec!["The chain was written by the client (SDK), not by the server.".into()];
    }
    let reason = |reason: &PartialReason| {
        let sentence = match reason {
            PartialReason::UnsealedSession => {
                "the session is not sealed, so its end may be missing and nothing is signed."
            }
            PartialReason::MissingSessionEnd => "the log has no SESSION_END.",
            PartialReason::LogDropPresent => "the recorder itself reports dropped events.",
        };
        format!("{}: {sentence}", reason.as_str()).into()
    };
    report.partial_reasons.iter().map(reason).collect()
}

fn fatal(report: &Report) -> Vec<Text> {
    let findings = report.findings.iter().filter(|finding| finding.severity == Severity::Fatal);
    let lines =
        findings.take(REASONS_MAX).map(|f| format!("{}: {}", f.code.as_str(), f.message).into());
    lines.collect()
}
