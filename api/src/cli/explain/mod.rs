//! A verdict for someone who has to rely on it: what was checked, what was not, what it means and
//! what it does not mean, what to do next. Says nothing that the report does not hold.

mod words;

use std::io::{self, Write};

use anstyle::Style;
use domain::evidence::verify::{
    Artifact, Axis, AxisResult, Finding, Format, Report, Severity, Status,
};

use super::report::{DIM, heading, paragraph, status_style};

/// Findings explained; the JSON report has more.
const EXPLAINED_MAX: usize = 20;
const PLAIN: Style = Style::new();

/// Writes the explanation, in lines of at most 80 columns.
pub fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let style = status_style(report.status);
    writeln!(out, "{style}{}{style:#}  {}", report.status.as_str(), words::verdict(report))?;
    heading("What was looked at", out)?;
    for sentence in subject(report) {
        paragraph("  ", 2, &sentence, PLAIN, out)?;
    }
    axes("What was checked, and holds", report, AxisResult::Pass, out)?;
    axes("What was checked, and does not hold", report, AxisResult::Fail, out)?;
    axes("What could not be checked", report, AxisResult::NotEstablished, out)?;
    findings(report, out)?;
    list("What this verdict means", &words::means(report), out)?;
    list("What it does not mean", &words::does_not_mean(report), out)?;
    list("What to do next", &words::next_steps(report), out)?;
    writeln!(out)?;
    writeln!(out, "{DIM}{}, exit code {}{DIM:#}", report.verifier_version, report.exit_code)
}

/// What the input is, and what it says of itself.
fn subject(report: &Report) -> Vec<String> {
    let mut sentences = vec![format!("{}: {}.", report.input, words::format(report.format))];
    if let Some(artifact) = &report.artifact {
        sentences.extend(made(artifact));
        sentences.extend(filters(artifact));
        let counts: Vec<_> = artifact
            .counts
            .iter()
            .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
            .collect();
        let counts = counts.join(", ");
        sentences.push(match report.format {
            // The tables are hashed, and their rows are not counted.
            Format::Bundle | Format::Pack => {
                format!("Of its contents its manifest says: {counts}.")
            }
            _ => format!("Counted in it: {counts}."),
        });
        sentences.extend(artifact.sha256.map(|hash| match report.format {
            Format::Bundle | Format::Pack => format!("SHA-256 of its manifest: {hash}."),
            _ => format!("SHA-256 of the whole file: {hash}."),
        }));
        sentences.extend(artifact.evidence.iter().map(|inside| {
            let class = inside.evidence_class.map_or("no class", |class| class.as_str());
            let status = inside.status.as_str();
            format!("{} inside: {status}, {class}, {} records.", inside.file, inside.event_count)
        }));
    } else {
        let session = report.session_id.as_deref().unwrap_or("unknown");
        sentences.push(format!("Session {session}, {} records.", report.event_count));
        sentences.extend(report.final_event_hash.map(|hash| format!("Hash of the last: {hash}.")));
    }
    sentences
}

/// What the maker says of the making: a claim, signed or not.
fn made(artifact: &Artifact) -> Option<String> {
    let by = artifact.made_by.as_deref()?;
    let (at, purpose) = (artifact.made_at.as_deref()?, artifact.purpose.as_deref()?);
    Some(format!("By its own words made by {by} at {at}, for this purpose: {purpose}."))
}

fn filters(artifact: &Artifact) -> Option<String> {
    let filters = artifact.filters.as_ref()?.as_object()?;
    let asked: Vec<_> = filters
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_str()?)))
        .collect();
    Some(match asked.as_slice() {
        [] => "No filter was set: it is to hold everything up to its time.".to_owned(),
        asked => format!("It is a selection: {}.", asked.join(", ")),
    })
}

/// The axes with one result, each with its question and its answer.
fn axes(title: &str, report: &Report, result: AxisResult, out: &mut dyn Write) -> io::Result<()> {
    let matching = |(_, axis): &(&str, &Axis)| axis.result == result;
    let named: Vec<_> = report.axes.named().into_iter().filter(matching).collect();
    if named.is_empty() {
        return Ok(());
    }
    heading(title, out)?;
    for (name, axis) in named {
        paragraph("  – ", 4, &format!("{} {}", words::question(name), axis.reason), PLAIN, out)?;
    }
    Ok(())
}

/// Fatal ones first; one explanation a code, however often it was found.
fn findings(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        return list("What was found", &["Nothing that speaks against it.".to_owned()], out);
    }
    heading("What was found", out)?;
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    sorted.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.code));
    let mut last = None;
    for finding in sorted.iter().take(EXPLAINED_MAX) {
        let repeated = last == Some(finding.code);
        last = Some(finding.code);
        let weight = match finding.severity {
            Severity::Fatal => "contradicts the evidence",
            Severity::Warning => "weakens it",
            Severity::Info => "worth knowing",
        };
        let mut text =
            format!("{} ({weight}{}): {}", finding.code.as_str(), place(finding), finding.message);
        if !repeated {
            text.push(' ');
            text.push_str(words::code(finding.code));
        }
        paragraph("  – ", 4, &text, PLAIN, out)?;
    }
    let more = sorted.len().saturating_sub(EXPLAINED_MAX) as u64
        + report.findings_omitted.values().sum::<u64>();
    if more > 0 {
        let text = format!("and {more} more; without --explain they are listed.");
        paragraph("  ", 2, &text, DIM, out)?;
    }
    Ok(())
}

fn place(finding: &Finding) -> String {
    let line = finding.details.get("line").and_then(serde_json::Value::as_u64);
    let file = finding.details.get("file").and_then(serde_json::Value::as_str);
    let record = finding.sequence_number.map(|number| format!(", record {number}"));
    let line = line.map(|line| format!(", line {line}"));
    let file = file.map(|file| format!(", in {file}"));
    [record, line, file].into_iter().flatten().collect()
}

fn list(title: &str, sentences: &[String], out: &mut dyn Write) -> io::Result<()> {
    heading(title, out)?;
    sentences.iter().try_for_each(|sentence| paragraph("  – ", 4, sentence, PLAIN, out))
}

/// Whether a verdict rests on an unknown signer: the sentences say so wherever it matters.
fn signer_known(report: &Report) -> bool {
    report.axes.signer.result == AxisResult::Pass
}

fn passed(report: &Report) -> bool {
    report.status == Status::Pass
}

#[cfg(test)]
mod tests;
