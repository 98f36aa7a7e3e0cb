//! Thresholds: failures are counted, the crossing alone is a violation.

use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

/// Failed logins are not allowed, but for what the threshold lets pass.
fn logins(threshold: &Value) -> Value {
    json!({
        "name": "failed-logins", "version": "1.0.0", "applies_to": ["auth.*"],
        "controls": [{
            "id": "failures", "severity": "high",
            "rules": [{ "id": "succeeds", "left": "payload.ok", "op": "==", "right": true }],
            "threshold": threshold,
        }],
    })
}

fn login(session: Uuid, number: u64, actor: &str, ok: bool) -> Value {
    let mut event = events::event(session, number, "auth.login", json!({ "ok": ok }));
    event["actor_id"] = json!(actor);
    event
}

/// Appends one login a request, so that each has a time of its own.
async fn logins_of(app: &TestApp, session: Uuid, first: u64, logins: &[(&str, bool)]) {
    for (number, (actor, ok)) in (first..).zip(logins) {
        let _ = app.append(session, &[login(session, number, actor, *ok)]).await.expect(201);
    }
}

#[tokio::test]
async fn a_count_is_crossed_once_and_again_when_it_has_fallen() {
    let app = TestApp::start_with_clock().await;
    app.activate_policy(&logins(&json!({ "type": "count", "value": 3, "window_seconds": 60 })))
        .await;
    let session = app.start_session().await;
    logins_of(&app, session, 0, &[("a", false); 2]).await;
    assert_eq!(app.violations("").await.len(), 0, "below the threshold");
    logins_of(&app, session, 2, &[("b", true), ("b", false), ("a", false), ("a", false)]).await;
    let crossed = app.only_violation("").await;
    assert_eq!(crossed["sequence_number"], 3, "the third failure, whoever failed");
    assert_eq!(crossed["rule"], Value::Null);
    let threshold = &crossed["explanation"]["threshold"];
    assert_eq!((&threshold["failures"], &threshold["value"]), (&json!(3), &json!(3.0)));
    app.travel_to(120);
    logins_of(&app, session, 6, &[("a", false); 3]).await;
    let again = app.violations("").await;
    assert_eq!(again.len(), 2);
    assert_eq!(again[0]["sequence_number"], 8);
}

#[tokio::test]
async fn a_percentage_is_of_the_same_actors_events() {
    let app = TestApp::start().await;
    app.activate_policy(&logins(&json!({ "type": "percent", "value": 50, "window_seconds": 600 })))
        .await;
    let session = app.start_session().await;
    let good = [("ada", true), ("ada", true), ("ada", true)];
    logins_of(&app, session, 0, &good).await;
    logins_of(&app, session, 3, &[("ada", false), ("ada", false)]).await;
    assert_eq!(app.violations("").await.len(), 0, "two of five");
    logins_of(&app, session, 5, &[("bob", false)]).await;
    let of_bob = app.only_violation("").await;
    assert_eq!((&of_bob["actor_id"], &of_bob["sequence_number"]), (&json!("bob"), &json!(5)));
    logins_of(&app, session, 6, &[("ada", false)]).await;
    let found = app.violations("&actor=ada").await;
    assert_eq!(found.len(), 1, "three of six");
    assert_eq!(found[0]["explanation"]["threshold"]["events"], 6);
}

#[tokio::test]
async fn a_time_window_takes_failures_that_lie_close_together() {
    let app = TestApp::start_with_clock().await;
    let threshold = json!({ "type": "time_window", "value": 2, "window_seconds": 30 });
    app.activate_policy(&logins(&threshold)).await;
    let session = app.start_session().await;
    logins_of(&app, session, 0, &[("a", false)]).await;
    app.travel_to(100);
    logins_of(&app, session, 1, &[("a", false)]).await;
    assert_eq!(app.violations("").await.len(), 0);
    app.travel_to(120);
    logins_of(&app, session, 2, &[("a", false)]).await;
    assert_eq!(app.only_violation("").await["sequence_number"], 2);
}

/// What was counted before a restart counts after it.
#[tokio::test]
async fn windows_outlive_the_server() {
    let mut app = TestApp::start().await;
    app.activate_policy(&logins(&json!({ "type": "count", "value": 3, "window_seconds": 600 })))
        .await;
    let session = app.start_session().await;
    logins_of(&app, session, 0, &[("a", false); 2]).await;
    app.settle().await;
    app.kill();
    app.resume();
    logins_of(&app, session, 2, &[("a", false)]).await;
    assert_eq!(app.only_violation("").await["sequence_number"], 2);
}
