//! Correlation ids: taken or made, echoed, and kept with every domain event.

use application::Ids;
use infrastructure::system::SystemIds;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, events, send};
use uuid::Uuid;

use crate::refusing::logged;

#[tokio::test]
async fn a_correlation_id_is_taken_and_echoed() {
    let app = TestApp::start().await;
    let longest = "x".repeat(64);
    for id in ["0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90", "case_4711.retry-2", "a", &longest] {
        for path in ["/health", "/v1/sessions", "/v1/nothing"] {
            assert_eq!(echo(&get_as(&app, path, id.as_bytes()).await), id);
        }
    }
}

#[tokio::test]
async fn without_one_a_correlation_id_is_made_for_each_request() {
    let app = TestApp::start().await;
    let [one, other] = [app.get("/v1/sessions").await, app.get("/v1/sessions").await];
    for answer in [&one, &other] {
        assert!(Uuid::try_parse(&echo(answer)).is_ok(), "{answer:?}");
    }
    assert_ne!(echo(&one), echo(&other));
}

#[tokio::test]
async fn a_correlation_id_that_is_not_safe_is_replaced() {
    let app = TestApp::start().await;
    let too_long = vec![b'x'; 65];
    let unsafe_ids: [&[u8]; 8] =
        [&too_long, b"a b", b"a\tb", b"{\"a\":1}", b"<script>", b"a;b", "ü".as_bytes(), b"\xff"];
    for id in unsafe_ids {
        let answer = get_as(&app, "/v1/nothing", id).await;
        assert!(Uuid::try_parse(&echo(&answer)).is_ok(), "{answer:?}");
        assert_eq!(answer.body["correlation_id"], echo(&answer));
    }
    let _ = get_as(&app, "/v1/nothing", b"the-last").await;
    logged(&app, &["the-last"]).await;
    assert!(!app.log().contains("<script>"));
}

#[tokio::test]
async fn every_domain_event_keeps_who_caused_it() {
    let app = TestApp::start().await;
    let session = SystemIds.uuid();
    let path = format!("/v1/sessions/{session}");
    let start = json!({ "session_id": session, "agent_id": "a" });
    let body = json!({ "events": events::whole_session(session) });
    for (path, id, body) in [
        ("/v1/sessions".to_owned(), "the-start", start),
        (format!("{path}/events"), "the-append", body),
        (format!("{path}/seal"), "the-seal", json!({})),
    ] {
        let request = app.request(Method::POST, &path).header("x-correlation-id", id);
        let _ = send(request.json(&body)).await.expect(201);
        logged(&app, &[id, "duration_ms"]).await;
    }

    let stored = metadata(&app, session).await;

    let ids: Vec<_> = stored.iter().map(|m| m["correlation_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["the-start", "the-append", "the-seal"]);
    let key_id = &app.key["exh_".len()..][..8];
    assert!(stored.iter().all(|m| m["actor"] == format!("key:{key_id}")), "{stored:?}");
}

async fn get_as(app: &TestApp, path: &str, id: &[u8]) -> Answer {
    let value = reqwest::header::HeaderValue::from_bytes(id).unwrap();
    send(app.request(Method::GET, path).header("x-correlation-id", value)).await
}

fn echo(answer: &Answer) -> String {
    answer.headers["x-correlation-id"].to_str().unwrap().to_owned()
}

/// Metadata of the session's domain events, in their order.
async fn metadata(app: &TestApp, session: Uuid) -> Vec<Value> {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    sqlx::query_scalar(
        "select metadata from events where aggregate_type = 'session' and aggregate_id = $1
         order by sequence",
    )
    .bind(session.to_string())
    .fetch_all(&owner)
    .await
    .unwrap()
}
