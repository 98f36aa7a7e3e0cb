//! Who has called which tool, how it ended, and whether it was allowed.

use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

#[tokio::test]
async fn each_call_is_listed_with_its_end_and_whether_it_was_allowed() {
    let app = TestApp::start().await;
    let before = app.start_session().await;
    let batch = [events::session_start(before), events::call_of(before, 1, "anything")];
    let _ = app.append(before, &batch).await.expect(201);
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)[..2]).await.expect(201);
    app.settle().await;
    let rest = [events::tool_result(session, 2), events::call_of(session, 3, "wire_transfer")];
    let _ = app.append(session, &rest).await.expect(201);
    app.settle().await;
    let path = format!("/v1/sessions/{session}/tool-access");
    let items = app.get(&path).await.expect(200).body["items"].clone();
    let [wired, looked] = items.as_array().unwrap().as_slice() else { panic!("{items}") };
    assert_eq!(looked["tool_name"], "look_up_order");
    assert_eq!(looked["args_summary"], "amount: number, order: number");
    assert_eq!((&looked["status"], &looked["duration_ms"]), (&json!("success"), &json!(12.0)));
    assert_eq!(looked["allowed"], true);
    assert_eq!(looked["judged_by"], json!(["tool-access@1.0.0"]));
    assert_eq!(wired["tool_name"], "wire_transfer");
    assert_eq!((&wired["status"], &wired["allowed"]), (&Value::Null, &json!(false)));
    assert_eq!(wired["broken"], json!(["tool-access/allowed-tools"]));
    let all = app.get("/v1/tool-access").await.expect(200).body["items"].clone();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let unjudged =
        all.as_array().unwrap().iter().find(|u| u["session_id"] == json!(before)).unwrap();
    assert_eq!((&unjudged["allowed"], &unjudged["judged_by"]), (&Value::Null, &json!([])));
    let refused = app.get("/v1/tool-access?allowed=false").await.expect(200).body["items"].clone();
    assert_eq!(refused.as_array().unwrap().len(), 1);
    let of_tool = app.get("/v1/tool-access?tool=anything&limit=1").await.expect(200).body;
    assert_eq!(of_tool["items"][0]["session_id"], json!(before));
}

#[tokio::test]
async fn pages_of_uses_have_no_hole_and_no_double() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::tool_calls(session, 0, 25)).await.expect(201);
    let other = app.start_session().await;
    let _ = app.append(other, &events::tool_calls(other, 0, 5)).await.expect(201);
    app.settle().await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/tool-access?limit=7{cursor}");
        let page = app.get(&path).await.expect(200).body;
        for item in page["items"].as_array().unwrap() {
            seen.push((item["session_id"].to_string(), item["sequence_number"].as_u64().unwrap()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 30);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 30);
}

#[tokio::test]
async fn an_export_carries_violations_actions_tools_and_personal_data() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let batch = [
        events::session_start(session),
        events::call_of(session, 1, "wire_transfer"),
        events::tool_result(session, 2),
        events::session_end(session, 3),
    ];
    let _ = app.append(session, &batch).await.expect(201);
    let violation = app.only_violation("").await;
    let _ = app.act(&violation, "acknowledge", &json!({ "comment": "on it" })).await.expect(200);
    let resolution = json!({ "resolution": "tool taken away" });
    let _ = app.act(&violation, "resolve", &resolution).await.expect(200);
    let _ = app.seal(session).await.expect(201);
    let path = format!("/v1/sessions/{session}/export?format=json&purpose=audit");
    let export = app.get(&path).await.expect(200).body;
    assert_eq!(export["counts"]["violations"], 1);
    let exported = &export["violations"][0];
    assert_eq!(exported["policy_hash"], violation["policy_hash"]);
    assert_eq!(exported["status"], "RESOLVED");
    let actions: Vec<&str> = exported["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["detected", "acknowledged", "resolved"]);
    assert_eq!(exported["actions"][2]["details"], resolution);
    assert_eq!(export["tool_access"][0]["allowed"], false);
    assert_eq!(export["pii"]["detectors_not_run"], json!([]));
    let report = app.post("/v1/verify", &export).await.expect(200).body;
    assert_eq!(report["status"], "PASS", "{report}");
}
