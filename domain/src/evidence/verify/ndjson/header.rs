//! The first line: who exported what, when, for what, up to where.

use serde_json::{Value, json};

use super::super::filters::Filters;
use super::super::finding::{Code, Findings, Place};
use super::super::members::{self, Kind};
use crate::evidence::json::Json;

/// The one schema of evidence exports that this verifier knows.
const SCHEMA: &str = "exhibit-ndjson/1";

#[derive(Debug)]
pub(super) struct Header {
    pub(super) filters: Filters,
    pub(super) shown_filters: Option<Value>,
    /// In the tenant's log, up to which the export reads.
    pub(super) position: Option<u64>,
    pub(super) export_id: Option<String>,
    pub(super) exported_at: Option<String>,
    pub(super) exported_by: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) tenant_id: Option<String>,
    /// What the signature must repeat.
    pub(super) canonical: Vec<u8>,
}

impl Header {
    /// None when the line is of a schema that this verifier does not know.
    pub(super) fn read(line: &Json<'_>, canonical: &[u8], findings: &mut Findings) -> Option<Self> {
        let schema = line.get("schema");
        if schema.and_then(Json::as_str) != Some(SCHEMA) {
            findings.note(Code::SchemaVersionMismatch, Place::default(), || {
                let received = schema.map(Json::describe);
                let message = "This verifier does not know the export's schema.".to_owned();
                (message, json!({ "field": "schema", "expected": SCHEMA, "received": received }))
            });
            return None;
        }
        let required = [
            ("export_id", Kind::Text),
            ("exported_at", Kind::Time),
            ("exported_by", Kind::Text),
            ("filters", Kind::Object),
            ("position", Kind::Integer),
            ("purpose", Kind::Text),
            ("schema", Kind::Text),
            ("tenant_id", Kind::Text),
        ];
        members::check(line, &[], &required, findings);
        let text = |name| line.get(name).and_then(Json::as_str).map(str::to_owned);
        let filters = line.get("filters").filter(|value| matches!(value, Json::Object(_)));
        Some(Self {
            shown_filters: filters.map(Filters::shown),
            filters: filters.map(|value| Filters::read(value, findings)).unwrap_or_default(),
            position: line.get("position").and_then(Json::as_integer),
            export_id: text("export_id"),
            exported_at: text("exported_at"),
            exported_by: text("exported_by"),
            purpose: text("purpose"),
            tenant_id: text("tenant_id"),
            canonical: canonical.to_vec(),
        })
    }
}
