//! What analysts are answered.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, events, send};
use uuid::Uuid;

/// An answer that has seen everything.
async fn ask(app: &TestApp, path: &str) -> Value {
    app.settle().await;
    app.get(&format!("/v1/aggregations/{path}")).await.expect(200).body
}

async fn call(app: &TestApp, session: Uuid, number: u64, tool: &str) {
    let payload = json!({ "tool_name": tool, "args": { "tool_name": "not this one" } });
    let event = events::event(session, number, "TOOL_CALL", payload);
    let _ = app.append(session, &[event]).await.expect(201);
}

async fn session_of(app: &TestApp, agent: &str) -> Uuid {
    app.start_session_with(json!({ "agent_id": agent })).await
}

/// Two agents: one with a sealed session, one with an open one.
async fn some_work(app: &TestApp) {
    let first = session_of(app, "ada").await;
    let _ = app.append(first, &events::whole_session(first)).await.expect(201);
    let _ = app.seal(first).await.expect(201);
    let second = session_of(app, "bob").await;
    for (number, tool) in ["send_mail", "look_up_order", "send_mail"].iter().enumerate() {
        call(app, second, number as u64, tool).await;
    }
    let sdk = json!({ "agent_id": "bob", "chain_authority": "sdk" });
    app.start_session_with(sdk).await;
}

#[tokio::test]
async fn events_are_counted_by_type_in_every_bucket_of_the_window() {
    let app = TestApp::start().await;
    some_work(&app).await;
    let day = ask(&app, "events-over-time").await;
    assert_eq!(day["bucket"], "hour");
    assert_eq!(day["total"], 8);
    let items = day["items"].as_array().unwrap();
    assert_eq!(items.len(), 24, "hours without events, too");
    let newest = items.iter().rev().find(|item| item["events"] != 0).unwrap();
    assert_eq!(newest["by_type"]["TOOL_CALL"], 4);
    assert_eq!(newest["by_type"]["CHAIN_SEAL"], 1);
    assert_eq!(newest["events"], 8);

    let month = ask(&app, "events-over-time?window=30d").await;
    assert_eq!(month["bucket"], "day");
    assert_eq!(month["total"], 8);
    let days = month["items"].as_array().unwrap().len();
    assert!((30..=31).contains(&days), "{days}");
    let ada = ask(&app, "events-over-time?window=1h&agent_id=ada&bucket=day").await;
    assert_eq!(ada["total"], 5);
    let calls = ask(&app, "events-over-time?event_type=TOOL_CALL&limit=2").await;
    assert_eq!(calls["total"], 4);
    assert_eq!(calls["items"].as_array().unwrap().len(), 2, "the latest two");
}

#[tokio::test]
async fn tools_are_ranked_by_their_calls() {
    let app = TestApp::start().await;
    some_work(&app).await;
    let tools = ask(&app, "tools").await;
    let ranked: Vec<_> = tools["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["tool_name"].as_str().unwrap(), row["calls"].as_i64().unwrap()))
        .collect();
    assert_eq!(ranked, [("look_up_order", 2), ("send_mail", 2)]);
    assert_eq!(tools["items"][0]["agents"], 2);
    assert_eq!(ask(&app, "tools?limit=1").await["items"].as_array().unwrap().len(), 1);
    let ada = ask(&app, "tools?agent_id=ada").await;
    assert_eq!(ada["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada["items"][0]["calls"], 1);
}

#[tokio::test]
async fn a_tools_name_is_counted_whatever_it_says() {
    let app = TestApp::start().await;
    let session = session_of(&app, "ada").await;
    let names = ["\"quoted\" \\ back", "emoji 🛠", "', drop table tool_usage; --"];
    for (number, name) in names.iter().enumerate() {
        call(&app, session, number as u64, name).await;
    }
    call(&app, session, 3, &"é".repeat(200)).await;
    let tools = ask(&app, "tools").await;
    let items = tools["items"].as_array().unwrap();
    let mut found: Vec<_> = items.iter().map(|i| i["tool_name"].as_str().unwrap()).collect();
    found.sort_unstable();
    let cut = "é".repeat(64);
    let mut expected = vec![names[0], names[1], names[2], cut.as_str()];
    expected.sort_unstable();
    assert_eq!(found, expected, "a long name is cut to 128 bytes, between characters");
}

#[tokio::test]
async fn agents_are_ranked_by_what_they_did_in_the_window() {
    let app = TestApp::start().await;
    some_work(&app).await;
    let agents = ask(&app, "agents").await;
    let [ada, bob] = agents["items"].as_array().unwrap().as_slice() else { panic!("{agents}") };
    assert_eq!(ada["agent_id"], "ada");
    assert_eq!(ada["events_in_window"], 5);
    assert_eq!(ada["sessions"], 1);
    assert_eq!(ada["sealed_sessions"], 1);
    assert_eq!(ada["tool_calls"], 1);
    assert_eq!(bob["agent_id"], "bob");
    assert_eq!(bob["events"], 3);
    assert_eq!(bob["sessions"], 2);
    assert_eq!(bob["tool_calls"], 3);
    assert_eq!(ask(&app, "agents?agent_id=bob").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_are_counted_by_what_their_evidence_is_worth() {
    let app = TestApp::start().await;
    some_work(&app).await;
    let classes = ask(&app, "sessions-by-class").await;
    let count = |class: &str| {
        let mut rows = classes["items"].as_array().unwrap().iter();
        rows.find(|row| row["evidence_class"] == class).unwrap().clone()
    };
    let authoritative = count("AUTHORITATIVE_EVIDENCE");
    assert_eq!(authoritative["sessions"], 1);
    assert_eq!(authoritative["sealed_sessions"], 1);
    assert_eq!(authoritative["events"], 5);
    assert_eq!(count("PARTIAL_AUTHORITATIVE_EVIDENCE")["sessions"], 1);
    assert_eq!(count("NON_AUTHORITATIVE_EVIDENCE")["sessions"], 1);
    let none = ask(&app, "sessions-by-class?agent_id=nobody").await;
    assert_eq!(none["items"][0]["sessions"], 0);
    assert_eq!(none["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_read_after_a_command_sees_what_the_command_did() {
    let app = TestApp::start().await;
    let session = session_of(&app, "ada").await;
    for number in 0..20 {
        let event = events::tool_call(session, number);
        let answer = app.append(session, &[event]).await.expect(201);
        let position = answer.body["position"].as_u64().unwrap();
        for path in [
            "aggregations/tools",
            "aggregations/agents",
            "aggregations/sessions-by-class",
            "aggregations/events-over-time",
            "events/history",
        ] {
            let request = app.request(Method::GET, &format!("/v1/{path}"));
            let request = request.header("exhibit-min-position", position);
            let body = send(request).await.expect(200).body;
            let seen = body["position"].as_u64().or(body["items"][0]["position"].as_u64());
            assert!(seen.unwrap() >= position, "{path}: {body}");
            if path == "aggregations/tools" {
                assert_eq!(body["items"][0]["calls"], number + 1);
            }
        }
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_and_then_said_to_be_missing() {
    let app = TestApp::start().await;
    let head = tests::position(&app.head().await);
    let ask = async |value: String| -> Answer {
        let request = app.request(Method::GET, "/v1/aggregations/tools");
        send(request.header("exhibit-min-position", value)).await
    };
    let missing = ask((head + 1).to_string()).await.expect(503);
    assert_eq!(missing.code(), "READ_MODEL_BEHIND");
    assert_eq!(missing.body["details"]["reached"], head);
    let (waited, _) = tokio::join!(ask((head + 1).to_string()), async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        app.start_session().await
    });
    let _ = waited.expect(200);
    for value in ["", "-1", "1.0", "01", "x", "99999999999999999999"] {
        let refused = ask(value.to_owned()).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{value:?}");
    }
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let app = TestApp::start().await;
    some_work(&app).await;
    app.settle().await;
    for path in ["tools", "agents", "sessions-by-class", "events-over-time"] {
        let path = format!("/v1/aggregations/{path}");
        let first = app.get(&path).await.expect(200);
        let again = app.request(Method::GET, &path);
        let again = again.header("if-none-match", first.headers["etag"].to_str().unwrap());
        let _ = send(again).await.expect(304);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let app = TestApp::start().await;
    for query in [
        "tools?window=0h",
        "tools?window=1w",
        "tools?window=367d",
        "tools?limit=0",
        "tools?limit=501",
        "agents?agent_id=a%00b",
        "events-over-time?bucket=minute",
        "events-over-time?limit=1001",
        "sessions-by-class?limit=3",
        "tools?colour=red",
    ] {
        let refused = app.get(&format!("/v1/aggregations/{query}")).await.expect(400);
        assert_eq!(refused.code(), "QUERY_INVALID", "{query}");
    }
}

#[tokio::test]
async fn another_tenants_numbers_are_its_own() {
    let app = TestApp::start().await;
    some_work(&app).await;
    app.settle().await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    other.start_session().await;
    app.settle().await;
    let agents = other.get("/v1/aggregations/agents").await.expect(200).body;
    assert_eq!(agents["items"].as_array().unwrap().len(), 1);
    assert_eq!(agents["items"][0]["agent_id"], "other-agent");
    let tools = other.get("/v1/aggregations/tools").await.expect(200).body;
    assert!(tools["items"].as_array().unwrap().is_empty());
}
