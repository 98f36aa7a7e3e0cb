//! A session that is longer than any page or chunk.

use domain::evidence::canonical;
use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

use super::Taken;

#[tokio::test]
async fn a_session_of_3000_events_is_exported_and_verified_whole() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    for first in [1, 1000, 2000] {
        let count = if first == 1 { 999 } else { 1000 };
        let _ = app.append(session, &events::tool_calls(session, first, count)).await.expect(201);
    }
    let _ = app.append(session, &[events::session_end(session, 3000)]).await.expect(201);
    let sealed = app.seal(session).await.expect(201).body;
    assert_eq!(sealed["seal"]["event_count"], 3001);

    let taken = Taken::from(&app, session).await;

    let text = taken.read("export.json");
    assert_eq!(canonical::canonicalize(text.as_bytes()).unwrap(), text.as_bytes());
    let document = taken.json("export.json");
    assert_eq!(document["events"].as_array().map(Vec::len), Some(3002));
    assert_eq!(document["tool_access"].as_array().map(Vec::len), Some(2999));
    assert_eq!(document["verification"]["status"], "PASS");
    assert_eq!(taken.read("session.jsonl").lines().count(), 3002);
    let jwks = taken.path("jwks.json").display().to_string();
    for files in [vec!["export.json"], vec!["session.jsonl", "seal.json"]] {
        let files: Vec<String> =
            files.iter().map(|file| taken.path(file).display().to_string()).collect();
        let mut args = vec!["verify", "--format", "json", "--jwks", &jwks];
        args.extend(files.iter().map(String::as_str));
        let output = app.cli(&args);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["status"]), (Some(0), &"PASS".into()));
        assert_eq!(report["event_count"], 3002);
        assert_eq!(report["axes"]["signer"]["result"], "pass");
    }
    let report = app.verify(session).await;
    assert_eq!((&report["status"], &report["event_count"]), (&"PASS".into(), &3002.into()));
}

#[tokio::test]
async fn each_of_5000_uses_of_tools_has_what_was_said_of_it_and_each_violation_is_there() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let tool = |number| if number % 2 == 0 { "look_up_order" } else { "wire" };
    for first in (0..5_000).step_by(1_000) {
        let calls: Vec<Value> = (first..first + 1_000)
            .map(|number| events::call_of(session, number, tool(number)))
            .collect();
        let _ = app.append(session, &calls).await.expect(201);
    }
    app.settle().await;

    let text = super::export(&app, session).await;

    assert_eq!(canonical::canonicalize(text.as_bytes()).unwrap(), text.as_bytes());
    let document: Value = serde_json::from_str(&text).unwrap();
    let uses = document["tool_access"].as_array().unwrap();
    assert_eq!(uses.len(), 5_000);
    for (number, tool) in uses.iter().enumerate() {
        assert_eq!(tool["sequence_number"], number);
        assert_eq!(tool["allowed"], number % 2 == 0, "{tool}");
        assert_eq!(tool["judged_by"], json!(["tool-access@1.0.0"]));
        let broken = if number % 2 == 0 { json!([]) } else { json!(["tool-access/allowed-tools"]) };
        assert_eq!(tool["broken"], broken);
    }
    assert_eq!(document["violations"].as_array().map(Vec::len), Some(2_500));
    assert_eq!(document["counts"]["violations"], 2_500);
}

#[tokio::test]
async fn an_export_agrees_with_itself_while_violations_are_found() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let breaking = |first: u64| -> Vec<Value> {
        (first..first + 100).map(|number| events::call_of(session, number, "wire")).collect()
    };
    let _ = app.append(session, &breaking(0)).await.expect(201);
    let feed = async {
        for first in (100..2_000).step_by(100) {
            let _ = app.append(session, &breaking(first)).await.expect(201);
        }
    };
    let look = async {
        let mut taken = Vec::new();
        for _ in 0..10 {
            taken.push(super::export(&app, session).await);
        }
        taken
    };
    let ((), taken) = tokio::join!(feed, look);
    for text in taken {
        let document: Value = serde_json::from_str(&text).unwrap();
        let events = document["events"].as_array().unwrap().len();
        let found = document["violations"].as_array().unwrap();
        assert_eq!(document["counts"]["violations"], found.len());
        assert!(found.iter().all(|v| v["sequence_number"].as_u64() < Some(events as u64)));
    }
}

#[tokio::test]
async fn events_of_200_kilobytes_leave_whole_and_in_order() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let text = "x".repeat(200_000);
    // Two pieces of 8 MiB, and some.
    for first in (0..100).step_by(10) {
        let large = |number| events::event(session, number, "page.read", json!({ "text": text }));
        let batch: Vec<Value> = (first..first + 10).map(large).collect();
        let _ = app.append(session, &batch).await.expect(201);
    }

    let document: Value = serde_json::from_str(&super::export(&app, session).await).unwrap();
    let numbers = |events: &mut dyn Iterator<Item = u64>| events.eq(0..100);
    let number = |record: &Value| record["sequence_number"].as_u64().unwrap();
    assert!(numbers(&mut document["events"].as_array().unwrap().iter().map(number)));
    assert_eq!(document["verification"]["status"], "DEGRADED", "{}", document["verification"]);

    let made = app.made("exports", &json!({ "purpose": "audit", "type": "page.read" })).await;
    let lines = String::from_utf8(app.take(&made, ".ndjson").await).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records = records.filter(|line| line["kind"] == "event");
    assert!(numbers(&mut records.map(|line| number(&line["record"]))));
}
