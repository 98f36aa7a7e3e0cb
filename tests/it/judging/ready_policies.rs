//! The policies under `docs/policies` do what they say, as they are written.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, events, send};

fn file(name: &str) -> String {
    format!("{}/../docs/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Puts a file in force as a user would: validated offline, drafted as YAML, approved by another.
async fn activate(app: &TestApp, name: &str) {
    let valid = app.cli(&["policy", "validate", &file(name)]);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    let text = std::fs::read_to_string(file(name)).unwrap();
    let draft =
        app.request(Method::POST, "/v1/policies").header("content-type", "application/yaml");
    let drafted = send(draft.body(text)).await.expect(201).body;
    assert_eq!(drafted["name"], name);
    let version = json!({ "name": name, "version": drafted["version"] });
    let _ = app.policy_command(&version, "submit", &json!({})).await.expect(200);
    let _ = app.approver_command(&version, "activate", &json!({})).await.expect(200);
}

/// Control and number of each violation, in the order of the events.
async fn broken(app: &TestApp) -> Vec<(u64, String)> {
    let control = |v: &Value| v["control"].as_str().unwrap().to_owned();
    let mut all: Vec<_> = app
        .violations("")
        .await
        .iter()
        .map(|v| (v["sequence_number"].as_u64().unwrap(), control(v)))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn every_file_in_the_folder_is_tested_here() {
    let folder = format!("{}/../docs/policies", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["failed-logins.yaml", "personal-data.yaml", "tool-allow-list.yaml"]);
}

#[tokio::test]
async fn the_tool_allow_list_lets_reviewed_tools_and_small_refunds_pass() {
    let app = TestApp::start().await;
    activate(&app, "tool-allow-list").await;
    let session = app.start_session().await;
    let refund = |number, amount: Value| {
        let args = json!({ "amount": amount });
        let payload = json!({ "tool_name": "issue_refund", "args": args });
        events::event(session, number, "TOOL_CALL", payload)
    };
    let batch = [
        events::session_start(session),
        events::call_of(session, 1, "look_up_order"),
        refund(2, json!(100)),
        refund(3, json!(100.5)),
        refund(4, json!("12")),
        events::call_of(session, 5, "send_email"),
        events::session_end(session, 6),
    ];
    let _ = app.append(session, &batch).await.expect(201);
    let expected = [
        (3, "small-refunds"),
        (4, "small-refunds"),
        (5, "reviewed-tools"),
        (6, "require_tool_results"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(n, control)| (*n, (*control).to_owned())).collect();
    assert_eq!(broken(&app).await, expected);
}

#[tokio::test]
async fn the_policy_on_personal_data_finds_an_address_and_a_leak() {
    let app = TestApp::start().await;
    activate(&app, "personal-data").await;
    let session = app.start_session().await;
    let many: Vec<String> = (0..10).map(|n| format!("person{n}@example.org")).collect();
    let batch = [
        events::session_start(session),
        events::event(session, 1, "quiz.submitted", json!({ "answer": "forty-two" })),
        events::event(session, 2, "quiz.submitted", json!({ "by": "ada@example.org" })),
        events::event(session, 3, "quiz.submitted", json!({ "all": many })),
    ];
    let _ = app.append(session, &batch).await.expect(201);
    let expected = [(2, "pii"), (3, "one-slip-at-most"), (3, "pii")];
    let expected: Vec<_> =
        expected.iter().map(|(n, control)| (*n, (*control).to_owned())).collect();
    assert_eq!(broken(&app).await, expected);
}

#[tokio::test]
async fn failed_logins_are_found_in_bursts_and_by_person() {
    let app = TestApp::start().await;
    activate(&app, "failed-logins").await;
    let session = app.start_session().await;
    let login = |number, actor: &str, kind: &str| {
        let mut event = events::event(session, number, kind, json!({}));
        event["actor_id"] = json!(actor);
        event
    };
    let mut batch: Vec<Value> = (0..8).map(|n| login(n, "ada", "auth.login")).collect();
    batch.extend((8..12).map(|n| login(n, "ada", "auth.login_failed")));
    let _ = app.append(session, &batch).await.expect(201);
    assert_eq!(broken(&app).await, [], "four of twelve");
    let _ = app.append(session, &[login(12, "eve", "auth.login_failed")]).await.expect(201);
    let expected = [(12, "burst".to_owned()), (12, "mostly-failing".to_owned())];
    assert_eq!(broken(&app).await, expected);
}
