//! Due dates: what is overdue is said, and escalated once when the policy asks for it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

const HOUR: i64 = 3_600;

async fn broken(app: &TestApp, policy: &Value) -> Value {
    app.activate_policy(policy).await;
    let session = app.start_session().await;
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let _ = app.append(session, &batch).await.expect(201);
    app.only_violation("").await
}

#[tokio::test]
async fn a_violation_is_overdue_after_its_hours_until_it_is_resolved() {
    let app = TestApp::start_with_clock().await;
    let violation = broken(&app, &tool_policy("1.0.0")).await;
    app.travel_to(23 * HOUR);
    assert_eq!(app.only_violation("").await["overdue"], false);
    app.travel_to(24 * HOUR + 60);
    assert_eq!(app.only_violation("&overdue=true").await["overdue"], true);
    let dashboard = app.get("/v1/dashboards/compliance").await.expect(200).body;
    assert_eq!(dashboard["overdue"], 1);
    assert_eq!(dashboard["open_by_severity"][0]["overdue"], 1);
    app.travel_to(30 * HOUR);
    assert_eq!(app.get("/v1/dashboards/compliance").await.body["overdue"], 1, "hours later, too");
    let _ = app.act(&violation, "acknowledge", &json!({})).await.expect(200);
    assert_eq!(app.only_violation("").await["overdue"], true);
    let _ = app.act(&violation, "resolve", &json!({ "resolution": "done" })).await.expect(200);
    assert_eq!(app.only_violation("").await["overdue"], false);
    assert_eq!(app.get("/v1/dashboards/compliance").await.body["overdue"], 0);
    let sla = app.get("/v1/aggregations/sla?window=7d").await.expect(200).body;
    assert_eq!((&sla["total"]["resolved"], &sla["total"]["resolved_late"]), (&json!(1), &json!(1)));
    let mean = sla["total"]["mean_resolve_seconds"].as_f64().unwrap();
    assert!((mean - 30.0 * 3600.0).abs() < 60.0, "{mean}");
}

#[tokio::test]
async fn without_hours_nothing_is_ever_due() {
    let app = TestApp::start_with_clock().await;
    let mut policy = tool_policy("1.0.0");
    policy["sla_hours"] = Value::Null;
    let violation = broken(&app, &policy).await;
    assert_eq!(violation["due_at"], Value::Null);
    app.travel_to(10_000 * HOUR);
    assert_eq!(app.only_violation("").await["overdue"], false);
}

#[tokio::test]
async fn the_server_escalates_once_what_is_overdue_when_the_policy_says_so() {
    let app = TestApp::start_with_clock().await;
    let second = app.sibling();
    let mut policy = tool_policy("1.0.0");
    policy["auto_escalate"] = json!(true);
    let violation = broken(&app, &policy).await;
    app.travel_to(25 * HOUR);
    second.travel_to(25 * HOUR);
    let mut escalated = Value::Null;
    for _ in 0..100 {
        escalated = app.violation(&violation).await;
        if escalated["escalation_level"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(escalated["escalated_to"], "security@example.org");
    let line = &escalated["actions"][1];
    assert_eq!((&line["action"], &line["actor"]), (&json!("escalated"), &json!("clock")));
    assert_eq!(line["details"]["automatic"], true);
    // Two clocks look again and again: it stays the one line.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(app.violation(&violation).await["actions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_overdue_is_not_escalated_by_itself_when_the_policy_does_not_say_so() {
    let app = TestApp::start_with_clock().await;
    let violation = broken(&app, &tool_policy("1.0.0")).await;
    app.travel_to(25 * HOUR);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(app.violation(&violation).await["escalation_level"], 0);
}
