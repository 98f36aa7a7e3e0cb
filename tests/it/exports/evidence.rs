//! Events by filter, as NDJSON with a detached signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::evidence::canonical;
use domain::hash::Hash;
use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};
use uuid::Uuid;

/// The lines of an export, and what was signed of it.
async fn lines(app: &TestApp, body: Value) -> (Vec<Value>, Value) {
    let mut body = body;
    body["purpose"] = json!("audit");
    let export = app.made("exports", &body).await;
    let text = String::from_utf8(app.take(&export, ".ndjson").await).unwrap();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        assert_eq!(canonical::canonicalize(line.as_bytes()).unwrap(), line.as_bytes());
    }
    let envelope: Value = serde_json::from_slice(&app.take(&export, ".dsse.json").await).unwrap();
    let statement = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    assert_eq!(statement["sha256"], json!(Hash::of(text.as_bytes())));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (header, footer) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(&statement["header"], header);
    assert_eq!(statement["counts"], footer["counts"]);
    let before = text.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    assert_eq!(footer["sha256"], json!(Hash::of(before.as_bytes())));
    assert_eq!(footer["lines"], json!(lines.len() - 1));
    (lines, export)
}

fn of_kind<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// Three sessions of two actors, with violations and personal data.
async fn some_work(app: &TestApp) -> [Uuid; 3] {
    app.activate_policy(&tool_policy("1.0.0")).await;
    let mut sessions = [Uuid::nil(); 3];
    for (at, session) in sessions.iter_mut().enumerate() {
        *session = app.start_session().await;
        let mut all = events::whole_session(*session);
        for event in &mut all {
            event["actor_id"] = json!(if at == 1 { "bob" } else { "ada" });
        }
        let _ = app.append(*session, &all).await.expect(201);
        let mut call = events::call_of(*session, 0, "wire");
        call["payload"]["args"] = json!({ "to": "ada@example.org" });
        let second = app.start_session().await;
        (call["session_id"], call["actor_id"]) = (json!(second), json!("eve"));
        let _ = app.append(second, &[call]).await.expect(201);
    }
    app.settle().await;
    sessions
}

#[tokio::test]
async fn every_event_leaves_once_in_the_order_of_the_log() {
    let app = TestApp::start().await;
    let sessions = some_work(&app).await;
    let _ = app.seal(sessions[0]).await.expect(201);

    let (lines, export) = lines(&app, json!({})).await;

    let exported = of_kind(&lines, "event");
    assert_eq!(exported.len(), 3 * 4 + 3 + 1);
    let positions: Vec<u64> =
        exported.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    for session in sessions {
        let stored = app.export_lines(session).await;
        let stored: Vec<Value> =
            stored.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_session = exported.iter().filter(|l| l["record"]["session_id"] == json!(session));
        assert_eq!(of_session.map(|line| line["record"].clone()).collect::<Vec<_>>(), stored);
    }
    assert_eq!(export["counts"]["events"], 16);
    assert_eq!(lines[0]["position"], export["position"]);
    assert_eq!(lines[0]["filters"]["actor"], Value::Null);
}

#[tokio::test]
async fn what_was_found_in_the_events_leaves_with_them_but_not_the_text_that_matched() {
    let app = TestApp::start().await;
    some_work(&app).await;
    let violation = app.violations("").await.remove(0);
    let _ = app.act(&violation, "acknowledge", &json!({ "comment": "on it" })).await.expect(200);
    app.settle().await;

    let (lines, _) = lines(&app, json!({ "actor": "eve" })).await;

    let exported = of_kind(&lines, "event");
    assert_eq!(exported.len(), 3);
    for line in exported {
        assert_eq!(line["tool_access"]["allowed"], false);
        assert_eq!(line["tool_access"]["broken"], json!(["tool-access/allowed-tools"]));
        let place = json!([{ "count": 1, "detector": "email", "place": "/args/to" }]);
        assert_eq!(line["personal_data"], place);
    }
    let violations = of_kind(&lines, "violation");
    assert_eq!(violations.len(), 3);
    let logs: Vec<usize> = violations
        .iter()
        .map(|line| line["violation"]["actions"].as_array().unwrap().len())
        .collect();
    assert_eq!(logs.iter().sum::<usize>(), 4, "three detections and an acknowledgement");
    for line in &lines {
        let is_record = line["kind"] == "event";
        assert!(is_record || !line.to_string().contains("ada@example.org"), "{line}");
    }
}

#[tokio::test]
async fn filters_narrow_and_are_named() {
    let app = TestApp::start().await;
    let [first, second, _] = some_work(&app).await;
    let records = app.export_lines(second).await;
    let of_second: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    let since = of_second["received_at"].as_str().unwrap();
    for (filter, events, violations) in [
        (json!({ "actor": "bob" }), 4, 0),
        (json!({ "type": "TOOL_CALL" }), 3 + 3, 3),
        (json!({ "session_id": first }), 4, 0),
        (json!({ "policy": "tool-access" }), 3, 3),
        (json!({ "policy": "another" }), 0, 0),
        (json!({ "until": since }), 5, 1),
        (json!({ "since": since }), 10, 2),
        (json!({ "since": since, "actor": "ada" }), 4, 0),
    ] {
        let (lines, export) = lines(&app, filter.clone()).await;
        let found = [of_kind(&lines, "event").len(), of_kind(&lines, "violation").len()];
        assert_eq!(found, [events, violations], "{filter}");
        for (name, value) in filter.as_object().unwrap() {
            let times = ["since", "until"].contains(&name.as_str());
            assert!(times || lines[0]["filters"][name] == *value, "{}", lines[0]);
        }
        assert_eq!(export["counts"]["events"], events);
    }
}

#[tokio::test]
async fn what_comes_after_the_request_is_not_in_it() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::tool_calls(session, 0, 3)).await.expect(201);
    let asked = app.ask_for("exports", &json!({ "purpose": "audit" })).await;
    let _ = app.append(session, &events::tool_calls(session, 3, 500)).await.expect(201);

    let export = app.until_made(&asked).await;

    assert_eq!(export["counts"]["events"], 3);
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let app = TestApp::start().await;
    for body in [
        json!({ "type": "no type" }),
        json!({ "colour": "red" }),
        json!({ "since": "yesterday" }),
        json!({ "since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z" }),
        json!({ "actor": "" }),
        json!({ "actor": "a\u{0}b" }),
        json!({ "since": "2026-03-01T00:00:00.0000005Z" }),
        json!({ "session_id": "x" }),
    ] {
        let mut body = body;
        body["purpose"] = json!("audit");
        let refused = app.post("/v1/exports", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
    }
}
