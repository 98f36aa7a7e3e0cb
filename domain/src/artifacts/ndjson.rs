//! The evidence export: a header, events, violations, custody, a footer; a line each.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{NotCanonical, canonical};
use crate::evidence::canonical::write_integer;
use crate::evidence::tool_access::ToolVerdict;
use crate::export::Filters;
use crate::hash::Hash;
use crate::ids::TenantId;

/// Payload type of the detached signature.
pub const NDJSON_PAYLOAD_TYPE: &str = "application/vnd.exhibit.ndjson+json";
/// Schema that the header names.
pub const NDJSON_SCHEMA: &str = "exhibit-ndjson/1";

/// The first line.
#[derive(Debug, Clone, Serialize)]
pub struct Header {
    pub export_id: Uuid,
    pub exported_at: String,
    pub exported_by: String,
    pub filters: Filters,
    /// In the tenant's log, up to which it was read.
    pub position: u64,
    pub purpose: String,
    pub tenant_id: TenantId,
}

/// What the judge has to say of an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// `[{detector, place, count}]`; empty says nothing.
    pub personal_data: Vec<Value>,
    pub tool_access: Option<ToolVerdict>,
}

/// Lines of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub custody: u64,
    pub events: u64,
    pub violations: u64,
}

/// Appends lines to a buffer that its owner empties, and keeps their hash.
#[derive(Debug)]
pub struct Writer {
    header: Value,
    hasher: Sha256,
    lines: u64,
    counts: Counts,
}

impl Writer {
    /// Writes the header.
    pub fn begin(header: &Header, out: &mut Vec<u8>) -> Result<Self, NotCanonical> {
        let mut line = serde_json::to_value(header).map_err(|e| NotCanonical(e.to_string()))?;
        (line["kind"], line["schema"]) = (json!("header"), json!(NDJSON_SCHEMA));
        let mut writer = Self {
            header: line.clone(),
            hasher: Sha256::new(),
            lines: 0,
            counts: Counts::default(),
        };
        writer.line(&canonical(&line)?, out);
        Ok(writer)
    }

    /// An event; `record` appends the canonical form of the whole record.
    pub fn event(
        &mut self,
        position: u64,
        marks: &Marks,
        record: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), NotCanonical> {
        let from = out.len();
        out.extend_from_slice(b"{\"kind\":\"event\"");
        if !marks.personal_data.is_empty() {
            out.extend_from_slice(b",\"personal_data\":");
            out.extend_from_slice(&canonical(&marks.personal_data)?);
        }
        out.extend_from_slice(b",\"position\":");
        write_integer(position, out);
        out.extend_from_slice(b",\"record\":");
        record(out);
        if let Some(access) = &marks.tool_access {
            out.extend_from_slice(b",\"tool_access\":");
            access.write(out);
        }
        out.extend_from_slice(b"}\n");
        self.hasher.update(&out[from..]);
        self.lines += 1;
        self.counts.events += 1;
        Ok(())
    }

    /// A violation with its action log.
    pub fn violation<T: Serialize>(
        &mut self,
        violation: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), NotCanonical> {
        let line = canonical(&json!({ "kind": "violation", "violation": violation }))?;
        self.line(&line, out);
        self.counts.violations += 1;
        Ok(())
    }

    /// Who had it before.
    pub fn custody<T: Serialize>(
        &mut self,
        entry: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), NotCanonical> {
        let line = canonical(&json!({ "custody": entry, "kind": "custody" }))?;
        self.line(&line, out);
        self.counts.custody += 1;
        Ok(())
    }

    /// Writes the footer. What is to be signed over the whole file, and how much is in it.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(Vec<u8>, Counts), NotCanonical> {
        let footer = canonical(&json!({
            "counts": self.counts, "kind": "footer", "lines": self.lines,
            "sha256": Hash(self.hasher.clone().finalize().into()),
        }))?;
        self.line(&footer, out);
        let sha256 = Hash(self.hasher.finalize().into());
        let statement = json!({ "counts": self.counts, "header": self.header, "sha256": sha256 });
        Ok((canonical(&statement)?, self.counts))
    }

    fn line(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(text);
        out.push(b'\n');
        self.hasher.update(&out[from..]);
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            export_id: Uuid::from_u128(1),
            exported_at: "2026-03-01T09:00:00.000000Z".to_owned(),
            exported_by: "key:ada".to_owned(),
            filters: Filters::default(),
            position: 7,
            purpose: "audit".to_owned(),
            tenant_id: TenantId(Uuid::from_u128(2)),
        }
    }

    #[test]
    fn lines_are_canonical_and_the_footer_covers_them() {
        let mut out = Vec::new();
        let mut writer = Writer::begin(&header(), &mut out).unwrap();
        let marks = Marks {
            personal_data: vec![json!({ "place": "/a", "detector": "email", "count": 1 })],
            tool_access: Some(ToolVerdict { allowed: None, broken: vec![], judged_by: vec![] }),
        };
        let record = |out: &mut Vec<u8>| out.extend_from_slice(b"{\"a\":1}");
        writer.event(3, &marks, record, &mut out).unwrap();
        writer.event(4, &Marks::default(), record, &mut out).unwrap();
        writer.violation(&json!({ "z": 1, "a": 2.0 }), &mut out).unwrap();
        writer.custody(&json!({ "by": "key:ada" }), &mut out).unwrap();
        let before = out.clone();
        let (statement, counts) = writer.finish(&mut out).unwrap();
        let text = String::from_utf8(out.clone()).unwrap();
        for line in text.lines() {
            let canonical = crate::evidence::canonical::canonicalize(line.as_bytes()).unwrap();
            assert_eq!(canonical, line.as_bytes());
        }
        let footer: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(footer["sha256"], json!(Hash::of(&before)));
        assert_eq!((&footer["lines"], counts.events), (&json!(5), 2));
        let statement: Value = serde_json::from_slice(&statement).unwrap();
        assert_eq!(statement["sha256"], json!(Hash::of(&out)));
        assert_eq!(statement["counts"], footer["counts"]);
        let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(statement["header"], first);
        assert_eq!(first["filters"]["type"], Value::Null);
    }
}
