//! Somebody changes what is stored, past triggers and roles: the server does not sign that.

use serde_json::json;
use sqlx::Executor;
use tests::{TestApp, events};
use uuid::Uuid;

use crate::refusing::{logged, problem};

#[tokio::test]
async fn a_changed_payload_is_not_sealed() {
    refuses_to_seal("update evidence_events set payload = '{}' where sequence_number = 1").await;
}

#[tokio::test]
async fn a_payload_that_was_changed_with_its_hash_is_not_sealed() {
    refuses_to_seal(
        "update evidence_events set payload = '{}', payload_hash = sha256('{}')
           where sequence_number = 1",
    )
    .await;
}

#[tokio::test]
async fn a_changed_time_is_not_sealed() {
    refuses_to_seal(
        "update evidence_events set timestamp_wall = '2020-01-01T00:00:00Z'
         where sequence_number = 2",
    )
    .await;
}

#[tokio::test]
async fn a_chain_with_a_hole_is_not_sealed() {
    refuses_to_seal("delete from evidence_events where sequence_number = 1").await;
}

#[tokio::test]
async fn a_chain_whose_tail_was_cut_is_not_sealed() {
    refuses_to_seal("delete from evidence_events where sequence_number = 3").await;
}

#[tokio::test]
async fn a_chain_that_is_gone_is_not_sealed() {
    refuses_to_seal("delete from evidence_events").await;
}

#[tokio::test]
async fn a_head_that_was_set_back_is_not_sealed() {
    refuses_to_seal("update session_heads set next_sequence = 3").await;
}

#[tokio::test]
async fn a_head_that_names_another_hash_is_not_sealed() {
    refuses_to_seal("update session_heads set head_hash = sha256('other')").await;
}

/// Ends a session, changes the stored evidence as its owner, and insists that it is not sealed.
async fn refuses_to_seal(change: &str) {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    change_as_owner(&app, change).await;

    for incomplete in [false, true] {
        let path = format!("/v1/sessions/{session}/seal");
        let answer = app.post(&path, &json!({ "incomplete": incomplete })).await;
        let details = problem(&answer, 500, "INTERNAL_ERROR");
        assert!(details.is_null(), "{details}");
        let id = answer.body["correlation_id"].as_str().unwrap();
        logged(&app, &[id, "\"cause\"", &session.to_string()]).await;
    }
    // Not `app.session`: the judge may stand still before what is gone.
    let view = app.get(&format!("/v1/sessions/{session}")).await.expect(200).body;
    assert_eq!(view["status"], "active");
    let certificate = app.get(&format!("/v1/certificates/{session}")).await;
    problem(&certificate, 404, "CERTIFICATE_NOT_FOUND");
    assert_eq!(seals(&app, session).await, 0);
}

async fn change_as_owner(app: &TestApp, change: &str) {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let mut transaction = owner.begin().await.unwrap();
    transaction.execute("alter table evidence_events disable trigger all").await.unwrap();
    let done = transaction.execute(change).await.unwrap();
    assert!(done.rows_affected() > 0, "{change}");
    transaction.execute("alter table evidence_events enable trigger all").await.unwrap();
    transaction.commit().await.unwrap();
}

/// Records and rows that speak of a seal.
async fn seals(app: &TestApp, session: Uuid) -> i64 {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    sqlx::query_scalar(
        "select (select count(*) from session_seals where session_id = $1)
              + (select count(*) from evidence_events
                 where session_id = $1 and event_type = 'CHAIN_SEAL')
              + (select count(*) from events
                 where aggregate_id = $1::text and event_type = 'session.sealed')",
    )
    .bind(session)
    .fetch_one(&owner)
    .await
    .unwrap()
}
