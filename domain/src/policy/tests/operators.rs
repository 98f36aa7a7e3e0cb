//! Every operator on everything that a path may lead to.

use serde_json::{Value, json};

use super::stage::{Stage, compiled};

/// `None` when the rule holds, else its reason.
fn reason(left: &str, op: &str, right: Option<Value>, payload: &str) -> Option<String> {
    let mut rule = json!({"id": "r", "left": left, "op": op});
    if let Some(right) = right {
        rule["right"] = right;
    }
    let controls = json!([{"id": "c", "severity": "low", "rules": [rule]}]);
    let policy = compiled(&json!({"name": "a", "version": "1.0.0", "controls": controls}));
    let stage = Stage::default();
    let explanation = json!(stage.explain(&policy, (0, Some(0)), payload));
    assert_eq!(explanation["result"], stage.failures(&policy, payload).is_empty());
    explanation["reason"].as_str().map(str::to_owned)
}

/// Every operator but `exists` with a right side that suits it.
fn all_but_exists() -> [(&'static str, Value); 12] {
    [
        ("==", json!("x")),
        ("!=", json!("x")),
        (">", json!(1)),
        ("<", json!("x")),
        (">=", json!("x")),
        ("<=", json!(1)),
        ("in", json!(["x", 1])),
        ("not_in", json!(["x", 1])),
        ("contains", json!("x")),
        ("starts_with", json!("x")),
        ("ends_with", json!("x")),
        ("regex", json!("x")),
    ]
}

#[test]
fn missing_is_false_for_every_operator_but_exists() {
    for (op, right) in all_but_exists() {
        for left in ["payload.a", "payload.b.c", "payload.b[0]", "risk.score"] {
            let found = reason(left, op, Some(right.clone()), r#"{"b":1}"#);
            assert_eq!(found.as_deref(), Some("left_operand_not_found"), "{left} {op}");
        }
    }
    assert_eq!(reason("payload.a", "exists", None, "{}").as_deref(), Some("absent"));
    assert_eq!(reason("payload.a", "exists", Some(json!(true)), "{}").as_deref(), Some("absent"));
    assert_eq!(reason("payload.a", "exists", Some(json!(false)), "{}"), None);
}

#[test]
fn redacted_is_false_for_every_operator_but_exists() {
    let payload = r#"{"a":"[REDACTED]","a_hash":"00"}"#;
    for (op, right) in all_but_exists() {
        for left in ["payload.a", "payload.a.b", "payload.a[0]"] {
            let found = reason(left, op, Some(right.clone()), payload);
            assert_eq!(found.as_deref(), Some("left_operand_redacted"), "{left} {op}");
        }
    }
    assert_eq!(reason("payload.a", "exists", None, payload), None);
    assert_eq!(
        reason("payload.a", "exists", Some(json!(false)), payload).as_deref(),
        Some("present")
    );
    for right in [true, false] {
        let found = reason("payload.a.b", "exists", Some(json!(right)), payload);
        assert_eq!(found.as_deref(), Some("left_operand_redacted"));
    }
}

#[test]
fn another_type_is_false_for_every_operator_but_exists() {
    for (op, right) in all_but_exists() {
        for value in ["true", "null", r#"{"x":1}"#] {
            let payload = format!(r#"{{"a":{value}}}"#);
            let found = reason("payload.a", op, Some(right.clone()), &payload);
            assert_eq!(found.as_deref(), Some("type_mismatch"), "{value} {op}");
        }
        // An array is something only to `contains`.
        let found = reason("payload.a", op, Some(right), r#"{"a":[1]}"#);
        let expected = if op == "contains" { "not_contained" } else { "type_mismatch" };
        assert_eq!(found.as_deref(), Some(expected), "{op}");
    }
    for value in ["null", "[]", "{}", "0", "false", r#""""#] {
        assert_eq!(reason("payload.a", "exists", None, &format!(r#"{{"a":{value}}}"#)), None);
    }
}

/// Left side as JSON, operator, right side, and the reason if it is false.
type Case = (&'static str, &'static str, Value, Option<&'static str>);

#[test]
fn each_operator_says_yes_and_says_why_not() {
    let cases: Vec<Case> = vec![
        ("null", "==", Value::Null, None),
        ("null", "!=", Value::Null, Some("equal")),
        ("1", "==", json!(1.0), None),
        ("1e0", "==", json!(1), None),
        ("-0", "in", json!([0]), None),
        ("2", "==", json!(1), Some("not_equal")),
        (r#""1""#, "==", json!(1), Some("type_mismatch")),
        (r#""1""#, "!=", json!(1), Some("type_mismatch")),
        ("true", "==", json!(true), None),
        ("true", "!=", json!(false), None),
        ("2", ">", json!(1), None),
        ("1", ">", json!(1), Some("not_greater")),
        (r#""5""#, ">", json!(3), Some("type_mismatch")),
        ("1", "<", json!(1), Some("not_less")),
        ("1", ">=", json!(1), None),
        ("0", ">=", json!(1), Some("less")),
        ("1", "<=", json!(1), None),
        ("2", "<=", json!(1), Some("greater")),
        // By code points, not by UTF-16 units: U+FF61 is below U+10000.
        ("\"\u{ff61}\"", "<", json!("\u{10000}"), None),
        (r#""B""#, "<", json!("a"), None),
        ("1", "in", json!(["1", 1]), None),
        ("2", "in", json!(["1", 1]), Some("not_in_list")),
        ("null", "in", json!([null]), None),
        ("false", "in", json!([true]), Some("not_in_list")),
        ("1", "in", json!(["1"]), Some("type_mismatch")),
        ("null", "not_in", json!([1, "a"]), Some("type_mismatch")),
        ("2", "not_in", json!([1]), None),
        ("1", "not_in", json!([1]), Some("in_list")),
        (r#""abc""#, "contains", json!("b"), None),
        (r#""abc""#, "contains", json!("B"), Some("not_contained")),
        (r#""abc""#, "contains", json!(1), Some("type_mismatch")),
        ("[1,[2],\"a\"]", "contains", json!("a"), None),
        ("[1,[2],\"a\"]", "contains", json!(2), Some("not_contained")),
        ("[]", "contains", Value::Null, Some("not_contained")),
        (r#""abc""#, "starts_with", json!("ab"), None),
        (r#""abc""#, "starts_with", json!("b"), Some("not_prefix")),
        (r#""abc""#, "ends_with", json!("bc"), None),
        (r#""abc""#, "ends_with", json!("b"), Some("not_suffix")),
        (r#""abc""#, "regex", json!("^a.c$"), None),
        (r#""xabcx""#, "regex", json!("abc"), None),
        (r#""abc""#, "regex", json!("^b"), Some("no_match")),
        ("1", "regex", json!("1"), Some("type_mismatch")),
        ("1", "exists", json!(false), Some("present")),
    ];
    for (left, op, right, expected) in cases {
        let found = reason("payload.a", op, Some(right.clone()), &format!(r#"{{"a":{left}}}"#));
        assert_eq!(found.as_deref(), expected, "{left} {op} {right}");
    }
}

#[test]
fn every_field_beside_the_payload_can_be_asked_for() {
    for (left, op, right) in [
        ("event.id", "starts_with", json!("0197")),
        ("event.type", "==", json!("TOOL_CALL")),
        ("event.sequence_number", "==", json!(7)),
        ("event.timestamp", "ends_with", json!("+01:00")),
        ("event.actor_id", "==", json!("ada")),
        ("event.session_id", "exists", json!(true)),
        ("session.agent_id", "==", json!("tutor")),
        ("session.environment", "in", json!(["prod"])),
        ("session.event_count", "==", json!(8)),
        ("session.started_at", "<", json!("2027")),
        ("session.tags", "contains", json!("pilot")),
        ("session.tags[0]", "==", json!("exam")),
        ("pii.types", "contains", json!("phone")),
        ("pii.types[0]", "==", json!("email")),
        ("pii.count", "<=", json!(3)),
    ] {
        assert_eq!(reason(left, op, Some(right), "{}"), None, "{left}");
    }
    for left in ["session.tags[2]", "pii.types[2]"] {
        let found = reason(left, "exists", None, "{}");
        assert_eq!(found.as_deref(), Some("absent"), "{left}");
    }
}
