//! What a backtest reports: the violations that each version would have made, key by key.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Answer, TestApp, events};
use uuid::Uuid;

use super::tools;
use crate::refusing::problem;

/// Waits until a backtest has ended.
pub async fn ended(app: &TestApp, begun: &Answer) -> Value {
    let id = begun.body["backtest_id"].as_str().expect(&begun.text);
    for _ in 0..1_500 {
        let body = app.get(&format!("/v1/policies/backtests/{id}")).await.expect(200).body;
        if body["status"] != "running" {
            return body;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the backtest does not end: {}", begun.text);
}

pub async fn backtest(app: &TestApp, policy: &Value, body: &Value) -> Value {
    let begun = app.policy_command(policy, "backtest", body).await.expect(202);
    assert_eq!(begun.body["status"], "running");
    let ended = ended(app, &begun).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    ended
}

/// What was called in which session, in order.
const CALLS: [(usize, &str); 12] = [
    (0, "search"),
    (0, "pay"),
    (1, "look_up"),
    (1, "shout"),
    (0, "look_up"),
    (2, "pay"),
    (2, "shout"),
    (1, "search"),
    (2, "look_up"),
    (0, "shout"),
    (1, "pay"),
    (2, "search"),
];

/// The sessions, and the calls as (session, sequence number, tool).
async fn history(app: &TestApp) -> (Vec<Uuid>, Vec<(Uuid, u64, &'static str)>) {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(app.start_session().await);
    }
    let mut next = [0_u64; 3];
    let mut calls = Vec::new();
    for (number, tool) in CALLS {
        let (session, sequence) = (sessions[number], next[number]);
        let payload = json!({ "tool_name": tool, "args": {} });
        let call = events::event(session, sequence, "TOOL_CALL", payload);
        let _ = app.append(session, &[call]).await.expect(201);
        calls.push((session, sequence, tool));
        next[number] += 1;
    }
    (sessions, calls)
}

/// Rows of everything that judging writes.
async fn written(app: &TestApp) -> Vec<(String, i64)> {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let mut counts = Vec::new();
    for table in [
        "events",
        "violation_keys",
        "violation_actions",
        "policy_windows",
        "pii_findings",
        "tool_uses",
    ] {
        let count = format!("select count(*) from {table}");
        let count = sqlx::query_scalar(&count).fetch_one(&owner).await.unwrap();
        counts.push((table.to_owned(), count));
    }
    let windows: Option<String> = sqlx::query_scalar(
        "select md5(string_agg(w::text, ',' order by w::text)) from policy_windows w",
    )
    .fetch_one(&owner)
    .await
    .unwrap();
    counts.push((windows.unwrap_or_default(), 0));
    counts
}

/// Adds a control that counts.
fn counting(mut policy: Value, failures: u64) -> Value {
    let counted = json!({
        "id": "not-too-often", "severity": "low",
        "rules": [{ "id": "quiet", "left": "payload.tool_name", "op": "!=", "right": "shout" }],
        "threshold": { "type": "count", "value": failures, "window_seconds": 600 },
    });
    policy["controls"].as_array_mut().unwrap().push(counted);
    policy
}

#[tokio::test]
async fn the_report_says_what_was_added_what_removed_and_what_stayed() {
    let app = TestApp::start().await;
    let old = counting(tools("1.0.0", &["search", "look_up"]), 2);
    let new = counting(tools("2.0.0", &["search", "pay"]), 2);
    app.activate_policy(&old).await;
    let (_, calls) = history(&app).await;
    let _ = app.draft_policy(&new).await.expect(201);
    app.settle().await;
    // The judge is beside the read models: it has its own pace.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = written(&app).await;
    let ended = backtest(&app, &new, &json!({})).await;
    assert_eq!(written(&app).await, before, "nothing is written but the row");

    let report = &ended["report"];
    let of = |tools: &[&str]| calls.iter().filter(|c| tools.contains(&c.2)).collect::<Vec<_>>();
    let (added, removed, same) = (of(&["look_up"]), of(&["pay"]), of(&["shout"]));
    let allowed = json!({ "added": added.len(), "removed": removed.len(), "same": same.len() });
    assert_eq!(report["controls"]["allowed-tools"], allowed);
    let counted = json!({ "added": 0, "removed": 0, "same": 1 });
    assert_eq!(report["controls"]["not-too-often"], counted);
    let total = json!({ "added": added.len(), "removed": removed.len(), "same": same.len() + 1 });
    assert_eq!(report["totals"], total);
    assert_eq!(report["events"], CALLS.len());
    assert_eq!(report["from_position"], 1);
    assert!(report["to_position"].as_u64().unwrap() > 12);
    assert_eq!(report["candidate"]["version"], "2.0.0");
    assert_eq!(report["candidate"]["violations"], added.len() + same.len() + 1);
    assert_eq!(report["active"]["version"], "1.0.0");
    assert_eq!(report["active"]["violations"], removed.len() + same.len() + 1);
    for (kind, expected) in [("added", added), ("removed", removed)] {
        let examples = report["examples"]["allowed-tools"][kind].as_array().unwrap();
        let found: Vec<_> = examples
            .iter()
            .map(|e| (e["session_id"].clone(), e["sequence_number"].clone()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|c| (json!(c.0), json!(c.1))).collect();
        assert_eq!(found, expected, "{kind}");
        for example in examples {
            assert_eq!(example["control"], "allowed-tools");
            assert_eq!(example["rule"], "on-the-list");
            assert_eq!(example["severity"], "critical");
            assert!(example["reason"].is_string() && example["event_id"].is_string());
        }
    }
    assert_eq!(ended["events_done"], CALLS.len());
    assert_eq!(ended["events_total"], CALLS.len());
    assert_eq!(ended["against_version"], "1.0.0");
    assert!(ended["finished_at"].is_string() && ended["reason"].is_null());
}

#[tokio::test]
async fn what_the_judge_has_found_is_what_the_active_version_is_said_to_find() {
    let app = TestApp::start().await;
    let active = counting(tools("1.0.0", &["search"]), 2);
    app.activate_policy(&active).await;
    history(&app).await;
    let report = backtest(&app, &active, &json!({})).await["report"].clone();
    let expected = report["active"]["violations"].as_i64().unwrap();
    assert_eq!(expected, 9 + 1);
    assert_eq!(report["totals"], json!({ "added": 0, "removed": 0, "same": expected }));
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let mut found = 0_i64;
    for _ in 0..500 {
        let count = sqlx::query_scalar("select count(*) from violation_keys");
        found = count.fetch_one(&owner).await.unwrap();
        if found == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn without_an_active_version_everything_is_added_and_a_span_narrows_the_history() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    let _ = app.draft_policy(&policy).await.expect(201);
    let (sessions, _) = history(&app).await;
    let report = backtest(&app, &policy, &json!({})).await["report"].clone();
    assert_eq!(report["active"], Value::Null);
    assert_eq!(report["totals"], json!({ "added": 9, "removed": 0, "same": 0 }));

    let page = app.get(&format!("/v1/sessions/{}/events", sessions[2])).await.expect(200).body;
    let since = page["items"][0]["received_at"].as_str().unwrap().to_owned();
    // From the sixth call on.
    let report = backtest(&app, &policy, &json!({ "since": since })).await["report"].clone();
    assert_eq!((&report["events"], &report["totals"]["added"]), (&json!(7), &json!(5)));
    let report = backtest(&app, &policy, &json!({ "until": since })).await["report"].clone();
    assert_eq!((&report["events"], &report["totals"]["added"]), (&json!(5), &json!(4)));
    for body in [json!({ "since": "yesterday" }), json!({ "from": since })] {
        problem(&app.policy_command(&policy, "backtest", &body).await, 400, "REQUEST_INVALID");
    }
    let listed = app.get(&format!("{}/backtests", app.version_path(&policy))).await.expect(200);
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| item["report"].is_null() && item["status"] == "completed"));
}

#[tokio::test]
async fn a_completed_backtest_of_the_same_text_is_attached_on_submission_and_no_other() {
    let app = TestApp::start().await;
    let (policy, other) = (tools("1.0.0", &["search"]), tools("2.0.0", &["search"]));
    for policy in [&policy, &other] {
        let _ = app.draft_policy(policy).await.expect(201);
    }
    let id = |ended: Value| json!({ "backtest_id": ended["backtest_id"] });
    let of_other = id(backtest(&app, &other, &json!({})).await);
    let before_revision = id(backtest(&app, &policy, &json!({})).await);
    let _ = app.revise_policy(&tools("1.0.0", &["search", "pay"])).await.expect(200);
    let fitting = id(backtest(&app, &policy, &json!({})).await);
    for (body, status, code) in [
        (json!({ "backtest_id": Uuid::from_u128(1) }), 404, "BACKTEST_NOT_FOUND"),
        (json!({ "backtest_id": "latest" }), 400, "REQUEST_INVALID"),
        (of_other, 400, "REQUEST_INVALID"),
        (before_revision, 400, "REQUEST_INVALID"),
    ] {
        problem(&app.policy_command(&policy, "submit", &body).await, status, code);
    }
    let submitted = app.policy_command(&policy, "submit", &fitting).await.expect(200).body;
    assert_eq!(submitted["status"], "REVIEW");
    assert_eq!(submitted["backtest_id"], fitting["backtest_id"]);
}
