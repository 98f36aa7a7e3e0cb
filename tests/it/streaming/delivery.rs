//! What is committed is delivered, once; what is not, never.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};
use tests::{Frame, TestApp, position};
use uuid::Uuid;

async fn demo(database: &PgPool) -> Uuid {
    let query = sqlx::query_scalar("select tenant_id from tenants where name = 'demo'");
    query.fetch_one(database).await.unwrap()
}

/// Writes what a command would write, up to its commit.
async fn start_without_commit(connection: &mut PgConnection, tenant: Uuid, session: Uuid) -> i64 {
    let payload = json!({
        "type": "started", "tenant_id": tenant, "session_id": session, "agent_id": "slow",
        "environment": null, "framework": null, "chain_authority": "server", "mode": "strict",
        "tags": [], "metadata": {}, "ingestion_service_id": "exhibit-test",
        "started_at": "2026-03-01T09:00:00Z",
    });
    sqlx::query_scalar(
        "with slot as (
             update tenant_heads set position = position + 1 where tenant_id = $1
             returning position
         )
         insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence,
                             event_type, event_version, payload, metadata)
         select $1, position, 'session', $2::text, 1, 'session.started', '1', $3, $4 from slot
         returning position",
    )
    .bind(tenant)
    .bind(session)
    .bind(payload)
    .bind(json!({ "tenant_id": tenant, "actor": "test", "correlation_id": "slow" }))
    .fetch_one(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn nothing_is_delivered_before_its_commit_and_everything_soon_after() {
    let app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let tenant = demo(&owner).await;
    let mut stream = app.stream("").await;
    let head = stream.expect("ready").await.position();
    let mut connection = owner.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let session = Uuid::from_u128(7);
    let given = start_without_commit(&mut transaction, tenant, session).await;
    assert_eq!(given as u64, head + 1);
    assert!(stream.is_silent_for(Duration::from_millis(1_500)).await, "it is not committed");
    transaction.commit().await.unwrap();
    let item = stream.item().await;
    assert_eq!(item.position(), head + 1, "found without a hint, by looking around");
    assert_eq!(item.get("entity")["id"], json!(session));
}

#[tokio::test]
async fn a_command_that_is_rolled_back_is_never_seen_and_leaves_no_hole() {
    let app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let tenant = demo(&owner).await;
    let mut stream = app.stream("").await;
    let head = stream.expect("ready").await.position();
    let mut connection = owner.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    start_without_commit(&mut transaction, tenant, Uuid::from_u128(8)).await;
    transaction.rollback().await.unwrap();
    let session = app.start_session().await;
    let item = stream.item().await;
    assert_eq!(item.position(), head + 1);
    assert_eq!(item.get("entity")["id"], json!(session));
}

#[tokio::test]
async fn an_item_reaches_readers_of_every_server_within_a_fraction_of_a_second() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    let (mut here, mut there) = (app.stream("").await, sibling.stream("").await);
    here.expect("ready").await;
    there.expect("ready").await;
    let mut slowest = [Duration::ZERO; 2];
    for _ in 0..10 {
        let began = Instant::now();
        app.start_session().await;
        let mine = here.item().await;
        slowest[0] = slowest[0].max(began.elapsed());
        assert_eq!(there.item().await, mine, "the same item, byte for byte");
        slowest[1] = slowest[1].max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    // Without hints between servers it would be the second between two looks.
    assert!(slowest[0] < Duration::from_millis(500), "{slowest:?}");
    assert!(slowest[1] < Duration::from_millis(700), "{slowest:?}");
}

#[tokio::test]
async fn any_server_goes_on_from_any_cursor() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    let cursor = app.head().await;
    // The other server's hub knows nothing of these yet.
    let mut idle = sibling.stream("").await;
    idle.expect("ready").await;
    for _ in 0..3 {
        app.start_session().await;
    }
    let newest = app.head().await;
    let mut resumed = sibling.resume_stream(&newest).await;
    assert_eq!(resumed.expect("ready").await.id, Some(newest), "not ahead of the log");
    let mut replayed = sibling.resume_stream(&cursor).await;
    assert_eq!(replayed.expect("ready").await.get("replay"), 3);
    assert_eq!(replayed.items(3).await.len(), 3);
}

#[tokio::test]
async fn a_burst_arrives_in_order_and_whole() {
    let app = TestApp::start().await;
    let mut stream = app.stream("").await;
    let head = stream.expect("ready").await.position();
    let writers = 8;
    let each = 40;
    let burst = async {
        let sessions = (0..writers).map(async |_| {
            let session = app.start_session().await;
            for number in 0..each {
                let event = tests::events::tool_call(session, number);
                let _ = app.append(session, &[event]).await.expect(201);
            }
        });
        futures::future::join_all(sessions).await
    };
    let count = writers * (each as usize + 1);
    let (_, items) = tokio::join!(burst, stream.items(count));
    let positions: Vec<u64> = items.iter().map(Frame::position).collect();
    let expected: Vec<u64> = (head + 1..=head + count as u64).collect();
    assert_eq!(positions, expected);
    assert_eq!(position(&app.head().await), head + count as u64);
}
