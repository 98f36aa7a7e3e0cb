//! From a draft to retirement, and every step that is forbidden.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, send};

use super::tools;
use crate::refusing::problem;

fn actor(key: &str) -> String {
    format!("key:{}", &key[4..12])
}

/// Insists on a 409 of the lifecycle; its details.
fn forbidden(answer: &Answer) -> Value {
    problem(answer, 409, "POLICY_STATE")
}

#[tokio::test]
async fn a_policy_is_drafted_revised_submitted_rejected_activated_and_retired_by_two_keys() {
    let app = TestApp::start().await;
    let first = tools("1.0.0", &["search"]);
    let drafted = app.draft_policy(&first).await.expect(201);
    assert_eq!(drafted.headers["etag"], "\"1\"");
    let body = &drafted.body;
    assert_eq!((&body["name"], &body["version"]), (&json!("tool-access"), &json!("1.0.0")));
    assert_eq!((&body["status"], &body["revision"]), (&json!("DRAFT"), &json!(1)));
    assert_eq!(body["author"], actor(&app.key));
    assert!(body["position"].as_u64().unwrap() > 0, "{body}");

    let second = tools("1.0.0", &["search", "look_up_order"]);
    let revised = app.revise_policy(&second).await.expect(200).body;
    assert_eq!((&revised["status"], &revised["revision"]), (&json!("DRAFT"), &json!(2)));
    assert_ne!(revised["content_hash"], body["content_hash"]);
    let again = app.revise_policy(&second).await.expect(200).body;
    assert_eq!(again, revised, "the same text changes nothing");

    let submitted = app.policy_command(&first, "submit", &json!({})).await.expect(200).body;
    assert_eq!(submitted["status"], "REVIEW");
    let reason = json!({ "reason": "too wide" });
    let rejected = app.approver_command(&first, "reject", &reason).await.expect(200).body;
    assert_eq!((&rejected["status"], &rejected["reason"]), (&json!("DRAFT"), &json!("too wide")));
    let _ = app.policy_command(&first, "submit", &json!({})).await.expect(200);
    let activated = app.approver_command(&first, "activate", &json!({})).await.expect(200).body;
    assert_eq!(activated["status"], "ACTIVE");
    assert!(activated["approver"].as_str().unwrap().starts_with("key:"));
    assert_ne!(activated["approver"], activated["author"]);
    assert!(activated["activated_at"].is_string() && activated["retired_at"].is_null());

    let retired = app.retire_policy(&first).await;
    assert_eq!((&retired["status"], &retired["revision"]), (&json!("RETIRED"), &json!(7)));
    assert_eq!(retired["reason"], "no longer needed");
    let shown = app.policy_version(&first).await;
    assert_eq!(shown["document"], second);
    assert_eq!(shown["status"], "RETIRED");
}

#[tokio::test]
async fn what_a_state_does_not_allow_is_refused_with_what_it_allows() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    let reason = json!({ "reason": "so it is" });
    let commands: [(&str, Value); 4] = [
        ("submit", json!({})),
        ("reject", reason.clone()),
        ("activate", json!({})),
        ("retire", reason.clone()),
    ];
    for (verb, body) in &commands {
        let absent = app.approver_command(&policy, verb, body).await.expect(404);
        assert_eq!(absent.code(), "POLICY_NOT_FOUND", "{verb}");
    }
    let _ = app.revise_policy(&policy).await.expect(404);

    let steps: [(&str, Value, &str, &[&str]); 4] = [
        ("", json!({}), "DRAFT", &["revise", "submit"]),
        ("submit", json!({}), "REVIEW", &["reject", "activate"]),
        ("activate", json!({}), "ACTIVE", &["retire"]),
        ("retire", reason, "RETIRED", &[]),
    ];
    for (step, body, status, allowed) in steps {
        if step.is_empty() {
            let _ = app.draft_policy(&policy).await.expect(201);
        } else if step == "submit" {
            let _ = app.policy_command(&policy, step, &body).await.expect(200);
        } else {
            let _ = app.approver_command(&policy, step, &body).await.expect(200);
        }
        let before = app.policy_version(&policy).await;
        let redraft = forbidden(&app.draft_policy(&policy).await);
        assert_eq!(redraft["command"], "draft", "{redraft}");
        for (verb, body) in commands.iter().filter(|(verb, _)| !allowed.contains(verb)) {
            let details = forbidden(&app.approver_command(&policy, verb, body).await);
            let expected = json!({ "command": verb, "status": status, "allowed": allowed });
            assert_eq!(details, expected);
        }
        if status != "DRAFT" {
            let other = app.revise_policy(&tools("1.0.0", &["other"])).await;
            assert_eq!(forbidden(&other)["command"], "revise");
        }
        assert_eq!(app.policy_version(&policy).await, before, "{status}: nothing has changed");
    }
}

#[tokio::test]
async fn a_policy_without_controls_can_be_drafted_and_not_submitted() {
    let app = TestApp::start().await;
    let empty = json!({ "name": "limits-only", "version": "1.0.0", "controls": [] });
    let _ = app.draft_policy(&empty).await.expect(201);
    let refused = app.policy_command(&empty, "submit", &json!({})).await;
    assert_eq!(forbidden(&refused)["reason"], "no_controls");
}

#[tokio::test]
async fn a_reason_is_needed_and_nothing_else_is_taken() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    app.submit_policy(&policy).await;
    let too_long = "x".repeat(2_001);
    for body in [
        json!({}),
        json!({ "reason": "" }),
        json!({ "reason": "  " }),
        json!({ "reason": too_long }),
        json!({ "reason": "a\u{0}b" }),
        json!({ "reason": 7 }),
        json!({ "reason": "fine", "by": "key:somebody" }),
    ] {
        let refused = app.approver_command(&policy, "reject", &body).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{body}");
    }
    let body = json!({ "supersede": true, "approver": "key:somebody" });
    let refused = app.approver_command(&policy, "activate", &body).await.expect(400);
    assert_eq!(refused.code(), "REQUEST_INVALID");
    assert_eq!(app.policy_version(&policy).await["status"], "REVIEW");
}

#[tokio::test]
async fn a_command_on_a_version_that_has_changed_is_refused() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    let _ = app.draft_policy(&policy).await.expect(201);
    let path = app.version_path(&policy);
    let submit = |tag: &str| {
        let request = app.request(Method::POST, &format!("{path}/submit"));
        send(request.header("if-match", tag).json(&json!({})))
    };
    let shown = app.get(&path).await.expect(200);
    assert_eq!(shown.headers["etag"], "\"1\"");
    let known = app.request(Method::GET, &path).header("if-none-match", "\"1\"");
    let _ = send(known).await.expect(304);
    for malformed in ["1", "\"one\"", "W/\"1\"", "\"1\", \"2\""] {
        assert_eq!(submit(malformed).await.expect(400).code(), "REQUEST_INVALID", "{malformed}");
    }
    let _ = app.revise_policy(&tools("1.0.0", &["search", "pay"])).await.expect(200);
    problem(&submit("\"1\"").await, 412, "PRECONDITION_FAILED");
    let revise = app.request(Method::PUT, &path).header("if-match", "\"1\"").json(&policy);
    problem(&send(revise).await, 412, "PRECONDITION_FAILED");
    let submitted = submit("\"2\"").await.expect(200);
    assert_eq!(submitted.headers["etag"], "\"3\"");
    let draft = app.request(Method::POST, "/v1/policies").header("if-match", "\"1\"");
    let draft = send(draft.json(&tools("9.0.0", &["search"]))).await;
    problem(&draft, 412, "PRECONDITION_FAILED");
}
