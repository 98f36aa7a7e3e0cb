//! The detached signature: the statement must be about this file, and a key from outside must have
//! signed it.

use serde_json::json;

use super::super::finding::{Code, Findings, Place};
use super::super::report::Axis;
use super::super::signer::{NO_KEYS, check_signature};
use super::super::times::instant;
use super::{Counts, NdjsonVerifier};
use crate::evidence::canonical;
use crate::evidence::json::{self, DEPTH_MAX, Json};
use crate::hash::Hash;

/// Payload type of an evidence export's signature.
const PAYLOAD_TYPE: &str = "application/vnd.exhibit.ndjson+json";

impl NdjsonVerifier<'_> {
    /// Judges the signature beside the file.
    pub(super) fn judge_signature(&mut self, sha256: Hash) -> Axis {
        let Some(envelope) = self.options.seal else {
            let reason = "No signature came with the file.";
            note_unsigned(reason, &mut self.findings);
            return Axis::not_established(reason);
        };
        if envelope.payload_type != PAYLOAD_TYPE {
            let reason = "The signature is not one of an evidence export.";
            self.findings.note(Code::SignatureInvalid, Place::default(), || {
                let received = Json::String(envelope.payload_type.as_str().into()).describe();
                let details = json!({ "field": "payloadType", "expected": PAYLOAD_TYPE, "received": received });
                (reason.to_owned(), details)
            });
            return Axis::fail(reason);
        }
        // What was signed says when: the file may say anything.
        let signed = envelope.payload_bytes().unwrap_or_default();
        let stated = json::parse(&signed, DEPTH_MAX).map_or(Json::Null, |document| document.root);
        let header = stated.get("header");
        let at = header.and_then(|header| header.get("exported_at")).and_then(Json::as_str);
        let fits = self.header.as_ref().map_or(b"null".as_slice(), |header| &header.canonical);
        let fits = compare(&signed, &stated, fits, self.counts, sha256, &mut self.findings);
        let signed = match self.options.keys {
            Some(keys) => check_signature(keys, envelope, at.and_then(instant), "export"),
            None => {
                note_unsigned(NO_KEYS, &mut self.findings);
                return if fits { Axis::not_established(NO_KEYS) } else { Axis::fail(ANOTHER) };
            }
        };
        match signed {
            Err((code, reason)) => {
                self.findings
                    .note(code, Place::default(), || (reason.clone(), json!({ "reason": reason })));
                Axis::fail(reason)
            }
            Ok(_) if !fits => Axis::fail(ANOTHER),
            Ok(kid) => Axis::pass(format!(
                "The file is signed by the key {kid}, which was given from outside."
            )),
        }
    }
}

const ANOTHER: &str = "What was signed is another file than this one.";

fn note_unsigned(reason: &str, findings: &mut Findings) {
    findings.note(Code::SignerNotEstablished, Place::default(), || (reason.to_owned(), json!({})));
}

/// Whether the signed statement is JCS of this file's counts, header and hash; notes what differs.
fn compare(
    signed: &[u8],
    stated: &Json<'_>,
    header: &[u8],
    counts: Counts,
    sha256: Hash,
    findings: &mut Findings,
) -> bool {
    if signed == statement(header, counts, sha256) {
        return true;
    }
    let mut note = |code: Code, field: &str, claimed: Option<String>, computed: String| {
        findings.note(code, Place::default(), || {
            let message = format!("What was signed says something else of the file: {field}.");
            (message, json!({ "field": field, "claimed": claimed, "computed": computed }))
        });
    };
    let mut told = false;
    let hash = stated.get("sha256").and_then(Json::as_str);
    if hash != Some(sha256.to_string().as_str()) {
        told = true;
        let claimed = stated.get("sha256").map(Json::describe);
        note(Code::FileHashMismatch, "sha256", claimed, sha256.to_string());
    }
    for (name, counted) in counts.named() {
        let claim = stated.get("counts").and_then(|counts| counts.get(name));
        if claim.and_then(Json::as_integer) != Some(counted) {
            told = true;
            let field = format!("counts.{name}");
            note(Code::MetadataMismatch, &field, claim.map(Json::describe), counted.to_string());
        }
    }
    let claim = stated.get("header");
    if claim.is_none_or(|claim| canonical::to_canonical(claim) != header) {
        told = true;
        let computed = "the first line".to_owned();
        note(Code::MetadataMismatch, "header", claim.map(Json::describe), computed);
    }
    // All members agree: there are more of them, or the statement is not in canonical form.
    if !told {
        note(Code::InvalidCanonicalForm, "signature", None, "canonical form".to_owned());
    }
    false
}

fn statement(header: &[u8], counts: Counts, sha256: Hash) -> Vec<u8> {
    let mut out = b"{\"counts\":{".to_vec();
    for (at, (name, count)) in counts.named().into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        canonical::write_string(name, &mut out);
        out.push(b':');
        canonical::write_integer(count, &mut out);
    }
    out.extend_from_slice(b"},\"header\":");
    out.extend_from_slice(header);
    out.extend_from_slice(b",\"sha256\":\"");
    out.extend_from_slice(&sha256.hex());
    out.extend_from_slice(b"\"}");
    out
}
