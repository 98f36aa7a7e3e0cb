//! Several writers, one session: nothing forks, nobody is refused without being told why.

use std::collections::BTreeSet;
use std::sync::Arc;

use application::Ids;
use infrastructure::system::SystemIds;
use serde_json::{Value, json};
use tests::{Answer, TestApp, events};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::refusing::problem;

const WRITERS: usize = 16;
const ROUNDS: u64 = 12;

#[tokio::test]
async fn of_16_writers_with_the_same_numbers_exactly_one_wins() {
    let app = Arc::new(TestApp::start().await);
    race_for_numbers(&[app]).await;
}

#[tokio::test]
async fn of_16_writers_at_two_servers_exactly_one_wins() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    race_for_numbers(&[Arc::new(app), Arc::new(sibling)]).await;
}

#[tokio::test]
async fn writers_that_go_by_what_refusals_say_all_get_their_events_in() {
    let app = Arc::new(TestApp::start().await);
    let session = begun(&app).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let app = app.clone();
        writers.spawn(async move {
            for _ in 0..4 {
                persist(&app, session).await;
            }
        });
    }
    writers.join_all().await;
    assert_dense(&app, session, 1 + WRITERS as u64 * 4).await;
}

#[tokio::test]
async fn clients_that_take_turns_at_two_servers_are_never_refused() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    let servers = [&app, &sibling];
    let session = begun(&app).await;
    let mut last = Vec::new();
    for sequence in 1..=20 {
        let server = servers[sequence as usize % 2];
        last = vec![events::tool_call(session, sequence)];
        let answer = server.append(session, &last).await.expect(201);
        assert_eq!(answer.body["next_sequence"], sequence + 1);
    }
    // A retry at the other server, which has not seen the event.
    let _ = sibling.append(session, &last).await.expect(200);
    let _ = app.append(session, &last).await.expect(200);
    let _ = app.append(session, &[events::session_end(session, 21)]).await.expect(201);

    let sealed = sibling.seal(session).await.expect(201);
    let again = app.seal(session).await.expect(200);

    assert_eq!(sealed.body["envelope"], again.body["envelope"]);
    let late = app.append(session, &[events::tool_call(session, 23)]).await;
    problem(&late, 409, "INGEST_SESSION_CLOSED");
    assert_eq!(app.verify(session).await["status"], "PASS");
}

#[tokio::test]
async fn a_session_started_at_one_server_is_fed_at_another() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    let session = SystemIds.uuid();
    // Asked for before it exists: that it did not must not be remembered.
    let early = sibling.append(session, &[events::session_start(session)]).await;
    problem(&early, 404, "INGEST_SESSION_NOT_FOUND");

    let same = app.start_session_with(json!({ "session_id": session })).await;

    assert_eq!(same, session);
    let _ = sibling.append(session, &events::whole_session(session)).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    assert_eq!(sibling.verify(session).await["status"], "PASS");
}

/// Rounds in which all writers send two events of their own under the same two numbers.
async fn race_for_numbers(servers: &[Arc<TestApp>]) {
    let session = begun(&servers[0]).await;
    for round in 0..ROUNDS {
        let first = 1 + 2 * round;
        let answers = all_at_once(servers, session, first).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
        assert_eq!(won.len(), 1, "round {round}");
        for answer in lost {
            let details = problem(answer, 409, "INGEST_SEQUENCE_REWIND");
            assert_eq!(details["last_sequence"], first + 1);
            assert_eq!(details["received_sequence"], first);
        }
    }
    for server in servers {
        assert_dense(server, session, 1 + 2 * ROUNDS).await;
    }
}

async fn all_at_once(servers: &[Arc<TestApp>], session: Uuid, first: u64) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let app = servers[writer % servers.len()].clone();
        let barrier = barrier.clone();
        writers.spawn(async move {
            let events = events::tool_calls(session, first, 2);
            barrier.wait().await;
            app.append(session, &events).await
        });
    }
    writers.join_all().await
}

/// Sends one event until it is in, under whatever number the server says is next.
async fn persist(app: &TestApp, session: Uuid) {
    let mut event = events::tool_call(session, 1);
    loop {
        let answer = app.append(session, std::slice::from_ref(&event)).await;
        if answer.status == 201 {
            return;
        }
        let details = problem(&answer, 409, "INGEST_SEQUENCE_REWIND");
        event["sequence_number"] = json!(details["last_sequence"].as_u64().unwrap() + 1);
    }
}

async fn begun(app: &TestApp) -> Uuid {
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    session
}

/// The session holds `count` records, each number and each id once, in a chain that verifies.
async fn assert_dense(app: &TestApp, session: Uuid, count: u64) {
    let lines = app.export_lines(session).await;
    let records: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let numbers: Vec<u64> =
        records.iter().map(|r| r["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    let ids: BTreeSet<_> = records.iter().map(|r| r["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len() as u64, count);
    let report = app.verify(session).await;
    assert_eq!(report["axes"]["integrity"]["result"], "pass", "{report}");
    assert_eq!(app.session(session).await["event_count"], count);
}
