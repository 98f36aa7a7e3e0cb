//! Receipts: the server signs that it has stored the chain up to there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::evidence::canonical;
use domain::evidence::dsse::{Envelope, EnvelopeFault, RECEIPT_PAYLOAD_TYPE};
use domain::evidence::jwk::JwkSet;
use serde_json::{Value, json};
use tests::{Answer, TestApp, events};

use crate::refusing::Target;

#[tokio::test]
async fn a_receipt_is_signed_over_what_was_stored() {
    let target = Target::new().await;

    let answer = append_for_receipt(&target, &events::tool_calls(target.session, 1, 3)).await;

    let receipt = envelope(&answer.expect(201).body["receipt"]);
    assert_eq!(receipt.payload_type, RECEIPT_PAYLOAD_TYPE);
    let keys = public_keys(&target.app).await;
    assert_eq!(receipt.verify(&keys), Ok(receipt.signatures[0].keyid.clone()));
    let bytes = receipt.payload_bytes().unwrap();
    assert_eq!(canonical::canonicalize(&bytes).unwrap(), bytes);
    let statement: Value = serde_json::from_slice(&bytes).unwrap();
    let last = target.app.export_lines(target.session).await;
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    let expected = json!({
        "session_id": target.session, "through_seq": 3, "final_hash": last["event_hash"],
        "received_at": last["received_at"],
    });
    assert_eq!(statement, expected);
}

#[tokio::test]
async fn a_receipt_that_was_changed_does_not_verify() {
    let target = Target::new().await;
    let answer = append_for_receipt(&target, &[target.next()]).await.expect(201);
    let keys = public_keys(&target.app).await;
    let mut receipt = envelope(&answer.body["receipt"]);
    let kid = receipt.signatures[0].keyid.clone();
    let statement = String::from_utf8(receipt.payload_bytes().unwrap()).unwrap();

    receipt.payload = STANDARD.encode(statement.replace("\"through_seq\":1", "\"through_seq\":9"));

    assert_eq!(receipt.verify(&keys), Err(EnvelopeFault::Invalid(kid)));
}

#[tokio::test]
async fn a_retry_gets_a_receipt_for_the_same_chain() {
    let target = Target::new().await;
    let first = append_for_receipt(&target, &[target.next()]).await;
    let _ = first.expect(201);
    let event = events::tool_call(target.session, 2);
    let stored = append_for_receipt(&target, std::slice::from_ref(&event)).await.expect(201);

    let again = append_for_receipt(&target, std::slice::from_ref(&event)).await.expect(200);

    let statement = |answer: &Answer| -> Value {
        let bytes = envelope(&answer.body["receipt"]).payload_bytes().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    for member in ["session_id", "through_seq", "final_hash", "received_at"] {
        assert_eq!(statement(&again)[member], statement(&stored)[member], "{member}");
    }
}

async fn append_for_receipt(target: &Target, events: &[Value]) -> Answer {
    let path = format!("{}?receipt=true", target.path());
    target.app.post(&path, &json!({ "events": events })).await
}

fn envelope(value: &Value) -> Envelope {
    serde_json::from_value(value.clone()).expect("an envelope")
}

async fn public_keys(app: &TestApp) -> JwkSet {
    let keys = app.get("/.well-known/jwks.json").await.expect(200);
    serde_json::from_str(&keys.text).unwrap()
}
