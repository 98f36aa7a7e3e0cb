//! Every stage of the door, what it says, and which of them speaks first.

use serde_json::{Value, json};

use crate::wire::{batch, event, refused, taken, with, with_literal};

const WRONG_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One event for each stage that complains about events, in the order of the contract.
fn one_complaint_a_stage() -> [(&'static str, String); 5] {
    [
        ("INGEST_AUTHORITY_LEAK", with("signature", "mine").to_string()),
        ("INGEST_SCHEMA_INVALID", with("colour", "red").to_string()),
        ("INGEST_TIMESTAMP_INVALID", with("timestamp_wall", "yesterday").to_string()),
        ("INGEST_JCS_INVALID", with_literal("payload", r#"{"a":1e400}"#)),
        ("INGEST_PAYLOAD_HASH_MISMATCH", with("payload_hash", WRONG_HASH).to_string()),
    ]
}

#[test]
fn the_earliest_stage_answers_wherever_its_event_stands() {
    let complaints = one_complaint_a_stage();
    for (stage, (code, early)) in complaints.iter().enumerate() {
        for (_, late) in &complaints[stage + 1..] {
            let (answer, details) = refused(batch([&event().to_string(), late, early]));
            assert_eq!((answer, &details["index"]), (*code, &json!(2)), "{early} after {late}");
            let (answer, details) = refused(batch([early, late]));
            assert_eq!((answer, &details["index"]), (*code, &json!(0)), "{early} before {late}");
        }
    }
}

#[test]
fn of_two_events_with_the_same_complaint_the_first_is_named() {
    for (code, wrong) in one_complaint_a_stage() {
        let (answer, details) = refused(batch([&event().to_string(), &wrong, &wrong]));
        assert_eq!((answer, &details["index"]), (code, &json!(1)));
    }
}

#[test]
fn within_one_event_the_stages_keep_their_order() {
    let mut wrong = json!({
        "signature": "mine", "colour": "red", "payload_hash": WRONG_HASH, "timestamp_wall": "now",
    });
    for (field, value) in event().as_object().unwrap() {
        if field != "timestamp_wall" {
            wrong[field] = value.clone();
        }
    }
    wrong["payload"] = json!({ "overflow": "literal" });
    let answer = |wrong: &Value| refused(wrong.to_string().replace("\"literal\"", "1e400")).0;
    assert_eq!(answer(&wrong), "INGEST_AUTHORITY_LEAK");
    wrong.as_object_mut().unwrap().remove("signature");
    assert_eq!(answer(&wrong), "INGEST_SCHEMA_INVALID");
    wrong.as_object_mut().unwrap().remove("colour");
    assert_eq!(answer(&wrong), "INGEST_TIMESTAMP_INVALID");
    wrong["timestamp_wall"] = event()["timestamp_wall"].clone();
    assert_eq!(answer(&wrong), "INGEST_JCS_INVALID");
    wrong["payload"] = json!({});
    assert_eq!(answer(&wrong), "INGEST_PAYLOAD_HASH_MISMATCH");
}

#[test]
fn what_is_not_json_answers_before_everything_else() {
    let (code, details) = refused("{\"events\":[\n {\"signature\": tru}]}");
    assert_eq!((code, details), ("INGEST_JSON_INVALID", json!({ "line": 2, "column": 16 })));
}

#[test]
fn a_client_cannot_speak_for_the_server() {
    let hash = "ab".repeat(32);
    let leaks = [
        ("event_hash", json!(hash)),
        ("event_hash", json!("")),
        ("prev_event_hash", json!(hash)),
        ("chain_authority", json!("server")),
        ("received_at", json!("2026-03-01T09:00:00Z")),
        ("signature", json!("hmac-sha256:k:00")),
        ("event_type", json!("CHAIN_SEAL")),
    ];
    for (field, value) in leaks {
        let answer = refused(batch([event(), with(field, value)]));
        assert_eq!(answer, ("INGEST_AUTHORITY_LEAK", json!({ "field": field, "index": 1 })));
    }
}

#[test]
fn hashes_that_are_null_say_nothing_and_leak_nothing() {
    let mut unknowing = with("event_hash", Value::Null);
    unknowing["prev_event_hash"] = Value::Null;
    assert_eq!(taken(unknowing), taken(event()));
}

#[test]
fn what_jcs_cannot_carry_is_named_by_its_place_in_the_event() {
    let unfaithful = [
        (r#"{"a":1,"a":2}"#, "/payload/a", "duplicate key"),
        (r#"{"a":["\ud800"]}"#, "/payload/a/0", "lone surrogate"),
        (r#"{"a":9007199254740993}"#, "/payload/a", "integer that a double cannot carry"),
        (r#"{"a":1e400}"#, "/payload/a", "overflow"),
        (r#"{"a":"\u0000"}"#, "/payload/a", "NUL character"),
        (r#"{"\u0000":1}"#, "/payload/\0", "NUL character"),
    ];
    for (payload, pointer, reason) in unfaithful {
        let wrong = with_literal("payload", payload);
        let details = |index| json!({ "pointer": pointer, "reason": reason, "index": index });
        assert_eq!(refused(&wrong), ("INGEST_JCS_INVALID", details(0)));
        let second = batch([event().to_string(), wrong]);
        assert_eq!(refused(second), ("INGEST_JCS_INVALID", details(1)));
    }
}

#[test]
fn a_field_that_stands_twice_in_an_event_is_refused() {
    let twice = event().to_string().replacen('{', r#"{"sequence_number":0,"#, 1);
    let details = json!({ "pointer": "/sequence_number", "reason": "duplicate key", "index": 0 });
    assert_eq!(refused(twice), ("INGEST_JCS_INVALID", details));
}

#[test]
fn a_nul_outside_the_payload_is_refused_too() {
    let (code, details) = refused(with("actor_id", "ada\0"));
    assert_eq!((code, &details["reason"]), ("INGEST_JCS_INVALID", &json!("NUL character")));
    assert_eq!(details["pointer"], "/actor_id");
}

#[test]
fn a_batch_that_stands_twice_in_a_body_is_refused_at_its_place() {
    let body = format!(r#"{{"events":[{0}],"events":[{0}]}}"#, event());
    let (code, details) = refused(body);
    assert_eq!((code, &details["reason"]), ("INGEST_JCS_INVALID", &json!("duplicate key")));
    assert_eq!(details["pointer"], "/events");
}

#[test]
fn a_payload_may_nest_as_deep_as_the_canonical_form_and_no_deeper() {
    let payload = |depth: usize| {
        let literal = format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        with_literal("payload", &literal)
    };
    let pointer = format!("/payload/a{}", "/0".repeat(63));
    let details = |index| json!({ "pointer": pointer, "reason": "depth", "index": index });
    assert_eq!(taken(payload(64)).body.payload.matches('[').count(), 63);
    assert_eq!(taken(batch([payload(64)])).body.payload.matches('[').count(), 63);
    for depth in [65, 66, 67, 68, 5000] {
        assert_eq!(refused(payload(depth)), ("INGEST_JCS_INVALID", details(0)), "{depth}");
        let second = batch([payload(64), payload(depth)]);
        assert_eq!(refused(second), ("INGEST_JCS_INVALID", details(1)), "{depth}");
    }
}
