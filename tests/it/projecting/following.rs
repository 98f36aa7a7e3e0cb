//! Followers share the work, survive each other, and neither repeat nor lose an event.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tests::{TestApp, events};

async fn counted(database: &PgPool) -> i64 {
    sqlx::query_scalar("select coalesce(sum(events), 0)::int8 from event_counts")
        .fetch_one(database)
        .await
        .unwrap()
}

async fn stored(database: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from evidence_events").fetch_one(database).await.unwrap()
}

/// Waits until every stored event is counted; how long that took.
async fn settled(database: &PgPool, wait_max: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let (counted, stored) = (counted(database).await, stored(database).await);
        assert!(counted <= stored, "{counted} counted of {stored}: an event was folded twice");
        if counted == stored {
            return began.elapsed();
        }
        assert!(began.elapsed() < wait_max, "{counted} counted of {stored}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn append(app: &TestApp, batches: u64) {
    let session = app.start_session().await;
    for batch in 0..batches {
        let events = events::tool_calls(session, batch * 5, 5);
        let _ = app.append(session, &events).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_share_the_work_and_count_each_event_once() {
    let app = TestApp::start().await;
    let (second, third) = (app.sibling(), app.sibling());
    let owner = app.database.as_ref().unwrap().as_owner().await;
    tokio::join!(append(&app, 40), append(&second, 40), append(&third, 40), append(&app, 40));
    settled(&owner, Duration::from_secs(5)).await;
    assert_eq!(counted(&owner).await, 4 * 40 * 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_server_dies_another_takes_its_followers_over_within_seconds() {
    let mut app = TestApp::start().await;
    let mut second = app.sibling();
    let owner = app.database.as_ref().unwrap().as_owner().await;
    for round in 0..3 {
        let (dying, living) =
            if round % 2 == 0 { (&mut app, &second) } else { (&mut second, &app) };
        tokio::join!(append(dying, 20), append(living, 20));
        dying.kill();
        // What the dead one has taken and not finished is undone with its connection.
        append(living, 5).await;
        let took = settled(&owner, Duration::from_secs(5)).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
        dying.resume();
    }
}

#[tokio::test]
async fn a_killed_server_neither_repeats_nor_loses_an_event() {
    let mut app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    for _ in 0..5 {
        append(&app, 30).await;
        app.kill();
        app.resume();
    }
    settled(&owner, Duration::from_secs(5)).await;
    assert_eq!(counted(&owner).await, 5 * 30 * 5);
}

#[tokio::test]
async fn what_was_written_while_no_server_ran_is_followed_at_the_next_start() {
    let mut app = TestApp::start().await;
    append(&app, 2).await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    settled(&owner, Duration::from_secs(5)).await;
    app.stop();
    // As if the followers had been far behind when the server stopped.
    sqlx::raw_sql(
        "delete from event_counts;
         update projection_progress set position = 0 where projection = 'event_counts'",
    )
    .execute(&owner)
    .await
    .unwrap();
    app.resume();
    settled(&owner, Duration::from_secs(5)).await;
    assert_eq!(counted(&owner).await, 10, "and the other read models did not count again");
    let calls: i64 = sqlx::query_scalar("select sum(calls)::int8 from tool_usage")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(calls, 10);
}

#[tokio::test]
async fn the_lag_of_each_read_model_is_told() {
    let app = TestApp::start().await;
    append(&app, 2).await;
    app.settle().await;
    let listed = app.cli(&["projections", "list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed["projections"].as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|p| p["projection"].as_str().unwrap()).collect();
    let mut expected = super::names();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(listed.iter().all(|p| p["lag_events"] == 0 && p["generation"] == 1), "{listed:?}");
    let metrics = app.get("/metrics").await.expect(200).text;
    for name in names {
        for metric in ["projection_lag_events", "projection_lag_seconds", "projection_stopped"] {
            let line = format!("exhibit_{metric}{{projection=\"{name}\"}} 0");
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
    }
}
