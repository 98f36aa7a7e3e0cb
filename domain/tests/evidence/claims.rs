//! Hashes that clients claim: of payloads, and in `sdk` sessions of the whole chain.

use domain::evidence::intake::{BodyForm, ClaimedChain, IncomingEvent};
use domain::evidence::record::ChainAuthority;
use domain::evidence::refusal::IngestRefusal;
use domain::hash::Hash;
use serde_json::{Value, json};

use crate::wire::{batch, door, event, refused, taken, verdict, with};

fn payload_hash() -> String {
    Hash::of(br#"{"score":7}"#).to_string()
}

fn read_sdk(event: &Value) -> Result<Vec<IncomingEvent>, IngestRefusal> {
    door(ChainAuthority::Sdk).read(event.to_string().as_bytes(), BodyForm::Json)
}

/// The event as an SDK sends it that chains for itself.
fn claimed() -> Value {
    let mut event = with("payload_hash", payload_hash());
    event["prev_event_hash"] = json!("ab".repeat(32));
    event["event_hash"] = json!("cd".repeat(32));
    event
}

fn sdk_with(field: &str, value: impl Into<Value>) -> Value {
    let mut event = claimed();
    event[field] = value.into();
    event
}

#[test]
fn the_payload_hash_is_that_of_the_canonical_form() {
    let spaced = event().to_string().replace("{\"score\":7}", "{ \"score\" : 7.0 }");
    let body = taken(spaced).body;
    assert_eq!(body.payload, r#"{"score":7}"#);
    assert_eq!(body.payload_hash.to_string(), payload_hash());
}

#[test]
fn a_right_payload_hash_is_taken_in_either_case() {
    let unclaimed = taken(event());
    assert_eq!(taken(with("payload_hash", payload_hash())), unclaimed);
    assert_eq!(taken(with("payload_hash", payload_hash().to_uppercase())), unclaimed);
}

#[test]
fn a_wrong_payload_hash_is_answered_with_the_right_one() {
    let wrong = "AB".repeat(32);
    let details = json!({
        "expected": payload_hash(), "received": wrong.to_lowercase(), "index": 1,
    });
    let answer = refused(batch([event(), with("payload_hash", wrong)]));
    assert_eq!(answer, ("INGEST_PAYLOAD_HASH_MISMATCH", details));
}

#[test]
fn a_payload_hash_is_64_hex_digits() {
    let prefixed = format!("sha256:{}", payload_hash());
    for wrong in ["", "ab", &prefixed, &"g".repeat(64), &"é".repeat(32), &payload_hash()[..63]] {
        let (code, details) = refused(with("payload_hash", wrong));
        assert_eq!((code, &details["field"]), ("INGEST_SCHEMA_INVALID", &json!("payload_hash")));
    }
}

#[test]
fn an_event_of_a_server_session_claims_no_chain() {
    assert_eq!(taken(event()).claimed, None);
}

#[test]
fn an_sdk_claims_its_chain() {
    let claim = |prev: Option<[u8; 32]>| {
        Some(ClaimedChain { prev_event_hash: prev.map(Hash), event_hash: Hash([0xcd; 32]) })
    };
    let events = read_sdk(&claimed()).unwrap();
    assert_eq!(events[0].claimed, claim(Some([0xab; 32])));
    let first = read_sdk(&sdk_with("prev_event_hash", Value::Null)).unwrap();
    assert_eq!(first[0].claimed, claim(None));
    let named = read_sdk(&sdk_with("chain_authority", "sdk")).unwrap();
    assert_eq!(named, events);
}

#[test]
fn an_sdk_must_claim_every_hash() {
    let details = json!({
        "missing_fields": ["payload_hash", "prev_event_hash", "event_hash"],
        "unexpected_fields": [],
        "index": 0,
    });
    assert_eq!(verdict(read_sdk(&event())), ("INGEST_SCHEMA_INVALID", details));
}

#[test]
fn an_sdk_cannot_claim_what_is_no_hash_or_another_authority() {
    let wrong = [
        ("event_hash", Value::Null),
        ("event_hash", json!("")),
        ("prev_event_hash", json!("genesis")),
        ("payload_hash", Value::Null),
        ("chain_authority", json!("server")),
        ("chain_authority", Value::Null),
    ];
    for (field, value) in wrong {
        let (code, details) = verdict(read_sdk(&sdk_with(field, value)));
        assert_eq!((code, &details["field"]), ("INGEST_SCHEMA_INVALID", &json!(field)));
    }
}

#[test]
fn an_sdk_does_not_speak_for_the_clock_and_the_evidence_key_of_the_server() {
    for field in ["received_at", "signature"] {
        let answer = verdict(read_sdk(&sdk_with(field, "x")));
        let details = json!({ "field": field, "index": 0 });
        assert_eq!(answer, ("INGEST_AUTHORITY_LEAK", details));
    }
}

#[test]
fn an_sdk_may_send_the_seal() {
    let events = read_sdk(&sdk_with("event_type", "CHAIN_SEAL")).unwrap();
    assert_eq!(events[0].body.event_type.as_str(), "CHAIN_SEAL");
}
