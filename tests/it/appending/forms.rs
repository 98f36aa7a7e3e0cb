//! One event, a batch, lines: three forms of the same append.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, events, send};
use uuid::Uuid;

use crate::refusing::{Target, problem};

#[tokio::test]
async fn one_event_is_appended() {
    let target = Target::new().await;

    let answer = target.app.post(&target.path(), &target.next()).await.expect(201);

    assert_eq!(answer.body["session_id"], target.session.to_string());
    assert_eq!((&answer.body["accepted"], &answer.body["duplicates"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&answer.body["first_sequence"], &answer.body["last_sequence"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer.body["next_sequence"], 2);
    let state = target.app.session(target.session).await;
    assert_eq!(answer.body["final_hash"], state["final_hash"]);
    assert_eq!(answer.body["position"], state["position"]);
    assert!(answer.body.get("receipt").is_none(), "{}", answer.text);
}

#[tokio::test]
async fn a_batch_is_appended() {
    let app = TestApp::start().await;
    let session = app.start_session().await;

    let answer = app.append(session, &events::whole_session(session)).await.expect(201);

    assert_eq!((&answer.body["accepted"], &answer.body["duplicates"]), (&json!(4), &json!(0)));
    assert_eq!(
        (&answer.body["first_sequence"], &answer.body["last_sequence"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(answer.body["next_sequence"], 4);
    assert_eq!(chain_length(&app, session).await, 4);
}

#[tokio::test]
async fn lines_are_appended() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let lines: Vec<String> = events::whole_session(session).iter().map(Value::to_string).collect();

    // Line ends of either kind, empty lines, and none at the end.
    let body = format!("{}\n\n{}\r\n \n{}\n{}", lines[0], lines[1], lines[2], lines[3]);
    let answer = append_lines(&app, session, body).await.expect(201);

    assert_eq!(answer.body["accepted"], 4);
    assert_eq!(chain_length(&app, session).await, 4);
}

#[tokio::test]
async fn the_form_leaves_no_trace_in_the_chain() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let events = events::whole_session(session);
    let _ = app.append(session, &events).await.expect(201);
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();

    let repeated = append_lines(&app, session, lines.join("\n")).await.expect(200);
    assert_eq!(repeated.body["duplicates"], 4);
    for event in &events {
        let path = format!("/v1/sessions/{session}/events");
        let repeated = app.post(&path, event).await.expect(200);
        assert_eq!(repeated.body["duplicates"], 1);
    }
    assert_eq!(chain_length(&app, session).await, 4);
}

#[tokio::test]
async fn a_batch_with_one_bad_event_stores_none() {
    let target = Target::new().await;
    for spoil in [
        |event: &mut Value| event["timestamp_wall"] = json!("now"),
        |event: &mut Value| event["payload"] = json!({}),
        |event: &mut Value| event["sequence_number"] = json!(1),
        |event: &mut Value| event["sequence_number"] = json!(700),
        |event: &mut Value| event["event_hash"] = json!("0".repeat(64)),
        |event: &mut Value| event["payload_hash"] = json!("0".repeat(64)),
        |event: &mut Value| {
            event["event_type"] = json!("SESSION_END");
            event["payload"] = json!({ "status": "success", "duration_ms": 1 });
        },
    ] {
        let mut events = events::tool_calls(target.session, 1, 500);
        spoil(&mut events[250]);
        let before = target.app.session(target.session).await;
        let answer = target.append(&events).await;
        let index = answer.body["details"]["index"].as_u64();
        // What follows a SESSION_END is wrong, not the SESSION_END.
        assert!(index.is_some_and(|index| (250..=251).contains(&index)), "{}", answer.text);
        assert!([400, 409].contains(&answer.status));
        problem(&answer, answer.status, answer.code());
        assert_eq!(target.app.session(target.session).await, before);
    }
    target.lives().await;
}

#[tokio::test]
async fn the_earliest_stage_answers_then_the_earliest_event() {
    let target = Target::new().await;
    let mut events = events::tool_calls(target.session, 1, 4);
    events[0]["payload_hash"] = json!("0".repeat(64));
    events[1]["timestamp_wall"] = json!("now");
    events[2]["colour"] = json!("blue");
    events[3]["signature"] = json!("mine");

    for (code, index) in [
        ("INGEST_AUTHORITY_LEAK", 3),
        ("INGEST_SCHEMA_INVALID", 2),
        ("INGEST_TIMESTAMP_INVALID", 1),
        ("INGEST_PAYLOAD_HASH_MISMATCH", 0),
    ] {
        let refused = target.refuses(target.append(&events), 400, code).await;
        assert_eq!(refused["index"], index);
        events[index] = events::tool_call(target.session, index as u64 + 1);
    }
    let _ = target.append(&events).await.expect(201);
}

#[tokio::test]
async fn every_event_type_of_the_contract_is_taken() {
    let target = Target::new().await;
    let messages = json!([{ "role": "user", "content": "refund 4711?" }]);
    let model_response = json!({
        "model": "m", "content": "yes", "role": "assistant", "finish_reason": "stop",
    });
    let decision = json!({
        "decision_id": "d1", "inputs": {}, "outputs": [], "justification": "policy 7",
    });
    let typed = [
        ("MODEL_REQUEST", json!({ "model": "m", "provider": "acme", "messages": messages })),
        ("MODEL_RESPONSE", model_response),
        ("AGENT_STATE_SNAPSHOT", json!({})),
        ("AGENT_DECISION", json!({ "choice": "refund" })),
        ("DECISION_TRACE", decision),
        ("ERROR", json!({ "error_type": "timeout", "message": "late", "fatal": false })),
        ("ANNOTATION", json!({ "annotator_id": "ada", "annotation_type": "flag", "content": {} })),
        ("auth.login_failed", json!({ "user": "ada" })),
        ("qms.car.update", json!({})),
        ("SESSION_END", json!({ "status": "cancelled", "duration_ms": 0 })),
    ];
    let events: Vec<Value> = (1..)
        .zip(typed)
        .map(|(n, (kind, payload))| events::event(target.session, n, kind, payload))
        .collect();

    let answer = target.append(&events).await.expect(201);

    assert_eq!(answer.body["accepted"], 10);
    let _ = target.app.seal(target.session).await.expect(201);
    assert_eq!(target.app.verify(target.session).await["status"], "PASS");
}

async fn append_lines(app: &TestApp, session: Uuid, body: String) -> Answer {
    let request = app.request(Method::POST, &format!("/v1/sessions/{session}/events"));
    send(request.header("content-type", "application/x-ndjson").body(body)).await
}

/// How many records the session holds, all of them in a chain that verifies.
async fn chain_length(app: &TestApp, session: Uuid) -> u64 {
    let report = app.verify(session).await;
    assert_eq!(report["axes"]["integrity"]["result"], "pass", "{report}");
    report["event_count"].as_u64().unwrap()
}
