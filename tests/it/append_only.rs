//! What even the owner of the database cannot do to evidence, and what a tenant's reader sees.

use serde_json::json;
use sqlx::postgres::PgDatabaseError;
use sqlx::{Executor, PgPool};
use tests::{TestApp, events, send};
use uuid::Uuid;

const SERVER: &str = "exhibit_server";
const READER: &str = "exhibit_reader";
const APPEND_ONLY: [&str; 4] = ["events", "evidence_events", "sessions", "session_seals"];
const OF_TENANTS: [&str; 6] =
    ["events", "evidence_events", "sessions", "session_seals", "session_heads", "tenant_heads"];

/// PostgreSQL's `insufficient_privilege`, which the triggers raise, too.
const REFUSED: &str = "42501";

/// The code and the message of a refusal.
async fn refusal(database: &PgPool, statement: &str) -> (String, String) {
    let result = database.execute(statement).await;
    let Err(error) = result else { panic!("it was done: {statement}") };
    let error = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
    (error.code().to_owned(), error.message().to_owned())
}

/// The three ways to change a table, each also where no row is hit.
fn changes(table: &str) -> Vec<String> {
    vec![
        format!("update {table} set tenant_id = tenant_id"),
        format!("update {table} set tenant_id = gen_random_uuid() where false"),
        format!("delete from {table}"),
        format!("delete from {table} where false"),
        format!("truncate {table}"),
        format!("truncate {table} cascade"),
        format!(
            "merge into {table} t using (select 1) s on true when matched then update \
             set tenant_id = t.tenant_id"
        ),
    ]
}

async fn rows(database: &PgPool, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    sqlx::query_scalar(&count).fetch_one(database).await.unwrap()
}

/// A server with a sealed session, so that each table holds something.
async fn with_evidence() -> (TestApp, Uuid) {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    (app, session)
}

#[tokio::test]
async fn the_servers_role_may_add_but_not_change() {
    let (app, session) = with_evidence().await;
    let server = app.database.as_ref().unwrap().as_role(SERVER).await;
    for table in APPEND_ONLY {
        for statement in changes(table) {
            let (code, message) = refusal(&server, &statement).await;
            assert_eq!(code, REFUSED, "{statement}");
            assert!(message.starts_with("permission denied"), "{statement}: {message}");
        }
        assert!(rows(&server, table).await > 0, "{table}");
    }
    for statement in ["update quiet_events set position = 7", "delete from quiet_events"] {
        assert_eq!(refusal(&server, statement).await.0, REFUSED, "{statement}");
    }
    assert_eq!(app.verify(session).await["status"], "PASS");
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn even_the_owner_is_refused_by_the_table_itself() {
    let (app, session) = with_evidence().await;
    let owner = app.database.as_ref().unwrap().as_owner().await;
    for table in APPEND_ONLY {
        for statement in changes(table) {
            let (code, message) = refusal(&owner, &statement).await;
            assert_eq!(code, REFUSED, "{statement}");
            let verb =
                statement.split(' ').next().unwrap().to_uppercase().replace("MERGE", "UPDATE");
            let expected = format!("{verb} on {table} is refused: the table is append-only");
            assert_eq!(message, expected, "{statement}");
        }
        assert!(rows(&owner, table).await > 0, "{table}");
    }
    assert_eq!(app.verify(session).await["status"], "PASS");
}

#[tokio::test]
async fn the_servers_role_cannot_take_the_guards_away() {
    let (app, _) = with_evidence().await;
    let server = app.database.as_ref().unwrap().as_role(SERVER).await;
    for table in APPEND_ONLY {
        for statement in [
            format!("alter table {table} disable trigger all"),
            format!("alter table {table} disable trigger user"),
            format!("alter table {table} disable row level security"),
            format!("alter table {table} owner to {SERVER}"),
            format!("drop table {table}"),
        ] {
            assert_eq!(refusal(&server, &statement).await.0, REFUSED, "{statement}");
        }
        // A grant of what one may not grant is but a warning.
        server.execute(format!("grant update on {table} to {SERVER}").as_str()).await.unwrap();
        assert_eq!(refusal(&server, &changes(table)[0]).await.0, REFUSED, "{table}");
    }
    for statement in [
        "drop trigger events_append_only on events",
        "drop trigger events_place on events",
        "create or replace function exhibit_refuse_change() returns trigger language plpgsql \
         as 'begin return null; end'",
        "set session_replication_role = replica",
        "create table events_too (like events)",
    ] {
        assert_eq!(refusal(&server, statement).await.0, REFUSED, "{statement}");
    }
}

/// What a reader sees of a table when it speaks for a tenant, or for none.
async fn seen(reader: &PgPool, table: &str, tenant: Option<&str>) -> Vec<Uuid> {
    let mut transaction = reader.begin().await.unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("select set_config('exhibit.tenant_id', $1, true)")
            .bind(tenant)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    sqlx::query_scalar(&format!("select tenant_id from {table}"))
        .fetch_all(&mut *transaction)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_reader_sees_its_tenant_and_nothing_without_one() {
    let (app, _) = with_evidence().await;
    let other = app.make_tenant("other");
    let key = app.make_key(&other, "ingest:write");
    let start = app.bare_request(reqwest::Method::POST, "/v1/sessions").bearer_auth(&key);
    let started = send(start.json(&json!({ "agent_id": "other" }))).await.expect(201);
    let session: Uuid = started.body["session_id"].as_str().unwrap().parse().unwrap();
    for (path, body) in
        [("events", json!({ "events": events::whole_session(session) })), ("seal", json!({}))]
    {
        let path = format!("/v1/sessions/{session}/{path}");
        let request = app.bare_request(reqwest::Method::POST, &path).bearer_auth(&key);
        let _ = send(request.json(&body)).await.expect(201);
    }

    let database = app.database.as_ref().unwrap();
    let (reader, owner) = (database.as_role(READER).await, database.as_owner().await);
    for table in OF_TENANTS {
        let tenants = format!("select count(distinct tenant_id) from {table}");
        let tenants: i64 = sqlx::query_scalar(&tenants).fetch_one(&owner).await.unwrap();
        assert_eq!(tenants, 2, "{table}");
        assert!(seen(&reader, table, None).await.is_empty(), "{table}");
        assert!(seen(&reader, table, Some("")).await.is_empty(), "{table}");
        let nobody = Uuid::nil().to_string();
        assert!(seen(&reader, table, Some(&nobody)).await.is_empty(), "{table}");
        let theirs = seen(&reader, table, Some(&other)).await;
        assert!(!theirs.is_empty(), "{table}");
        assert!(theirs.iter().all(|tenant| tenant.to_string() == other), "{table}");
        assert!(seen(&reader, table, None).await.is_empty(), "the setting ends with it: {table}");
    }
}

#[tokio::test]
async fn a_reader_writes_nothing_and_sees_no_keys() {
    let (app, _) = with_evidence().await;
    let reader = app.database.as_ref().unwrap().as_role(READER).await;
    for table in OF_TENANTS {
        let insert = format!("insert into {table} select * from {table}");
        for statement in [changes(table), vec![insert]].concat() {
            assert_eq!(refusal(&reader, &statement).await.0, REFUSED, "{statement}");
        }
    }
    for table in ["tenants", "api_keys", "seal_keys", "evidence_keys", "service_identity"] {
        let statement = format!("select * from {table}");
        assert_eq!(refusal(&reader, &statement).await.0, REFUSED, "{statement}");
    }
}
