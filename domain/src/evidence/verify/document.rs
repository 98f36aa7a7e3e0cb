//! An array of records or an export, read whole.

use serde_json::json;

use super::export::{Claims, EXPORT_SCHEMA};
use super::finding::{Code, Place};
use super::log::{LogVerifier, place_of};
use super::report::{Format, Report};
use crate::evidence::json::{self, DEPTH_MAX, Document, Json};

/// `[` stands around a record, and the record around its payload.
const ARRAY_DEPTH_MAX: usize = DEPTH_MAX + 2;
/// `{"events": [` stands around a record.
pub(super) const EXPORT_DEPTH_MAX: usize = DEPTH_MAX + 3;

pub(super) fn is_export(root: &Json<'_>) -> bool {
    let schema = root.get("schema").and_then(Json::as_str);
    schema.is_some_and(|schema| schema.starts_with("exhibit-export/"))
}

/// Verifies an array of records or an export that was read whole.
pub(super) fn verify_whole(text: &[u8], input: &str, mut verifier: LogVerifier<'_>) -> Report {
    let is_array = text.trim_ascii_start().starts_with(b"[");
    let depth_max = if is_array { ARRAY_DEPTH_MAX } else { EXPORT_DEPTH_MAX };
    match json::parse(text, depth_max) {
        Ok(Document { root: Json::Array(records), flaws, .. }) => {
            let index = |flaw: &json::Flaw| flaw.index_at(0);
            push_all(&records, &flaws, index, &mut verifier);
            verifier.finish(input, Format::Json)
        }
        Ok(document) if is_export(&document.root) => verify_export(&document, input, verifier),
        // One record over several lines.
        Ok(_) => {
            verifier.push_line(text);
            verifier.finish(input, Format::Json)
        }
        Err(error) => {
            verifier.not_json(&error, 0);
            verifier.finish(input, Format::Json)
        }
    }
}

fn verify_export(document: &Document<'_>, input: &str, mut verifier: LogVerifier<'_>) -> Report {
    let root = &document.root;
    if !has_known_schema(root, &mut verifier) {
        return verifier.finish(input, Format::ExportJson);
    }
    let events = root.get("events");
    let records = events.and_then(Json::as_array).unwrap_or_default();
    if events.and_then(Json::as_array).is_none() {
        no_events(events, &mut verifier);
    }
    let index =
        |flaw: &json::Flaw| flaw.index_at(1).filter(|_| flaw.pointer().starts_with("/events/"));
    push_all(records, &document.flaws, index, &mut verifier);
    let violations = root.get("violations").and_then(Json::as_array);
    let violations = violations.map_or(0, |violations| violations.len() as u64);
    let claims = Claims::read(root, violations, &mut verifier);
    verifier.conclude(input, Format::ExportJson, Some(&claims))
}

/// Takes the records of a document; `index` tells which one a flaw belongs to.
fn push_all(
    records: &[Json<'_>],
    flaws: &[json::Flaw],
    index: impl Fn(&json::Flaw) -> Option<usize>,
    verifier: &mut LogVerifier<'_>,
) {
    verifier.note_flaws(flaws, |flaw| {
        index(flaw).and_then(|at| records.get(at)).map(place_of).unwrap_or_default()
    });
    let faithless = flaws.iter().filter(|flaw| flaw.kind != json::FlawKind::Nul);
    let flawed: Vec<usize> = faithless.filter_map(index).collect();
    for (at, record) in records.iter().enumerate() {
        verifier.push(record, flawed.contains(&at));
    }
}

/// Whether an export is of the one schema that this verifier knows; another is noted.
pub(super) fn has_known_schema(root: &Json<'_>, verifier: &mut LogVerifier<'_>) -> bool {
    let schema = root.get("schema");
    if schema.and_then(Json::as_str) == Some(EXPORT_SCHEMA) {
        return true;
    }
    verifier.unreadable = true;
    verifier.findings.note(Code::SchemaVersionMismatch, Place::default(), || {
        let received = schema.map(Json::describe);
        let message = "This verifier does not know the export's schema.".to_owned();
        (message, json!({ "field": "schema", "expected": EXPORT_SCHEMA, "received": received }))
    });
    false
}

/// Notes an export without an array of events.
pub(super) fn no_events(found: Option<&Json<'_>>, verifier: &mut LogVerifier<'_>) {
    verifier.findings.note(Code::MissingField, Place::default(), || {
        let received = found.map(Json::describe);
        let message = "The export has no array of events.".to_owned();
        (message, json!({ "field": "events", "expected": "array", "received": received }))
    });
}
