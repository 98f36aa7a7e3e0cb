//! `GET /v1/sessions/{id}/events`: the records, page by page.

use domain::evidence::canonical;
use serde_json::Value;
use tests::{TestApp, events};
use uuid::Uuid;

#[tokio::test]
async fn the_pages_together_are_the_export_line_for_line() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let _ = app.append(session, &events::tool_calls(session, 1, 120)).await.expect(201);
    let _ = app.append(session, &[events::session_end(session, 121)]).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    let export = app.export_lines(session).await;
    assert_eq!(export.lines().count(), 123);
    for limit in [1, 41, 122, 123, 500] {
        let pages = pages(&app, session, limit).await;
        assert_eq!(pages.len(), 123_usize.div_ceil(limit), "limit {limit}");
        let lines: Vec<String> = pages.concat();
        assert_eq!(lines, export.lines().collect::<Vec<_>>(), "limit {limit}");
    }
}

#[tokio::test]
async fn a_page_that_was_the_last_goes_on_when_the_session_does() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let empty = app.get(&format!("/v1/sessions/{session}/events")).await.expect(200);
    assert_eq!(empty.text, r#"{"items":[],"next_cursor":null}"#);
    let _ = app.append(session, &events::whole_session(session)[..3]).await.expect(201);
    let path = format!("/v1/sessions/{session}/events?limit=2");
    let first = app.get(&path).await.expect(200).body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let _ = app.append(session, &events::whole_session(session)[3..]).await.expect(201);

    let second = app.get(&format!("{path}&cursor={cursor}")).await.expect(200).body;

    let numbers: Vec<_> = second["items"].as_array().unwrap().iter().collect();
    assert_eq!((numbers.len(), &second["next_cursor"]), (2, &Value::Null));
    assert_eq!(numbers[1]["sequence_number"], 3);
}

/// All pages, each as the canonical texts of its records.
async fn pages(app: &TestApp, session: Uuid, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/sessions/{session}/events?limit={limit}{cursor}");
        let page = app.get(&path).await.expect(200);
        assert_eq!(canonical::canonicalize(page.text.as_bytes()).unwrap(), page.text.as_bytes());
        let items = page.body["items"].as_array().unwrap();
        let line = |item: &Value| String::from_utf8(canonical::of_serde(item).unwrap()).unwrap();
        pages.push(items.iter().map(line).collect());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}
