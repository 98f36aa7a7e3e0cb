//! Seals and appends at the same time: never a seal that counts otherwise than the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tests::{Answer, TestApp, events};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::refusing::problem;

const ROUNDS: usize = 12;
/// Events of a writer that nobody closes the session for.
const EVENTS_MAX: u64 = 80;
const SEALERS: usize = 8;

#[tokio::test]
async fn a_seal_counts_what_was_acknowledged_and_nothing_else() {
    let app = Arc::new(TestApp::start().await);
    for round in 0..ROUNDS {
        seal_while_appending(&app, &app, round as u64).await;
    }
}

#[tokio::test]
async fn a_seal_at_another_server_counts_the_same() {
    let app = TestApp::start().await;
    let sibling = Arc::new(app.sibling());
    let app = Arc::new(app);
    for round in 0..ROUNDS {
        seal_while_appending(&app, &sibling, round as u64).await;
    }
}

#[tokio::test]
async fn of_8_seals_at_once_one_is_made_and_all_get_it() {
    let app = Arc::new(TestApp::start().await);
    for _ in 0..5 {
        let session = app.start_session().await;
        let _ = app.append(session, &events::whole_session(session)).await.expect(201);
        let answers = seal_all_at_once(&app, session).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let found = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((made, found), (1, SEALERS - 1));
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        assert_eq!(app.verify(session).await["event_count"], 5);
        assert_eq!(app.verify(session).await["status"], "PASS");
    }
}

/// One client appends event after event at one server; another seals, `pace` events later.
async fn seal_while_appending(app: &Arc<TestApp>, sealing: &TestApp, pace: u64) {
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    let stored = Arc::new(AtomicU64::new(1));
    let writer = tokio::spawn(append_until_closed(app.clone(), session, stored.clone()));
    while stored.load(Ordering::Relaxed) <= pace {
        tokio::task::yield_now().await;
    }

    let answer = seal_in_the_end(sealing, session).await;

    writer.await.unwrap();
    let stored = stored.load(Ordering::Relaxed);
    assert_eq!(answer["seal"]["event_count"], stored);
    let report = app.verify(session).await;
    assert_eq!(report["event_count"], stored + 1);
    assert_eq!(report["partial_reasons"], json!(["MISSING_SESSION_END"]), "{report}");
    assert_eq!(report["axes"]["inclusion"]["result"], "pass");
    assert_eq!(report["axes"]["signer"]["result"], "pass");
}

/// A seal that loses to appends too often gives up with a 409 that says so: it is asked for again.
async fn seal_in_the_end(app: &TestApp, session: Uuid) -> Value {
    let path = format!("/v1/sessions/{session}/seal");
    loop {
        let answer = app.post(&path, &json!({ "incomplete": true })).await;
        if answer.status == 201 {
            return answer.body;
        }
        problem(&answer, 409, "CONFLICT");
    }
}

async fn append_until_closed(app: Arc<TestApp>, session: Uuid, stored: Arc<AtomicU64>) {
    while stored.load(Ordering::Relaxed) < EVENTS_MAX {
        let event: Value = events::tool_call(session, stored.load(Ordering::Relaxed));
        let answer = app.append(session, &[event]).await;
        if answer.status != 201 {
            let details = problem(&answer, 409, "INGEST_SESSION_CLOSED");
            assert_eq!(details["status"], "sealed");
            return;
        }
        stored.fetch_add(1, Ordering::Relaxed);
    }
}

async fn seal_all_at_once(app: &Arc<TestApp>, session: Uuid) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(SEALERS));
    let mut sealers = JoinSet::new();
    for _ in 0..SEALERS {
        let (app, barrier) = (app.clone(), barrier.clone());
        sealers.spawn(async move {
            barrier.wait().await;
            app.seal(session).await
        });
    }
    sealers.join_all().await
}
