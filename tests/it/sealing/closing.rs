//! Which sessions are sealed, with which class, and what follows.

use std::time::Duration;

use domain::evidence::canonical;
use domain::evidence::dsse::{Envelope, SEAL_PAYLOAD_TYPE};
use serde_json::{Value, json};
use tests::{Answer, TestApp, events};
use uuid::Uuid;

use crate::refusing::{Target, problem};

#[tokio::test]
async fn sealing_twice_answers_with_the_same_seal() {
    let target = ended().await;
    let first = target.app.seal(target.session).await.expect(201);
    let before = target.app.session(target.session).await;

    let second = target.app.seal(target.session).await.expect(200);

    assert_eq!(second.body, first.body);
    assert_eq!(target.app.session(target.session).await, before);
}

#[tokio::test]
async fn a_seal_says_what_it_closes() {
    let target = ended().await;
    let last = target.app.session(target.session).await["final_hash"].clone();

    let answer = target.app.seal(target.session).await.expect(201);

    let sealed = answer.body;
    assert_eq!(sealed["session_id"], target.session.to_string());
    assert_eq!((&sealed["status"], &sealed["partial_reasons"]), (&json!("sealed"), &json!([])));
    assert_eq!(sealed["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    let seal = &sealed["seal"];
    assert_eq!((&seal["event_count"], &seal["total_drops"]), (&json!(2), &json!(0)));
    assert_eq!(seal["final_event_hash"], last);
    assert_eq!(seal["evidence_class"], sealed["evidence_class"]);
    // SHA-256 of `[]`: no policies are active.
    let no_policies = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";
    assert_eq!(seal["policy_set_digest"], no_policies);
    assert!(seal["session_digest"].as_str().is_some_and(|d| d.starts_with("sha256:")), "{seal}");
    let time = seal["seal_timestamp"].as_str().unwrap();
    assert_eq!((time.len(), &time[23..]), (24, "Z"));
    assert_eq!(seal.as_object().unwrap().len(), 8);

    let state = target.app.session(target.session).await;
    assert_eq!((&state["status"], &state["event_count"]), (&json!("sealed"), &json!(3)));
    assert_eq!(state["final_hash"], sealed["seal_event_hash"]);
    assert_eq!(state["position"], sealed["position"]);
    assert_eq!(state["ingestion_service_id"], seal["ingestion_service_id"]);
    let record = last_record(&target).await;
    assert_eq!((&record["event_type"], &record["payload"]), (&json!("CHAIN_SEAL"), seal));
    assert_eq!(record["event_hash"], sealed["seal_event_hash"]);
    assert_eq!(record["timestamp_wall"], seal["seal_timestamp"]);
}

#[tokio::test]
async fn what_is_signed_is_the_statement_of_the_contract() {
    let target = ended().await;
    let sealed = target.app.seal(target.session).await.expect(201).body;
    let envelope: Envelope = serde_json::from_value(sealed["envelope"].clone()).unwrap();
    assert_eq!(envelope.payload_type, SEAL_PAYLOAD_TYPE);

    let bytes = envelope.payload_bytes().unwrap();

    assert_eq!(canonical::canonicalize(&bytes).unwrap(), bytes);
    let statement: Value = serde_json::from_slice(&bytes).unwrap();
    let tenant = statement["tenant_id"].clone();
    assert!(tenant.as_str().is_some_and(|id| Uuid::try_parse(id).is_ok()), "{statement}");
    let expected = json!({
        "tenant_id": tenant, "session_id": target.session, "chain_authority": "server",
        "seal_event_hash": sealed["seal_event_hash"], "seal": sealed["seal"],
    });
    assert_eq!(statement, expected);
}

#[tokio::test]
async fn a_session_without_events_is_not_sealed() {
    let app = TestApp::start().await;
    let session = app.start_session().await;

    problem(&app.seal(session).await, 409, "SESSION_EMPTY");
    problem(&seal_incomplete(&app, session).await, 409, "SESSION_EMPTY");

    assert_eq!(app.session(session).await["status"], "active");
    problem(&app.seal(Uuid::nil()).await, 404, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn a_session_without_its_end_is_sealed_only_when_that_is_said() {
    let target = Target::new().await;
    target.refuses(target.app.seal(target.session), 409, "SESSION_INCOMPLETE").await;
    target.lives().await;

    let sealed = seal_incomplete(&target.app, target.session).await.expect(201).body;

    assert_eq!(sealed["evidence_class"], "PARTIAL_AUTHORITATIVE_EVIDENCE");
    assert_eq!(sealed["partial_reasons"], json!(["MISSING_SESSION_END"]));
    let report = target.app.verify(target.session).await;
    assert_eq!(report["status"], "DEGRADED", "{report}");
    assert_eq!(report["partial_reasons"], json!(["MISSING_SESSION_END"]));
}

#[tokio::test]
async fn what_was_dropped_makes_a_session_partial() {
    let target = Target::with(json!({ "mode": "permissive" })).await;
    let _ = target.append(&[events::session_end(target.session, 3)]).await.expect(202);

    let sealed = target.app.seal(target.session).await.expect(201).body;

    assert_eq!(sealed["evidence_class"], "PARTIAL_AUTHORITATIVE_EVIDENCE");
    assert_eq!(sealed["partial_reasons"], json!(["LOG_DROP_PRESENT"]));
    assert_eq!(sealed["seal"]["total_drops"], 2);
    let report = target.app.verify(target.session).await;
    assert_eq!((&report["status"], &report["total_drops"]), (&json!("DEGRADED"), &json!(2)));
    assert_eq!(report["partial_reasons"], json!(["LOG_DROP_PRESENT"]));
}

#[tokio::test]
async fn all_reasons_that_apply_are_named() {
    let target = Target::with(json!({ "mode": "permissive" })).await;
    let _ = target.append(&[events::tool_call(target.session, 3)]).await.expect(202);
    let reasons = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = serde_json::from_value(value.clone()).unwrap();
        names.sort();
        names
    };
    let open = target.app.session(target.session).await;
    let all = ["LOG_DROP_PRESENT", "MISSING_SESSION_END", "UNSEALED_SESSION"];
    assert_eq!(reasons(&open["partial_reasons"]), all);

    let sealed = seal_incomplete(&target.app, target.session).await.expect(201).body;

    assert_eq!(reasons(&sealed["partial_reasons"]), all[..2]);
}

#[tokio::test]
async fn a_seal_needs_no_body_and_keeps_its_reason() {
    let target = ended().await;
    let path = format!("/v1/sessions/{}/seal", target.session);
    let _ = tests::send(target.app.request(reqwest::Method::POST, &path)).await.expect(201);

    let other = target.app.sealed_session().await;
    assert_eq!(target.app.verify(other).await["status"], "PASS");
    let reasoned = target.app.start_session().await;
    let _ = target.app.append(reasoned, &events::whole_session(reasoned)).await.expect(201);
    let path = format!("/v1/sessions/{reasoned}/seal");
    let _ = target.app.post(&path, &json!({ "reason": "case 4711 closed" })).await.expect(201);
    let path = format!("/v1/sessions/{reasoned}/export?format=json&purpose=test");
    let export = target.app.get(&path).await.expect(200);
    assert!(export.body["chain_of_custody"].to_string().contains("case 4711 closed"));
}

#[tokio::test]
async fn a_session_that_is_left_alone_is_closed() {
    let app = TestApp::start_with(&[("EXHIBIT_SESSION_IDLE_SECONDS_MAX", "1")]).await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    assert_eq!(app.session(session).await["status"], "active");

    wait_until_closed(&app, session).await;

    let late = app.append(session, &[events::tool_call(session, 1)]).await;
    let details = problem(&late, 409, "INGEST_SESSION_CLOSED");
    assert_eq!(details, json!({ "session_id": session, "status": "closed" }));
    assert_eq!(app.session(session).await["event_count"], 1);
    let closed = app.get("/v1/sessions?status=closed").await.expect(200);
    assert_eq!(closed.body["items"][0]["session_id"], session.to_string());
    let active = app.get("/v1/sessions?status=active").await.expect(200);
    assert_eq!(active.body["items"], json!([]));
}

async fn wait_until_closed(app: &TestApp, session: Uuid) {
    let closed = async {
        while app.session(session).await["status"] != "closed" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("it is closed in time");
}

async fn seal_incomplete(app: &TestApp, session: Uuid) -> Answer {
    app.post(&format!("/v1/sessions/{session}/seal"), &json!({ "incomplete": true })).await
}

/// A session that waits for its seal.
async fn ended() -> Target {
    let target = Target::new().await;
    let _ = target.append(&[events::session_end(target.session, 1)]).await.expect(201);
    target
}

async fn last_record(target: &Target) -> Value {
    let lines = target.app.export_lines(target.session).await;
    serde_json::from_str(lines.lines().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_of_version_5_events_is_sealed_and_verifies() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let mut events = events::whole_session(session);
    for event in &mut events {
        event["schema_ver"] = "v0.5".into();
    }
    let _ = app.append(session, &events).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    assert_eq!(app.verify(session).await["status"], "PASS");
}
