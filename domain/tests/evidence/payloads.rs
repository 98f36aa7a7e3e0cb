//! What the payload of each event type must hold.

use serde_json::{Value, json};

use crate::wire::{assert_field_refused, refused, taken, with};

/// A payload for each type that requires something, with exactly what it requires.
fn payloads() -> Vec<(&'static str, Value)> {
    let messages =
        json!([{ "role": "user", "content": "hi" }, { "role": "tool", "content": null }]);
    vec![
        (
            "SESSION_START",
            json!({
                "agent_id": "a", "environment": "prod", "framework": "f",
                "framework_version": "1", "sdk_version": "1",
            }),
        ),
        ("SESSION_END", json!({ "status": "success", "duration_ms": 0 })),
        ("TOOL_CALL", json!({ "tool_name": "t", "args": {} })),
        (
            "TOOL_RESULT",
            json!({ "tool_name": "t", "result": null, "status": "error", "duration_ms": 1.5 }),
        ),
        ("MODEL_REQUEST", json!({ "model": "m", "provider": "p", "messages": messages })),
        (
            "MODEL_RESPONSE",
            json!({ "model": "m", "content": "c", "role": "assistant", "finish_reason": "stop" }),
        ),
        (
            "DECISION_TRACE",
            json!({ "decision_id": "d", "inputs": {}, "outputs": [], "justification": "j" }),
        ),
        ("ERROR", json!({ "error_type": "e", "message": "m", "fatal": false })),
        ("ANNOTATION", json!({ "annotator_id": "a", "annotation_type": "flag", "content": {} })),
        (
            "LOG_DROP",
            json!({ "dropped_count": 2, "cumulative_drops": 2, "drop_reason": "BUFFER_FULL" }),
        ),
    ]
}

fn sent(event_type: &str, payload: Value) -> Value {
    let mut event = with("event_type", event_type);
    event["payload"] = payload;
    event
}

/// The payload of a type with one member set to another value.
fn changed(event_type: &str, key: &str, value: Value) -> Value {
    let (_, mut payload) =
        payloads().into_iter().find(|(name, _)| *name == event_type).expect(event_type);
    payload[key] = value;
    sent(event_type, payload)
}

#[test]
fn what_a_type_requires_is_enough_and_more_is_allowed() {
    for (event_type, mut payload) in payloads() {
        taken(sent(event_type, payload.clone()));
        payload["extra"] = json!({ "more": [1, 2] });
        taken(sent(event_type, payload));
    }
}

#[test]
fn every_required_key_is_missed_by_name() {
    for (event_type, payload) in payloads() {
        for key in payload.as_object().unwrap().keys() {
            let mut less = payload.clone();
            less.as_object_mut().unwrap().remove(key);
            let details = json!({
                "missing_fields": [format!("payload.{key}")], "unexpected_fields": [], "index": 0,
            });
            let answer = refused(sent(event_type, less));
            assert_eq!(answer, ("INGEST_SCHEMA_INVALID", details), "{event_type}");
        }
    }
}

#[test]
fn all_missing_keys_are_named_at_once() {
    let (_, details) = refused(sent("ERROR", json!({})));
    let all = json!(["payload.error_type", "payload.message", "payload.fatal"]);
    assert_eq!(details["missing_fields"], all);
}

#[test]
fn a_choice_is_one_of_its_names_and_takes_each_of_them() {
    let choices: [(&str, &str, &[&str]); 8] = [
        ("SESSION_START", "environment", &["prod", "staging", "dev"]),
        ("SESSION_END", "status", &["success", "failure", "timeout", "cancelled"]),
        ("TOOL_RESULT", "status", &["success", "error"]),
        ("MODEL_RESPONSE", "role", &["assistant"]),
        ("MODEL_RESPONSE", "finish_reason", &["stop", "length", "tool_calls", "content_filter"]),
        ("ANNOTATION", "annotation_type", &["flag", "comment", "rating"]),
        (
            "LOG_DROP",
            "drop_reason",
            &["SDK_CRASH", "BUFFER_FULL", "NETWORK_LOSS", "SEQUENCE_GAP", "SERVER_UNAVAILABLE"],
        ),
        ("MODEL_REQUEST", "provider", &["anyone", ""]),
    ];
    for (event_type, key, names) in choices {
        for name in names {
            taken(changed(event_type, key, json!(name)));
        }
        let wrong = changed(event_type, key, json!(false));
        assert_field_refused(wrong, &format!("payload.{key}"), "false");
        if names != ["anyone", ""] {
            let wrong = changed(event_type, key, json!("PROD "));
            assert_field_refused(wrong, &format!("payload.{key}"), "PROD ");
        }
    }
}

#[test]
fn a_member_of_the_wrong_kind_is_refused() {
    let wrong = [
        ("SESSION_START", "agent_id", json!(1), "1"),
        ("SESSION_END", "duration_ms", json!(-1), "-1"),
        ("SESSION_END", "duration_ms", json!("1"), "1"),
        ("SESSION_END", "duration_ms", json!(true), "true"),
        ("TOOL_CALL", "args", json!([]), "array"),
        ("TOOL_CALL", "tool_name", Value::Null, "null"),
        ("TOOL_RESULT", "duration_ms", json!(-0.5), "-0.5"),
        ("MODEL_REQUEST", "messages", json!({}), "object"),
        ("MODEL_REQUEST", "messages", json!(["hi"]), "array"),
        ("MODEL_REQUEST", "messages", json!([{ "role": "user" }]), "array"),
        ("MODEL_REQUEST", "messages", json!([{ "content": "hi" }]), "array"),
        ("MODEL_REQUEST", "messages", json!([{ "role": 1, "content": "hi" }]), "array"),
        ("DECISION_TRACE", "decision_id", json!(7), "7"),
        ("ERROR", "fatal", json!("no"), "no"),
        ("ERROR", "fatal", json!(0), "0"),
        ("ANNOTATION", "content", json!("text"), "text"),
    ];
    for (event_type, key, value, received) in wrong {
        assert_field_refused(changed(event_type, key, value), &format!("payload.{key}"), received);
    }
}

#[test]
fn a_log_drop_counts_what_was_dropped() {
    let drop = |count: Value, cumulative: Value| {
        let payload = json!({
            "dropped_count": count, "cumulative_drops": cumulative, "drop_reason": "SDK_CRASH",
        });
        sent("LOG_DROP", payload)
    };
    assert_eq!(taken(drop(json!(3), json!(7))).dropped, 3);
    for (count, received) in [(json!(0), "0"), (json!(1.5), "1.5"), (json!(-1), "-1")] {
        assert_field_refused(drop(count, json!(7)), "payload.dropped_count", received);
    }
    assert_field_refused(drop(json!(3), json!(2)), "payload.cumulative_drops", "2");
    assert_field_refused(drop(json!(3), json!("3")), "payload.cumulative_drops", "3");
    assert_eq!(taken(with("payload", json!({ "dropped_count": 9 }))).dropped, 0);
}

#[test]
fn a_log_drop_may_say_which_numbers_are_missing() {
    for range in [json!([3, 4]), json!([3, 3])] {
        taken(changed("LOG_DROP", "sequence_range", range));
    }
    for range in [json!([4, 3]), json!([3]), json!([3, 4, 5]), json!([3, "4"]), json!([-1, 4])] {
        let wrong = changed("LOG_DROP", "sequence_range", range);
        assert_field_refused(wrong, "payload.sequence_range", "array");
    }
    let wrong = changed("LOG_DROP", "sequence_range", Value::Null);
    assert_field_refused(wrong, "payload.sequence_range", "null");
}

#[test]
fn other_types_take_any_object() {
    for event_type in ["AGENT_STATE_SNAPSHOT", "AGENT_DECISION", "quiz.submitted"] {
        assert_eq!(taken(sent(event_type, json!({}))).body.payload, "{}");
    }
}

#[test]
fn a_redacted_value_without_its_hash_is_no_matter_of_ingestion() {
    taken(with("payload", json!({ "customer": "[REDACTED]" })));
}
