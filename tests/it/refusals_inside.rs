//! Refusals that need more than the request: what is stored, what is counted, what is broken.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;
use tests::{Answer, events, send};

use crate::refusing::{Target, logged, problem};

#[tokio::test]
async fn an_event_id_stands_once_in_its_session() {
    let target = Target::new().await;
    let first = target.next();
    let _ = target.append(std::slice::from_ref(&first)).await.expect(201);
    let mut again = events::tool_call(target.session, 3);
    again["event_id"] = first["event_id"].clone();

    let sent = target.append(&[events::tool_call(target.session, 2), again]);
    let refused = target.refuses(sent, 409, "INGEST_EVENT_ID_CONFLICT").await;

    assert_eq!(refused, json!({ "event_id": first["event_id"], "index": 1 }));
    target.lives().await;
}

#[tokio::test]
async fn an_event_id_stands_once_in_a_batch() {
    let target = Target::new().await;
    let mut twin = events::tool_call(target.session, 2);
    let first = target.next();
    twin["event_id"] = first["event_id"].clone();

    let sent = target.append(&[first.clone(), twin]);
    let refused = target.refuses(sent, 409, "INGEST_EVENT_ID_CONFLICT").await;

    assert_eq!(refused, json!({ "event_id": first["event_id"], "index": 1 }));
    target.lives().await;
}

#[tokio::test]
async fn an_event_id_may_stand_in_another_session() {
    let target = Target::new().await;
    let other = target.app.start_session().await;
    let first = target.next();
    let _ = target.append(std::slice::from_ref(&first)).await.expect(201);
    let mut start = events::session_start(other);
    start["event_id"] = first["event_id"].clone();

    let _ = target.app.append(other, &[start]).await.expect(201);
}

#[tokio::test]
async fn a_limit_that_is_reached_is_named() {
    let target = Target::new().await;
    let drops =
        |count: u64| -> Vec<Value> { (1..=count).map(|n| log_drop(&target, n, 1, n)).collect() };

    let refused = target.refuses(target.append(&drops(11)), 409, "INGEST_POLICY_LIMIT").await;

    assert!(refused["policy"].as_str().is_some_and(|policy| !policy.is_empty()), "{refused}");
    assert_eq!(refused["control"], "client_log_drops_per_minute");
    assert_eq!((&refused["limit"], &refused["index"]), (&json!(10), &json!(10)));
    let _ = target.append(&drops(10)).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_failure_inside_tells_the_client_nothing_and_the_log_everything() {
    let target = Target::new().await;
    let owner = target.app.database.as_ref().unwrap().as_owner().await;
    let event = target.next();
    owner.execute("alter table evidence_events rename to hidden").await.unwrap();

    let sent = append_as(&target, "the-day-it-broke", &event).await;

    let refused = problem(&sent, 500, "INGEST_INTERNAL_ERROR");
    assert_eq!(refused, Value::Null);
    assert_eq!(sent.body["correlation_id"], "the-day-it-broke");
    assert_eq!(sent.headers["x-correlation-id"], "the-day-it-broke");
    for told in ["evidence_events", "does not exist", "sql", "hidden"] {
        assert!(!sent.text.to_lowercase().contains(told), "{}", sent.text);
    }
    assert!(cause_in_log(&target, "the-day-it-broke").await.contains("evidence_events"));

    owner.execute("alter table hidden rename to evidence_events").await.unwrap();
    assert_eq!(target.app.session(target.session).await["event_count"], 1);
    let healed = append_as(&target, "the-day-after", &event).await.expect(201);
    assert_eq!((&healed.body["accepted"], &healed.body["duplicates"]), (&json!(1), &json!(0)));
    target.lives().await;
}

async fn append_as(target: &Target, correlation_id: &str, event: &Value) -> Answer {
    let request = target.app.request(Method::POST, &target.path());
    send(request.header("x-correlation-id", correlation_id).json(event)).await
}

/// The cause that the log names, in one line alone, for the request with this correlation id.
async fn cause_in_log(target: &Target, correlation_id: &str) -> String {
    // The request's own line is its last.
    logged(&target.app, &[correlation_id, "duration_ms"]).await;
    let line = logged(&target.app, &[correlation_id, "\"cause\""]).await;
    let log = target.app.log();
    let causes = log.lines().filter(|l| l.contains(correlation_id) && l.contains("\"cause\""));
    assert_eq!(causes.count(), 1, "the cause is logged once");
    let fields = line.get("fields").unwrap_or(&line);
    fields["cause"].as_str().unwrap().to_owned()
}

fn log_drop(target: &Target, sequence: u64, dropped: u64, cumulative: u64) -> Value {
    let payload = json!({
        "dropped_count": dropped, "cumulative_drops": cumulative, "drop_reason": "BUFFER_FULL",
    });
    events::event(target.session, sequence, "LOG_DROP", payload)
}
