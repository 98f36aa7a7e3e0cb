//! `bundle.sig`: the statement must be about this manifest, and a key from outside must have signed it.

use serde_json::{Value, json};

use super::super::finding::{Code, Place};
use super::super::report::Axis;
use super::super::signer::{NO_KEYS, check_signature, parse_envelope};
use super::super::times::instant;
use super::{BundleVerifier, SIGNATURE_FILE};
use crate::evidence::dsse::Envelope;
use crate::evidence::json::{self, DEPTH_MAX, Json};

/// Payload type of a manifest's signature.
const PAYLOAD_TYPE: &str = "application/vnd.exhibit.bundle+json";
const ALGORITHM: &str = "Ed25519";

/// What was signed: a manifest's hash, at a time.
struct Statement {
    manifest_sha256: String,
    timestamp: String,
}

impl BundleVerifier<'_> {
    pub(super) fn judge_signature(&mut self) -> Axis {
        if self.unreadable && self.manifest_hash.is_none() {
            return Axis::not_established("It could not be read, so no signature was found in it.");
        }
        let Some(text) = self.signature.take() else {
            return self.not_established("There is no bundle.sig: no one has signed this.");
        };
        if self.manifest_hash.is_none() {
            return self
                .not_established("There is no manifest.json that the signature could be about.");
        }
        let read = parse_envelope(&text).ok_or("bundle.sig is no DSSE envelope.");
        let read = read.and_then(|envelope| Ok((read_statement(&envelope)?, envelope)));
        let (statement, envelope) = match read {
            Ok(read) => read,
            Err(reason) => return self.fault(Code::SignatureInvalid, reason, json!({})),
        };
        let computed = self.manifest_hash.map(|hash| hash.to_string());
        let fits = computed.as_deref() == Some(statement.manifest_sha256.as_str());
        if !fits {
            let claimed = Json::String(statement.manifest_sha256.as_str().into()).describe();
            self.note(
                Code::ManifestHashMismatch,
                "The manifest is not the one that was signed.",
                json!({ "field": "manifest_sha256", "claimed": claimed, "computed": computed }),
            );
        }
        let Some(keys) = self.options.keys else {
            self.note(Code::SignerNotEstablished, NO_KEYS, json!({}));
            return if fits { Axis::not_established(NO_KEYS) } else { Axis::fail(ANOTHER) };
        };
        match check_signature(keys, &envelope, instant(&statement.timestamp), "signature") {
            Err((code, reason)) => {
                let details = json!({ "reason": reason });
                self.fault(code, &reason, details)
            }
            Ok(_) if !fits => Axis::fail(ANOTHER),
            Ok(kid) => Axis::pass(format!(
                "The manifest is signed by the key {kid}, which was given from outside."
            )),
        }
    }

    fn note(&mut self, code: Code, message: &str, mut details: Value) {
        details["file"] = SIGNATURE_FILE.into();
        self.findings.note(code, Place::default(), || (message.to_owned(), details));
    }

    fn not_established(&mut self, reason: &str) -> Axis {
        self.note(Code::SignerNotEstablished, reason, json!({}));
        Axis::not_established(reason)
    }

    fn fault(&mut self, code: Code, reason: &str, details: Value) -> Axis {
        self.note(code, reason, details);
        Axis::fail(reason)
    }
}

const ANOTHER: &str = "What was signed is another manifest than this one.";

/// The statement, which has exactly these members in canonical form.
fn read_statement(envelope: &Envelope) -> Result<Statement, &'static str> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err("The signature is not one of a manifest.");
    }
    let bytes = envelope.payload_bytes().map_err(|_| "What was signed is not base64.")?;
    let malformed = "What was signed is no statement about a manifest.";
    let document = json::parse(&bytes, DEPTH_MAX).map_err(|_| malformed)?;
    let text = |name| document.root.get(name).and_then(Json::as_str);
    let (Some(hash), Some(at)) = (text("manifest_sha256"), text("timestamp")) else {
        return Err(malformed);
    };
    let expected = json!({ "algorithm": ALGORITHM, "manifest_sha256": hash, "timestamp": at });
    let expected = crate::evidence::canonical::of_serde(&expected).map_err(|_| malformed)?;
    if expected != bytes || instant(at).is_none() {
        return Err(malformed);
    }
    Ok(Statement { manifest_sha256: hash.to_owned(), timestamp: at.to_owned() })
}
