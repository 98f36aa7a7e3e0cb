//! A verdict for people: the report of the verifier as text of at most 80 columns.
//!
//! Evidence may hold anything, so nothing of it reaches the terminal but printable characters.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use domain::evidence::verify::{
    Artifact, Axis, AxisResult, Finding, Format, Report, Severity, Status,
};

const COLUMNS: usize = 80;
/// Findings shown; the JSON report has more.
const SHOWN_MAX: usize = 100;
/// Where the sentences of the axes begin.
const AXIS_INDENT: usize = 18;
/// Where the messages of the findings begin.
const FINDING_INDENT: usize = 11;

const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const RED: Style = AnsiColor::Red.on_default();

/// Writes the report. The styles are for a terminal; a stream that strips them takes them out.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    status(report, out)?;
    facts(report, out)?;
    heading("What was checked", out)?;
    for (name, axis) in report.axes.named() {
        axis_line(name, axis, out)?;
    }
    findings(report, out)?;
    heading("What no verifier can find", out)?;
    for limit in &report.not_verifiable {
        paragraph("  – ", 4, limit, Style::new(), out)?;
    }
    writeln!(out)?;
    writeln!(out, "{DIM}{}, exit code {}{DIM:#}", report.verifier_version, report.exit_code)
}

fn status(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let style = status_style(report.status);
    let class = match (report.evidence_class, report.format) {
        (Some(class), _) => class.as_str(),
        (None, Format::Ndjson) => "evidence export",
        (None, Format::Bundle) => "report bundle",
        (None, _) => "no evidence class",
    };
    let signer = match report.axes.signer.result {
        AxisResult::NotEstablished if report.status != Status::Fail => ", signer not established",
        _ => "",
    };
    writeln!(out, "{style}{}{style:#}  {class}{signer}", report.status.as_str())?;
    if !report.partial_reasons.is_empty() {
        let reasons: Vec<_> = report.partial_reasons.iter().map(|reason| reason.as_str()).collect();
        paragraph("", 0, &format!("partial: {}", reasons.join(", ")), Style::new(), out)?;
    }
    writeln!(out)
}

pub(super) fn status_style(status: Status) -> Style {
    match status {
        Status::Pass => GREEN,
        Status::Degraded => YELLOW,
        Status::Fail => RED,
    }
    .bold()
}

fn facts(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if let Some(artifact) = &report.artifact {
        return artifact_facts(report, artifact, out);
    }
    let unknown = || "unknown".to_owned();
    let seal = match (report.sealed, report.complete) {
        (true, true) => "sealed, complete",
        (true, false) => "sealed, incomplete",
        (false, _) => "not sealed",
    };
    let hash = |hash: Option<domain::hash::Hash>| hash.map_or_else(unknown, |h| h.to_string());
    let facts = [
        ("input", format!("{} ({})", report.input, report.format.as_str())),
        ("session", report.session_id.clone().unwrap_or_else(unknown)),
        ("authority", report.chain_authority.clone().unwrap_or_else(unknown)),
        ("records", format!("{}, {} dropped, {seal}", report.event_count, report.total_drops)),
        ("first hash", hash(report.first_event_hash)),
        ("last hash", hash(report.final_event_hash)),
    ];
    for (name, value) in facts {
        paragraph(&format!("  {name:<11} "), 14, &value, Style::new(), out)?;
    }
    Ok(())
}

/// A selection or a collection: what it says of itself, and what was counted in it.
fn artifact_facts(report: &Report, artifact: &Artifact, out: &mut dyn Write) -> io::Result<()> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let asked = artifact.filters.as_ref().and_then(|filters| filters.as_object());
    let asked: Vec<_> = asked
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_str()?)))
        .collect();
    let counts: Vec<_> = artifact.counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
    let sha256 = artifact.sha256.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
    let facts = [
        ("input", format!("{} ({})", report.input, report.format.as_str())),
        ("id", text(&artifact.id)),
        ("made", format!("{} by {}", text(&artifact.made_at), text(&artifact.made_by))),
        ("purpose", text(&artifact.purpose)),
        ("filters", if asked.is_empty() { "none".to_owned() } else { asked.join(", ") }),
        ("holds", counts.join(", ").replace('_', " ")),
        (if report.format == Format::Ndjson { "sha256" } else { "manifest" }, sha256),
    ];
    for (name, value) in facts {
        paragraph(&format!("  {name:<11} "), 14, &value, Style::new(), out)?;
    }
    Ok(())
}

pub(super) fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}{text}{BOLD:#}")
}

fn axis_line(name: &str, axis: &Axis, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = match axis.result {
        AxisResult::Pass => ("✓", GREEN),
        AxisResult::Fail => ("✗", RED),
        AxisResult::NotEstablished => ("–", DIM),
    };
    let lead = format!("  {style}{mark}{style:#} {name:<13} ");
    paragraph(&lead, AXIS_INDENT, &axis.reason, Style::new(), out)
}

/// Fatal ones first, so that what is cut off weighs less.
fn findings(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    heading("Findings", out)?;
    if report.findings.is_empty() {
        return writeln!(out, "  none");
    }
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in sorted.iter().take(SHOWN_MAX) {
        one_finding(finding, out)?;
    }
    let cut = sorted.len().saturating_sub(SHOWN_MAX) as u64;
    let more = cut + report.findings_omitted.values().sum::<u64>();
    if more > 0 {
        let omitted = format!("and {more} more; --format json has the first 1,000 in full.");
        paragraph("  ", 2, &omitted, DIM, out)?;
    }
    Ok(())
}

fn one_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let style = match finding.severity {
        Severity::Fatal => RED,
        Severity::Warning => YELLOW,
        Severity::Info => DIM,
    };
    let (severity, code) = (finding.severity.as_str(), finding.code.as_str());
    let place = match (finding.sequence_number, &finding.event_id) {
        (Some(number), _) => format!("record {number}"),
        (None, Some(id)) => id.clone(),
        (None, None) => "whole log".to_owned(),
    };
    let lead = format!("  {style}{severity:<8}{style:#} {code:<30} ");
    paragraph(&lead, 42, &place, Style::new(), out)?;
    let indent = " ".repeat(FINDING_INDENT);
    paragraph(&indent, FINDING_INDENT, &finding.message, Style::new(), out)?;
    let Some(details) = finding.details.as_object().filter(|details| !details.is_empty()) else {
        return Ok(());
    };
    let details: Vec<_> = details
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}: {text}"),
            None => format!("{name}: {value}"),
        })
        .collect();
    paragraph(&indent, FINDING_INDENT, &details.join("; "), DIM, out)
}

/// Writes `lead`, then `text` in lines that begin at `indent` and end before column 80.
pub(super) fn paragraph(
    lead: &str,
    indent: usize,
    text: &str,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let lines = wrap(&printable(text), COLUMNS.saturating_sub(indent));
    for (number, line) in lines.iter().enumerate() {
        if number == 0 {
            write!(out, "{lead}")?;
        } else {
            write!(out, "{:indent$}", "")?;
        }
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

/// Breaks at spaces, and within words that are longer than a line. At least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let needed: usize = word.chars().map(columns).sum();
        let gap = usize::from(used > 0);
        if used > 0 && used + gap + needed > width {
            lines.push(String::new());
            used = 0;
        } else if gap == 1 {
            push(&mut lines, ' ');
            used += 1;
        }
        for c in word.chars() {
            if used + columns(c) > width {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, c);
            used += columns(c);
        }
    }
    lines
}

fn push(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

/// From the first block of wide characters on all count as wide: lines may be short, never long.
fn columns(c: char) -> usize {
    if c < '\u{1100}' || ('\u{2010}'..='\u{2027}').contains(&c) { 1 } else { 2 }
}

/// Characters that steer a terminal, or turn the direction of a text, are shown by their code.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let steers = c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if steers {
            // Writing to a String does not fail.
            let _ = write!(shown, "<U+{:04X}>", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use domain::evidence::jwk::JwkSet;
    use domain::evidence::verify::{Options, parse_envelope, verify_reader};

    use super::*;

    const SESSION: &str = include_str!("../../../tests/vectors/session.jsonl");
    const ENVELOPE: &str = include_str!("../../../tests/vectors/session.seal.dsse.json");
    const KEYS: &str = include_str!("../../../tests/vectors/jwks.json");

    fn rendered(text: &str, input: &str) -> String {
        let keys: JwkSet = serde_json::from_str(KEYS).unwrap();
        let envelope = parse_envelope(ENVELOPE.as_bytes());
        let options = Options { keys: Some(&keys), seal: envelope.as_ref(), ..Options::default() };
        let report = verify_reader(&mut text.as_bytes(), input, &options, &mut |_| {});
        let mut out = Vec::new();
        render(&report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Without the styles, which take no columns.
    fn plain(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            out.push_str(before);
            rest = after.split_once('m').map_or("", |(_, after)| after);
        }
        out + rest
    }

    #[test]
    fn the_verdict_comes_first_and_the_limits_are_named() {
        let text = plain(&rendered(SESSION, "session.jsonl"));
        assert!(text.starts_with("PASS  AUTHORITATIVE_EVIDENCE\n"), "{text}");
        for part in ["✓ integrity", "✓ signer", "– time", "REDACTION_PRESENT", "never captured"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn no_line_is_longer_than_80_columns_and_nothing_steers_the_terminal() {
        let tampered = SESSION
            .replace("\"server\"", "\"\\u001b[2J\\u202e\\u4f60\\u4f60\"")
            .replace("4711", "4712");
        let text = plain(&rendered(&tampered, &"very/long/".repeat(30)));
        assert!(text.starts_with("FAIL  no evidence class\n"));
        assert!(text.contains("<U+001B>[2J<U+202E>"), "{text}");
        for line in text.lines() {
            assert!(line.chars().map(columns).sum::<usize>() <= COLUMNS + 1, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
