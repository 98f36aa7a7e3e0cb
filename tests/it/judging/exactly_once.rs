//! One violation per breach: whatever dies, whoever judges how often, however it is made anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use application::Hints;
use application::judging::{Bench, Judge, Progress};
use domain::ids::TenantId;
use infrastructure::docket::{PgDocket, PolicyBook};
use infrastructure::system::SystemClock;
use serde_json::json;
use sqlx::PgPool;
use tests::{TestApp, events, tool_policy};
use uuid::Uuid;

struct Deaf;

impl Hints for Deaf {
    fn committed(&self, _: TenantId, _: u64) {}
}

/// Calls of a tool that is not allowed, `count` to a session.
async fn breaches(app: &TestApp, sessions: usize, count: u64) -> BTreeSet<(String, u64)> {
    let mut expected = BTreeSet::new();
    for _ in 0..sessions {
        let session = app.start_session().await;
        let calls: Vec<_> =
            (0..count).map(|n| events::call_of(session, n, "wire_transfer")).collect();
        for batch in calls.chunks(10) {
            let _ = app.append(session, batch).await.expect(201);
        }
        expected.extend((0..count).map(|n| (session.to_string(), n)));
    }
    expected
}

/// Where violations were found, each as often as it was.
async fn found(app: &TestApp) -> Vec<(String, u64)> {
    let place = |v: &serde_json::Value| {
        let session = v["session_id"].as_str().unwrap().to_owned();
        (session, v["sequence_number"].as_u64().unwrap())
    };
    let mut found: Vec<_> = app.violations("").await.iter().map(place).collect();
    found.sort();
    found
}

async fn owner(app: &TestApp) -> PgPool {
    app.database.as_ref().unwrap().as_owner().await
}

async fn tenant(owner: &PgPool) -> TenantId {
    let id: Uuid =
        sqlx::query_scalar("select tenant_id from tenants limit 1").fetch_one(owner).await.unwrap();
    TenantId(id)
}

/// Events of detection, keys and first lines of action logs: each once for each breach.
async fn assert_stored_once(owner: &PgPool, count: usize) {
    for query in [
        "select count(*) from events where event_type = 'violation.detected'",
        "select count(distinct aggregate_id) from events where aggregate_type = 'violation'",
        "select count(*) from violation_keys",
        "select count(*) from violation_actions where action = 'detected'",
    ] {
        let rows: i64 = sqlx::query_scalar(query).fetch_one(owner).await.unwrap();
        assert_eq!(rows, count as i64, "{query}");
    }
}

/// Judges until there is nothing left, whatever others do meanwhile.
async fn judge_all(server: PgPool, tenant: TenantId, bench: Bench) {
    let docket = PgDocket::new(server, PolicyBook::default(), Arc::new(Deaf));
    let judge = Judge { docket: Arc::new(docket), clock: Arc::new(SystemClock) };
    loop {
        match judge.step(tenant, bench).await {
            Ok(Progress::Done | Progress::Superseded) => return,
            // A judge that lost a race has written nothing, and looks again.
            Ok(Progress::More | Progress::Busy) | Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn sixteen(app: &TestApp, tenant: TenantId, bench: Bench) {
    let mut judges = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let server = app.database.as_ref().unwrap().as_role("exhibit_server").await;
        judges.spawn(judge_all(server, tenant, bench));
    }
    judges.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_judges_of_the_same_log_find_each_breach_once() {
    let mut app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    // From here on nobody judges but those below.
    app.settle().await;
    app.stop();
    app.set("EXHIBIT_NO_FOLLOWERS", "true");
    app.resume();
    let expected = breaches(&app, 8, 150).await;
    let owner = owner(&app).await;
    let tenant = tenant(&owner).await;
    sixteen(&app, tenant, Bench::Served).await;
    assert_stored_once(&owner, expected.len()).await;
    // Once more without the lock that lets one judge at a time: a generation that all of them build.
    sqlx::query("update projections set building = 2 where name = 'judgement'")
        .execute(&owner)
        .await
        .unwrap();
    sixteen(&app, tenant, Bench::Built(2)).await;
    assert_stored_once(&owner, expected.len()).await;
    let uses: i64 = sqlx::query_scalar("select count(*) from tool_uses where generation = 2")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(uses, expected.len() as i64, "and what else was found stands there once");
    app.stop();
    app.set("EXHIBIT_NO_FOLLOWERS", "false");
    app.resume();
    assert_eq!(found(&app).await, expected.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_is_killed_again_and_again_loses_no_violation_and_doubles_none() {
    let mut app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut number = 0;
    for round in 0..12 {
        for _ in 0..6 {
            let calls: Vec<_> = (number..number + 20)
                .map(|n| events::call_of(session, n, "wire_transfer"))
                .collect();
            let _ = app.append(session, &calls).await.expect(201);
            number += 20;
        }
        // Somewhere between reading, judging, writing and committing.
        tokio::time::sleep(std::time::Duration::from_millis(13 * round)).await;
        app.kill();
        app.resume();
    }
    let expected: Vec<_> = (0..number).map(|n| (session.to_string(), n)).collect();
    assert_eq!(found(&app).await, expected);
    assert_stored_once(&owner(&app).await, expected.len()).await;
    let check = app.cli(&["log", "check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[tokio::test]
async fn judging_everything_again_changes_no_violation() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let expected = breaches(&app, 3, 20).await;
    let before = app.violations("").await;
    let _ = app.act(&before[0], "acknowledge", &json!({})).await.expect(200);
    let before = app.violations("").await;
    for name in ["judgement", "violations", "judgement"] {
        let rebuilt = app.cli(&["projections", "rebuild", name]);
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    }
    assert_eq!(app.violations("").await, before);
    assert_stored_once(&owner(&app).await, expected.len()).await;
}

#[tokio::test]
async fn two_servers_share_the_judging() {
    let app = TestApp::start().await;
    let second = app.sibling();
    app.activate_policy(&tool_policy("1.0.0")).await;
    let mut expected = breaches(&app, 3, 40).await;
    expected.extend(breaches(&second, 3, 40).await);
    assert_eq!(found(&app).await, expected.iter().cloned().collect::<Vec<_>>());
    assert_eq!(found(&second).await.len(), expected.len());
    assert_stored_once(&owner(&app).await, expected.len()).await;
}
