//! `GET /v1/sessions`: filters and pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

use crate::refusing::problem;

#[tokio::test]
async fn sessions_are_listed_by_agent_status_class_and_time() {
    let app = TestApp::start().await;
    let sealed = app.sealed_session().await;
    let middle = app.session(sealed).await["sealed_at"].as_str().unwrap().to_owned();
    let open = app.start_session().await;
    let other = app.start_session_with(json!({ "agent_id": "büro & co/7" })).await;
    let sdk = app.start_session_with(json!({ "chain_authority": "sdk" })).await;
    for (query, expected) in [
        (String::new(), vec![sdk, other, open, sealed]),
        ("?agent_id=refund-agent".to_owned(), vec![sdk, open, sealed]),
        ("?agent_id=b%C3%BCro%20%26%20co%2F7".to_owned(), vec![other]),
        ("?agent_id=nobody".to_owned(), vec![]),
        ("?status=sealed".to_owned(), vec![sealed]),
        ("?status=active".to_owned(), vec![sdk, other, open]),
        ("?status=closed".to_owned(), vec![]),
        ("?evidence_class=AUTHORITATIVE_EVIDENCE".to_owned(), vec![sealed]),
        ("?evidence_class=PARTIAL_AUTHORITATIVE_EVIDENCE".to_owned(), vec![other, open]),
        ("?evidence_class=NON_AUTHORITATIVE_EVIDENCE".to_owned(), vec![sdk]),
        (format!("?since={middle}"), vec![sdk, other, open]),
        (format!("?until={middle}"), vec![sealed]),
        (format!("?since={middle}&agent_id=refund-agent&status=active"), vec![sdk, open]),
        ("?since=2000-01-01T00:00:00%2B01:00&until=2001-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let page = app.get(&format!("/v1/sessions{query}")).await.expect(200).body;
        assert_eq!(ids(&page), expected, "{query}");
        assert_eq!(page["next_cursor"], Value::Null);
    }
}

#[tokio::test]
async fn pages_miss_no_session_and_double_none() {
    let app = TestApp::start().await;
    let mut started = BTreeSet::new();
    for _ in 0..23 {
        started.insert(app.start_session().await);
    }
    for limit in [1, 7, 23, 24] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/sessions?limit={limit}{cursor}&until=2100-01-01T00:00:00Z");
            let page = app.get(&path).await.expect(200).body;
            assert!(ids(&page).len() <= limit);
            seen.extend(ids(&page));
            // What starts meanwhile stands before the pages that are left.
            if limit == 7 {
                app.start_session_with(json!({ "agent_id": "newcomer" })).await;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let unique: BTreeSet<Uuid> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len(), "doubled at limit {limit}");
        assert!(unique.is_superset(&started), "missed at limit {limit}");
    }
}

#[tokio::test]
async fn a_page_has_50_items_unless_it_is_asked_for_others() {
    let app = TestApp::start().await;
    for _ in 0..51 {
        app.start_session().await;
    }
    let page = app.get("/v1/sessions").await.expect(200).body;
    assert_eq!(ids(&page).len(), 50);
    let rest = format!("/v1/sessions?cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = app.get(&rest).await.expect(200).body;
    assert_eq!((ids(&rest).len(), &rest["next_cursor"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_cursor_that_was_tampered_with_is_refused() {
    let app = TestApp::start().await;
    let cursor = some_cursor(&app).await;
    for at in (0..cursor.len()).step_by(5).chain([cursor.len() - 2]) {
        let other = if &cursor[at..=at] == "A" { "Q" } else { "A" };
        let tampered = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
        refused_as_cursor(&app, &format!("/v1/sessions?limit=1&cursor={tampered}")).await;
    }
    let long = "A".repeat(5000);
    for wrong in ["", "A", "%00", "not%20base64", &cursor[1..], &format!("{cursor}AAAA"), &long] {
        refused_as_cursor(&app, &format!("/v1/sessions?limit=1&cursor={wrong}")).await;
    }
    let path = format!("/v1/sessions?limit=1&cursor={cursor}");
    assert_eq!(ids(&app.get(&path).await.expect(200).body).len(), 1);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_its_tenant() {
    let app = TestApp::start().await;
    let cursor = some_cursor(&app).await;
    let [one, other] = [app.sealed_session().await, app.sealed_session().await];
    let page = app.get(&format!("/v1/sessions/{one}/events?limit=1")).await.expect(200).body;
    let of_events = page["next_cursor"].as_str().unwrap();

    refused_as_cursor(&app, &format!("/v1/sessions/{one}/events?cursor={cursor}")).await;
    refused_as_cursor(&app, &format!("/v1/sessions?cursor={of_events}")).await;
    refused_as_cursor(&app, &format!("/v1/sessions/{other}/events?cursor={of_events}")).await;

    app.make_tenant("rival");
    let key = app.make_key("rival", tests::ALL_SCOPES);
    let request = app.bare_request(reqwest::Method::GET, &format!("/v1/sessions?cursor={cursor}"));
    let answer = tests::send(request.bearer_auth(&key)).await;
    problem(&answer, 400, "CURSOR_INVALID");
    let mine = format!("/v1/sessions/{one}/events?cursor={of_events}");
    assert_eq!(app.get(&mine).await.expect(200).body["items"][0]["sequence_number"], 1);
}

#[tokio::test]
async fn a_cursor_outlives_the_server() {
    let mut app = TestApp::start().await;
    let cursor = some_cursor(&app).await;

    app.restart();

    let path = format!("/v1/sessions?limit=1&cursor={cursor}");
    assert_eq!(ids(&app.get(&path).await.expect(200).body).len(), 1);
}

#[tokio::test]
async fn a_tenant_sees_its_own_sessions_alone() {
    let app = TestApp::start().await;
    let mine = app.start_session().await;
    app.make_tenant("rival");
    let key = app.make_key("rival", tests::ALL_SCOPES);
    let as_rival = || app.bare_request(reqwest::Method::GET, "/v1/sessions").bearer_auth(&key);
    assert_eq!(tests::send(as_rival()).await.expect(200).body["items"], json!([]));
    // The same id is another session with another tenant.
    let path = "/v1/sessions";
    let start = app.bare_request(reqwest::Method::POST, path).bearer_auth(&key);
    let start = start.json(&json!({ "session_id": mine, "agent_id": "theirs" }));
    let _ = tests::send(start).await.expect(201);
    let _ = app.append(mine, &[events::session_start(mine)]).await.expect(201);

    let theirs = tests::send(as_rival()).await.expect(200).body;

    assert_eq!((ids(&theirs), &theirs["items"][0]["event_count"]), (vec![mine], &json!(0)));
    assert_eq!(app.session(mine).await["agent_id"], "refund-agent");
}

async fn some_cursor(app: &TestApp) -> String {
    let _ = (app.start_session().await, app.start_session().await);
    let page = app.get("/v1/sessions?limit=1").await.expect(200).body;
    page["next_cursor"].as_str().expect("a further page").to_owned()
}

async fn refused_as_cursor(app: &TestApp, path: &str) {
    problem(&app.get(path).await, 400, "CURSOR_INVALID");
}

fn ids(page: &Value) -> Vec<Uuid> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["session_id"].as_str().unwrap().parse().unwrap()).collect()
}
