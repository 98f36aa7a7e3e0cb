//! The log's order: dense per tenant over both kinds of store, and safe to follow by position.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{TestApp, events};
use tokio::task::JoinHandle;
use uuid::Uuid;

const WRITERS: usize = 16;
const SESSIONS: usize = 6;
/// Accepted appends of each writer.
const APPENDS: u64 = 12;
/// Keys that are made on the command line meanwhile.
const KEYS: usize = 6;

/// Positions and aggregate types of a tenant's log after a position, as a follower reads it.
async fn after(database: &PgPool, tenant: Uuid, position: i64) -> Vec<(i64, String)> {
    sqlx::query_as(
        "select position, aggregate_type from events where tenant_id = $1 and position > $2
         order by position",
    )
    .bind(tenant)
    .bind(position)
    .fetch_all(database)
    .await
    .unwrap()
}

async fn tenant_named(database: &PgPool, name: &str) -> Uuid {
    let query = sqlx::query_scalar("select tenant_id from tenants where name = $1").bind(name);
    query.fetch_one(database).await.unwrap()
}

/// Reads on and on until it is told to stop, and then to the end.
fn follow(database: PgPool, tenant: Uuid, stopped: Arc<AtomicBool>) -> JoinHandle<Vec<i64>> {
    tokio::spawn(async move {
        let mut seen: Vec<i64> = Vec::new();
        loop {
            let is_last = stopped.load(Ordering::SeqCst);
            let last = seen.last().copied().unwrap_or(0);
            let new = after(&database, tenant, last).await;
            seen.extend(new.iter().map(|(position, _)| *position));
            if is_last {
                return seen;
            }
        }
    })
}

/// Appends to a session that others append to as well, with refused requests in between.
async fn write(app: &TestApp, session: Uuid) -> (u64, u64) {
    let (mut accepted, mut refused) = (0, 0);
    while accepted < APPENDS {
        let next = app.session(session).await["next_sequence"].as_u64().unwrap();
        let gap = events::tool_call(session, next + 1_000_000);
        let leak = json!({ "session_id": session, "event_hash": "00" });
        for body in [gap, leak] {
            let answer = app.append(session, &[body]).await;
            assert!((400..500).contains(&answer.status), "{}", answer.text);
            refused += 1;
        }
        let batch: Vec<Value> =
            (next..next + 3).map(|number| events::tool_call(session, number)).collect();
        match app.append(session, &batch).await {
            answer if answer.status == 201 => accepted += 1,
            answer => {
                assert_eq!(answer.status, 409, "{}", answer.text);
                refused += 1;
            }
        }
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_dense_over_all_events_and_a_follower_misses_none() {
    let app = Arc::new(TestApp::start().await);
    let second = Arc::new(app.sibling());
    let database = app.database.as_ref().unwrap().as_owner().await;
    let tenant = tenant_named(&database, "demo").await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let session = app.start_session().await;
        let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
        sessions.push(session);
    }

    let stopped = Arc::new(AtomicBool::new(false));
    let reading = follow(database.clone(), tenant, stopped.clone());
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let app = if number % 2 == 0 { app.clone() } else { second.clone() };
            let session = sessions[number % SESSIONS];
            tokio::spawn(async move { write(&app, session).await })
        })
        .collect();
    let by_command = app.clone();
    let keys = tokio::task::spawn_blocking(move || {
        for _ in 0..KEYS {
            let _ = by_command.make_key("demo", "evidence:read");
        }
    });
    let (mut accepted, mut refused) = (0, 0);
    for writer in writers {
        let (more, less) = writer.await.unwrap();
        accepted += more;
        refused += less;
    }
    keys.await.unwrap();
    stopped.store(true, Ordering::SeqCst);
    let followed = reading.await.unwrap();

    let all = after(&database, tenant, 0).await;
    let positions: Vec<i64> = all.iter().map(|(position, _)| *position).collect();
    let dense: Vec<i64> = (1..=i64::try_from(all.len()).unwrap()).collect();
    assert_eq!(positions, dense, "dense from 1 on");
    assert_eq!(followed, dense, "the follower saw each once, in order");
    let of = |kind: &str| all.iter().filter(|(_, aggregate)| aggregate == kind).count();
    assert_eq!(of("session"), SESSIONS * 2 + usize::try_from(accepted).unwrap());
    assert_eq!(of("tenant"), 2 + KEYS, "the tenant, its first key, and the new ones");
    assert_eq!(accepted, WRITERS as u64 * APPENDS);
    assert!(refused >= 2 * accepted, "{refused}");
    for session in sessions {
        assert_eq!(app.verify(session).await["status"], "DEGRADED", "unsealed, but whole");
    }
}

#[tokio::test]
async fn each_tenant_has_an_order_and_an_epoch_of_its_own() {
    let app = TestApp::start().await;
    let other = app.make_tenant("other");
    let _ = app.make_key(&other, "evidence:read");
    let _ = app.sealed_session().await;
    let database = app.database.as_ref().unwrap().as_owner().await;
    let mut epochs = Vec::new();
    for tenant in [tenant_named(&database, "demo").await, other.parse().unwrap()] {
        let log = after(&database, tenant, 0).await;
        let (position, epoch): (i64, String) =
            sqlx::query_as("select position, epoch from tenant_heads where tenant_id = $1")
                .bind(tenant)
                .fetch_one(&database)
                .await
                .unwrap();
        assert_eq!(log.last().unwrap().0, position);
        assert_eq!(log.len(), usize::try_from(position).unwrap(), "dense");
        let fits = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
        assert!(epoch.len() == 8 && epoch.chars().all(fits), "{epoch}");
        epochs.push(epoch);
    }
    assert_ne!(epochs[0], epochs[1], "40 random bits");
}

#[tokio::test]
async fn an_answer_names_the_position_of_its_event() {
    let app = TestApp::start().await;
    let database = app.database.as_ref().unwrap().as_owner().await;
    let tenant = tenant_named(&database, "demo").await;
    let start = app.post("/v1/sessions", &json!({ "agent_id": "a" })).await.expect(201);
    let session: Uuid = start.body["session_id"].as_str().unwrap().parse().unwrap();
    let appended = app.append(session, &events::whole_session(session)).await.expect(201);
    let sealed = app.seal(session).await.expect(201);
    for (answer, event) in [
        (start, "session.started"),
        (appended, "session.events_appended"),
        (sealed, "session.sealed"),
    ] {
        let stored: String = sqlx::query_scalar(
            "select event_type from events where tenant_id = $1 and position = $2",
        )
        .bind(tenant)
        .bind(answer.body["position"].as_i64().unwrap())
        .fetch_one(&database)
        .await
        .unwrap();
        assert_eq!(stored, event);
    }
}
