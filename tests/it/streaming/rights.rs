//! Who may stream, with what, and for how long.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::json;
use tests::{EventStream, TestApp, send};

/// A lost right ends its streams within this time.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

async fn assert_ends(mut stream: EventStream, began: Instant) {
    let bye = stream.expect("bye").await;
    assert_eq!(bye.get("reason"), "key_revoked");
    assert!(began.elapsed() < NOTICED_WITHIN, "{:?}", began.elapsed());
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_revoked_key_loses_its_streams_and_no_other_key_does() {
    let app = TestApp::start().await;
    let key = app.make_key("demo", "evidence:read");
    let mut kept = app.stream("").await;
    kept.expect("ready").await;
    let mut stream = app.as_key(&key).stream("").await;
    stream.expect("ready").await;
    let began = Instant::now();
    assert!(app.cli(&["key", "revoke", &key[4..12]]).status.success());
    assert_ends(stream, began).await;
    let again = app.as_key(&key).get("/v1/stream").await.expect(401);
    assert_eq!(again.code(), "UNAUTHENTICATED");
    app.start_session().await;
    assert!(kept.item().await.is_item());
}

/// Records of some 200 KB, 60 MB together: more than sockets hold.
async fn long_session(app: &TestApp) -> uuid::Uuid {
    let session = app.start_session().await;
    let text = "x".repeat(200_000);
    for batch in 0..20_u64 {
        let numbers = batch * 15..(batch + 1) * 15;
        let payload = || json!({ "text": text });
        let events: Vec<_> = numbers
            .map(|number| tests::events::event(session, number, "app.note", payload()))
            .collect();
        let _ = app.append(session, &events).await.expect(201);
    }
    session
}

#[tokio::test]
async fn a_key_that_is_revoked_while_a_long_session_is_read_gets_no_more_of_it() {
    let app = TestApp::start().await;
    let session = long_session(&app).await;
    let key = app.make_key("demo", "evidence:read");
    let path = format!("/v1/sessions/{session}/stream");
    let mut stream = EventStream::open(app.as_key(&key).request(Method::GET, &path)).await;
    stream.expect("ready").await;
    let first = stream.item().await;
    assert_eq!(first.id.as_deref(), Some("0"));
    assert!(app.cli(&["key", "revoke", &key[4..12]]).status.success());
    // It reads nothing meanwhile: what is under way is what the sockets hold.
    tokio::time::sleep(NOTICED_WITHIN).await;
    let mut records = 1;
    loop {
        let frame = stream.next().await.expect("a farewell before the end");
        if frame.is("bye") {
            assert_eq!(frame.get("reason"), "key_revoked");
            break;
        }
        records += 1;
    }
    assert!(records < 150, "{records} of 300 records");
}

#[tokio::test]
async fn a_suspended_tenant_loses_its_streams_and_gets_them_back() {
    let app = TestApp::start().await;
    let tenant = app.make_tenant("other");
    let key = app.make_key(&tenant, "evidence:read,ingest:write");
    let admin = app.make_key("demo", "admin");
    let mut stream = app.as_key(&key).stream("").await;
    stream.expect("ready").await;
    let began = Instant::now();
    let path = format!("/admin/tenants/{tenant}");
    let _ = app.as_key(&admin).post(&format!("{path}/suspend"), &json!({})).await.expect(200);
    assert_ends(stream, began).await;
    let _ = app.as_key(&admin).post(&format!("{path}/resume"), &json!({})).await.expect(200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut again = app.as_key(&key).stream("").await;
    again.expect("ready").await;
    app.as_key(&key).start_session().await;
    assert!(again.item().await.is_item());
}

#[tokio::test]
async fn a_key_that_expires_loses_its_streams() {
    let app = TestApp::start().await;
    let made = app.cli(&[
        "key",
        "add",
        "--tenant",
        "demo",
        "--scopes",
        "evidence:read",
        "--expires",
        "3s",
    ]);
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let mut stream = app.as_key(&key).stream("").await;
    stream.expect("ready").await;
    assert_ends(stream, Instant::now() + Duration::from_secs(3)).await;
}

async fn ticket(app: &TestApp) -> String {
    let made = app.post("/v1/stream-tickets", &json!({})).await.expect(201);
    let expires: DateTime<Utc> = made.body["expires_at"].as_str().unwrap().parse().unwrap();
    let issued: DateTime<Utc> =
        DateTime::parse_from_rfc2822(made.headers["date"].to_str().unwrap_or_default())
            .unwrap()
            .to_utc();
    let seconds = (expires - issued).num_seconds();
    assert!((59..=61).contains(&seconds), "{seconds}");
    made.body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_nothing_else() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let spent = ticket(&app).await;
    let path = format!("/v1/stream?ticket={spent}");
    let mut stream = EventStream::open(app.bare_request(Method::GET, &path)).await;
    stream.expect("ready").await;
    app.start_session().await;
    assert!(stream.item().await.is_item());
    for path in [
        path,
        "/v1/stream?ticket=".to_owned(),
        "/v1/stream?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        let refused = send(app.bare_request(Method::GET, &path)).await.expect(401);
        assert_eq!(refused.code(), "UNAUTHENTICATED");
    }
    let fresh = ticket(&app).await;
    for path in ["/v1/sessions", "/v1/events/history"] {
        let request = app.bare_request(Method::GET, &format!("{path}?ticket={fresh}"));
        let _ = send(request).await.expect(401);
    }
    let path = format!("/v1/sessions/{session}/stream?ticket={fresh}");
    let mut records = EventStream::open(app.bare_request(Method::GET, &path)).await;
    records.expect("ready").await;
    assert!(!app.log().contains(&spent) && !app.log().contains(&fresh), "no ticket in the log");
}

#[tokio::test]
async fn a_ticket_of_a_revoked_key_opens_nothing() {
    let app = TestApp::start().await;
    let key = app.make_key("demo", "evidence:read");
    let made = app.as_key(&key).post("/v1/stream-tickets", &json!({})).await.expect(201);
    let ticket = made.body["ticket"].as_str().unwrap();
    assert!(app.cli(&["key", "revoke", &key[4..12]]).status.success());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let path = format!("/v1/stream?ticket={ticket}");
    let _ = send(app.bare_request(Method::GET, &path)).await.expect(401);
}

#[tokio::test]
async fn tickets_and_cookies_hold_on_every_server_and_over_a_restart() {
    let mut app = TestApp::start().await;
    let sibling = app.sibling();
    let ticket = ticket(&app).await;
    let path = format!("/v1/stream?ticket={ticket}");
    let mut there = EventStream::open(sibling.bare_request(Method::GET, &path)).await;
    there.expect("ready").await;
    let made = app.post("/v1/stream-tickets", &json!({ "cookie": true })).await.expect(201);
    assert!(made.body["ticket"].is_null());
    let cookie = made.headers["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/v1", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    app.restart();
    for _ in 0..2 {
        let request = app.bare_request(Method::GET, "/v1/stream").header("cookie", &cookie);
        EventStream::open(request).await.expect("ready").await;
    }
    let elsewhere = app.bare_request(Method::GET, "/v1/sessions").header("cookie", &cookie);
    let _ = send(elsewhere).await.expect(401);
    for forged in [cookie.replace('.', "x"), format!("{cookie}0"), cookie[..30].to_owned()] {
        let request = app.bare_request(Method::GET, "/v1/stream").header("cookie", &forged);
        let _ = send(request).await.expect(401);
    }
}

#[tokio::test]
async fn readers_of_one_tenant_hear_nothing_of_another() {
    let app = TestApp::start().await;
    let key = app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES);
    let other = app.as_key(&key);
    let (mut mine, mut theirs) = (app.stream("").await, other.stream("").await);
    let epoch = |frame: tests::Frame| frame.id.unwrap()[..8].to_owned();
    let epochs = [epoch(mine.expect("ready").await), epoch(theirs.expect("ready").await)];
    assert_ne!(epochs[0], epochs[1]);
    let session = app.start_session().await;
    other.start_session().await;
    assert_eq!(mine.item().await.get("entity")["id"], json!(session));
    assert_eq!(theirs.item().await.get("data")["agent_id"], "other-agent");
    assert!(mine.is_silent_for(Duration::from_millis(300)).await);
    assert!(theirs.is_silent_for(Duration::from_millis(300)).await);
}
