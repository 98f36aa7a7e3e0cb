//! `manifest.json`: which files there are, by size and hash, and what they are about.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::context::brief;
use super::super::filters::Filters;
use super::super::finding::{Code, Findings, Place};
use super::super::members::{self, Kind};
use super::super::report::Format;
use super::{MANIFEST_FILE, SIGNATURE_FILE};
use crate::evidence::canonical;
use crate::evidence::json::{self, DEPTH_MAX, Json};
use crate::hash::Hash;

const BUNDLE_SCHEMA: &str = "exhibit-bundle/1";
const PACK_SCHEMA: &str = "exhibit-pack/1";

/// What the manifest says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileClaim {
    pub bytes: u64,
    pub sha256: Hash,
}

/// A manifest that could be read, with what it claims.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) format: Format,
    pub(super) files: BTreeMap<String, FileClaim>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) filters: Option<Value>,
    pub(super) id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) generated_at: Option<String>,
    pub(super) generated_by: Option<String>,
    pub(super) purpose: Option<String>,
}

/// What both kinds say.
const COMMON: [(&str, Kind); 8] = [
    ("counts", Kind::Object),
    ("files", Kind::Object),
    ("generated_at", Kind::Time),
    ("generated_by", Kind::Text),
    ("position", Kind::Integer),
    ("purpose", Kind::Text),
    ("schema", Kind::Text),
    ("tenant_id", Kind::Text),
];
const OF_BUNDLES: [(&str, Kind); 2] = [("bundle_id", Kind::Text), ("filters", Kind::Object)];
const OF_PACKS: [(&str, Kind); 4] = [
    ("audience", Kind::Text),
    ("formats", Kind::Array),
    ("pack_id", Kind::Text),
    ("session_id", Kind::Text),
];
const COUNTS_OF_BUNDLES: [&str; 5] =
    ["custody", "personal_data", "tool_uses", "violation_actions", "violations"];
const COUNTS_OF_PACKS: [&str; 2] = ["events", "violations"];

/// Whether a text is JSON, but no manifest that this verifier knows: there is nothing to compare.
pub(super) fn is_foreign(text: &[u8]) -> bool {
    json::parse(text, DEPTH_MAX).is_ok()
}

impl Manifest {
    /// None when the text is no manifest of a schema that this verifier knows.
    pub(super) fn read(text: &[u8], findings: &mut Findings) -> Option<Self> {
        let document = match json::parse(text, DEPTH_MAX) {
            Ok(document) => document,
            Err(error) => {
                findings.note_not_json(&error, 0);
                return None;
            }
        };
        let root = &document.root;
        let flawed = findings.note_flaws(&document.flaws, |_| Place::default());
        if !flawed && canonical::to_canonical(root) != text {
            findings.note(Code::InvalidCanonicalForm, Place::default(), || {
                ("The manifest is not in canonical form.".to_owned(), json!({}))
            });
        }
        let schema = root.get("schema");
        let (format, own, counts): (_, &[_], &[_]) = match schema.and_then(Json::as_str) {
            Some(BUNDLE_SCHEMA) => (Format::Bundle, &OF_BUNDLES, &COUNTS_OF_BUNDLES),
            Some(PACK_SCHEMA) => (Format::Pack, &OF_PACKS, &COUNTS_OF_PACKS),
            _ => {
                findings.note(Code::SchemaVersionMismatch, Place::default(), || {
                    let (expected, received) =
                        (format!("{BUNDLE_SCHEMA}|{PACK_SCHEMA}"), schema.map(Json::describe));
                    let message = "This verifier does not know the manifest's schema.".to_owned();
                    let details =
                        json!({ "field": "schema", "expected": expected, "received": received });
                    (message, details)
                });
                return None;
            }
        };
        members::check(root, &[], &[COMMON.as_slice(), own].concat(), findings);
        let filters = root.get("filters").filter(|_| format == Format::Bundle);
        if let Some(filters @ Json::Object(_)) = filters {
            Filters::read(filters, findings);
        }
        if format == Format::Pack {
            check_audience(root, findings);
        }
        let text = |name| root.get(name).and_then(Json::as_str).map(brief);
        Some(Self {
            format,
            files: files(root, findings),
            counts: read_counts(root, counts, findings),
            filters: filters.map(Filters::shown),
            id: text("bundle_id").or_else(|| text("pack_id")),
            session_id: text("session_id"),
            tenant_id: text("tenant_id"),
            generated_at: text("generated_at"),
            generated_by: text("generated_by"),
            purpose: text("purpose"),
        })
    }
}

fn check_audience(root: &Json<'_>, findings: &mut Findings) {
    let audience = root.get("audience");
    if !matches!(audience.and_then(Json::as_str), Some("INTERNAL" | "PARTNER" | "REGULATOR")) {
        let expected = "INTERNAL, PARTNER or REGULATOR";
        members::not_what_it_must_be(audience, "audience", expected, findings);
    }
}

/// The files with readable claims; each that a manifest must not name is noted.
fn files(root: &Json<'_>, findings: &mut Findings) -> BTreeMap<String, FileClaim> {
    let Some(Json::Object(files)) = root.get("files") else { return BTreeMap::new() };
    let mut claims = BTreeMap::new();
    for (name, claim) in files {
        let shown = Json::String(name.as_ref().into()).describe();
        if !is_plain_name(name) || [MANIFEST_FILE, SIGNATURE_FILE].contains(&name.as_ref()) {
            findings.note(Code::MetadataMismatch, Place::default(), || {
                let message = format!("The manifest names {shown}, which is no file of a bundle.");
                (message, json!({ "field": "files", "claimed": shown }))
            });
            continue;
        }
        let kept = findings.kept();
        members::check(claim, &[], &[("bytes", Kind::Integer), ("sha256", Kind::Hash)], findings);
        findings.locate_since(kept, "file", &shown.into());
        let bytes = claim.get("bytes").and_then(Json::as_integer);
        let sha256 = claim.get("sha256").and_then(Json::as_str).and_then(Hash::from_hex);
        if let (Some(bytes), Some(sha256)) = (bytes, sha256) {
            claims.insert(name.as_ref().to_owned(), FileClaim { bytes, sha256 });
        }
    }
    claims
}

/// Whether a name stays in its folder on every system.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(plain)
}

fn read_counts(
    root: &Json<'_>,
    names: &[&'static str],
    findings: &mut Findings,
) -> BTreeMap<&'static str, u64> {
    let Some(counts @ Json::Object(_)) = root.get("counts") else { return BTreeMap::new() };
    let required: Vec<_> = names.iter().map(|name| (*name, Kind::Integer)).collect();
    members::check(counts, &[], &required, findings);
    let count = |name: &&'static str| Some((*name, counts.get(name)?.as_integer()?));
    names.iter().filter_map(count).collect()
}
