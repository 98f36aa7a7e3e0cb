//! `sdk` sessions: the client computes the chain, the server checks and never recomputes.

use domain::evidence::canonical;
use domain::evidence::event_type::EventType;
use domain::evidence::record::{EventBody, Record, SchemaVersion};
use domain::hash::Hash;
use domain::ids::{SessionId, parse_uuid};
use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

use crate::refusing::problem;

/// The first moment; the server's clock is not the client's.
const NEVER: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH;

#[tokio::test]
async fn a_chain_that_the_client_computed_is_stored_as_it_is() {
    let (app, session) = sdk_session().await;
    let chain = chained(events::whole_session(session));

    let answer = app.append(session, &chain).await.expect(201);

    assert_eq!(answer.body["final_hash"], chain[3]["event_hash"]);
    let lines = app.export_lines(session).await;
    for (line, sent) in lines.lines().zip(&chain) {
        let record: Value = serde_json::from_str(line).unwrap();
        for member in ["payload_hash", "prev_event_hash", "event_hash", "event_id"] {
            assert_eq!(record[member], sent[member]);
        }
        assert_eq!(record["chain_authority"], "sdk");
    }
    let report = app.verify(session).await;
    assert_eq!(report["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE", "{report}");
    assert_eq!(
        (&report["status"], &report["chain_authority"]),
        (&json!("DEGRADED"), &json!("sdk"))
    );
    let state = app.session(session).await;
    assert_eq!(state["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE");
    let _ = app.append(session, &chain).await.expect(200);
}

#[tokio::test]
async fn a_chain_that_does_not_hold_is_refused() {
    let (app, session) = sdk_session().await;
    let chain = chained(events::whole_session(session));
    let wrong = "ab".repeat(32);
    for (member, code) in [
        ("payload_hash", "INGEST_PAYLOAD_HASH_MISMATCH"),
        ("prev_event_hash", "INGEST_SCHEMA_INVALID"),
        ("event_hash", "INGEST_SCHEMA_INVALID"),
    ] {
        let mut broken = chain.clone();
        broken[2][member] = json!(wrong);
        let details = problem(&app.append(session, &broken).await, 400, code);
        assert_eq!((&details["received"], &details["index"]), (&json!(wrong), &json!(2)));
        assert_eq!(details["expected"], chain[2][member]);
    }
    for missing in ["payload_hash", "prev_event_hash", "event_hash"] {
        let mut bare = chain.clone();
        bare[2].as_object_mut().unwrap().remove(missing);
        let details = problem(&app.append(session, &bare).await, 400, "INGEST_SCHEMA_INVALID");
        assert_eq!(details["missing_fields"], json!([missing]));
    }
    let mut other = chain.clone();
    other[2]["chain_authority"] = json!("server");
    problem(&app.append(session, &other).await, 400, "INGEST_SCHEMA_INVALID");
    let mut leak = chain.clone();
    leak[2]["received_at"] = json!("2026-03-01T10:00:00Z");
    problem(&app.append(session, &leak).await, 400, "INGEST_AUTHORITY_LEAK");

    assert_eq!(app.session(session).await["event_count"], 0);
    let _ = app.append(session, &chain).await.expect(201);
}

#[tokio::test]
async fn a_server_cannot_fill_a_gap_in_a_chain_that_is_not_its_own() {
    let app = TestApp::start().await;
    let members = json!({ "chain_authority": "sdk", "mode": "permissive" });
    let session = app.start_session_with(members).await;
    let chain = chained(events::whole_session(session));
    let _ = app.append(session, &chain[..1]).await.expect(201);

    let details = problem(&app.append(session, &chain[2..]).await, 409, "INGEST_LOG_GAP");

    assert_eq!(
        (&details["expected_sequence"], &details["received_sequence"]),
        (&json!(1), &json!(2))
    );
    let _ = app.append(session, &chain[1..]).await.expect(201);
}

#[tokio::test]
async fn a_client_may_seal_its_own_chain() {
    let (app, session) = sdk_session().await;
    let seal = json!({
        "ingestion_service_id": "my-laptop", "seal_timestamp": "2026-03-01T10:00:00.000Z",
        "session_digest": "as-my-sdk-computes-it",
    });
    let mut events = events::whole_session(session);
    events.push(events::event(session, 4, "CHAIN_SEAL", seal));
    let chain = chained(events);

    let _ = app.append(session, &chain).await.expect(201);

    let state = app.session(session).await;
    assert_eq!((&state["status"], &state["event_count"]), (&json!("sealed"), &json!(5)));
    assert_eq!(state["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE");
    let report = app.verify(session).await;
    assert_eq!((&report["status"], &report["exit_code"]), (&json!("DEGRADED"), &json!(1)));
    assert_eq!(report["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE", "{report}");
    assert!(report["findings"].to_string().contains("OPAQUE_SEAL"), "{report}");
    let late = chained_after(events::tool_call(session, 5), &chain[4]);
    problem(&app.append(session, &[late]).await, 409, "INGEST_SESSION_CLOSED");
    problem(&app.seal(session).await, 409, "SESSION_SEALED_BY_CLIENT");
}

#[tokio::test]
async fn the_server_may_seal_a_clients_chain_without_lending_it_authority() {
    let (app, session) = sdk_session().await;
    let _ = app.append(session, &chained(events::whole_session(session))).await.expect(201);

    let sealed = app.seal(session).await.expect(201);

    assert_eq!(sealed.body["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE");
    let report = app.verify(session).await;
    assert_eq!(report["status"], "DEGRADED", "{report}");
    assert_eq!(report["axes"]["signer"]["result"], "pass");
    assert_eq!(report["evidence_class"], "NON_AUTHORITATIVE_EVIDENCE");
}

async fn sdk_session() -> (TestApp, Uuid) {
    let app = TestApp::start().await;
    let session = app.start_session_with(json!({ "chain_authority": "sdk" })).await;
    (app, session)
}

/// The events with the hashes that an SDK would compute.
fn chained(events: Vec<Value>) -> Vec<Value> {
    let mut chain: Vec<Value> = Vec::new();
    for event in events {
        let next = match chain.last() {
            Some(before) => chained_after(event, before),
            None => with_hashes(event, None),
        };
        chain.push(next);
    }
    chain
}

fn chained_after(event: Value, before: &Value) -> Value {
    with_hashes(event, Hash::from_hex(before["event_hash"].as_str().unwrap()))
}

fn with_hashes(mut event: Value, prev: Option<Hash>) -> Value {
    let text = |member: &str| event[member].as_str().unwrap();
    let payload = canonical::of_serde(&event["payload"]).unwrap();
    let body = EventBody {
        event_id: parse_uuid(text("event_id")).unwrap(),
        sequence_number: event["sequence_number"].as_u64().unwrap(),
        timestamp_wall: text("timestamp_wall").to_owned(),
        event_type: EventType::parse(text("event_type")).unwrap(),
        payload_hash: canonical::payload_hash(&payload),
        payload: String::from_utf8(payload).unwrap(),
        timestamp_monotonic: None,
        source_sdk_ver: None,
        schema_ver: SchemaVersion::default(),
        actor_id: None,
    };
    let session = SessionId::parse(text("session_id")).unwrap();
    let record = Record::chain(body, session, prev, NEVER);
    event["payload_hash"] = json!(record.body.payload_hash);
    event["prev_event_hash"] = json!(record.prev_event_hash);
    event["event_hash"] = json!(record.event_hash);
    event["chain_authority"] = json!("sdk");
    event
}
