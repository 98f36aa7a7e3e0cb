//! `exhibit log check` on logs that are whole, while they grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{ALL_SCOPES, TestApp, events, send};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::processes::{eventually, exhibit_in, folder, run};
use crate::production::login_to;

/// Writers of each tenant.
const WRITERS: usize = 2;
/// Checks that are made while they write.
const CHECKS: usize = 9;

/// Makes sessions in a key's tenant until it is told to stop: every other one is sealed, the rest
/// are left in the middle.
fn write(app: Arc<TestApp>, key: String, stopped: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let post = async |path: String, body: Value| {
            let request = app.bare_request(Method::POST, &path).bearer_auth(&key).json(&body);
            send(request).await.expect(201).body
        };
        let mut is_sealed = false;
        while !stopped.load(Ordering::SeqCst) {
            let started = post("/v1/sessions".to_owned(), json!({ "agent_id": "writer" })).await;
            let session: Uuid = started["session_id"].as_str().unwrap().parse().unwrap();
            let path = |verb: &str| format!("/v1/sessions/{session}/{verb}");
            for event in events::whole_session(session) {
                let _ = post(path("events"), json!({ "events": [event] })).await;
            }
            if is_sealed {
                let _ = post(path("seal"), json!({})).await;
            }
            is_sealed = !is_sealed;
        }
    })
}

/// Makes keys in a tenant, by commands, until it is told to stop.
fn make_keys(app: Arc<TestApp>, tenant: String, stopped: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        while !stopped.load(Ordering::SeqCst) {
            let _ = app.make_key(&tenant, "evidence:read");
        }
    })
}

/// The document of a check that finds nothing wrong.
fn whole(app: &TestApp) -> Value {
    let checked = app.cli(&["log", "check", "--format", "json"]);
    let shown = String::from_utf8_lossy(&checked.stdout);
    assert_eq!((checked.status.code(), checked.stderr.len()), (Some(0), 0), "{shown}");
    let document: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(document["status"], "OK");
    document
}

fn sum(document: &Value, member: &str) -> u64 {
    let tenants = document["tenants"].as_array().unwrap();
    tenants.iter().map(|report| report[member].as_u64().unwrap()).sum()
}

async fn stored(database: &sqlx::PgPool, table: &str) -> u64 {
    let count = format!("select count(*) from {table}");
    let count: i64 = sqlx::query_scalar(&count).fetch_one(database).await.unwrap();
    count.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_found_whole_at_every_moment_while_writers_write() {
    let app = Arc::new(TestApp::start().await);
    let others = [app.make_tenant("second"), app.make_tenant("third")];
    let mut keys = vec![app.key.clone()];
    keys.extend(others.iter().map(|tenant| app.make_key(tenant, ALL_SCOPES)));
    let stopped = Arc::new(AtomicBool::new(false));
    let mut tasks = vec![make_keys(app.clone(), others[0].clone(), stopped.clone())];
    for key in keys {
        tasks.extend((0..WRITERS).map(|_| write(app.clone(), key.clone(), stopped.clone())));
    }
    let database = app.database.as_ref().unwrap().as_owner().await;
    let mut events = Vec::new();
    for _ in 0..CHECKS {
        // A busy disk may hold all writers up for longer than a check takes.
        let seen = events.last().copied().unwrap_or(0);
        eventually("somebody has written", 30, async || stored(&database, "events").await > seen)
            .await;
        let beside = app.clone();
        let document = tokio::task::spawn_blocking(move || whole(&beside)).await.unwrap();
        assert_eq!(document["tenants"].as_array().unwrap().len(), 3, "{document}");
        events.push(sum(&document, "events"));
    }
    stopped.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(events.is_sorted_by(|before, after| before < after), "it grew meanwhile: {events:?}");

    let document = whole(&app);
    for (table, member) in
        [("events", "events"), ("sessions", "sessions"), ("evidence_events", "records")]
    {
        assert_eq!(sum(&document, member), stored(&database, table).await, "{table}");
    }
}

#[tokio::test]
async fn one_line_tells_a_tenant_and_one_tenant_can_be_asked_for() {
    let app = TestApp::start().await;
    let other = app.make_tenant("other");
    let _ = app.sealed_session().await;
    let all = app.cli(&["log", "check"]);
    assert_eq!(all.status.code(), Some(0));
    let lines = String::from_utf8(all.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(
        lines.lines().any(|line| line.ends_with("  5 events, 1 sessions, 5 records")),
        "{lines}"
    );

    let one = app.cli(&["log", "check", "--tenant", &other]);
    assert_eq!(one.status.code(), Some(0));
    let line = format!("OK     {other}  1 events, 0 sessions, 0 records\n");
    assert_eq!(String::from_utf8(one.stdout).unwrap(), line);
    assert!(lines.contains(&line), "{lines}");

    let nobody = Uuid::nil().to_string();
    let none = app.cli(&["log", "check", "--tenant", &nobody]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0));
    let told = format!("exhibit: there is no tenant {nobody}\n");
    assert_eq!(String::from_utf8(none.stderr).unwrap(), told);
}

#[tokio::test]
async fn a_check_needs_no_more_rights_than_the_server_and_leaves_no_trace() {
    let app = TestApp::start().await;
    let _ = app.sealed_session().await;
    let roles = "exhibit_server, exhibit_reader";
    let url = login_to(app.database.as_ref().unwrap(), "noinherit", roles).await;
    let data = folder();
    let checked =
        run(exhibit_in(data.path()).env("EXHIBIT_DATABASE_URL", url).args(["log", "check"]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{checked:?}");
    assert!(checked.stdout.starts_with("OK  "), "{checked:?}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "no keys, no database");
}
