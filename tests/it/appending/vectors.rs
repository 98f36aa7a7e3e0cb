//! The vectors of an independent implementation, through a real server.

use serde_json::{Value, json};
use tests::TestApp;
use uuid::Uuid;

const REQUESTS: &str = include_str!("../../vectors/session.requests.json");
const STORED: &str = include_str!("../../vectors/session.jsonl");

#[tokio::test]
async fn what_is_stored_is_what_the_vectors_say() {
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let session: Uuid = requests[0]["session_id"].as_str().unwrap().parse().unwrap();
    let app = TestApp::start().await;
    let started = app.start_session_with(json!({ "session_id": session })).await;
    assert_eq!(started, session);

    // As it is: parsing it here would lose what the vectors test.
    let _ = app.append_text(session, format!("{{\"events\":{REQUESTS}}}")).await.expect(201);

    let lines = app.export_lines(session).await;
    let expected: Vec<Value> = STORED.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.lines().count(), expected.len()), (7, 8));
    for (line, expected) in lines.lines().zip(expected) {
        let mut record: Value = serde_json::from_str(line).unwrap();
        for hash in ["payload_hash", "prev_event_hash", "event_hash"] {
            assert_eq!(record[hash], expected[hash], "{hash}");
        }
        // What the server chooses; everything else is the same.
        assert!(record.as_object_mut().unwrap().remove("signature").is_some());
        record["received_at"] = expected["received_at"].clone();
        // Canonical: the vectors spell some numbers otherwise.
        assert_eq!(canonical(&record), canonical(&expected));
    }
    let sealed = app.seal(session).await.expect(201);
    assert_eq!(sealed.body["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!(app.verify(session).await["status"], "PASS");
}

#[tokio::test]
async fn one_by_one_the_vectors_make_the_same_chain() {
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let session: Uuid = requests[0]["session_id"].as_str().unwrap().parse().unwrap();
    let app = TestApp::start().await;
    app.start_session_with(json!({ "session_id": session })).await;
    for (request, stored) in requests.iter().zip(STORED.lines()) {
        let path = format!("/v1/sessions/{session}/events");
        let answer = app.post(&path, request).await.expect(201);
        let stored: Value = serde_json::from_str(stored).unwrap();
        assert_eq!(answer.body["final_hash"], stored["event_hash"]);
    }
}

fn canonical(value: &Value) -> String {
    String::from_utf8(domain::evidence::canonical::of_serde(value).unwrap()).unwrap()
}
