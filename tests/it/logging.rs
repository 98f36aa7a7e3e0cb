//! The log of the process: one JSON line a request, and nothing in it that is not for operators.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, events, send};

use crate::processes::eventually;

const HEADER: &str = "x-correlation-id";

/// The lines of requests with this correlation id.
fn lines_of(app: &TestApp, correlation_id: &str) -> Vec<Value> {
    let log = app.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).expect(line));
    let of_request = |line: &Value| line["correlation_id"] == correlation_id;
    lines.filter(of_request).filter(|line| !line["route"].is_null()).collect()
}

#[tokio::test]
async fn each_request_is_one_line_of_json() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let path = format!("/v1/sessions/{session}");
    let request = app.request(Method::GET, &path).header(HEADER, "mine-1");
    let answer = send(request).await.expect(200);
    assert_eq!(answer.headers[HEADER], "mine-1", "it is echoed");
    let _ = send(app.bare_request(Method::GET, &path).header(HEADER, "mine-2")).await.expect(401);
    let _ = send(app.request(Method::GET, "/none").header(HEADER, "mine-3")).await.expect(404);

    eventually("the lines are written", 5, async || lines_of(&app, "mine-3").len() == 1).await;
    let [line] = &lines_of(&app, "mine-1")[..] else { panic!("{}", app.log()) };
    let tenant = app.database.as_ref().unwrap().as_owner().await;
    let tenant: uuid::Uuid =
        sqlx::query_scalar("select tenant_id from tenants").fetch_one(&tenant).await.unwrap();
    assert_eq!(line["tenant"], tenant.to_string());
    assert_eq!(line["route"], "/v1/sessions/{session_id}");
    assert_eq!((&line["method"], &line["status"]), (&json!("GET"), &json!(200)));
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["timestamp"].is_string() && line["level"] == "INFO", "{line}");
    let [refused] = &lines_of(&app, "mine-2")[..] else { panic!("{}", app.log()) };
    assert_eq!((&refused["status"], &refused["tenant"]), (&json!(401), &Value::Null));
    assert_eq!(lines_of(&app, "mine-3")[0]["route"], "-");
}

#[tokio::test]
async fn a_correlation_id_that_is_not_safe_is_replaced() {
    let app = TestApp::start().await;
    let long = "x".repeat(65);
    for unsafe_id in ["two words", "semi;colon", "<b>", "", long.as_str()] {
        let request = app.bare_request(Method::GET, "/none").header(HEADER, unsafe_id);
        let answer = send(request).await.expect(404);
        let made = answer.headers[HEADER].to_str().unwrap();
        assert!(uuid::Uuid::parse_str(made).is_ok(), "{made}");
        assert_eq!(answer.body["correlation_id"], made);
    }
    for safe in ["a", "0191d0f4-1111-7000-8000-0123456789ab", &long[..64], "a.b_c-d"] {
        let answer = send(app.bare_request(Method::GET, "/none").header(HEADER, safe)).await;
        assert_eq!(answer.headers[HEADER], safe);
    }
}

#[tokio::test]
async fn a_correlation_id_is_kept_with_the_events_that_it_led_to() {
    let app = TestApp::start().await;
    let start = app.request(Method::POST, "/v1/sessions").header(HEADER, "led-here");
    let _ = send(start.json(&json!({ "agent_id": "a" }))).await.expect(201);
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let kept: Vec<String> = sqlx::query_scalar(
        "select metadata ->> 'correlation_id' from events where event_type = 'session.started'",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(kept, ["led-here"]);
}

#[tokio::test]
async fn no_payload_and_no_key_is_ever_logged() {
    let app = TestApp::start_with(&[("EXHIBIT_LOG", "trace")]).await;
    let marked = "p4yl0ad-of-a-customer";
    let session = app.start_session_with(json!({ "metadata": { "note": marked } })).await;
    let mut start = events::session_start(session);
    start["payload"]["note"] = marked.into();
    let _ = app.append(session, &[start.clone()]).await.expect(201);
    for body in [
        format!("{{\"events\": [\"{marked}\"]}}"),
        format!("{{\"{marked}\": 1}}"),
        marked.to_owned(),
        start.to_string().replace("SESSION_START", "TOOL_CALL"),
    ] {
        let refused = app.append_text(session, body).await;
        assert!((400..500).contains(&refused.status), "{}", refused.text);
    }
    let _ = app.get(&format!("/v1/sessions?agent_id={marked}")).await.expect(200);
    assert!(app.export_lines(session).await.contains(marked));
    let last = app.bare_request(Method::GET, "/none").header(HEADER, "the-last");
    let _ = send(last).await.expect(404);
    eventually("all is written", 5, async || app.log().contains("the-last")).await;
    let log = app.log();
    assert!(log.lines().count() > 10 && log.contains("\"DEBUG\""), "all was asked for");
    let secret = app.key.splitn(3, '_').nth(2).unwrap();
    for forbidden in [marked, secret] {
        let found = log.lines().find(|line| line.contains(forbidden));
        assert!(found.is_none(), "{found:?}");
    }
}
