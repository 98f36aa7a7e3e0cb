//! How backtests run: progress, cancelling, one a tenant and two a server, and how they die.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{ALL_SCOPES, Answer, Caller, TestApp, events, send};
use uuid::Uuid;

use super::backtests::ended;
use crate::processes::eventually;
use crate::refusing::problem;

/// A policy that takes its time: every control is broken by every event.
fn slow() -> Value {
    let control = |number: usize| {
        json!({
            "id": format!("c{number}"), "severity": "low",
            "rules": [{ "id": "r", "left": "payload.tool_name", "op": "==", "right": "none" }],
        })
    };
    let controls: Vec<Value> = (0..150).map(control).collect();
    json!({ "name": "slow", "version": "1.0.0", "controls": controls })
}

const PATH: &str = "/v1/policies/slow/versions/1.0.0/backtest";

/// A draft of the slow policy, and history that it takes seconds to try.
async fn with_history(who: &Caller<'_>) {
    let _ = who.post("/v1/policies", &slow()).await.expect(201);
    let session: Uuid = Uuid::from_u128(rand::random());
    let start = json!({ "agent_id": "busy", "session_id": session });
    let _ = who.post("/v1/sessions", &start).await.expect(201);
    for batch in 0..6 {
        let events = events::tool_calls(session, batch * 1_000, 1_000);
        let path = format!("/v1/sessions/{session}/events");
        let _ = who.post(&path, &json!({ "events": events })).await.expect(201);
    }
}

async fn begun(who: &Caller<'_>) -> Answer {
    who.post(PATH, &json!({})).await.expect(202)
}

fn path(begun: &Answer) -> String {
    begun.body["links"]["self"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_backtest_shows_its_progress_and_is_cancelled_through_any_server() {
    let app = TestApp::start().await;
    let me = app.as_key(&app.key);
    with_history(&me).await;
    let begun = begun(&me).await;
    let second = me.post(PATH, &json!({})).await;
    let details = problem(&second, 409, "BACKTEST_RUNNING");
    assert_eq!(details["backtest_id"], begun.body["backtest_id"]);
    eventually("progress is shown", 30, async || {
        let body = app.get(&path(&begun)).await.expect(200).body;
        assert_eq!(body["status"], "running", "{body}");
        let done = body["events_done"].as_u64().unwrap();
        done > 0 && done < body["events_total"].as_u64().unwrap()
    })
    .await;
    let sibling = app.sibling();
    let cancel = begun.body["links"]["cancel"].as_str().unwrap();
    let asked = sibling.post(cancel, &json!({})).await.expect(200).body;
    assert_eq!(asked["cancel_asked"], true);
    let ended = ended(&app, &begun).await;
    assert_eq!(ended["status"], "cancelled");
    assert!(ended["report"].is_null() && ended["finished_at"].is_string(), "{ended}");
    let again = app.post(cancel, &json!({})).await.expect(200).body;
    assert_eq!(again["status"], "cancelled", "what has ended stays so");

    let attached = json!({ "backtest_id": begun.body["backtest_id"] });
    let refused = app.policy_command(&slow(), "submit", &attached).await;
    problem(&refused, 400, "REQUEST_INVALID");
}

#[tokio::test]
async fn a_server_runs_two_backtests_and_a_tenant_one() {
    let app = TestApp::start().await;
    let mut keys = vec![app.key.clone()];
    for name in ["second", "third"] {
        keys.push(app.make_key(&app.make_tenant(name), ALL_SCOPES));
    }
    for key in &keys {
        with_history(&app.as_key(key)).await;
    }
    let first = begun(&app.as_key(&keys[0])).await;
    let second = begun(&app.as_key(&keys[1])).await;
    let third = app.as_key(&keys[2]).post(PATH, &json!({})).await;
    assert_eq!(problem(&third, 409, "BACKTEST_RUNNING")["reason"], "server");
    for other in [&keys[1], &keys[2]] {
        let other = app.as_key(other);
        let unseen = other.get(&path(&first)).await;
        problem(&unseen, 404, "BACKTEST_NOT_FOUND");
        let cancel = other.post(&format!("{}/cancel", path(&first)), &json!({})).await;
        problem(&cancel, 404, "BACKTEST_NOT_FOUND");
    }
    let body = app.get(&path(&first)).await.expect(200).body;
    assert_eq!((&body["status"], &body["cancel_asked"]), (&json!("running"), &json!(false)));
    for (key, begun) in [(&keys[0], &first), (&keys[1], &second)] {
        let cancel = format!("{}/cancel", path(begun));
        let _ = app.as_key(key).post(&cancel, &json!({})).await.expect(200);
    }
    eventually("there is room again", 30, async || {
        app.as_key(&keys[2]).post(PATH, &json!({})).await.status == 202
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_one_that_dies_shows_by_its_silence() {
    let mut app = TestApp::start().await;
    with_history(&app.as_key(&app.key)).await;
    let stopped = begun(&app.as_key(&app.key)).await;
    app.restart();
    let body = app.get(&path(&stopped)).await.expect(200).body;
    assert_eq!(body["status"], "failed", "{body}");
    assert!(body["reason"].as_str().unwrap().contains("stopped"), "{body}");

    let killed = begun(&app.as_key(&app.key)).await;
    app.kill();
    app.resume();
    assert_eq!(app.get(&path(&killed)).await.expect(200).body["status"], "running");
    let busy = app.post(PATH, &json!({})).await;
    problem(&busy, 409, "BACKTEST_RUNNING");
    let owner = app.database.as_ref().unwrap().as_owner().await;
    sqlx::query("update backtests set touched_at = touched_at - interval '31 s'")
        .execute(&owner)
        .await
        .unwrap();
    let body = app.get(&path(&killed)).await.expect(200).body;
    assert_eq!(body["status"], "failed", "{body}");
    assert!(body["reason"].as_str().unwrap().contains("silent"), "{body}");
    let next = begun(&app.as_key(&app.key)).await;
    let _ = app.post(&format!("{}/cancel", path(&next)), &json!({})).await.expect(200);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(app.get(&path(&killed)).await.expect(200).body["status"], "failed");
}

#[tokio::test]
async fn a_key_that_only_reads_policies_does_not_begin_a_backtest() {
    let app = TestApp::start().await;
    let _ = app.draft_policy(&slow()).await.expect(201);
    let key = app.make_key("demo", "policies:read,policies:approve");
    let request = app.bare_request(reqwest::Method::POST, PATH).bearer_auth(&key);
    problem(&send(request.json(&json!({}))).await, 403, "SCOPE_MISSING");
}
