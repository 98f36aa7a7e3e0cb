//! A retry is not an error; the same number with another content is.

use serde_json::json;
use tests::{TestApp, events};

use crate::refusing::Target;

#[tokio::test]
async fn a_batch_that_is_sent_again_stores_nothing() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let events = events::whole_session(session);
    let first = app.append(session, &events).await.expect(201);
    let before = app.session(session).await;

    for _ in 0..3 {
        let again = app.append(session, &events).await.expect(200);
        assert_eq!((&again.body["accepted"], &again.body["duplicates"]), (&json!(0), &json!(4)));
        for member in ["first_sequence", "last_sequence", "final_hash", "next_sequence", "position"]
        {
            assert_eq!(again.body[member], first.body[member], "{member}");
        }
    }
    assert_eq!(app.session(session).await, before);
}

#[tokio::test]
async fn of_a_batch_that_has_begun_only_the_tail_is_stored() {
    let target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 10);
    let _ = target.append(&events[..4]).await.expect(201);

    let answer = target.append(&events).await.expect(201);

    assert_eq!((&answer.body["accepted"], &answer.body["duplicates"]), (&json!(6), &json!(4)));
    assert_eq!(
        (&answer.body["first_sequence"], &answer.body["last_sequence"]),
        (&json!(1), &json!(10))
    );
    assert_eq!(answer.body["next_sequence"], 11);
    // A part from the middle is a retry as well.
    let middle = target.append(&events[3..7]).await.expect(200);
    assert_eq!(middle.body["duplicates"], 4);
    assert_eq!(middle.body["next_sequence"], 11);
    target.lives().await;
}

#[tokio::test]
async fn a_retry_after_a_restart_is_still_one() {
    let mut target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 3);
    let first = target.append(&events).await.expect(201);

    target.app.restart();

    let again = target.append(&events).await.expect(200);
    assert_eq!(again.body["final_hash"], first.body["final_hash"]);
    target.lives().await;
}

#[tokio::test]
async fn the_same_number_with_another_content_is_refused() {
    let target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 5);
    let _ = target.append(&events).await.expect(201);
    for (member, value) in [
        ("event_id", json!(uuid::Uuid::nil())),
        ("timestamp_wall", json!("2026-03-01T09:00:00.120Z")),
        ("event_type", json!("AGENT_DECISION")),
        ("payload", json!({ "tool_name": "look_up_order", "args": {} })),
    ] {
        let mut changed = events.clone();
        changed[2][member] = value;
        let refused = target.refuses(target.append(&changed), 409, "INGEST_SEQUENCE_REWIND").await;
        let named = json!({ "last_sequence": 5, "received_sequence": 3, "index": 2 });
        assert_eq!(refused, named, "{member}");
    }
    target.lives().await;
}

#[tokio::test]
async fn a_retry_with_a_wrong_tail_stores_nothing_of_it() {
    let target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 3);
    let _ = target.append(&events).await.expect(201);
    let mut longer = events.clone();
    longer.push(events::tool_call(target.session, 4));
    longer.push(events::tool_call(target.session, 6));

    let refused = target.refuses(target.append(&longer), 409, "INGEST_LOG_GAP").await;

    assert_eq!(refused, json!({ "expected_sequence": 5, "received_sequence": 6, "index": 4 }));
    target.lives().await;
}

#[tokio::test]
async fn stored_events_out_of_their_order_are_no_retry() {
    let target = Target::new().await;
    let mut events = events::tool_calls(target.session, 1, 3);
    let _ = target.append(&events).await.expect(201);
    events.swap(0, 1);

    target.refuses(target.append(&events), 409, "INGEST_SEQUENCE_REWIND").await;

    target.lives().await;
}

#[tokio::test]
async fn a_batch_that_holds_an_event_twice_is_refused() {
    let target = Target::new().await;
    let event = target.next();

    let sent = target.append(&[event.clone(), event]);
    let sent = async {
        let answer = sent.await;
        assert_eq!(answer.body["details"]["index"], 1);
        answer
    };
    target.refuses(sent, 409, "INGEST_EVENT_ID_CONFLICT").await;

    target.lives().await;
}

#[tokio::test]
async fn spelling_that_canonical_json_does_not_know_makes_no_other_event() {
    let target = Target::new().await;
    let event = target.next();
    let _ = target.append(std::slice::from_ref(&event)).await.expect(201);

    let spelled = event.to_string().replace("\"amount\":1.5", "\"amount\" : 0.15e1");
    let again = target.append_text(spelled).await.expect(200);

    assert_eq!(again.body["duplicates"], 1);
}
