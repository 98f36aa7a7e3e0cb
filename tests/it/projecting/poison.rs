//! An event that cannot be folded stops its own read model, and no other.

use std::time::Duration;

use serde_json::json;
use tests::{TestApp, events};
use uuid::Uuid;

async fn call(app: &TestApp, session: Uuid, number: u64, tool: &str) {
    let payload = json!({ "tool_name": tool, "args": {} });
    let event = events::event(session, number, "TOOL_CALL", payload);
    let _ = app.append(session, &[event]).await.expect(201);
}

/// The readiness check of the read models, once it says what is wanted.
async fn readiness(app: &TestApp, status: u16) -> serde_json::Value {
    for _ in 0..250 {
        let ready = app.get("/ready").await;
        if ready.status == status {
            let checks = ready.body["checks"].as_array().unwrap();
            return checks.iter().find(|c| c["name"] == "projections").unwrap().clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{}", app.get("/ready").await.text);
}

#[tokio::test]
async fn a_poison_event_stops_its_own_read_model_and_no_other() {
    let mut app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let execute = async |sql: &str| sqlx::raw_sql(sql).execute(&owner).await.map(|_| ()).unwrap();
    execute("alter table tool_usage add constraint p check (tool_name <> 'poison')").await;
    let session = app.start_session().await;
    for (number, tool) in ["good", "good", "poison", "good", "good"].iter().enumerate() {
        call(&app, session, number as u64, tool).await;
    }
    let check = readiness(&app, 503).await;
    let position: i64 =
        sqlx::query_scalar("select position from events where payload::text like '%poison%'")
            .fetch_one(&owner)
            .await
            .unwrap();
    let expected = format!("tool_usage has stopped before event {position}");
    assert!(check["reason"].as_str().unwrap().starts_with(&expected), "{check}");
    let metrics = app.get("/metrics").await.text;
    assert!(metrics.contains("exhibit_projection_stopped{projection=\"tool_usage\"} 1"));
    assert!(metrics.contains("exhibit_projection_stopped{projection=\"event_counts\"} 0"));
    let listed = String::from_utf8(app.cli(&["projections", "list"]).stdout).unwrap();
    assert!(listed.contains(&format!("stopped before event {position}: ")), "{listed}");

    let tools = app.get("/v1/aggregations/tools").await.expect(200).body;
    assert_eq!(tools["items"][0]["calls"], 2, "everything before it is folded");
    assert_eq!(tools["position"], position - 1);
    let others = app.get("/v1/aggregations/events-over-time").await.expect(200).body;
    assert_eq!(others["total"], 5, "the others go on");
    call(&app, session, 5, "good").await;
    let other = app.as_key(&app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES));
    other.start_session().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let agents = other.get("/v1/aggregations/agents").await.expect(200).body;
    assert_eq!(agents["items"].as_array().unwrap().len(), 1, "and so do other tenants");

    // A rebuild with the fault still there changes nothing, and says why.
    let rebuilt = app.cli(&["projections", "rebuild", "tool_usage"]);
    assert!(!rebuilt.status.success());
    let told = String::from_utf8(rebuilt.stderr).unwrap();
    assert!(told.contains(&format!("event {position} cannot be folded")), "{told}");
    let still = app.get("/v1/aggregations/tools").await.expect(200).body;
    assert_eq!(still["items"], tools["items"]);

    // Mended, as a new version of the server would be: its start tries again.
    execute("alter table tool_usage drop constraint p").await;
    app.restart();
    readiness(&app, 200).await;
    app.settle().await;
    let tools = app.get("/v1/aggregations/tools").await.expect(200).body;
    assert_eq!(tools["items"][0]["calls"], 5);
    assert_eq!(tools["items"][1]["tool_name"], "poison");
}

#[tokio::test]
async fn a_rebuild_goes_past_what_has_stopped_once_it_is_mended() {
    let app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let execute = async |sql: &str| sqlx::raw_sql(sql).execute(&owner).await.map(|_| ()).unwrap();
    execute("alter table agents add constraint p check (agent_id <> 'poison')").await;
    app.start_session_with(json!({ "agent_id": "poison" })).await;
    readiness(&app, 503).await;
    execute("alter table agents drop constraint p").await;
    let rebuilt = app.cli(&["projections", "rebuild", "agents"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    readiness(&app, 200).await;
    let agents = app.get("/v1/aggregations/agents").await.expect(200).body;
    assert_eq!(agents["items"][0]["agent_id"], "poison");
}

#[tokio::test]
async fn a_key_is_not_said_to_be_revoked_while_its_read_model_stands_still() {
    let mut app = TestApp::start().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let execute = async |sql: &str| sqlx::raw_sql(sql).execute(&owner).await.map(|_| ()).unwrap();
    let key = app.make_key("demo", "evidence:read");
    execute("alter table api_keys add constraint p check (label <> 'poison')").await;
    let add = ["key", "add", "--tenant", "demo", "--scopes", "evidence:read", "--label", "poison"];
    let revoke = ["key", "revoke", &key[4..12]];
    for command in [&add[..], &revoke[..]] {
        let ended = app.cli(command);
        assert!(!ended.status.success(), "{ended:?}");
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(told.contains("has no effect: the read model of keys has stopped"), "{told}");
        assert!(ended.stdout.is_empty(), "no key is shown that does not open");
    }
    execute("alter table api_keys drop constraint p").await;
    app.restart();
    app.settle().await;
    let _ = app.as_key(&key).get("/v1/sessions").await.expect(401);
}
