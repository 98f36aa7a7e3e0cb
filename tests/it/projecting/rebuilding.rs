//! A read model is thrown away and folded anew, while it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tests::{TestApp, events};

use super::{names, rows};

/// A policy with a threshold, and violations in every state.
async fn some_violations(app: &TestApp) {
    let mut policy = tests::tool_policy("1.0.0");
    let threshold = json!({ "type": "percent", "value": 10, "window_seconds": 600 });
    let mut counted = policy["controls"][0].clone();
    (counted["id"], counted["threshold"]) = (json!("counted"), threshold);
    policy["controls"].as_array_mut().unwrap().push(counted);
    app.activate_policy(&policy).await;
    let session = app.start_session().await;
    let mut calls: Vec<_> = (0..4).map(|n| events::call_of(session, n, "wire")).collect();
    calls[1]["actor_id"] = json!("ada");
    calls[2]["payload"]["args"] = json!({ "to": "ada@example.org" });
    let _ = app.append(session, &calls).await.expect(201);
    let result = json!({
        "tool_name": "wire", "result": 1, "status": "success", "duration_ms": 3.5,
    });
    app.settle().await;
    let _ =
        app.append(session, &[events::event(session, 4, "TOOL_RESULT", result)]).await.expect(201);
    let found = app.violations("").await;
    assert_eq!(found.len(), 6, "four calls, and a crossing for ada and for nobody: {found:?}");
    for (violation, commands) in found.iter().zip([3, 2, 1]) {
        let bodies = [
            ("acknowledge", json!({})),
            ("resolve", json!({ "resolution": "done" })),
            ("reopen", json!({ "reason": "not done" })),
        ];
        for (command, body) in &bodies[..commands] {
            let _ = app.act(violation, command, body).await.expect(200);
        }
    }
}

/// Sessions of several agents, tools and states, of two tenants.
async fn some_work(app: &TestApp) {
    some_violations(app).await;
    for agent in ["ada", "bob", "eve"] {
        let session = app.start_session_with(json!({ "agent_id": agent, "tags": ["t"] })).await;
        let _ = app.append(session, &events::whole_session(session)).await.expect(201);
        if agent != "eve" {
            let _ = app.seal(session).await.expect(201);
        }
    }
    let drops = app.start_session_with(json!({ "mode": "permissive" })).await;
    let _ = app.append(drops, &[events::session_start(drops)]).await.expect(201);
    let _ = app.append(drops, &events::tool_calls(drops, 3, 4)).await.expect(202);
    app.start_session_with(json!({ "chain_authority": "sdk" })).await;
    let tenant = app.make_tenant("other");
    let other = app.as_key(&app.make_key(&tenant, tests::ALL_SCOPES));
    other.start_session().await;
    let revoked = app.make_key(&tenant, "evidence:read");
    assert!(app.cli(&["key", "revoke", &revoked[4..12]]).status.success());
}

#[tokio::test]
async fn every_read_model_folded_anew_is_row_for_row_what_it_was() {
    let app = TestApp::start().await;
    some_work(&app).await;
    app.settle().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let before = rows(&owner).await;
    assert!(before.values().all(|rows| !rows.is_empty()), "{before:?}");
    for name in names() {
        let rebuilt = app.cli(&["projections", "rebuild", name]);
        let told = String::from_utf8(rebuilt.stdout).unwrap();
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        assert!(told.starts_with(&format!("{name}: generation 2 is served")), "{told}");
    }
    assert_eq!(rows(&owner).await, before);
    for (_, table) in super::TABLES {
        let old = format!("select count(*) from {table} where generation = 1");
        let old: i64 = sqlx::query_scalar(&old).fetch_one(&owner).await.unwrap();
        assert_eq!(old, 0, "{table}: the old rows are gone");
    }
    let _ = app.get("/v1/sessions").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_writes_go_on_while_read_models_are_rebuilt() {
    let app = Arc::new(TestApp::start().await);
    some_work(&app).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            let session = app.start_session().await;
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let events = events::tool_calls(session, number, 3);
                let _ = app.append(session, &events).await.expect(201);
                number += 3;
            }
            number
        })
    };
    let reader = {
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            let (mut calls, mut position, mut reads) = (0, 0, 0);
            while !stop.load(Ordering::Relaxed) {
                let tools = app.get("/v1/aggregations/tools").await.expect(200).body;
                let now = tools["items"][0]["calls"].as_i64().unwrap_or_default();
                let stands = tools["position"].as_i64().unwrap();
                assert!(now >= calls && stands >= position, "a swap must not go back: {tools}");
                (calls, position, reads) = (now, stands, reads + 1);
            }
            reads
        })
    };
    for _ in 0..2 {
        for name in names() {
            let cli = app.clone();
            let rebuilt =
                tokio::task::spawn_blocking(move || cli.cli(&["projections", "rebuild", name]));
            let rebuilt = rebuilt.await.unwrap();
            assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        }
    }
    stop.store(true, Ordering::Relaxed);
    let (written, reads) = (writer.await.unwrap(), reader.await.unwrap());
    assert!(written > 30 && reads > 10, "{written} written, {reads} reads");
    app.settle().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let swapped = rows(&owner).await;
    for name in names() {
        assert!(app.cli(&["projections", "rebuild", name]).status.success());
    }
    assert_eq!(rows(&owner).await, swapped, "what was swapped in is what a quiet rebuild makes");
}

#[tokio::test]
async fn a_read_model_is_rebuilt_without_a_server_too() {
    let mut app = TestApp::start().await;
    some_work(&app).await;
    app.settle().await;
    app.stop();
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let before = rows(&owner).await;
    assert!(app.cli(&["projections", "rebuild", "sessions"]).status.success());
    assert_eq!(rows(&owner).await, before);
}

#[tokio::test]
async fn what_a_rebuild_that_died_has_left_is_read_by_nobody_and_removed_by_the_next() {
    let app = TestApp::start().await;
    some_work(&app).await;
    app.settle().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let before = rows(&owner).await;
    sqlx::raw_sql(
        "update projections set building = 2 where name = 'tool_usage';
         insert into tool_usage select tenant_id, 2, hour, agent_id, tool_name, 999
         from tool_usage;
         insert into projection_progress (tenant_id, projection, generation, position)
         select tenant_id, 'tool_usage', 2, 3 from tenant_heads",
    )
    .execute(&owner)
    .await
    .unwrap();
    assert_eq!(rows(&owner).await, before);
    let listed = String::from_utf8(app.cli(&["projections", "list"]).stdout).unwrap();
    assert!(!listed.contains("being built"), "nobody builds it: {listed}");
    assert!(app.cli(&["projections", "rebuild", "tool_usage"]).status.success());
    assert_eq!(rows(&owner).await, before);
}

#[tokio::test]
async fn a_name_that_no_read_model_has_is_refused() {
    let app = TestApp::start().await;
    let refused = app.cli(&["projections", "rebuild", "nothing"]);
    assert!(!refused.status.success());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("no projection `nothing`"), "{told}");
}

/// Until so many of the database's sessions wait for another's lock.
async fn until_waiting(owner: &sqlx::PgPool, sessions: i64) {
    let waiting = || async {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(owner)
        .await
        .unwrap()
    };
    for _ in 0..600 {
        if waiting().await >= sessions {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} sessions wait, not {sessions}", waiting().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rebuilds_at_once_one_gives_way() {
    let app = Arc::new(TestApp::start().await);
    some_work(&app).await;
    app.settle().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let before = rows(&owner).await;
    // A rebuild stands in the middle of its work for as long as the gate is shut.
    let mut gate = owner.acquire().await.unwrap();
    sqlx::raw_sql(
        "create function wait() returns trigger language plpgsql as
             'begin perform pg_advisory_xact_lock_shared(1); return null; end';
         create trigger wait after insert on event_counts execute function wait();
         select pg_advisory_lock(1)",
    )
    .execute(&mut *gate)
    .await
    .unwrap();
    let rebuild = || {
        let app = app.clone();
        tokio::task::spawn_blocking(move || app.cli(&["projections", "rebuild", "event_counts"]))
    };
    let first = rebuild();
    until_waiting(&owner, 1).await;
    let refused = rebuild().await.unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("another process rebuilds it"), "{told}");
    let listed = String::from_utf8(app.cli(&["projections", "list"]).stdout).unwrap();
    assert!(listed.contains("is being built"), "{listed}");
    // The first loses its lock, as when its connection breaks, and another takes its place.
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_locks l
         join pg_database d on d.oid = l.database and d.datname = current_database()
         where locktype = 'advisory' and classid = x'65786802'::int::oid",
    )
    .execute(&owner)
    .await
    .unwrap();
    let second = rebuild();
    until_waiting(&owner, 2).await;
    sqlx::query("select pg_advisory_unlock(1)").execute(&mut *gate).await.unwrap();
    let second = second.await.unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let first = first.await.unwrap();
    let told = String::from_utf8(first.stderr).unwrap();
    assert!(told.contains("another rebuild has taken the place"), "{told}");
    assert_eq!(rows(&owner).await, before);
}
