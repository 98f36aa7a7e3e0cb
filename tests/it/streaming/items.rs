//! What an item says, which items a reader gets, and what a stream shows without items.

use std::time::{Duration, Instant};

use domain::log::Cursor;
use serde_json::json;
use tests::{TestApp, events};

#[tokio::test]
async fn an_item_is_the_domain_event_without_payloads() {
    let app = TestApp::start().await;
    let mut stream = app.stream("").await;
    let head = stream.expect("ready").await.position();
    let request = app.request(reqwest::Method::POST, "/v1/sessions");
    let request = request.header("x-correlation-id", "follow-me");
    let start = tests::send(request.json(&json!({ "agent_id": "a1", "tags": ["x"] }))).await;
    let session = start.expect(201).body["session_id"].clone();
    let session: uuid::Uuid = session.as_str().unwrap().parse().unwrap();
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let sealed = app.seal(session).await.expect(201).body;
    let [started, appended, seal] = stream.items(3).await.try_into().unwrap();

    let cursor: Cursor = started.id.as_deref().unwrap().parse().unwrap();
    assert_eq!(cursor.position, head + 1);
    assert_eq!(started.get("v"), 1);
    assert_eq!(started.get("position"), head + 1);
    assert_eq!(started.get("type"), "session.started");
    assert_eq!(started.get("entity"), &json!({ "type": "session", "id": session, "version": 1 }));
    assert_eq!(started.get("correlation_id"), "follow-me");
    assert!(started.get("actor").as_str().unwrap().starts_with("key:"));
    assert_eq!(started.get("data")["agent_id"], "a1");
    assert_eq!(started.get("data")["tags"], json!(["x"]));
    let at = started.get("at").as_str().unwrap();
    assert!(at.len() == 27 && at.ends_with('Z'), "microseconds: {at}");
    started.get("id").as_str().unwrap().parse::<uuid::Uuid>().unwrap();

    let data = appended.get("data");
    assert_eq!(appended.get("type"), "session.events_appended");
    assert_eq!(data["first_sequence"], 0);
    assert_eq!(data["last_sequence"], 3);
    assert_eq!(data["count"], 4);
    assert_eq!(data["types"]["TOOL_CALL"], 1);
    assert_eq!(data["head_hash"].as_str().unwrap().len(), 64);
    let text = appended.data.as_ref().unwrap().to_string();
    assert!(!text.contains("look_up_order") && !text.contains("amount"), "no payload: {text}");

    assert_eq!(seal.get("type"), "session.sealed");
    assert_eq!(seal.get("entity")["version"], 3);
    assert_eq!(seal.get("data")["seal_event_hash"], sealed["seal_event_hash"]);
    assert_eq!(seal.get("data")["evidence_class"], "AUTHORITATIVE_EVIDENCE");
}

#[tokio::test]
async fn types_and_a_session_narrow_a_stream() {
    let app = TestApp::start().await;
    let mut sealed = app.stream("?types=violation.*,session.sealed").await;
    sealed.expect("ready").await;
    let (other, session) = (app.start_session().await, app.start_session().await);
    let mut of_one = app.stream(&format!("?session_id={session}&last_event_id=earliest")).await;
    of_one.expect("ready").await;
    let _ = app.append(other, &events::whole_session(other)).await.expect(201);
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    assert_eq!(sealed.item().await.get("type"), "session.sealed");
    for event in ["session.started", "session.events_appended", "session.sealed"] {
        let item = of_one.item().await;
        assert_eq!(item.get("type"), event);
        assert_eq!(item.get("entity")["id"], json!(session));
    }
}

#[tokio::test]
async fn a_checkpoint_moves_the_cursor_past_what_a_filter_leaves_out() {
    let app = TestApp::start().await;
    let mut stream = app.stream("?types=session.sealed").await;
    let head = stream.expect("ready").await.position();
    let session = app.start_session().await;
    for number in 0..99 {
        let _ = app.append(session, &[events::tool_call(session, number)]).await.expect(201);
    }
    let checkpoint = stream.next().await.unwrap();
    assert!(checkpoint.is_checkpoint(), "{checkpoint:?}");
    assert_eq!(checkpoint.position(), head + 100);
    assert_eq!(checkpoint.data, None);
    let named = stream.expect("checkpoint").await;
    assert_eq!(
        named.id, checkpoint.id,
        "for readers that pass over the id of a frame without data"
    );
    let mut again = app.resume_stream(checkpoint.id.as_deref().unwrap()).await;
    assert_eq!(again.expect("ready").await.get("replay"), 0);
}

#[tokio::test]
async fn a_checkpoint_follows_an_item_too_when_much_is_left_out_after_it() {
    let app = TestApp::start().await;
    let sealed = app.sealed_session().await;
    let cursor = app.head().await;
    let before: Cursor = cursor.parse().unwrap();
    let session = app.start_session().await;
    for number in 0..150 {
        let _ = app.append(session, &[events::tool_call(session, number)]).await.expect(201);
    }
    let query = format!(
        "?types=session.sealed&last_event_id={}-{}",
        before.epoch.as_str(),
        before.position - 1
    );
    let mut stream = app.stream(&query).await;
    stream.expect("ready").await;
    let item = stream.item().await;
    assert_eq!(item.get("entity")["id"], json!(sealed));
    let checkpoint = stream.next().await.unwrap();
    assert!(checkpoint.is_checkpoint(), "{checkpoint:?}");
    assert_eq!(checkpoint.position(), before.position + 151);
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives_and_moves_its_cursor() {
    let app = TestApp::start_with(&[("EXHIBIT_STREAM_HEARTBEAT_SECONDS", "1")]).await;
    let mut stream = app.stream("?types=session.sealed").await;
    let head = stream.expect("ready").await.position();
    let began = Instant::now();
    let beat = stream.next().await.unwrap();
    assert_eq!(beat.comment.as_deref(), Some("hb"));
    assert!(began.elapsed() > Duration::from_millis(800), "{:?}", began.elapsed());
    app.start_session().await;
    let moved = stream.next().await.unwrap();
    assert!(moved.is_checkpoint(), "{moved:?}");
    assert_eq!(moved.position(), head + 1, "past what the filter has left out");
}

#[tokio::test]
async fn tenants_and_keys_are_not_in_the_stream_but_have_their_places() {
    let app = TestApp::start().await;
    let mut stream = app.stream("").await;
    let head = stream.expect("ready").await.position();
    let secret = app.make_key("demo", "evidence:read");
    let _ = app.start_session().await;
    let item = stream.item().await;
    assert_eq!(item.position(), head + 2, "the key's event stands between");
    assert_eq!(item.get("type"), "session.started");
    let history = app.get("/v1/events/history").await.expect(200).text;
    assert!(!history.contains("tenant.") && !history.contains(&secret[4..12]), "{history}");
}

#[tokio::test]
async fn what_cannot_be_a_filter_is_refused_before_the_stream_begins() {
    let app = TestApp::start().await;
    for query in [
        "types=",
        "types=Session.Sealed",
        "types=a,,b",
        "session_id=nobody",
        "colour=red",
        "session_id=00000000-0000-0000-0000-00000000000A",
        "types=a&types=b",
    ] {
        let refused = app.get(&format!("/v1/stream?{query}")).await.expect(400);
        assert_eq!(refused.code(), "QUERY_INVALID", "{query}");
    }
}
