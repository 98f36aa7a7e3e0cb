//! The last line: how much was written before it, and its hash. A cut at a line end shows here.

use serde_json::json;

use super::super::chain::is_hex_of;
use super::super::finding::{Code, Findings, Place};
use super::super::members::{self, Kind};
use super::Counts;
use crate::evidence::json::Json;
use crate::hash::Hash;

/// What a footer claims of the lines before it, as far as it can be read.
#[derive(Debug)]
pub(super) struct Footer {
    counts: [(&'static str, Option<u64>); 3],
}

impl Footer {
    /// Reads the footer and compares what is known already: lines and bytes before it.
    pub(super) fn read(line: &Json<'_>, before: Hash, lines: u64, findings: &mut Findings) -> Self {
        let required = [("counts", Kind::Object), ("lines", Kind::Integer), ("sha256", Kind::Hash)];
        members::check(line, &[], &required, findings);
        let count = |name| line.get("counts").and_then(|counts| counts.get(name));
        let names = ["custody", "events", "violations"];
        if let Some(counts) = line.get("counts") {
            members::check(counts, &[], &names.map(|name| (name, Kind::Integer)), findings);
        }
        if let Some(claimed) = line.get("lines").and_then(Json::as_integer).filter(|n| *n != lines)
        {
            mismatch("lines", claimed, lines, findings);
        }
        if let Some(claim) = line.get("sha256").filter(|claim| !is_hex_of(claim, &before)) {
            findings.note(Code::FileHashMismatch, Place::default(), || {
                let message = "The lines are not those that the footer was written for.".to_owned();
                let claimed = claim.describe();
                (message, json!({ "field": "sha256", "claimed": claimed, "computed": before }))
            });
        }
        Self { counts: names.map(|name| (name, count(name).and_then(Json::as_integer))) }
    }

    /// Compares the numbers of lines of each kind.
    pub(super) fn compare(&self, counted: Counts, findings: &mut Findings) {
        for ((name, claimed), (_, computed)) in self.counts.iter().zip(counted.named()) {
            if let Some(claimed) = claimed.filter(|claimed| *claimed != computed) {
                mismatch(&format!("counts.{name}"), claimed, computed, findings);
            }
        }
    }
}

fn mismatch(field: &str, claimed: u64, computed: u64, findings: &mut Findings) {
    findings.note(Code::MetadataMismatch, Place::default(), || {
        let message = format!("The footer counts otherwise: {field}.");
        (message, json!({ "field": field, "claimed": claimed, "computed": computed }))
    });
}
