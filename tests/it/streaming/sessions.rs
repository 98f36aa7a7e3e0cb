//! One session's records as they come.

use reqwest::Method;
use serde_json::Value;
use tests::{EventStream, Frame, TestApp, events};
use uuid::Uuid;

async fn follow(app: &TestApp, session: Uuid, after: Option<&str>) -> EventStream {
    let mut request = app.request(Method::GET, &format!("/v1/sessions/{session}/stream"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    EventStream::open(request).await
}

fn numbers(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.id.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn records_are_replayed_then_live_and_the_seal_ends_the_stream() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let whole = events::whole_session(session);
    let _ = app.append(session, &whole[..2]).await.expect(201);
    let mut stream = follow(&app, session, None).await;
    let ready = stream.expect("ready").await;
    assert_eq!(ready.get("mode"), "replay");
    assert_eq!(ready.get("replay"), 2);
    let mut frames = stream.items(2).await;
    let _ = app.append(session, &whole[2..]).await.expect(201);
    frames.extend(stream.items(2).await);
    let _ = app.seal(session).await.expect(201);
    frames.push(stream.item().await);
    let sealed = stream.expect("sealed").await;
    assert_eq!(stream.next().await, None, "the end");
    assert_eq!(numbers(&frames), ["0", "1", "2", "3", "4"]);
    let stored: Vec<Value> = app
        .export_lines(session)
        .await
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["sequence_number"].is_u64())
        .collect();
    let streamed: Vec<Value> = frames.into_iter().map(|frame| frame.data.unwrap()).collect();
    assert_eq!(streamed, stored, "as they are stored, payloads included");
    assert_eq!(sealed.get("event_count"), 5);
    assert_eq!(sealed.get("evidence_class"), "AUTHORITATIVE_EVIDENCE");
    assert_eq!(sealed.get("final_hash"), &stored[4]["event_hash"]);
}

#[tokio::test]
async fn a_reader_goes_on_after_the_number_that_it_has_seen() {
    let mut app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::tool_calls(session, 0, 300)).await.expect(201);
    app.restart();
    let mut stream = follow(&app, session, Some("99")).await;
    assert_eq!(stream.expect("ready").await.id.as_deref(), Some("99"));
    let frames = stream.items(200).await;
    let expected: Vec<String> = (100..300).map(|n: u64| n.to_string()).collect();
    assert_eq!(numbers(&frames), expected, "over many pages");
    let _ = app.append(session, &[events::tool_call(session, 300)]).await.expect(201);
    assert_eq!(stream.item().await.id.as_deref(), Some("300"));
}

#[tokio::test]
async fn a_session_that_is_sealed_already_is_told_so_at_once() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let mut stream = follow(&app, session, Some("4")).await;
    stream.expect("ready").await;
    stream.expect("sealed").await;
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_number_that_the_session_does_not_have_resets() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    for sent in ["1", "-1", "k7q2m4xd-0", "01", "x"] {
        let mut stream = follow(&app, session, Some(sent)).await;
        stream.expect("ready").await;
        let reset = stream.expect("reset").await;
        assert_eq!(reset.get("reason"), "unknown_cursor");
        assert_eq!(reset.get("last_event_id"), sent);
        assert_eq!(reset.get("cursor"), "0");
        assert_eq!(reset.id.as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn what_happens_to_other_sessions_is_not_in_it() {
    let app = TestApp::start().await;
    let (session, other) = (app.start_session().await, app.start_session().await);
    let mut stream = follow(&app, session, None).await;
    stream.expect("ready").await;
    let _ = app.append(other, &events::whole_session(other)).await.expect(201);
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let item = stream.item().await;
    assert_eq!(item.get("session_id").as_str(), Some(session.to_string().as_str()));
}

#[tokio::test]
async fn who_has_seen_an_empty_session_comes_back_to_its_first_record() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let path = format!("/v1/sessions/{session}/stream?last_event_id=now");
    let mut stream = EventStream::open(app.request(Method::GET, &path)).await;
    let id = stream.expect("ready").await.id.expect("a place to come back to");
    drop(stream);
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let again = app.request(Method::GET, &path).header("last-event-id", &id);
    let mut again = EventStream::open(again).await;
    again.expect("ready").await;
    assert_eq!(again.item().await.id.as_deref(), Some("0"));
}
