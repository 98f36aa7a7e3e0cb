//! Clients that go away in the middle of a request.

use std::time::Duration;

use serde_json::json;
use tests::{TestApp, events};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::processes::eventually;

/// Sends a request, waits for the first bytes of an answer or not so long, and is gone.
async fn ask_and_go(app: &TestApp, method: &str, path: &str, body: &str, wait: Duration) {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        app.key,
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 1];
    let _ = tokio::time::timeout(wait, connection.read(&mut first)).await;
    tokio::time::sleep(wait / 2).await;
}

/// A wait that differs from one round to the next, so that clients go at every moment.
fn wait(round: u64) -> Duration {
    Duration::from_micros(round * 7_919 % 6_000)
}

async fn all_connections_are_free(app: &TestApp) {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    eventually("no connection is in a transaction", 5, async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from pg_stat_activity where datname = current_database()
             and application_name = 'exhibit' and state like 'idle in transaction%'",
        )
        .fetch_one(&owner)
        .await
        .unwrap()
            == 0
    })
    .await;
    let told = app.log();
    assert!(!told.contains("already a transaction in progress"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_leaves_no_transaction_behind() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    for first in (0..5_000).step_by(1_000) {
        let _ = app.append(session, &events::tool_calls(session, first, 1_000)).await.expect(201);
    }
    for round in 0..200 {
        let format = if round % 2 == 0 { "json" } else { "jsonl" };
        let path = format!("/v1/sessions/{session}/export?format={format}&purpose=test");
        ask_and_go(&app, "GET", &path, "", wait(round)).await;
    }
    all_connections_are_free(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_were_promised_survives_a_client_that_goes_away_while_it_seals() {
    let mut app = TestApp::start().await;
    let mut promised: Vec<Uuid> = Vec::new();
    for round in 0..200 {
        let session = app.start_session().await;
        let seal = json!({ "incomplete": true }).to_string();
        let path = format!("/v1/sessions/{session}/seal");
        ask_and_go(&app, "POST", &path, &seal, wait(round)).await;
        let other = app.start_session().await;
        let _ = app.append(other, &events::tool_calls(other, 0, 2)).await.expect(201);
        promised.push(other);
    }
    all_connections_are_free(&app).await;
    app.kill();
    app.resume();
    for session in promised {
        let found = app.get(&format!("/v1/sessions/{session}")).await.expect(200).body;
        assert_eq!(found["next_sequence"], 2, "{found}");
    }
}
