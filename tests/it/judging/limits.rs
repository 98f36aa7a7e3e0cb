//! Limits of a policy: events of a session, calls without results.

use serde_json::json;
use tests::{TestApp, events};

#[tokio::test]
async fn a_session_takes_no_more_events_than_the_policy_in_force_allows() {
    let app = TestApp::start().await;
    let policy = json!({
        "name": "small-sessions", "version": "1.0.0", "limits": { "max_events_per_session": 3 },
        "controls": [{ "id": "c", "severity": "low", "rules": [
            { "id": "r", "left": "event.type", "op": "exists" } ] }],
    });
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    app.activate_policy(&policy).await;
    let refused = app.append(session, &events::tool_calls(session, 1, 3)).await.expect(409);
    assert_eq!(refused.code(), "INGEST_POLICY_LIMIT");
    let expected = json!({
        "policy": "small-sessions", "control": "max_events_per_session", "limit": 3, "index": 2,
    });
    assert_eq!(refused.body["details"], expected);
    let batch = events::tool_calls(session, 1, 2);
    let _ = app.append(session, &batch).await.expect(201);
    let _ = app.append(session, &batch).await.expect(200);
    let end = app.append(session, &[events::session_end(session, 3)]).await.expect(409);
    assert_eq!(end.code(), "INGEST_POLICY_LIMIT");
    app.retire_policy(&policy).await;
    let _ = app.append(session, &[events::session_end(session, 3)]).await.expect(201);
    let _ = app.seal(session).await.expect(201);
}

#[tokio::test]
async fn a_session_that_is_full_can_still_be_sealed() {
    let app = TestApp::start().await;
    app.activate_policy(&json!({
        "name": "one", "version": "1.0.0", "limits": { "max_events_per_session": 1 },
        "controls": [{ "id": "c", "severity": "low", "rules": [
            { "id": "r", "left": "event.type", "op": "exists" } ] }],
    }))
    .await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let body = json!({ "incomplete": true });
    let sealed = app.post(&format!("/v1/sessions/{session}/seal"), &body).await.expect(201);
    assert_eq!(sealed.body["evidence_class"], "PARTIAL_AUTHORITATIVE_EVIDENCE");
}

fn answered() -> serde_json::Value {
    json!({
        "name": "answered", "version": "1.0.0", "applies_to": ["auth.*"],
        "limits": { "require_tool_results": true },
        "controls": [{ "id": "c", "severity": "low", "rules": [
            { "id": "r", "left": "event.type", "op": "exists" } ] }],
    })
}

#[tokio::test]
async fn a_session_that_ends_with_an_unanswered_call_is_a_violation() {
    let app = TestApp::start().await;
    app.activate_policy(&answered()).await;
    let answered = app.start_session().await;
    let _ = app.append(answered, &events::whole_session(answered)).await.expect(201);
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let _ = app.append(session, &events::tool_calls(session, 1, 2)).await.expect(201);
    app.settle().await;
    let _ = app.append(session, &[events::tool_result(session, 3)]).await.expect(201);
    app.settle().await;
    let _ = app.append(session, &[events::session_end(session, 4)]).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    let violation = app.only_violation("").await;
    assert_eq!(violation["control"], "require_tool_results");
    assert_eq!(violation["sequence_number"], 4);
    let unanswered = json!({ "unanswered": 1, "first_sequence": 2 });
    assert_eq!(violation["explanation"]["require_tool_results"], unanswered);
}

#[tokio::test]
async fn a_seal_ends_a_session_that_did_not_end_itself() {
    let app = TestApp::start().await;
    app.activate_policy(&answered()).await;
    let session = app.start_session().await;
    let batch = [events::session_start(session), events::tool_call(session, 1)];
    let _ = app.append(session, &batch).await.expect(201);
    let body = json!({ "incomplete": true });
    let _ = app.post(&format!("/v1/sessions/{session}/seal"), &body).await.expect(201);
    assert_eq!(app.only_violation("").await["sequence_number"], 2, "the seal's record");
}
