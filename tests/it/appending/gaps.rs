//! Permissive sessions: what is missing is filled by `LOG_DROP`s, within limits.

use serde_json::{Value, json};
use tests::events;
use uuid::Uuid;

use crate::refusing::Target;

#[tokio::test]
async fn missing_numbers_are_filled_and_say_so() {
    let target = permissive().await;

    let answer = target.append(&[events::tool_call(target.session, 4)]).await.expect(202);

    assert_eq!((&answer.body["accepted"], &answer.body["next_sequence"]), (&json!(1), &json!(5)));
    assert_eq!(
        (&answer.body["first_sequence"], &answer.body["last_sequence"]),
        (&json!(4), &json!(4))
    );
    let records = records(&target).await;
    assert_eq!(records.len(), 5);
    for (cumulative, record) in (1..).zip(&records[1..4]) {
        assert_eq!(record["event_type"], "LOG_DROP");
        assert_eq!(record["sequence_number"], cumulative);
        assert_eq!(record["payload"]["dropped_count"], 1);
        assert_eq!(record["payload"]["cumulative_drops"], cumulative);
        assert_eq!(record["payload"]["drop_reason"], "SEQUENCE_GAP");
        assert_eq!(record["payload"]["sequence_range"], json!([cumulative, cumulative]));
    }
    assert_eq!(records[4]["event_type"], "TOOL_CALL");
    let report = target.app.verify(target.session).await;
    assert_eq!(report["axes"]["integrity"]["result"], "pass", "{report}");
    assert_eq!((&report["event_count"], &report["total_drops"]), (&json!(5), &json!(3)));
    assert_eq!(target.app.session(target.session).await["total_drops"], 3);
    target.lives().await;
}

#[tokio::test]
async fn gaps_within_a_batch_are_filled_too() {
    let target = permissive().await;
    let numbers = [1, 3, 4, 7];
    let batch = numbers.map(|n| events::tool_call(target.session, n));

    let answer = target.append(&batch).await.expect(202);

    assert_eq!(answer.body["accepted"], 4);
    assert_eq!(drops(&records(&target).await), [2, 5, 6]);
    target.lives().await;
}

#[tokio::test]
async fn a_permissive_batch_that_is_sent_again_stores_nothing() {
    let target = permissive().await;
    let batch = [3, 4, 8].map(|n| events::tool_call(target.session, n));
    let first = target.append(&batch).await.expect(202);

    let again = target.append(&batch).await.expect(200);

    assert_eq!((&again.body["accepted"], &again.body["duplicates"]), (&json!(0), &json!(3)));
    assert_eq!(again.body["final_hash"], first.body["final_hash"]);
    assert_eq!(drops(&records(&target).await), [1, 2, 5, 6, 7]);
    // With a tail behind another gap, the tail alone is new.
    let longer = [3, 4, 8, 10].map(|n| events::tool_call(target.session, n));
    let longer = [batch.to_vec(), longer[3..].to_vec()].concat();
    let tail = target.append(&longer).await.expect(202);
    assert_eq!((&tail.body["accepted"], &tail.body["duplicates"]), (&json!(1), &json!(3)));
    target.lives().await;
}

#[tokio::test]
async fn what_was_filled_cannot_be_sent_any_more() {
    let target = permissive().await;
    let _ = target.append(&[events::tool_call(target.session, 3)]).await.expect(202);
    let late = events::tool_call(target.session, 2);

    let refused = target.refuses(target.append(&[late]), 409, "INGEST_SEQUENCE_REWIND").await;

    assert_eq!(refused, json!({ "last_sequence": 3, "received_sequence": 2, "index": 0 }));
}

#[tokio::test]
async fn a_permissive_session_without_gaps_answers_like_any_other() {
    let target = permissive().await;
    let _ = target.append(&[target.next()]).await.expect(201);
    let _ = target.append(&[events::session_end(target.session, 2)]).await.expect(201);
    let sealed = target.app.seal(target.session).await.expect(201);
    assert_eq!(sealed.body["evidence_class"], "AUTHORITATIVE_EVIDENCE");
}

#[tokio::test]
async fn a_session_holds_at_most_100_log_drops() {
    let target = permissive().await;

    let far = events::tool_call(target.session, 102);
    let refused = target.refuses(target.append(&[far]), 409, "INGEST_POLICY_LIMIT").await;
    assert_eq!(
        (&refused["control"], &refused["limit"]),
        (&json!("log_drops_per_session"), &json!(100))
    );
    assert_eq!(refused["index"], 0);

    let _ = target.append(&[events::tool_call(target.session, 101)]).await.expect(202);
    let next = events::tool_call(target.session, 103);
    target.refuses(target.append(&[next]), 409, "INGEST_POLICY_LIMIT").await;
    target.lives().await;
}

#[tokio::test]
async fn a_client_sends_at_most_10_log_drops_a_minute() {
    let target = Target::new().await;
    let ten: Vec<Value> = (1..=10).map(|n| log_drop(target.session, n, 1, n)).collect();
    let _ = target.append(&ten).await.expect(201);

    let eleventh = log_drop(target.session, 11, 1, 11);
    let refused = target.refuses(target.append(&[eleventh]), 409, "INGEST_POLICY_LIMIT").await;

    assert_eq!(refused["control"], "client_log_drops_per_minute");
    assert_eq!((&refused["limit"], &refused["index"]), (&json!(10), &json!(0)));
    target.lives().await;
}

#[tokio::test]
async fn a_session_reports_at_most_10000_dropped_events() {
    let target = Target::new().await;
    let too_many = log_drop(target.session, 1, 10_001, 10_001);
    let refused = target.refuses(target.append(&[too_many]), 409, "INGEST_POLICY_LIMIT").await;
    assert_eq!(
        (&refused["control"], &refused["limit"]),
        (&json!("dropped_events"), &json!(10_000))
    );

    let all = log_drop(target.session, 1, 10_000, 10_000);
    let _ = target.append(&[all]).await.expect(201);
    let one_more = log_drop(target.session, 2, 1, 10_001);
    target.refuses(target.append(&[one_more]), 409, "INGEST_POLICY_LIMIT").await;
    assert_eq!(target.app.session(target.session).await["total_drops"], 10_000);
    target.lives().await;
}

#[tokio::test]
async fn a_log_drop_that_counts_wrong_is_refused() {
    let target = Target::new().await;
    for (field, payload) in [
        ("dropped_count", json!({ "dropped_count": 0, "cumulative_drops": 1 })),
        ("dropped_count", json!({ "dropped_count": 1.5, "cumulative_drops": 2 })),
        ("dropped_count", json!({ "dropped_count": true, "cumulative_drops": 2 })),
        ("cumulative_drops", json!({ "dropped_count": 3, "cumulative_drops": 2 })),
        (
            "sequence_range",
            json!({
                "dropped_count": 1, "cumulative_drops": 1, "sequence_range": [5, 4],
            }),
        ),
    ] {
        let mut payload = payload;
        payload["drop_reason"] = json!("BUFFER_FULL");
        let bad = events::event(target.session, 2, "LOG_DROP", payload);
        let refused = target.refuses(target.append_amid(bad), 400, "INGEST_SCHEMA_INVALID").await;
        assert_eq!(refused["field"], format!("payload.{field}"));
    }
    target.lives().await;
}

async fn permissive() -> Target {
    Target::with(json!({ "mode": "permissive" })).await
}

fn log_drop(session: Uuid, sequence: u64, dropped: u64, cumulative: u64) -> Value {
    let payload = json!({
        "dropped_count": dropped, "cumulative_drops": cumulative, "drop_reason": "BUFFER_FULL",
    });
    events::event(session, sequence, "LOG_DROP", payload)
}

async fn records(target: &Target) -> Vec<Value> {
    let lines = target.app.export_lines(target.session).await;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Numbers of the records that stand for something missing.
fn drops(records: &[Value]) -> Vec<u64> {
    let drops = records.iter().filter(|record| record["event_type"] == "LOG_DROP");
    drops.map(|record| record["sequence_number"].as_u64().unwrap()).collect()
}
