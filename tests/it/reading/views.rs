//! `POST /v1/sessions` and `GET /v1/sessions/{id}`: a session as it stands.

use application::Ids;
use chrono::DateTime;
use infrastructure::system::SystemIds;
use serde_json::{Value, json};
use tests::{TestApp, events};

use crate::refusing::problem;

#[tokio::test]
async fn a_start_answers_with_what_was_started() {
    let app = TestApp::start().await;
    let session = SystemIds.uuid();
    let start = json!({
        "session_id": session, "agent_id": "ä".repeat(256), "environment": "staging",
        "framework": "langchain", "chain_authority": "sdk", "mode": "permissive",
        "tags": ["a", "b"], "metadata": { "case": 4711, "deep": { "x": [1.5] } },
    });

    let started = app.post("/v1/sessions", &start).await.expect(201).body;

    assert_eq!(started["session_id"], session.to_string());
    assert_eq!((&started["status"], &started["next_sequence"]), (&json!("active"), &json!(0)));
    for member in ["chain_authority", "mode", "agent_id"] {
        assert_eq!(started[member], start[member], "{member}");
    }
    assert!(started["ingestion_service_id"].is_string() && started["position"].is_u64());
    let seen = app.session(session).await;
    for member in ["agent_id", "environment", "framework", "tags", "metadata", "mode"] {
        assert_eq!(seen[member], start[member], "{member}");
    }
    for member in ["started_at", "ingestion_service_id", "position"] {
        assert_eq!(seen[member], started[member], "{member}");
    }
}

#[tokio::test]
async fn a_start_that_is_repeated_is_one_start() {
    let app = TestApp::start().await;
    let start = json!({ "session_id": SystemIds.uuid(), "agent_id": "a", "tags": ["x"] });
    let first = app.post("/v1/sessions", &start).await.expect(201).body;

    let again = app.post("/v1/sessions", &start).await.expect(200).body;

    assert_eq!(again, first);
    let other = json!({ "session_id": start["session_id"], "agent_id": "b", "tags": ["x"] });
    problem(&app.post("/v1/sessions", &other).await, 409, "SESSION_EXISTS");
}

#[tokio::test]
async fn a_repeated_start_tells_where_the_session_is_now() {
    let app = TestApp::start().await;
    let start = json!({ "session_id": SystemIds.uuid(), "agent_id": "a" });
    let session = app.start_session_with(start.clone()).await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let _ = app.seal(session).await.expect(201);

    let again = app.post("/v1/sessions", &start).await.expect(200).body;

    assert_eq!((&again["status"], &again["next_sequence"]), (&json!("sealed"), &json!(5)));
}

#[tokio::test]
async fn a_session_shows_all_that_the_contract_names() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let fresh = app.session(session).await;
    for member in [
        "session_id",
        "agent_id",
        "status",
        "chain_authority",
        "mode",
        "evidence_class",
        "partial_reasons",
        "event_count",
        "total_drops",
        "next_sequence",
        "final_hash",
        "started_at",
        "last_event_at",
        "sealed_at",
        "tags",
        "metadata",
        "pii",
        "violations",
        "position",
    ] {
        assert!(fresh.get(member).is_some(), "{member}: {fresh}");
    }
    assert_eq!((&fresh["event_count"], &fresh["final_hash"]), (&json!(0), &Value::Null));
    assert_eq!((&fresh["last_event_at"], &fresh["sealed_at"]), (&Value::Null, &Value::Null));
    assert_eq!((&fresh["tags"], &fresh["metadata"]), (&json!([]), &json!({})));
    assert_eq!(fresh["pii"]["detectors_not_run"], json!([]));
    assert_eq!((&fresh["pii"]["flagged"], &fresh["pii"]["found"]), (&json!(false), &json!({})));
    assert_eq!(fresh["violations"]["judged"], true);

    let appended = app.append(session, &events::whole_session(session)).await.expect(201).body;
    let fed = app.session(session).await;
    assert_eq!((&fed["event_count"], &fed["next_sequence"]), (&json!(4), &json!(4)));
    assert_eq!(fed["final_hash"], appended["final_hash"]);
    assert_eq!(fed["evidence_class"], "PARTIAL_AUTHORITATIVE_EVIDENCE");
    assert_eq!(fed["partial_reasons"], json!(["UNSEALED_SESSION"]));

    let _ = app.seal(session).await.expect(201);
    let sealed = app.session(session).await;
    assert_eq!((&sealed["status"], &sealed["event_count"]), (&json!("sealed"), &json!(5)));
    assert_eq!(sealed["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!(sealed["partial_reasons"], json!([]));
    let times = ["started_at", "last_event_at", "sealed_at"].map(|member| {
        let text = sealed[member].as_str().unwrap();
        assert!(text.ends_with('Z') && text.len() == 27, "{member}: {text}");
        DateTime::parse_from_rfc3339(text).unwrap()
    });
    assert!(times[0] <= times[1] && times[1] <= times[2], "{times:?}");
}

#[tokio::test]
async fn positions_are_dense_over_everything_that_a_tenant_does() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let start = app.session(session).await["position"].as_u64().unwrap();
    let events = events::whole_session(session);
    for (step, event) in (1..).zip(&events) {
        let path = format!("/v1/sessions/{session}/events");
        let appended = app.post(&path, event).await.expect(201).body;
        assert_eq!(appended["position"], start + step);
    }
    let sealed = app.seal(session).await.expect(201).body;
    assert_eq!(sealed["position"], start + 5);
    assert_eq!(app.session(session).await["position"], start + 5);
}
