//! Which version judges: those in force at the event's place in the log, and no others.

use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

/// The version by which each call was judged, in the order of the events.
fn judged_by(violations: &[Value]) -> Vec<(u64, String)> {
    let mut by: Vec<(u64, String)> = violations
        .iter()
        .map(|v| {
            let version = v["policy_version"].as_str().unwrap().to_owned();
            (v["sequence_number"].as_u64().unwrap(), version)
        })
        .collect();
    by.sort();
    by
}

#[tokio::test]
async fn a_change_of_version_takes_effect_between_two_events_of_the_log() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let call = async |number: u64| {
        let event = events::call_of(session, number, "wire_transfer");
        app.append(session, &[event]).await.expect(201).body["position"].as_u64().unwrap()
    };
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    call(1).await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    call(2).await;
    let second = app.activate_policy(&tool_policy("1.1.0")).await["position"].as_u64().unwrap();
    let after = call(3).await;
    // Violations of the calls before may stand between them.
    assert!(after > second, "the log has one order");
    app.retire_policy(&tool_policy("1.1.0")).await;
    call(4).await;
    let found = app.violations("").await;
    assert_eq!(judged_by(&found), [(2, "1.0.0".to_owned()), (3, "1.1.0".to_owned())]);
}

#[tokio::test]
async fn drafts_and_what_is_in_review_judge_nothing() {
    let app = TestApp::start().await;
    app.submit_policy(&tool_policy("1.0.0")).await;
    let _ = app.draft_policy(&tool_policy("1.1.0")).await.expect(201);
    let session = app.start_session().await;
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let _ = app.append(session, &batch).await.expect(201);
    assert_eq!(app.violations("").await, Vec::<Value>::new());
}

#[tokio::test]
async fn another_tenants_policies_judge_nothing_here() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    let started = other.post("/v1/sessions", &json!({ "agent_id": "a" })).await.expect(201);
    let session: uuid::Uuid = started.body["session_id"].as_str().unwrap().parse().unwrap();
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let path = format!("/v1/sessions/{session}/events");
    let _ = other.post(&path, &json!({ "events": batch })).await.expect(201);
    app.settle().await;
    let theirs = other.get("/v1/violations").await.expect(200).body;
    assert_eq!(theirs["items"], json!([]));
    assert_eq!(app.violations("").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_seal_names_the_policies_that_were_in_force() {
    let app = TestApp::start().await;
    let unjudged = app.sealed_session().await;
    let active = app.activate_policy(&tool_policy("1.0.0")).await;
    let judged = app.sealed_session().await;
    let digest = async |session| {
        let path = format!("/v1/certificates/{session}");
        let seal = app.get(&path).await.expect(200).body["seal"].clone();
        seal["policy_set_digest"].as_str().unwrap().to_owned()
    };
    let of = |set: Value| {
        let canonical = domain::evidence::canonical::of_serde(&set).unwrap();
        format!("sha256:{}", domain::hash::Hash::of(&canonical))
    };
    assert_eq!(digest(unjudged).await, of(json!([])));
    let set = json!([["tool-access", "1.0.0", active["content_hash"]]]);
    assert_eq!(digest(judged).await, of(set));
    assert_eq!(app.verify(judged).await["status"], "PASS");
}

#[tokio::test]
async fn a_violation_is_an_item_of_the_stream_with_the_request_that_caused_it() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut stream = app.stream("?types=violation.*").await;
    stream.expect("ready").await;
    let path = format!("/v1/sessions/{session}/events");
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let request = app.request(reqwest::Method::POST, &path).header("x-correlation-id", "my-batch");
    let _ = tests::send(request.json(&json!({ "events": batch }))).await.expect(201);
    let body = stream.item().await.data.unwrap();
    assert_eq!(body["type"], "violation.detected");
    assert_eq!(body["entity"]["type"], "violation");
    assert_eq!(body["actor"], "policy:tool-access@1.0.0");
    assert_eq!(body["correlation_id"], "my-batch");
    assert_eq!(body["data"]["session_id"], json!(session));
    let violation = app.only_violation("").await;
    assert_eq!(body["entity"]["id"], violation["violation_id"]);
    let _ = app.act(&violation, "acknowledge", &json!({})).await.expect(200);
    let done = stream.item().await.data.unwrap();
    assert_eq!(
        (&done["type"], &done["entity"]["version"]),
        (&json!("violation.acknowledged"), &json!(2))
    );
    let page = app.get("/v1/events/history?entity_type=violation").await.expect(200).body;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}
