//! A reader with a cursor gets everything after it, or is told to begin anew.

use std::time::Duration;

use domain::log::Cursor;
use reqwest::Method;
use serde_json::json;
use tests::{EventStream, Frame, TestApp, position};

const WINDOW: &str = "EXHIBIT_STREAM_WINDOW_SECONDS";

/// Starts sessions: one item each.
async fn items(app: &TestApp, count: usize) {
    for _ in 0..count {
        app.start_session().await;
    }
}

fn positions(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(Frame::position).collect()
}

/// Asserts a reset for a reason, and that the stream goes on live after it.
async fn assert_reset(app: &TestApp, mut stream: EventStream, reason: &str, sent: &str) {
    let head = app.head().await;
    let ready = stream.expect("ready").await;
    assert_eq!(ready.get("mode"), "live");
    assert_eq!(ready.get("replay"), 0);
    let old = sent.parse::<Cursor>().ok().map(|cursor| cursor.to_string());
    assert_eq!(ready.id, old, "who is cut off here must come back with the old cursor");
    let reset = stream.expect("reset").await;
    assert_eq!(reset.get("type"), "reset");
    assert_eq!(reset.get("reason"), reason);
    assert_eq!(reset.get("last_event_id"), sent);
    assert_eq!(reset.get("cursor"), head.as_str());
    assert_eq!(reset.id.as_deref(), Some(head.as_str()));
    assert!(position(reset.get("earliest").as_str().unwrap()) <= position(&head));
    let session = app.start_session().await;
    let item = stream.item().await;
    assert_eq!(item.position(), position(&head) + 1, "live from the cursor of the reset");
    assert_eq!(item.get("entity")["id"], json!(session));
}

#[tokio::test]
async fn a_reader_without_a_cursor_gets_one_at_once_and_what_comes_next() {
    let app = TestApp::start().await;
    items(&app, 3).await;
    let mut stream = app.stream("").await;
    let ready = stream.expect("ready").await;
    let head = ready.get("head").as_str().unwrap().to_owned();
    assert_eq!(ready.id.as_deref(), Some(head.as_str()));
    assert_eq!(ready.retry, Some(3000));
    assert_eq!(ready.get("mode"), "live");
    assert_eq!(ready.get("window_seconds"), 604_800);
    assert_eq!(ready.get("max_replay"), 500);
    items(&app, 2).await;
    let begin = position(&head);
    assert_eq!(positions(&stream.items(2).await), [begin + 1, begin + 2]);
}

#[tokio::test]
async fn the_answer_is_one_that_no_cache_keeps_and_no_proxy_holds_back() {
    let app = TestApp::start().await;
    let headers = app.stream("").await.headers;
    assert_eq!(headers["cache-control"], "no-store, no-transform");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers.get("content-encoding").is_none());
    let packed = app.request(Method::GET, "/v1/stream").header("accept-encoding", "gzip, br");
    assert!(EventStream::open(packed).await.headers.get("content-encoding").is_none());
}

#[tokio::test]
async fn replay_is_from_the_store_and_survives_a_restart() {
    let mut app = TestApp::start().await;
    items(&app, 2).await;
    let cursor = app.head().await;
    items(&app, 5).await;
    app.restart();
    items(&app, 1).await;
    let mut stream = app.resume_stream(&cursor).await;
    let ready = stream.expect("ready").await;
    assert_eq!(ready.get("mode"), "replay");
    assert_eq!(ready.get("replay"), 6);
    assert_eq!(ready.id.as_deref(), Some(cursor.as_str()), "nothing is seen of it yet");
    let begin = position(&cursor);
    assert_eq!(positions(&stream.items(6).await), (begin + 1..=begin + 6).collect::<Vec<_>>());
    items(&app, 1).await;
    assert_eq!(stream.item().await.position(), begin + 7, "and then live");
}

#[tokio::test]
async fn a_restart_changes_neither_the_items_nor_their_ids() {
    let mut app = TestApp::start().await;
    let cursor = app.head().await;
    items(&app, 3).await;
    let read = async |app: &TestApp| {
        let mut stream = app.resume_stream(&cursor).await;
        stream.expect("ready").await;
        stream.items(3).await
    };
    let before = read(&app).await;
    app.restart();
    assert_eq!(read(&app).await, before);
}

#[tokio::test]
async fn what_is_no_cursor_of_this_log_is_unknown() {
    let app = TestApp::start().await;
    items(&app, 2).await;
    let head = app.head().await;
    let ahead = format!("{}-{}", &head[..8], position(&head) + 5);
    let zeros = format!("{}-0{}", &head[..8], position(&head));
    for sent in ["zzz", "aaaaaaaa-1", &ahead, &zeros, "-1", "k7q2m4xd-1 OR 1=1"] {
        let stream = app.resume_stream(sent).await;
        assert_reset(&app, stream, "unknown_cursor", sent).await;
    }
    let by_query = app.stream("?last_event_id=aaaaaaaa-1").await;
    assert_reset(&app, by_query, "unknown_cursor", "aaaaaaaa-1").await;
    let long = "x".repeat(5_000);
    let stream = app.resume_stream(&long).await;
    assert_reset(&app, stream, "unknown_cursor", &long[..64]).await;
}

#[tokio::test]
async fn a_foreign_tenants_cursor_is_indistinguishable_from_an_unknown_one() {
    let app = TestApp::start().await;
    items(&app, 4).await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    other.start_session().await;
    let foreign = app.head().await;
    let unknown = format!("aaaaaaaa-{}", position(&foreign));
    let mut told = Vec::new();
    for sent in [&foreign, &unknown] {
        let request = other.request(Method::GET, "/v1/stream").header("last-event-id", sent);
        let mut stream = EventStream::open(request).await;
        let mut frames = [stream.expect("ready").await, stream.expect("reset").await];
        assert_eq!(frames[1].get("reason"), "unknown_cursor");
        assert_eq!(frames[0].id.take().as_ref(), Some(sent));
        frames[1].data.as_mut().unwrap()["last_event_id"] = json!("-");
        told.push(frames);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_cursor_whose_first_unseen_item_is_too_old_has_expired() {
    let app = TestApp::start_with(&[(WINDOW, "1")]).await;
    let old = app.head().await;
    items(&app, 1).await;
    let at_head = app.head().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let stream = app.resume_stream(&old).await;
    let mut at_the_head = app.resume_stream(&at_head).await;
    let ready = at_the_head.expect("ready").await;
    assert_eq!(ready.id, Some(at_head), "a cursor at the head never expires");
    assert_eq!(ready.get("window_seconds"), 1);
    assert_reset(&app, stream, "expired_cursor", &old).await;
    assert!(at_the_head.item().await.is_item());
}

#[tokio::test]
async fn more_than_the_limit_behind_resets_instead_of_replaying_in_part() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let far = app.head().await;
    for number in 0..501 {
        let _ = app.append(session, &[tests::events::tool_call(session, number)]).await.expect(201);
    }
    let begin = position(&far);
    let near = format!("{}-{}", &far[..8], begin + 1);
    let mut stream = app.resume_stream(&near).await;
    assert_eq!(stream.expect("ready").await.get("replay"), 500);
    let replayed = positions(&stream.items(500).await);
    assert_eq!(replayed, (begin + 2..=begin + 501).collect::<Vec<_>>(), "500 are replayed");
    let stream = app.resume_stream(&far).await;
    assert_reset(&app, stream, "replay_limit", &far).await;
}

#[tokio::test]
async fn the_limit_counts_before_filtering() {
    let app = TestApp::start_with(&[("EXHIBIT_STREAM_REPLAY_ITEMS_MAX", "3")]).await;
    let cursor = app.head().await;
    items(&app, 4).await;
    let path = format!("/v1/stream?types=session.sealed&last_event_id={cursor}");
    let mut stream = EventStream::open(app.request(Method::GET, &path)).await;
    assert_eq!(stream.expect("ready").await.get("max_replay"), 3);
    assert_eq!(stream.expect("reset").await.get("reason"), "replay_limit");
}

#[tokio::test]
async fn after_a_reset_the_cursor_cannot_reset_again() {
    let app = TestApp::start().await;
    items(&app, 1).await;
    let mut stream = app.resume_stream("nonsense").await;
    stream.expect("ready").await;
    let cursor = stream.expect("reset").await.id.unwrap();
    drop(stream);
    let mut again = app.resume_stream(&cursor).await;
    assert_eq!(again.expect("ready").await.id, Some(cursor));
    items(&app, 1).await;
    assert!(again.item().await.is_item());
}

#[tokio::test]
async fn earliest_is_the_oldest_item_that_can_be_replayed_and_now_is_the_head() {
    let app = TestApp::start_with(&[("EXHIBIT_STREAM_REPLAY_ITEMS_MAX", "3")]).await;
    items(&app, 5).await;
    let head = position(&app.head().await);
    let mut stream = app.stream("?last_event_id=earliest").await;
    assert_eq!(stream.expect("ready").await.get("replay"), 3);
    assert_eq!(positions(&stream.items(3).await), [head - 2, head - 1, head]);
    let mut now = app.stream("?last_event_id=now").await;
    assert_eq!(now.expect("ready").await.position(), head);
}

#[tokio::test]
async fn the_header_wins_over_the_query() {
    let app = TestApp::start().await;
    items(&app, 1).await;
    let cursor = app.head().await;
    items(&app, 1).await;
    let request = app.request(Method::GET, "/v1/stream?last_event_id=now");
    let mut stream = EventStream::open(request.header("last-event-id", &cursor)).await;
    assert_eq!(stream.expect("ready").await.id, Some(cursor));
}

#[tokio::test]
async fn a_log_that_was_restored_with_loss_resets_every_old_cursor() {
    let mut app = TestApp::start().await;
    items(&app, 3).await;
    let old = app.head().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    app.stop();
    sqlx::query("update tenant_heads set epoch = exhibit_epoch()").execute(&owner).await.unwrap();
    app.resume();
    let stream = app.resume_stream(&old).await;
    assert_reset(&app, stream, "unknown_cursor", &old).await;
}

#[tokio::test]
async fn a_log_that_is_restored_under_its_readers_sends_them_away_and_replays_to_new_ones() {
    let app = TestApp::start().await;
    items(&app, 3).await;
    let mut watching = app.stream("").await;
    watching.expect("ready").await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    sqlx::query("update tenant_heads set epoch = exhibit_epoch()").execute(&owner).await.unwrap();
    watching.expect("bye").await;
    let mut anew = app.stream("?last_event_id=earliest").await;
    assert!(anew.expect("ready").await.get("replay").as_u64().unwrap() >= 3);
    assert_eq!(anew.items(3).await.len(), 3, "at once, not when something is written");
}

#[tokio::test]
async fn a_head_of_a_stream_is_not_asked_for() {
    let app = TestApp::start().await;
    let refused = tests::send(app.request(Method::HEAD, "/v1/stream")).await;
    assert_eq!(refused.status, 405);
}
