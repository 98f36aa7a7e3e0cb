//! Who may activate, and that one version of a name is active at most, whoever tries how.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::TestApp;

use super::tools;
use crate::refusing::problem;

/// Event type, version and position of a tenant's policy events, in the order of the log.
async fn happened(owner: &PgPool) -> Vec<(String, String, i64)> {
    sqlx::query_as(
        "select event_type, payload ->> 'version', position from events
         where aggregate_type = 'policy' order by position",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

async fn active(app: &TestApp) -> Vec<Value> {
    let listed = app.get("/v1/policies?status=ACTIVE").await.expect(200).body;
    listed["items"].as_array().unwrap().iter().map(|row| row["version"].clone()).collect()
}

#[tokio::test]
async fn who_wrote_a_version_or_revised_it_does_not_activate_it() {
    let app = TestApp::start().await;
    let policy = tools("1.0.0", &["search"]);
    app.submit_policy(&policy).await;
    let refused = app.policy_command(&policy, "activate", &json!({})).await;
    let details = problem(&refused, 409, "POLICY_STATE");
    let author = format!("key:{}", &app.key[4..12]);
    assert_eq!(details, json!({ "reason": "self_approval", "author": author }));

    // The approver revises it: now neither may.
    let reason = json!({ "reason": "I know better" });
    let _ = app.approver_command(&policy, "reject", &reason).await.expect(200);
    let better = tools("1.0.0", &["search", "pay"]);
    let path = app.version_path(&policy);
    let revise = app.approver().request(reqwest::Method::PUT, &path).json(&better);
    let _ = tests::send(revise).await.expect(200);
    let _ = app.policy_command(&policy, "submit", &json!({})).await.expect(200);
    for refused in [
        app.policy_command(&policy, "activate", &json!({})).await,
        app.approver_command(&policy, "activate", &json!({})).await,
    ] {
        assert_eq!(problem(&refused, 409, "POLICY_STATE")["reason"], "self_approval");
    }
    let third = app.make_key("demo", "policies:approve");
    let activate = app.as_key(&third).post(&format!("{path}/activate"), &json!({})).await;
    assert_eq!(activate.expect(200).body["status"], "ACTIVE");
}

#[tokio::test]
async fn a_server_for_development_can_allow_self_approval_and_the_log_says_so() {
    let app = TestApp::start_with(&[("EXHIBIT_ALLOW_SELF_APPROVAL", "true")]).await;
    let policy = tools("1.0.0", &["search"]);
    app.submit_policy(&policy).await;
    let _ = app.policy_command(&policy, "activate", &json!({})).await.expect(200);
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let said: String = sqlx::query_scalar(
        "select payload ->> 'self_approved' from events where event_type = 'policy.activated'",
    )
    .fetch_one(&owner)
    .await
    .unwrap();
    assert_eq!(said, "true");
}

#[tokio::test]
async fn a_second_version_is_activated_only_in_the_place_of_the_first_and_in_one_commit() {
    let app = TestApp::start().await;
    let (first, second) = (tools("1.0.0", &["search"]), tools("2.0.0", &["search", "pay"]));
    app.activate_policy(&first).await;
    app.submit_policy(&second).await;
    let refused = app.approver_command(&second, "activate", &json!({})).await;
    let details = problem(&refused, 409, "POLICY_STATE");
    assert_eq!(details, json!({ "reason": "other_active", "active_version": "1.0.0" }));
    assert_eq!(active(&app).await, ["1.0.0"]);

    let body = json!({ "supersede": true });
    let _ = app.approver_command(&second, "activate", &body).await.expect(200);
    assert_eq!(active(&app).await, ["2.0.0"]);
    let retired = app.policy_version(&first).await;
    assert_eq!(retired["status"], "RETIRED");
    assert_eq!(retired["reason"], "superseded by 2.0.0");
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let happened = happened(&owner).await;
    let [.., (retired, of_first, at), (activated, of_second, next)] = &happened[..] else {
        panic!("{happened:?}")
    };
    assert_eq!((retired.as_str(), of_first.as_str()), ("policy.retired", "1.0.0"));
    assert_eq!((activated.as_str(), of_second.as_str()), ("policy.activated", "2.0.0"));
    assert_eq!(*next, at + 1, "nothing stands between them");
    let transactions: i64 = sqlx::query_scalar(
        "select count(distinct xmin::text) from events where position = any($1)
         and aggregate_type = 'policy'",
    )
    .bind(vec![*at, *next])
    .fetch_one(&owner)
    .await
    .unwrap();
    assert_eq!(transactions, 1);
}

/// Activates versions at once through servers in turn; the answers' statuses.
async fn race(app: &TestApp, servers: &[&TestApp], round: usize) -> Vec<u16> {
    let versions: Vec<Value> =
        (0..6).map(|number| tools(&format!("{round}.{number}.0"), &["search"])).collect();
    for version in &versions {
        app.submit_policy(version).await;
    }
    let key = app.make_key("demo", "policies:approve");
    let activations = versions.iter().enumerate().map(|(number, version)| {
        let path = format!("{}/activate", app.version_path(version));
        let server = servers[number % servers.len()];
        let key = &key;
        async move { server.as_key(key).post(&path, &json!({})).await.status }
    });
    futures::future::join_all(activations).await
}

#[tokio::test]
async fn of_activations_that_race_through_one_and_two_servers_exactly_one_wins() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    for (round, servers) in [(1, vec![&app]), (2, vec![&app, &sibling])] {
        let mut statuses = race(&app, &servers, round).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
        let winners = active(&app).await;
        assert_eq!(winners.len(), 1, "{winners:?}");
        let winner = tools(winners[0].as_str().unwrap(), &["search"]);
        app.retire_policy(&winner).await;
    }
}

#[tokio::test]
async fn superseding_activations_that_race_leave_one_active_and_never_two_at_a_position() {
    let app = TestApp::start().await;
    let sibling = app.sibling();
    let versions: Vec<Value> =
        (0..6).map(|number| tools(&format!("1.{number}.0"), &["search"])).collect();
    for version in &versions {
        app.submit_policy(version).await;
    }
    let key = app.make_key("demo", "policies:approve");
    let activations = versions.iter().enumerate().map(|(number, version)| {
        let path = format!("{}/activate", app.version_path(version));
        let server = if number % 2 == 0 { &app } else { &sibling };
        let key = &key;
        async move { server.as_key(key).post(&path, &json!({ "supersede": true })).await }
    });
    for answer in futures::future::join_all(activations).await {
        assert!([200, 409].contains(&answer.status), "{}", answer.text);
    }
    assert_eq!(active(&app).await.len(), 1);
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let mut in_force = 0;
    for (event_type, _, position) in happened(&owner).await {
        match event_type.as_str() {
            "policy.activated" => in_force += 1,
            "policy.retired" => in_force -= 1,
            _ => {}
        }
        assert!((0..=1).contains(&in_force), "at {position}");
    }
}

#[tokio::test]
async fn the_database_itself_stops_a_second_activation_that_goes_around_the_aggregate() {
    let app = TestApp::start().await;
    let (first, second) = (tools("1.0.0", &["search"]), tools("2.0.0", &["pay"]));
    app.activate_policy(&first).await;
    app.submit_policy(&second).await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let before = happened(&owner).await;
    let insert = sqlx::query(
        "insert into events (tenant_id, aggregate_type, aggregate_id, sequence, event_type,
                             event_version, payload, metadata)
         select tenant_id, aggregate_type, aggregate_id, sequence + 1, 'policy.activated', '1',
                json_build_object('type', 'activated', 'name', 'tool-access', 'version', '2.0.0',
                                  'content_hash', payload ->> 'content_hash',
                                  'self_approved', false, 'by', 'somebody', 'at', now()),
                metadata
         from events where aggregate_type = 'policy' order by sequence desc limit 1",
    );
    let error = insert.execute(&owner).await.expect_err("two would be active");
    let error = error.as_database_error().unwrap();
    assert_eq!(error.code().as_deref(), Some("23505"), "{error}");
    assert_eq!(error.constraint(), Some("unique_active_policy_per_name"), "{error}");
    assert_eq!(happened(&owner).await, before);
    assert_eq!(active(&app).await, ["1.0.0"]);
}
