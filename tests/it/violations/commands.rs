//! The five commands and the state machine, over HTTP.

use serde_json::{Value, json};
use tests::{TestApp, events, send, tool_policy};

/// A server with one violation.
pub async fn with_violation() -> (TestApp, Value) {
    let app = TestApp::start().await;
    let violation = one_violation(&app).await;
    (app, violation)
}

pub async fn one_violation(app: &TestApp) -> Value {
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let batch = [events::session_start(session), events::call_of(session, 1, "wire_transfer")];
    let _ = app.append(session, &batch).await.expect(201);
    app.only_violation("").await
}

fn body_of(command: &str) -> Value {
    match command {
        "acknowledge" => json!({}),
        "comment" => json!({ "comment": "seen" }),
        "escalate" => json!({ "to": "lead", "reason": "big" }),
        "resolve" => json!({ "resolution": "fixed" }),
        _ => json!({ "reason": "not fixed" }),
    }
}

#[tokio::test]
async fn a_violation_is_acknowledged_resolved_and_reopened() {
    let (app, violation) = with_violation().await;
    let steps = [
        ("comment", "OPEN"),
        ("acknowledge", "ACKNOWLEDGED"),
        ("escalate", "ACKNOWLEDGED"),
        ("resolve", "RESOLVED"),
        ("comment", "RESOLVED"),
        ("reopen", "OPEN"),
        ("acknowledge", "ACKNOWLEDGED"),
        ("resolve", "RESOLVED"),
    ];
    for (command, status) in steps {
        let done = app.act(&violation, command, &body_of(command)).await.expect(200).body;
        assert_eq!(done["status"], status, "{command}");
        assert_eq!(done, app.violation(&violation).await, "a command answers what a read says");
    }
    let last = app.violation(&violation).await;
    assert_eq!((&last["escalation_level"], &last["escalated_to"]), (&json!(1), &json!("lead")));
    assert_eq!(last["actions"].as_array().unwrap().len(), steps.len() + 1);
    assert_eq!(app.only_violation("").await["status"], "RESOLVED", "and so does the list");
}

#[tokio::test]
async fn what_the_state_forbids_is_409_and_says_what_is_possible() {
    let (app, violation) = with_violation().await;
    for command in ["resolve", "reopen"] {
        let refused = app.act(&violation, command, &body_of(command)).await.expect(409);
        assert_eq!(refused.code(), "VIOLATION_STATE");
        let details = &refused.body["details"];
        assert_eq!(details["status"], "OPEN");
        assert_eq!(details["allowed"], json!(["acknowledge", "comment", "escalate"]));
    }
    assert_eq!(app.violation(&violation).await["version"], 1, "nothing was done");
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_succeeds() {
    let (app, violation) = with_violation().await;
    for command in ["acknowledge", "escalate", "resolve"] {
        let first = app.act(&violation, command, &body_of(command)).await.expect(200).body;
        let second = app.act(&violation, command, &body_of(command)).await.expect(200).body;
        assert_eq!(first, second, "{command}");
    }
    assert_eq!(app.violation(&violation).await["version"], 4);
}

#[tokio::test]
async fn who_did_it_comes_from_the_key_and_never_from_the_body() {
    let (app, violation) = with_violation().await;
    for body in [
        json!({ "actor": "somebody else" }),
        json!({ "by": "somebody else" }),
        json!({ "comment": "x", "acknowledged_by": "somebody else" }),
    ] {
        let refused = app.act(&violation, "acknowledge", &body).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID");
    }
    let key = app.make_key("demo", "violations:write");
    let path =
        format!("/v1/violations/{}/acknowledge", violation["violation_id"].as_str().unwrap());
    let done = app.as_key(&key).post(&path, &json!({})).await.expect(200).body;
    assert_eq!(done["status"], "ACKNOWLEDGED");
    assert!(done.get("explanation").is_none(), "who may not read is not told more: {done}");
    let bulk = json!({ "filter": {}, "command": { "type": "acknowledge" } });
    let refused = app.as_key(&key).post("/v1/violations/bulk", &bulk).await.expect(403);
    assert_eq!(refused.code(), "SCOPE_MISSING");
    let actions = app.violation(&violation).await["actions"].clone();
    assert_eq!(actions[0]["actor"], "policy:tool-access@1.0.0");
    assert_eq!(actions[1]["actor"], format!("key:{}", &key[4..12]));
}

#[tokio::test]
async fn texts_are_needed_and_bounded() {
    let (app, violation) = with_violation().await;
    let long = "x".repeat(4_001);
    for (command, body) in [
        ("comment", json!({})),
        ("comment", json!({ "comment": "" })),
        ("comment", json!({ "comment": " " })),
        ("comment", json!({ "comment": long })),
        ("comment", json!({ "comment": 7 })),
        ("escalate", json!({ "to": "lead" })),
        ("escalate", json!({ "to": "x".repeat(257), "reason": "r" })),
        ("resolve", json!({})),
        ("reopen", json!([])),
    ] {
        let refused = app.act(&violation, command, &body).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{command} {body}");
    }
}

#[tokio::test]
async fn a_command_on_a_version_that_was_not_seen_is_not_carried_out() {
    let (app, violation) = with_violation().await;
    let path = format!("/v1/violations/{}", violation["violation_id"].as_str().unwrap());
    let seen = app.get(&path).await.expect(200).headers["etag"].clone();
    assert_eq!(seen, "\"1\"");
    let command = async |tag: &str| {
        let request = app.request(reqwest::Method::POST, &format!("{path}/comment"));
        send(request.header("if-match", tag).json(&body_of("comment"))).await
    };
    let _ = command("\"1\"").await.expect(200);
    assert_eq!(command("\"1\"").await.expect(412).code(), "PRECONDITION_FAILED");
    assert_eq!(command("1").await.expect(400).code(), "REQUEST_INVALID");
    let _ = command("\"2\"").await.expect(200);
}

#[tokio::test]
async fn many_who_acknowledge_at_once_acknowledge_once() {
    let (app, violation) = with_violation().await;
    let app = std::sync::Arc::new(app);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (app, violation) = (app.clone(), violation.clone());
        all.spawn(async move { app.act(&violation, "acknowledge", &json!({})).await.status });
    }
    assert_eq!(all.join_all().await, vec![200; 16]);
    assert_eq!(app.violation(&violation).await["version"], 2);
}

#[tokio::test]
async fn a_violation_of_another_tenant_is_like_one_that_does_not_exist() {
    let (app, violation) = with_violation().await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    let id = violation["violation_id"].as_str().unwrap();
    for id in [id, "00000000-0000-0000-0000-000000000000", "nonsense"] {
        let read = other.get(&format!("/v1/violations/{id}")).await.expect(404);
        assert_eq!(read.code(), "VIOLATION_NOT_FOUND");
        let log = other.get(&format!("/v1/violations/{id}/actions")).await.expect(404);
        assert_eq!(log.code(), "VIOLATION_NOT_FOUND");
        for command in ["acknowledge", "comment", "escalate", "resolve", "reopen"] {
            let path = format!("/v1/violations/{id}/{command}");
            let refused = other.post(&path, &body_of(command)).await.expect(404);
            assert_eq!(refused.code(), "VIOLATION_NOT_FOUND");
        }
    }
    let bulk = json!({ "ids": [id], "command": { "type": "acknowledge" } });
    let results = other.post("/v1/violations/bulk", &bulk).await.expect(200).body;
    assert_eq!(results["results"][0]["code"], "VIOLATION_NOT_FOUND");
    assert_eq!(app.violation(&violation).await["version"], 1);
}

#[tokio::test]
async fn bulk_answers_for_each() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let calls: Vec<_> = (0..5).map(|n| events::call_of(session, n, "wire_transfer")).collect();
    let _ = app.append(session, &calls).await.expect(201);
    let found = app.violations("").await;
    let _ = app.act(&found[0], "acknowledge", &json!({})).await.expect(200);
    let ids: Vec<_> = found.iter().map(|v| v["violation_id"].clone()).collect();
    let unknown = json!("00000000-0000-0000-0000-000000000000");
    let bulk = json!({
        "ids": [ids[0], ids[1], unknown], "command": { "type": "acknowledge" },
    });
    let answer = app.post("/v1/violations/bulk", &bulk).await.expect(200).body;
    let outcomes: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["unchanged", "done", "refused"]);
    assert_eq!(answer["results"][2]["code"], "VIOLATION_NOT_FOUND");
    app.settle().await;
    let bulk = json!({
        "filter": { "status": "ACKNOWLEDGED" },
        "command": { "type": "resolve", "resolution": "false alarm" },
    });
    let answer = app.post("/v1/violations/bulk", &bulk).await.expect(200).body;
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["more"], false);
    assert_eq!(app.violations("&status=RESOLVED").await.len(), 2);
    for bad in [
        json!({ "command": { "type": "acknowledge" } }),
        json!({ "ids": [], "filter": {}, "command": { "type": "acknowledge" } }),
        json!({ "ids": [ids[0]], "command": { "type": "delete" } }),
        json!({ "filter": { "unknown": 1 }, "command": { "type": "acknowledge" } }),
        json!({ "ids": vec![&ids[0]; 501], "command": { "type": "acknowledge" } }),
    ] {
        let refused = app.post("/v1/violations/bulk", &bad).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{bad}");
    }
}
