//! Integrity and signatures: each axis with its sentence, the findings, the seal, the keys.

use domain::evidence::verify::{AxisResult, Finding};
use serde_json::Value;

use super::super::page::{Block, Column, Fact, Section, Table, Text};
use super::export::{Export, plain};

/// Findings that are printed.
const FINDINGS_MAX: usize = 100;
/// Keys that are printed.
const KEYS_MAX: usize = 20;

/// Section "Integrity and signatures".
pub(super) fn section(export: &Export<'_>) -> Section {
    let mut blocks = vec![
        Block::text(
            "What was checked when this document was made, each on its own: one result never \
             stands for another. “Not established” means that the check could not be made. “Given \
             from outside” means here: the keys of the exporting server, which are listed below.",
        ),
        Block::Table(axes(export)),
        Block::heading("Findings"),
        findings(export),
        Block::heading("Hashes"),
        Block::Facts { facts: hashes(export) },
        Block::heading("Seal"),
        seal(export),
        Block::heading("Keys of the exporting server"),
    ];
    blocks.extend(keys(export));
    Section::new("Integrity and signatures", blocks)
}

fn axes(export: &Export<'_>) -> Table {
    let row = |(name, axis): (&str, &domain::evidence::verify::Axis)| {
        let result = match axis.result {
            AxisResult::Pass => "pass",
            AxisResult::Fail => "FAIL",
            AxisResult::NotEstablished => "not established",
        };
        vec![name.into(), result.into(), Text::from(&axis.reason)]
    };
    Table {
        columns: vec![
            Column::new("Axis", 1.0),
            Column::new("Result", 1.1),
            Column::new("Because", 4.6),
        ],
        rows: export.report.axes.named().into_iter().map(row).collect(),
        note: None,
    }
}

fn findings(export: &Export<'_>) -> Block {
    let report = &export.report;
    if report.findings.is_empty() {
        return Block::text("None.");
    }
    // Fatal ones first, so that what is cut off weighs less.
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let row = |finding: &&Finding| {
        let place = finding.sequence_number.map_or_else(|| "–".to_owned(), |n| n.to_string());
        vec![
            finding.severity.as_str().into(),
            finding.code.as_str().into(),
            place.into(),
            Text::cut(&finding.message, 400),
        ]
    };
    let more = sorted.len().saturating_sub(FINDINGS_MAX) as u64
        + report.findings_omitted.values().sum::<u64>();
    Block::Table(Table {
        columns: vec![
            Column::new("Severity", 0.8),
            Column::new("Code", 2.0),
            Column::new("Record", 0.7),
            Column::new("Meaning", 3.6),
        ],
        rows: sorted.iter().take(FINDINGS_MAX).map(row).collect(),
        note: (more > 0).then(|| format!("{more} further findings are not printed.").into()),
    })
}

fn hashes(export: &Export<'_>) -> Vec<Fact> {
    let hash = |hash: Option<domain::hash::Hash>| hash.map_or("–".to_owned(), |h| h.to_string());
    vec![
        Fact::mono("First record", hash(export.report.first_event_hash)),
        Fact::mono("Last record", hash(export.report.final_event_hash)),
        Fact::mono("Attached JSON, SHA-256", export.sha256.as_str()),
        Fact::new("Attached JSON, bytes", export.bytes.to_string()),
    ]
}

fn seal(export: &Export<'_>) -> Block {
    let seal = &export.members.seal;
    let Some(stated) = seal["seal"].as_object() else {
        return Block::text("The session carries no seal of the server.");
    };
    let fact = |(name, value): (&String, &Value)| Fact::mono(name, Text::cut(&plain(value), 200));
    let mut facts: Vec<_> = stated.iter().take(20).map(fact).collect();
    facts.push(Fact::mono("seal_event_hash", Text::cut(&plain(&seal["seal_event_hash"]), 80)));
    if let Some(envelope) = &export.envelope {
        facts.push(Fact::mono("payloadType", Text::cut(&envelope.payload_type, 100)));
        for signature in envelope.signatures.iter().take(4) {
            facts.push(Fact::mono("signed by key", Text::cut(&signature.keyid, 100)));
            facts.push(Fact::mono("signature, base64", Text::cut(&signature.sig, 200)));
        }
    }
    Block::Facts { facts }
}

fn keys(export: &Export<'_>) -> Vec<Block> {
    let day = |seconds: Option<i64>| {
        let at = seconds.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
        at.map_or("–".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    let keys = &export.keys.keys;
    let row = |key: &domain::evidence::jwk::Jwk| {
        vec![
            Text::cut(&key.kid, 80),
            Text::cut(&key.crv, 20),
            day(key.nbf).into(),
            day(key.exp).into(),
        ]
    };
    let left_out = keys.len().saturating_sub(KEYS_MAX);
    let table = Table {
        columns: vec![
            Column::mono("Key id (RFC 7638)", 3.4),
            Column::new("Curve", 0.8),
            Column::new("Signs from", 1.4),
            Column::new("until", 1.4),
        ],
        rows: keys.iter().take(KEYS_MAX).map(row).collect(),
        note: (left_out > 0).then(|| format!("{left_out} further keys are attached.").into()),
    };
    let warning = "Printed so that they can be compared with keys that you have from elsewhere. A \
        key inside a document proves nothing about it.";
    vec![Block::text(warning), Block::Table(table)]
}
