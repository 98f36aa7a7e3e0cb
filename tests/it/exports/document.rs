//! The JSON export: canonical, complete, and careful with what it repeats.

use domain::evidence::canonical;
use serde_json::{Value, json};
use tests::{TestApp, events};

use super::export;

#[tokio::test]
async fn an_export_is_canonical_json_with_all_members() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;

    let text = export(&app, session).await;

    assert_eq!(canonical::canonicalize(text.as_bytes()).unwrap(), text.as_bytes());
    let document: Value = serde_json::from_str(&text).unwrap();
    let members: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "chain_of_custody",
        "counts",
        "disclaimer",
        "events",
        "evidence_class",
        "exported_at",
        "exported_by",
        "pii",
        "policies",
        "purpose",
        "schema",
        "seal",
        "session",
        "tool_access",
        "verification",
        "violations",
    ];
    assert_eq!(members, expected);
    assert_eq!(document["schema"], "exhibit-export/1");
    assert_eq!(document["purpose"], "internal audit");
    assert_eq!(document["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!(document["violations"], json!([]));
    assert_eq!(document["policies"], json!([]));
    assert_eq!(document["counts"]["events"], 5);
    let disclaimer = document["disclaimer"].as_str().unwrap();
    assert!(disclaimer.starts_with("EVIDENCE SUPPORT STATEMENT."), "{disclaimer}");
    assert_eq!(document["session"]["session_id"], session.to_string());
    assert_eq!(document["exported_by"], format!("key:{}", key_id(&app)));
    for member in ["detectors_run", "detectors_not_run", "matches"] {
        assert!(document["pii"][member].is_array(), "{member}");
    }
}

#[tokio::test]
async fn an_export_holds_the_records_the_verdict_and_the_seal() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();

    let lines = app.export_lines(session).await;
    let records: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(document["events"], json!(records));
    let certificate = app.get(&format!("/v1/certificates/{session}")).await.expect(200).body;
    assert_eq!(document["seal"]["present"], true);
    assert_eq!(document["seal"]["envelope"], certificate["envelope"]);
    let report = app.verify(session).await;
    let claimed = &document["verification"];
    for member in ["status", "findings", "verifier_version"] {
        assert_eq!(claimed[member], report[member], "{member}");
    }
    assert_eq!(claimed["axes"].as_object().unwrap().len(), 9);
}

#[tokio::test]
async fn an_export_says_who_had_the_evidence() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)[..1]).await.expect(201);
    let _ = app.append(session, &events::whole_session(session)).await;
    let _ = app.append(session, &events::tool_calls(session, 1, 2)).await.expect(201);
    let path = format!("/v1/sessions/{session}/seal");
    let _ = app.post(&path, &json!({ "incomplete": true })).await.expect(201);

    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();

    let custody = document["chain_of_custody"].as_array().unwrap();
    let actions: Vec<_> = custody.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected =
        ["session.started", "session.events_appended", "session.sealed", "export.requested"];
    assert_eq!(actions, expected);
    let actor = format!("key:{}", key_id(&app));
    assert!(custody.iter().all(|entry| entry["actor"] == actor.as_str()), "{custody:?}");
    let times: Vec<_> = custody.iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(custody[3]["details"]["purpose"], "internal audit");
    assert!(custody[3]["at"].as_str() <= document["exported_at"].as_str(), "{custody:?}");
}

#[tokio::test]
async fn what_tools_were_given_is_summed_up_without_its_values() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let args = json!({
        "to": "ada@example.org", "card": "4111111111111111", "amount": 31.5,
        "notes": ["call her mother"], "deep": { "pin": "0815" }, "urgent": true,
    });
    let call = json!({ "tool_name": "send_refund", "args": args });
    let result = json!({
        "tool_name": "send_refund", "result": "sent to ada@example.org", "status": "success",
        "duration_ms": 12.5,
    });
    let events = [
        events::session_start(session),
        events::event(session, 1, "TOOL_CALL", call),
        events::event(session, 2, "TOOL_RESULT", result),
        events::tool_call(session, 3),
    ];
    let _ = app.append(session, &events).await.expect(201);

    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();

    let tools = document["tool_access"].as_array().unwrap();
    assert_eq!(tools.len(), 2);
    let used = &tools[0];
    assert_eq!((&used["sequence_number"], &used["tool_name"]), (&json!(1), &json!("send_refund")));
    assert_eq!((&used["status"], &used["duration_ms"]), (&json!("success"), &json!(12.5)));
    assert_eq!(used["timestamp"], events[1]["timestamp_wall"]);
    for name in ["to", "card", "amount", "notes", "deep", "urgent"] {
        assert!(used["args_summary"].as_str().unwrap().contains(name), "{used}");
    }
    let told = document["tool_access"].to_string();
    for value in ["ada@example.org", "4111", "31.5", "mother", "0815", "pin"] {
        assert!(!told.contains(value), "{value}: {told}");
    }
    assert_eq!((&tools[1]["status"], &tools[1]["duration_ms"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn an_export_is_an_attachment_with_a_name() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    for (format, media_type) in [("json", "application/json"), ("jsonl", "application/x-ndjson")] {
        let path = format!("/v1/sessions/{session}/export?format={format}&purpose=x");
        let answer = app.get(&path).await.expect(200);
        assert_eq!(answer.headers["content-type"], media_type);
        let name = format!("attachment; filename=\"session_{session}.{format}\"");
        assert_eq!(answer.headers["content-disposition"], name.as_str());
    }
}

#[tokio::test]
async fn a_session_that_is_not_sealed_is_exported_as_what_it_is() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();
    assert_eq!(document["seal"], json!({ "present": false, "envelope": null }));
    assert_eq!(document["evidence_class"], "PARTIAL_AUTHORITATIVE_EVIDENCE");
    assert_eq!(document["verification"]["status"], "DEGRADED");
}

#[tokio::test]
async fn an_empty_session_is_never_green() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();
    assert_eq!(document["events"], json!([]));
    assert_eq!(document["evidence_class"], Value::Null);
    assert_eq!(document["verification"]["status"], "FAIL");
    assert_eq!(app.export_lines(session).await, "");
}

fn key_id(app: &TestApp) -> &str {
    &app.key["exh_".len()..][..8]
}

#[tokio::test]
async fn what_an_export_says_of_its_seal_and_class_is_compared() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let path = format!("/v1/sessions/{session}/export?format=json&purpose=test");
    let export = app.get(&path).await.expect(200).body;
    let changes: [fn(&mut serde_json::Value); 4] = [
        |e| e["session"]["evidence_class"] = "NON_AUTHORITATIVE_EVIDENCE".into(),
        |e| e["seal"]["seal"]["event_count"] = 9.into(),
        |e| e["seal"]["seal_event_hash"] = "0".repeat(64).into(),
        |e| e["counts"]["log_drops"] = 9.into(),
    ];
    for change in changes {
        let mut forged = export.clone();
        change(&mut forged);
        let report = app.post("/v1/verify", &forged).await.expect(200).body;
        assert_eq!(report["findings"][0]["code"], "METADATA_MISMATCH", "{report}");
    }
    assert_eq!(app.post("/v1/verify", &export).await.body["status"], "PASS");
}
