//! The items of the stream as pages.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tests::{Answer, TestApp, events, position, send};

async fn page(app: &TestApp, query: &str) -> Value {
    app.get(&format!("/v1/events/history{query}")).await.expect(200).body
}

fn positions(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|i| i["position"].as_u64().unwrap()).collect()
}

/// All pages from a first one on.
async fn walk(app: &TestApp, query: &str) -> Vec<u64> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = page(app, &format!("?{query}{cursor}")).await;
        all.extend(positions(&page));
        match page["next_cursor"].as_str() {
            None => return all,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

async fn sessions(app: &TestApp, count: usize) {
    for _ in 0..count {
        app.start_session().await;
    }
}

#[tokio::test]
async fn history_has_the_items_of_the_stream_newest_first() {
    let app = TestApp::start().await;
    let cursor = app.head().await;
    app.sealed_session().await;
    let mut stream = app.resume_stream(&cursor).await;
    stream.expect("ready").await;
    let mut streamed: Vec<Value> =
        stream.items(3).await.into_iter().map(|frame| frame.data.unwrap()).collect();
    streamed.reverse();
    assert_eq!(page(&app, "").await["items"], Value::from(streamed));
}

#[tokio::test]
async fn pages_are_stable_while_others_write() {
    let app = TestApp::start().await;
    sessions(&app, 25).await;
    let first = page(&app, "?limit=10").await;
    sessions(&app, 3).await;
    let next = format!("?limit=10&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = page(&app, &next).await;
    let (first, second) = (positions(&first), positions(&second));
    assert_eq!(second[0] + 1, *first.last().unwrap(), "nothing twice, nothing left out");
    assert_eq!(second.len(), 10);
}

#[tokio::test]
async fn an_auditor_reads_everything_in_order_after_a_streams_cursor() {
    let app = TestApp::start().await;
    sessions(&app, 2).await;
    let cursor = app.head().await;
    sessions(&app, 23).await;
    let all = walk(&app, &format!("limit=5&order=asc&after={cursor}")).await;
    let begin = position(&cursor);
    assert_eq!(all, (begin + 1..=begin + 23).collect::<Vec<_>>());
    let from_the_beginning = walk(&app, "limit=200&order=asc").await;
    assert_eq!(from_the_beginning.len(), 25);
}

#[tokio::test]
async fn history_is_narrowed_by_type_entity_and_time() {
    let app = TestApp::start().await;
    let first = app.sealed_session().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = app.start_session().await;
    let _ = app.append(second, &[events::session_start(second)]).await.expect(201);
    let count = async |query: String| positions(&page(&app, &query).await).len();
    assert_eq!(count("?type=session.sealed".to_owned()).await, 1);
    assert_eq!(count("?type=session.started".to_owned()).await, 2);
    assert_eq!(count(format!("?entity_type=session&entity_id={first}")).await, 3);
    assert_eq!(count("?entity_type=violation".to_owned()).await, 0);
    assert_eq!(count("?entity_id=nobody".to_owned()).await, 0);
    let begin = page(&app, &format!("?entity_id={second}&order=asc")).await;
    let since = begin["items"][0]["at"].as_str().unwrap();
    assert_eq!(count(format!("?since={since}")).await, 2);
    assert_eq!(count(format!("?until={since}")).await, 3);
}

#[tokio::test]
async fn a_page_that_the_client_has_is_not_sent_again() {
    let app = TestApp::start().await;
    sessions(&app, 2).await;
    let ask = async |tag: &str| -> Answer {
        let request = app.request(Method::GET, "/v1/events/history");
        send(request.header("if-none-match", tag)).await
    };
    let first = app.get("/v1/events/history").await.expect(200);
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    for held in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let same = ask(&held).await.expect(304);
        assert_eq!(same.headers["etag"], tag);
        assert!(same.text.is_empty());
    }
    sessions(&app, 1).await;
    let changed = ask(&tag).await.expect(200);
    assert_ne!(changed.headers["etag"], tag);
}

#[tokio::test]
async fn cursors_of_elsewhere_are_refused() {
    let app = TestApp::start().await;
    sessions(&app, 3).await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    let mine = page(&app, "?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let foreign = other.get(&format!("/v1/events/history?cursor={mine}")).await.expect(400);
    assert_eq!(foreign.code(), "CURSOR_INVALID");
    let head = app.head().await;
    let ahead = format!("{}-{}", &head[..8], position(&head) + 1);
    for query in [
        format!("cursor={mine}&order=asc"),
        "cursor=nonsense".to_owned(),
        "order=asc&after=nonsense".to_owned(),
        "order=asc&after=aaaaaaaa-1".to_owned(),
        format!("order=asc&after={ahead}"),
    ] {
        let refused = app.get(&format!("/v1/events/history?{query}")).await.expect(400);
        assert_eq!(refused.code(), "CURSOR_INVALID", "{query}");
    }
    for query in [
        "limit=0",
        "limit=201",
        "order=up",
        "colour=red",
        "since=yesterday",
        "type=a%00b",
        "since=-4713-01-01T00:00:00Z",
        &format!("after={head}"),
    ] {
        let refused = app.get(&format!("/v1/events/history?{query}")).await.expect(400);
        assert_eq!(refused.code(), "QUERY_INVALID", "{query}");
    }
}
