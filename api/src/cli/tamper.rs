//! Ten ways to tamper with an export, as somebody would who holds the file but not the key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::evidence::canonical;
use domain::evidence::dsse::{Envelope, SEAL_PAYLOAD_TYPE, pae};
use domain::evidence::json;
use domain::evidence::jwk::Jwk;
use domain::evidence::merkle::MerkleTree;
use domain::evidence::record::{HashedFields, event_hash};
use domain::evidence::verify::Code;
use domain::hash::Hash;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

/// One way, and the finding that must name it.
pub(super) struct Tampering {
    pub(super) what: &'static str,
    pub(super) names: Code,
    apply: fn(&mut Value),
}

impl Tampering {
    /// A tampered copy of an export.
    pub(super) fn of(&self, export: &Value) -> Value {
        let mut copy = export.clone();
        (self.apply)(&mut copy);
        copy
    }
}

pub(super) const ALL: [Tampering; 10] = [
    Tampering {
        what: "a payload changed",
        names: Code::PayloadHashMismatch,
        apply: change_payload,
    },
    Tampering { what: "an event deleted", names: Code::SequenceGap, apply: delete_event },
    Tampering { what: "the tail cut off", names: Code::InvalidSeal, apply: cut_tail },
    Tampering { what: "two events swapped", names: Code::SequenceOrder, apply: swap_events },
    Tampering { what: "changed, and all hashes redone", names: Code::InvalidSeal, apply: rehash },
    Tampering { what: "the seal stripped", names: Code::UnsealedSession, apply: strip_seal },
    Tampering {
        what: "the seal's count changed",
        names: Code::SealCountMismatch,
        apply: change_count,
    },
    Tampering {
        what: "unsigned metadata changed",
        names: Code::SealDigestMismatch,
        apply: change_actor,
    },
    Tampering {
        what: "signed by another key",
        names: Code::SignatureInvalid,
        apply: sign_as_other,
    },
    Tampering { what: "an event added after the seal", names: Code::SealNotLast, apply: add_after },
];

fn events(export: &mut Value) -> &mut Vec<Value> {
    // An export without events does not reach this module.
    let events = export["events"].as_array_mut();
    events.expect("an export has events")
}

fn first_tool_call(events: &[Value]) -> usize {
    events.iter().position(|e| e["event_type"] == "TOOL_CALL").unwrap_or(1)
}

fn change_payload(export: &mut Value) {
    let events = events(export);
    let call = first_tool_call(events);
    events[call]["payload"]["args"]["order_id"] = json!("ORD-0000");
}

fn delete_event(export: &mut Value) {
    let events = events(export);
    let call = first_tool_call(events);
    events.remove(call);
}

fn cut_tail(export: &mut Value) {
    let events = events(export);
    events.truncate(events.len() - 4);
}

fn swap_events(export: &mut Value) {
    events(export).swap(3, 4);
}

fn rehash(export: &mut Value) {
    change_payload(export);
    let events = events(export);
    let mut prev: Option<Hash> = None;
    let mut tree = MerkleTree::default();
    let count = events.len();
    for (at, event) in events.iter_mut().enumerate() {
        if at + 1 == count {
            event["payload"]["session_digest"] = json!(format!("sha256:{}", tree.root()));
            event["payload"]["final_event_hash"] = json!(prev);
        }
        let payload = canonical_bytes(&event["payload"]);
        event["payload_hash"] = json!(Hash::of(&payload));
        event["prev_event_hash"] = json!(prev);
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let hash = event_hash(&HashedFields {
            event_id: &text("event_id"),
            event_type: &text("event_type"),
            payload_hash: &Hash::of(&payload),
            prev_event_hash: prev.as_ref(),
            sequence_number: at as u64,
            session_id: &text("session_id"),
            timestamp_wall: &text("timestamp_wall"),
        });
        event["event_hash"] = json!(hash);
        prev = Some(hash);
        let mut leaf = event.clone();
        if let Some(members) = leaf.as_object_mut() {
            members.remove("payload");
            members.remove("signature");
        }
        tree.push(&canonical_bytes(&leaf));
    }
    export["session"]["final_hash"] = json!(prev);
}

/// Who strips the seal also mends what the export says of it: only the missing seal remains.
fn strip_seal(export: &mut Value) {
    events(export).pop();
    let count = events(export).len();
    let last = events(export)[count - 1]["event_hash"].clone();
    export["seal"] = json!({ "present": false, "envelope": null });
    export["evidence_class"] = json!("PARTIAL_AUTHORITATIVE_EVIDENCE");
    export["counts"]["events"] = json!(count);
    export["session"]["event_count"] = json!(count);
    export["session"]["status"] = json!("active");
    export["session"]["final_hash"] = last;
    export["session"]["evidence_class"] = json!("PARTIAL_AUTHORITATIVE_EVIDENCE");
}

fn change_count(export: &mut Value) {
    if let Some(seal) = events(export).last_mut() {
        seal["payload"]["event_count"] = json!(3);
    }
}

fn change_actor(export: &mut Value) {
    events(export)[5]["actor_id"] = json!("somebody-else");
}

fn sign_as_other(export: &mut Value) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let kid = Jwk::of_ed25519(&key.verifying_key().to_bytes(), None, None).kid;
    let payload = export["seal"]["envelope"]["payload"].as_str().unwrap_or_default();
    let payload = STANDARD.decode(payload).unwrap_or_default();
    let signature = key.sign(&pae(SEAL_PAYLOAD_TYPE, &payload));
    let envelope = Envelope::new(SEAL_PAYLOAD_TYPE, &payload, kid, &signature.to_bytes());
    export["seal"]["envelope"] = json!(envelope);
}

fn add_after(export: &mut Value) {
    let events = events(export);
    let mut copy = events[2].clone();
    copy["sequence_number"] = json!(events.len());
    copy["prev_event_hash"] = events[events.len() - 1]["event_hash"].clone();
    events.push(copy);
}

fn canonical_bytes(value: &Value) -> Vec<u8> {
    let text = value.to_string();
    json::parse(text.as_bytes(), json::DEPTH_MAX + 1)
        .map(|document| canonical::to_canonical(&document.root))
        .unwrap_or_default()
}
