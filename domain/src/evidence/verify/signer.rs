//! Who sealed: the envelope must state this very seal, and a key from outside must have signed it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Options;
use super::context::brief;
use super::finding::{Code, Findings, Place};
use super::report::Axis;
use super::seal::SealRecord;
use super::times::instant;
use crate::evidence::canonical;
use crate::evidence::dsse::{Envelope, EnvelopeSignature, SEAL_PAYLOAD_TYPE};
use crate::evidence::json::{self, DEPTH_MAX, Json};
use crate::evidence::jwk::JwkSet;
use crate::evidence::seal::SealStatement;

/// What is shown of the reason why a signature does not count.
const FAULT_BYTES_MAX: usize = 240;

/// Why a signature alone establishes no signer.
pub(super) const NO_KEYS: &str =
    "No key from outside was given, and a key inside the evidence proves nothing.";

/// Reads a DSSE envelope: alone, or as the member `envelope` of a certificate.
pub fn parse_envelope(bytes: &[u8]) -> Option<Envelope> {
    let document = json::parse(bytes, DEPTH_MAX).ok()?;
    if !document.flaws.is_empty() {
        return None;
    }
    read_envelope(document.root.get("envelope").unwrap_or(&document.root))
}

/// An envelope from a document that was read already.
pub(super) fn read_envelope(value: &Json<'_>) -> Option<Envelope> {
    let text = |value: &Json<'_>, key| value.get(key).and_then(Json::as_str).map(str::to_owned);
    let signatures = value.get("signatures")?.as_array()?.iter().map(|signature| {
        let keyid = text(signature, "keyid").unwrap_or_default();
        Some(EnvelopeSignature { keyid, sig: text(signature, "sig")? })
    });
    Some(Envelope {
        payload_type: text(value, "payloadType")?,
        payload: text(value, "payload")?,
        signatures: signatures.collect::<Option<_>>()?,
    })
}

/// Judges all envelopes that came with a log; a seal that one of them contradicts is not valid.
pub(super) fn judge(
    options: &Options<'_>,
    inside: Option<&Envelope>,
    seal: Option<&mut SealRecord>,
    findings: &mut Findings,
) -> Axis {
    let envelopes: Vec<&Envelope> = options.seal.into_iter().chain(inside).collect();
    let Some(seal) = seal else {
        if envelopes.is_empty() {
            return Axis::not_established("The log is not sealed, so no one has signed it.");
        }
        findings.note(Code::InvalidSeal, Place::default(), || {
            let message = "A signature over a seal came with a log that has none.".to_owned();
            (message, json!({ "missing": "CHAIN_SEAL" }))
        });
        return Axis::fail("The signed seal is missing from the log.");
    };
    let mut about_another = false;
    for envelope in &envelopes {
        if let Some(member) = differing_member(envelope, seal) {
            about_another = true;
            seal.valid = false;
            findings.note(Code::InvalidSeal, seal.place(), || {
                let message = "The signed statement is not about this seal.".to_owned();
                (message, json!({ "differs": brief(&member) }))
            });
        }
    }
    let signed = check_signatures(options.keys, &envelopes, seal, findings);
    if about_another {
        return Axis::fail("What was signed is another seal than the one in this log.");
    }
    signed
}

fn check_signatures(
    keys: Option<&JwkSet>,
    envelopes: &[&Envelope],
    seal: &SealRecord,
    findings: &mut Findings,
) -> Axis {
    let missing = match (keys, envelopes) {
        (_, []) => Some("The seal's signature was not given."),
        (None, _) => Some(NO_KEYS),
        _ => None,
    };
    if let Some(reason) = missing {
        findings.note(Code::SignerNotEstablished, seal.place(), || (reason.to_owned(), json!({})));
    }
    let (Some(keys), None) = (keys, missing) else {
        return Axis::not_established(missing.unwrap_or_default());
    };
    let mut signer = String::new();
    for envelope in envelopes {
        let at = seal.timestamp.as_deref().and_then(instant);
        match check_signature(keys, envelope, at, "seal") {
            Ok(kid) => signer = kid,
            Err((code, reason)) => {
                findings.note(code, seal.place(), || (reason.clone(), json!({ "reason": reason })));
                return Axis::fail(reason);
            }
        }
    }
    for (field, claimed) in &seal.foreign {
        findings.note(Code::MetadataMismatch, seal.place(), || {
            let message = "The seal's record says what its signer does not write beside a seal.";
            (message.to_owned(), json!({ "field": field, "claimed": claimed }))
        });
    }
    Axis::pass(format!("The seal is signed by the key {signer}, which was given from outside."))
}

/// Whether a key from outside has signed, and was valid `at` the moment that the statement names.
pub(super) fn check_signature(
    keys: &JwkSet,
    envelope: &Envelope,
    at: Option<DateTime<Utc>>,
    what: &str,
) -> Result<String, (Code, String)> {
    let kid = envelope.verify(keys).map_err(|fault| {
        // Key ids come from the evidence and may be long.
        let reason = fault.to_string();
        let end = reason.floor_char_boundary(FAULT_BYTES_MAX);
        (Code::SignatureInvalid, format!("The signature does not count: {}.", &reason[..end]))
    })?;
    let covered = keys.find(&kid).is_some_and(|key| match at {
        Some(at) => key.covers(at),
        None => key.nbf.is_none() && key.exp.is_none(),
    });
    if covered {
        return Ok(kid);
    }
    let reason = format!("The key {kid} was not valid when the {what} was made.");
    Err((Code::KeyOutsideValidity, reason))
}

/// The first member by which an envelope states another seal than this.
fn differing_member(envelope: &Envelope, seal: &SealRecord) -> Option<String> {
    if envelope.payload_type != SEAL_PAYLOAD_TYPE {
        return Some("payloadType".to_owned());
    }
    let Ok(bytes) = envelope.payload_bytes() else { return Some("payload".to_owned()) };
    let Ok(document) = json::parse(&bytes, DEPTH_MAX + 1) else {
        return Some("payload".to_owned());
    };
    let stated = document.root;
    let Some(event_hash) = &seal.event_hash else { return Some("seal_event_hash".to_owned()) };
    let Some(tenant_id) = stated.get("tenant_id").and_then(Json::as_str) else {
        return Some("tenant_id".to_owned());
    };
    let expected = SealStatement {
        tenant_id,
        session_id: &seal.session_id,
        chain_authority: &seal.authority,
        seal_event_hash: event_hash,
        seal: &seal.payload,
    }
    .canonical();
    if expected == bytes {
        return None;
    }
    let hash = event_hash.to_string();
    let texts = [
        ("session_id", seal.session_id.as_str()),
        ("chain_authority", seal.authority.as_str()),
        ("seal_event_hash", hash.as_str()),
    ];
    let text = texts
        .into_iter()
        .find(|(name, expected)| stated.get(name).and_then(Json::as_str) != Some(*expected));
    if let Some((name, _)) = text {
        return Some(name.to_owned());
    }
    let same_seal = stated
        .get("seal")
        .is_some_and(|stated| canonical::to_canonical(stated) == seal.payload.as_bytes());
    // All members agree: there are more of them, or the statement is not in canonical form.
    Some(if same_seal { "canonical form" } else { "seal" }.to_owned())
}
