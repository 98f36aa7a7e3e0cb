//! Seals, certificates and the keys that they verify under, before and after a rotation.

use domain::evidence::dsse::Envelope;
use domain::evidence::jwk::JwkSet;
use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

use crate::refusing::problem;

#[tokio::test]
async fn a_certificate_holds_the_seal_its_signature_and_its_key() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let sealed = app.seal(session).await.expect(201).body;

    let certificate = certificate(&app, session).await;

    assert_eq!(certificate["session_id"], session.to_string());
    for member in ["evidence_class", "seal", "seal_event_hash", "envelope"] {
        assert_eq!(certificate[member], sealed[member], "{member}");
    }
    assert_eq!(certificate["key"]["kid"], certificate["envelope"]["signatures"][0]["keyid"]);
    let keys = public_keys(&app).await;
    assert_eq!(certificate["key"], json!(keys.keys[0]));
    assert_eq!(signer(&certificate, &keys), keys.keys[0].kid);
    let listed = app.get("/v1/keys").await.expect(200);
    assert!(listed.text.contains(&keys.keys[0].kid), "{}", listed.text);
}

#[tokio::test]
async fn without_a_seal_there_is_no_certificate() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let missing = app.get(&format!("/v1/certificates/{session}")).await;
    problem(&missing, 404, "CERTIFICATE_NOT_FOUND");
    let missing = app.get(&format!("/v1/certificates/{}", Uuid::nil())).await;
    problem(&missing, 404, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn after_a_rotation_old_seals_verify_and_new_ones_carry_the_new_key() {
    let app = TestApp::start().await;
    let old = app.sealed_session().await;
    let before = public_keys(&app).await;
    assert_eq!(before.keys.len(), 1);

    let new_kid = rotate(&app);

    let new = app.sealed_session().await;
    let keys = public_keys(&app).await;
    assert_eq!(keys.keys.len(), 2);
    let old_kid = before.keys[0].kid.clone();
    assert_eq!(signer(&certificate(&app, old).await, &keys), old_kid);
    assert_eq!(signer(&certificate(&app, new).await, &keys), new_kid);
    assert_ne!(old_kid, new_kid);
    assert!(keys.find(&old_kid).unwrap().exp.is_some(), "the retired key has an end");
    assert!(keys.find(&new_kid).unwrap().exp.is_none(), "the current key has none");
    for session in [old, new] {
        let report = app.verify(session).await;
        assert_eq!(report["status"], "PASS", "{report}");
        assert_eq!(report["axes"]["signer"]["result"], "pass");
    }
    // The keys of before the rotation know nothing of the new one.
    let envelope = envelope(&certificate(&app, new).await);
    assert!(envelope.verify(&before).is_err());
}

#[tokio::test]
async fn several_rotations_and_a_restart_lose_no_key() {
    let mut app = TestApp::start().await;
    let mut sessions = vec![app.sealed_session().await];
    for _ in 0..3 {
        rotate(&app);
        sessions.push(app.sealed_session().await);
    }

    app.restart();

    assert_eq!(public_keys(&app).await.keys.len(), 4);
    for session in sessions {
        assert_eq!(app.verify(session).await["status"], "PASS");
    }
}

/// The new key's id.
fn rotate(app: &TestApp) -> String {
    let rotated = app.cli(&["keys", "rotate"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    String::from_utf8(rotated.stdout).unwrap().trim().to_owned()
}

async fn certificate(app: &TestApp, session: Uuid) -> Value {
    app.get(&format!("/v1/certificates/{session}")).await.expect(200).body
}

async fn public_keys(app: &TestApp) -> JwkSet {
    let request = app.bare_request(reqwest::Method::GET, "/.well-known/jwks.json");
    serde_json::from_str(&tests::send(request).await.expect(200).text).unwrap()
}

fn envelope(certificate: &Value) -> Envelope {
    serde_json::from_value(certificate["envelope"].clone()).unwrap()
}

/// Id of the key under which a certificate verifies.
fn signer(certificate: &Value, keys: &JwkSet) -> String {
    envelope(certificate).verify(keys).expect("the seal verifies")
}
