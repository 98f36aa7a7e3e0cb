//! The fields of an event: which there are, and what each of them may hold.

use domain::evidence::record::SchemaVersion;
use serde_json::{Value, json};

use crate::wire::{
    SESSION, assert_field_refused, batch, event, refused, taken, with, with_literal, without,
};

const REQUIRED: [&str; 6] =
    ["event_id", "event_type", "payload", "sequence_number", "session_id", "timestamp_wall"];

#[test]
fn every_required_field_is_missed_by_name() {
    for field in REQUIRED {
        let details = json!({ "missing_fields": [field], "unexpected_fields": [], "index": 1 });
        let answer = refused(batch([event(), without(field)]));
        assert_eq!(answer, ("INGEST_SCHEMA_INVALID", details));
    }
    let (_, details) = refused("{}");
    let mut missing: Vec<String> =
        serde_json::from_value(details["missing_fields"].clone()).unwrap();
    missing.sort();
    assert_eq!(missing, REQUIRED);
}

#[test]
fn unknown_fields_are_refused_by_name_and_not_without_end() {
    let mut wrong = with("colour", "red");
    wrong["Payload"] = json!({});
    wrong["event_id "] = json!(1);
    let (code, details) = refused(&wrong);
    assert_eq!(code, "INGEST_SCHEMA_INVALID");
    assert_eq!(details["unexpected_fields"], json!(["Payload", "colour", "event_id "]));
    for n in 0..100 {
        wrong[format!("x{n}")] = json!(n);
    }
    assert_eq!(refused(&wrong).1["unexpected_fields"].as_array().unwrap().len(), 16);
}

#[test]
fn a_required_field_that_is_null_is_refused() {
    for field in REQUIRED {
        assert_field_refused(with(field, Value::Null), field, "null");
    }
}

#[test]
fn an_optional_field_that_is_null_is_refused() {
    for field in ["payload_hash", "timestamp_monotonic", "source_sdk_ver", "schema_ver", "actor_id"]
    {
        assert_field_refused(with(field, Value::Null), field, "null");
    }
}

#[test]
fn an_event_id_is_a_hyphenated_lower_case_uuid() {
    let wrong = [
        "0190C1D2-7A10-7000-8000-000000000000",
        "0190c1d27a1070008000000000000000",
        "{0190c1d2-7a10-7000-8000-00000000000}",
        "urn:uuid:0190c1d2-7a10-7000-8000-000000000000",
        "0190c1d2-7a10-7000-8000-00000000000g",
        "0190c1d-27a10-7000-8000-000000000000",
        " 0190c1d2-7a10-7000-8000-00000000000",
        "",
    ];
    for id in wrong {
        let received: String = id.chars().take(64).collect();
        assert_field_refused(with("event_id", id), "event_id", &received);
    }
}

#[test]
fn the_session_is_the_one_of_the_path() {
    let other = "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b91";
    assert_field_refused(with("session_id", other), "session_id", other);
    let upper = SESSION.to_uppercase();
    assert_field_refused(with("session_id", upper.clone()), "session_id", &upper);
    let (_, details) = refused(with("session_id", other));
    assert_eq!(details["expected"], SESSION);
}

#[test]
fn a_sequence_number_is_an_integer_written_as_one() {
    let wrong = [
        "true",
        "1.0",
        "1e0",
        "-1",
        "-0",
        "0.5",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551616",
        "1e400",
    ];
    for literal in wrong {
        assert_field_refused(with_literal("sequence_number", literal), "sequence_number", literal);
    }
    assert_field_refused(with("sequence_number", "1"), "sequence_number", "1");
    assert_field_refused(with("sequence_number", json!([])), "sequence_number", "array");
    for number in [0, 1, (1u64 << 53) - 1] {
        assert_eq!(taken(with("sequence_number", number)).body.sequence_number, number);
    }
}

#[test]
fn an_event_type_is_an_agent_type_or_a_dotted_name() {
    let longest = format!("a.{}", "b".repeat(62));
    for name in ["auth.login_failed", "qms.car.update", "a1.b_2", "a.b", &longest, "AGENT_DECISION"]
    {
        assert_eq!(taken(with("event_type", name)).body.event_type.as_str(), name);
    }
    let too_long = format!("a.{}", "b".repeat(63));
    let wrong = [
        "",
        "quiz",
        "Quiz.submitted",
        "quiz.",
        ".quiz",
        "quiz..submitted",
        "1quiz.a",
        "quiz.1a",
        "_a.b",
        "quiz.sub-mitted",
        "quiz.über",
        "quiz.a ",
        "agent_decision",
        "SESSION_PAUSE",
    ];
    for name in wrong {
        assert_field_refused(with("event_type", name), "event_type", name);
    }
    assert_eq!(refused(with("event_type", too_long)).0, "INGEST_SCHEMA_INVALID");
}

#[test]
fn a_payload_is_an_object() {
    for (payload, received) in [("[]", "array"), ("\"{}\"", "{}"), ("0", "0"), ("false", "false")] {
        assert_field_refused(with_literal("payload", payload), "payload", received);
    }
    assert_eq!(taken(with("payload", json!({}))).body.payload, "{}");
}

#[test]
fn a_monotonic_time_is_a_finite_number_and_keeps_its_fraction() {
    let time =
        |literal| taken(with_literal("timestamp_monotonic", literal)).body.timestamp_monotonic;
    assert_eq!(time("1.3700001"), Some(1.370_000_1));
    assert_eq!(time("0"), Some(0.0));
    assert_eq!(time("-2.5e-9"), Some(-2.5e-9));
    assert_eq!(taken(event()).body.timestamp_monotonic, None);
    for (literal, received) in [("true", "true"), ("\"1\"", "1")] {
        let wrong = with_literal("timestamp_monotonic", literal);
        assert_field_refused(wrong, "timestamp_monotonic", received);
    }
    let (code, details) = refused(with_literal("timestamp_monotonic", "1e400"));
    assert_eq!((code, &details["reason"]), ("INGEST_JCS_INVALID", &json!("overflow")));
}

#[test]
fn texts_about_the_sender_have_a_length_in_characters() {
    for (field, limit) in [("actor_id", 256), ("source_sdk_ver", 64)] {
        let longest = "é".repeat(limit);
        let body = taken(with(field, longest.clone())).body;
        assert!([&body.actor_id, &body.source_sdk_ver].contains(&&Some(longest.clone())));
        let (code, details) = refused(with(field, format!("{longest}é")));
        assert_eq!((code, &details["field"]), ("INGEST_SCHEMA_INVALID", &json!(field)));
        assert_field_refused(with(field, 1), field, "1");
    }
}

#[test]
fn the_envelope_is_v0_6_unless_it_says_v0_5() {
    let version = |event: Value| taken(event).body.schema_ver;
    assert_eq!(version(event()), SchemaVersion::V06);
    assert_eq!(version(with("schema_ver", "v0.6")), SchemaVersion::V06);
    assert_eq!(version(with("schema_ver", "v0.5")), SchemaVersion::V05);
    for wrong in ["v0.7", "0.6", "V0.6", ""] {
        assert_field_refused(with("schema_ver", wrong), "schema_ver", wrong);
    }
}

#[test]
fn nothing_is_trimmed_or_changed_on_the_way_in() {
    let body = taken(with("actor_id", "  Å \t\u{200b}")).body;
    assert_eq!(body.actor_id.as_deref(), Some("  Å \t\u{200b}"));
    let odd = "2026-03-01t10:00:00.1200+01:00";
    assert_eq!(taken(with("timestamp_wall", odd)).body.timestamp_wall, odd);
}
