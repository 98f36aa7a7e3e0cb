//! The sixteen codes of evidence.md, section 3: what is refused, how, and that nothing is stored.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, events, send};
use uuid::Uuid;

use crate::refusing::{Target, problem};

#[tokio::test]
async fn a_content_type_that_is_not_json_is_refused() {
    let target = Target::new().await;
    let request = target.app.request(Method::POST, &target.path());
    let request = request.header("content-type", "text/csv").body(target.next().to_string());

    let refused = target.refuses(send(request), 415, "INGEST_CONTENT_TYPE_INVALID").await;

    assert_eq!(refused, json!({ "received": "text/csv" }));
    target.lives().await;
}

#[tokio::test]
async fn a_batch_of_more_than_1000_events_is_refused() {
    let target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 1001);

    let refused = target.refuses(target.append(&events), 413, "INGEST_BATCH_TOO_LARGE").await;

    assert_eq!((&refused["limit"], &refused["received"]), (&json!(1000), &json!(1001)));
    let _ = target.append(&events[..1000]).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_where_it_breaks() {
    let target = Target::new().await;

    let sent = target.append_text("{\n  \"event_id\": oops }");
    let refused = target.refuses(sent, 400, "INGEST_JSON_INVALID").await;

    assert_eq!(refused, json!({ "line": 2, "column": 15 }));
    target.lives().await;
}

#[tokio::test]
async fn what_the_server_alone_sets_is_refused_from_a_client() {
    let target = Target::new().await;
    let hash = "0".repeat(64);
    let leaks = [
        ("event_hash", json!(hash)),
        ("prev_event_hash", json!(hash)),
        ("chain_authority", json!("server")),
        ("received_at", json!("2026-03-01T10:00:00.000000Z")),
        ("signature", json!("hmac-sha256:k:00")),
        ("event_type", json!("CHAIN_SEAL")),
    ];
    for (field, value) in leaks {
        let mut bad = events::tool_call(target.session, 2);
        bad[field] = value;
        let refused = target.refuses(target.append_amid(bad), 400, "INGEST_AUTHORITY_LEAK").await;
        assert_eq!(refused, json!({ "field": field, "index": 1 }));
    }
    target.lives().await;
}

#[tokio::test]
async fn hashes_that_say_nothing_are_no_leak() {
    let target = Target::new().await;
    let mut event = target.next();
    event["event_hash"] = Value::Null;
    event["prev_event_hash"] = Value::Null;

    let _ = target.append(&[event]).await.expect(201);

    target.lives().await;
}

#[tokio::test]
async fn an_event_of_another_shape_is_refused_by_the_names_of_its_fields() {
    let target = Target::new().await;
    let mut bad = events::tool_call(target.session, 2);
    bad.as_object_mut().unwrap().remove("payload");
    bad["colour"] = json!("blue");
    let refused = target.refuses(target.append_amid(bad), 400, "INGEST_SCHEMA_INVALID").await;
    let named = json!({
        "missing_fields": ["payload"], "unexpected_fields": ["colour"], "index": 1,
    });
    assert_eq!(refused, named);

    let mut bad = events::tool_call(target.session, 2);
    bad["payload"]["args"] = json!("none");
    let refused = target.refuses(target.append_amid(bad), 400, "INGEST_SCHEMA_INVALID").await;
    let named = json!({
        "field": "payload.args", "expected": "object", "received": "none", "index": 1,
    });
    assert_eq!(refused, named);
    target.lives().await;
}

#[tokio::test]
async fn an_event_of_another_session_is_refused() {
    let target = Target::new().await;
    let other = target.app.start_session().await;
    let bad = events::tool_call(other, 2);

    let refused = target.refuses(target.append_amid(bad), 400, "INGEST_SCHEMA_INVALID").await;

    assert_eq!(refused["field"], "session_id");
    assert_eq!(refused["expected"], target.session.to_string());
    assert_eq!(refused["received"], other.to_string());
    assert_eq!(refused["index"], 1);
    target.lives().await;
}

#[tokio::test]
async fn a_time_without_an_offset_is_refused() {
    let target = Target::new().await;
    let mut bad = events::tool_call(target.session, 2);
    bad["timestamp_wall"] = json!("2026-03-01T10:00:00");

    let refused = target.refuses(target.append_amid(bad), 400, "INGEST_TIMESTAMP_INVALID").await;

    assert_eq!(refused, json!({ "received": "2026-03-01T10:00:00", "index": 1 }));
    target.lives().await;
}

#[tokio::test]
async fn what_canonical_json_cannot_carry_is_refused_by_its_place() {
    let target = Target::new().await;
    let good = json!({ "events": [target.next(), events::tool_call(target.session, 2)] });
    let body = good.to_string().replace("\"order\":2", "\"order\":9007199254740993");

    let refused = target.refuses(target.append_text(body), 400, "INGEST_JCS_INVALID").await;

    assert_eq!(refused["pointer"], "/payload/args/order");
    assert_eq!(refused["reason"], "integer that a double cannot carry");
    assert_eq!(refused["index"], 1);
    target.lives().await;
}

#[tokio::test]
async fn a_payload_hash_that_is_not_the_payloads_is_refused() {
    let target = Target::new().await;
    let mut bad = events::tool_call(target.session, 2);
    bad["payload_hash"] = json!("ab".repeat(32));

    let sent = target.append_amid(bad.clone());
    let refused = target.refuses(sent, 400, "INGEST_PAYLOAD_HASH_MISMATCH").await;

    assert_eq!((&refused["received"], &refused["index"]), (&json!("ab".repeat(32)), &json!(1)));
    // What the server computed is right, in either case of letters.
    bad["payload_hash"] = json!(refused["expected"].as_str().unwrap().to_uppercase());
    let _ = target.append_amid(bad).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_session_that_was_never_started_is_not_found() {
    let target = Target::new().await;
    let nobody = Uuid::nil();

    let start = [events::session_start(nobody)];
    let sent = target.app.append(nobody, &start);
    let refused = target.refuses(sent, 404, "INGEST_SESSION_NOT_FOUND").await;

    assert_eq!(refused, json!({ "session_id": nobody }));
    let answer = target.app.get(&format!("/v1/sessions/{nobody}")).await;
    problem(&answer, 404, "SESSION_NOT_FOUND");
    target.lives().await;
}

#[tokio::test]
async fn a_sealed_session_takes_nothing() {
    let target = Target::new().await;
    let end = events::session_end(target.session, 1);
    let _ = target.append(&[end]).await.expect(201);
    let _ = target.app.seal(target.session).await.expect(201);

    let sent = target.append(&[events::tool_call(target.session, 3)]);
    let refused = target.refuses(sent, 409, "INGEST_SESSION_CLOSED").await;

    assert_eq!(refused, json!({ "session_id": target.session, "status": "sealed" }));
    assert_eq!(target.app.verify(target.session).await["status"], "PASS");
}

#[tokio::test]
async fn after_the_sessions_end_only_the_seal_follows() {
    let target = Target::new().await;
    let end = events::session_end(target.session, 1);
    let _ = target.append(&[end]).await.expect(201);

    let sent = target.append(&[events::tool_call(target.session, 2)]);
    let refused = target.refuses(sent, 409, "INGEST_SESSION_CLOSED").await;

    assert_eq!(refused["session_id"], target.session.to_string());
    let _ = target.app.seal(target.session).await.expect(201);
}

#[tokio::test]
async fn the_first_event_must_be_number_0() {
    for mode in ["strict", "permissive"] {
        let app = TestApp::start().await;
        let session = app.start_session_with(json!({ "mode": mode })).await;

        let answer = app.append(session, &[events::tool_call(session, 1)]).await;

        let refused = problem(&answer, 409, "INGEST_INVALID_FIRST_SEQUENCE");
        assert_eq!(refused, json!({ "received": 1, "index": 0 }));
        assert_eq!(app.session(session).await["event_count"], 0);
        let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    }
}

#[tokio::test]
async fn another_event_under_a_number_that_is_taken_is_refused() {
    let target = Target::new().await;
    let other = events::session_start(target.session);

    let sent = target.append(&[other, target.next()]);
    let refused = target.refuses(sent, 409, "INGEST_SEQUENCE_REWIND").await;

    assert_eq!(refused, json!({ "last_sequence": 0, "received_sequence": 0, "index": 0 }));
    target.lives().await;
}

#[tokio::test]
async fn a_gap_is_refused_in_a_strict_session() {
    let target = Target::new().await;
    let bad = events::tool_call(target.session, 5);

    let refused = target.refuses(target.append_amid(bad), 409, "INGEST_LOG_GAP").await;

    assert_eq!(refused, json!({ "expected_sequence": 2, "received_sequence": 5, "index": 1 }));
    target.lives().await;
}
