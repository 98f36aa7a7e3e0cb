//! Our JSON export: its records are verified, then what it says of them is compared.

use serde_json::{Value, json};

use super::finding::{Code, Place};
use super::log::LogVerifier;
use super::signer;
use crate::evidence::canonical;
use crate::evidence::class::EvidenceClass;
use crate::evidence::dsse::Envelope;
use crate::evidence::json::Json;

/// The one schema of exports that this verifier knows.
pub(super) const EXPORT_SCHEMA: &str = "exhibit-export/1";

/// What an export says of its records. `verification` is not read: the exporter may have had keys
/// that we lack, and its verdict is no evidence.
#[derive(Debug)]
pub(super) struct Claims<'r> {
    root: &'r Json<'r>,
    /// The envelope of the seal, as the export carries it.
    pub(super) envelope: Option<Envelope>,
    /// Items in its list of violations: none when the list was taken out.
    violations: u64,
}

impl<'r> Claims<'r> {
    pub(super) fn read(
        root: &'r Json<'r>,
        violations: u64,
        verifier: &mut LogVerifier<'_>,
    ) -> Self {
        let envelope = member(root, &["seal", "envelope"]);
        let read = envelope.and_then(signer::read_envelope);
        if let (Some(value), None) = (envelope, &read) {
            verifier.findings.note(Code::InvalidSeal, Place::default(), || {
                let message = "seal.envelope is no DSSE envelope.".to_owned();
                (message, json!({ "field": "seal.envelope", "received": value.describe() }))
            });
        }
        Self { root, envelope: read, violations }
    }

    /// Compares each claim that is made. `class` is what the records would be worth if their hashes
    /// were right: evidence that fails for another reason is not reproached with its class as well.
    pub(super) fn compare(&self, log: &mut LogVerifier<'_>, class: Option<EvidenceClass>) {
        let records = json!(log.chain.records);
        let sealed = log.seal.is_some();
        let seal_hash = log.seal.as_ref().map(|seal| seal.event_hash);
        let computed: [(&[&str], Value); 12] = [
            (&["evidence_class"], json!(class)),
            (&["seal", "present"], json!(sealed)),
            (&["session", "session_id"], json!(log.context.session_id)),
            (&["session", "chain_authority"], json!(log.context.authority)),
            (&["session", "event_count"], records.clone()),
            (&["session", "final_hash"], json!(log.chain.head)),
            (&["session", "evidence_class"], json!(class)),
            (&["seal", "seal_event_hash"], json!(seal_hash)),
            (&["counts", "log_drops"], json!(log.drops.events)),
            (&["counts", "events"], records),
            (&["counts", "total_drops"], json!(log.drops.total)),
            (&["counts", "violations"], json!(self.violations)),
        ];
        for (path, computed) in computed {
            let Some(claim) = member(self.root, path) else { continue };
            if !agrees(claim, &computed) {
                mismatch(log, &path.join("."), &claim.describe(), &computed);
            }
        }
        let seal = member(self.root, &["seal", "seal"]).zip(log.seal.as_ref());
        if let Some((claim, seal)) = seal
            && canonical::to_canonical(claim) != seal.payload.as_bytes()
        {
            let computed = json!("the payload of CHAIN_SEAL");
            mismatch(log, "seal.seal", &claim.describe(), &computed);
        }
        let status = member(self.root, &["session", "status"]);
        if let Some(status) = status.filter(|s| (s.as_str() == Some("sealed")) != sealed) {
            let computed = if sealed { "sealed" } else { "not sealed" };
            mismatch(log, "session.status", &status.describe(), &json!(computed));
        }
    }
}

fn mismatch(log: &mut LogVerifier<'_>, field: &str, claimed: &str, computed: &Value) {
    log.findings.note(Code::MetadataMismatch, Place::default(), || {
        let message = format!("The export says something else of its records: {field}.");
        (message, json!({ "field": field, "claimed": claimed, "computed": computed }))
    });
}

/// A member that says something; null says nothing.
fn member<'r>(root: &'r Json<'r>, path: &[&str]) -> Option<&'r Json<'r>> {
    let found = path.iter().try_fold(root, |value, key| value.get(key));
    found.filter(|value| **value != Json::Null)
}

fn agrees(claim: &Json<'_>, computed: &Value) -> bool {
    match computed {
        Value::Bool(computed) => *claim == Json::Bool(*computed),
        Value::Number(computed) => claim.as_integer() == computed.as_u64(),
        Value::String(computed) => claim.as_str() == Some(computed),
        // Nothing could be computed: a record failed, and its finding stands.
        _ => true,
    }
}
