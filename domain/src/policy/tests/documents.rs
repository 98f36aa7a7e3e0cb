//! Documents at the door: the contract's example, what is refused, and what is kept of them.

use serde_json::{Value, json};

use crate::policy::document::{Severity, ThresholdKind};
use crate::policy::fault::Fault;
use crate::policy::limits as max;
use crate::policy::validate::Policy;

/// The example of contract/policy.md, section 1.
fn example() -> Value {
    json!({
        "name": "tool-access",
        "version": "1.2.0",
        "description": "Which tools an agent may call, and with what.",
        "owner": "security@example.org",
        "notification_channel": "webhook:sec-team",
        "sla_hours": 24,
        "applies_to": ["TOOL_CALL", "auth.*"],
        "limits": {"max_events_per_session": 10000, "require_tool_results": true},
        "controls": [{
            "id": "allowed-tools",
            "severity": "critical",
            "description": "Only reviewed tools.",
            "rules": [{
                "id": "on-the-list",
                "left": "payload.tool_name",
                "op": "in",
                "right": ["web_search", "calculator"],
            }],
            "expression": {"op": "and", "items": [{"rule": "on-the-list"}]},
            "threshold": {"type": "count", "value": 3, "window_seconds": 60},
        }],
        "pii": {
            "detectors": ["email", "phone", "ssn", "credit_card", "iban", "ip_address"],
            "severity": "medium",
        },
        "models": {"risk": "risk@1.0.0", "anomaly": "anomaly@1.0.0"},
        "decision": {"review": 30, "quarantine": 70, "reject": 90},
    })
}

/// The example with another value at a pointer; what is not there yet is put there.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = example();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(parent).expect("a place") {
        Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value,
        other => other[key] = value,
    }
    document
}

fn faults(document: &Value) -> Vec<Fault> {
    Policy::read(document).err().unwrap_or_default()
}

/// The first fault, as text.
fn fault(document: &Value) -> String {
    faults(document).first().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn the_example_of_the_contract_is_a_policy() {
    let policy = Policy::read(&example()).expect("a policy");
    let document = &policy.document;
    assert_eq!((document.name.as_str(), document.version.as_str()), ("tool-access", "1.2.0"));
    assert_eq!(document.sla_hours, Some(24));
    assert!(!document.auto_escalate);
    let control = &document.controls[0];
    assert_eq!(control.severity, Severity::Critical);
    let threshold = control.threshold.expect("a threshold");
    assert_eq!((threshold.kind, threshold.window_seconds), (ThresholdKind::Count, 60));
    assert!((threshold.value - 3.0).abs() < f64::EPSILON);
    assert_eq!(
        policy.content_hash,
        "sha256:9766c68b51305d887322cb9776026bb8f5e475309e9e88750b4cbcaa8e6ded49"
    );
}

#[test]
fn a_policy_reads_back_from_its_canonical_text() {
    let policy = Policy::read(&example()).expect("a policy");
    assert_eq!(Policy::from_canonical(&policy.canonical), Ok(policy));
}

#[test]
fn how_a_number_was_written_changes_nothing() {
    let policy = Policy::read(&with("/sla_hours", json!(24.0))).expect("a policy");
    assert_eq!(Ok(policy), Policy::read(&example()));
}

#[test]
fn name_and_version_are_enough_for_a_draft() {
    let policy = Policy::read(&json!({"name": "a", "version": "0.1.0"})).expect("a policy");
    assert_eq!(policy.document.controls, []);
    assert!(Policy::read(&json!({"name": "a", "version": "0.1.0", "controls": []})).is_ok());
    assert_eq!(fault(&json!({"version": "0.1.0"})), r#""": name is required"#);
    assert_eq!(fault(&json!([])), r#""": expected object, found array"#);
}

#[test]
fn violations_may_be_due_never_but_not_at_once() {
    assert_eq!(faults(&with("/sla_hours", Value::Null)), []);
    assert_eq!(fault(&with("/sla_hours", json!(0))), r#""/sla_hours": expected at least 1"#);
}

#[test]
fn event_types_are_agent_types_dotted_names_or_beginnings() {
    for name in ["*", "TOOL_*", "T*", "SESSION_END", "auth.*", "auth*", "a.b_c.d1", "auth.login_*"]
    {
        assert_eq!(faults(&with("/applies_to", json!([name]))), [], "{name}");
    }
    for name in ["", "TOOL", "auth", "Auth.x", "**", "a.*.b", "*.b", "auth..*", "TOOL_*_", "FOO_*"]
    {
        let faults = faults(&with("/applies_to/1", json!(name)));
        assert_eq!(faults.len(), 1, "{name}");
        assert_eq!(faults[0].pointer, "/applies_to/1", "{name}");
    }
}

#[test]
fn a_detector_is_known_and_named_once() {
    let document = with("/pii/detectors", json!(["email", "jwt", "email"]));
    assert_eq!(fault(&document), r#""/pii/detectors/2": this stands in the list twice"#);
    let document = with("/pii/detectors/0", json!("name"));
    assert!(fault(&document).starts_with(r#""/pii/detectors/0": expected one of email, phone"#));
}

#[test]
fn decisions_ascend() {
    let equal = json!({"review": 50, "quarantine": 50, "reject": 50});
    assert_eq!(faults(&with("/decision", equal)), []);
    assert_eq!(faults(&with("/decision/review", json!(71)))[0].pointer, "/decision/quarantine");
    assert_eq!(faults(&with("/decision/reject", json!(69)))[0].pointer, "/decision/reject");
}

#[test]
fn a_percentage_may_be_a_fraction_and_a_count_may_not() {
    let threshold = |kind: &str, value: Value| {
        with("/controls/0/threshold", json!({"type": kind, "value": value, "window_seconds": 1}))
    };
    for (kind, value) in [("percent", json!(0.5)), ("percent", json!(100)), ("count", json!(1000))]
    {
        assert_eq!(faults(&threshold(kind, value)), []);
    }
    for (kind, value) in [
        ("percent", json!(0)),
        ("percent", json!(100.5)),
        ("count", json!(2.5)),
        ("count", json!(1001)),
        ("time_window", json!(0)),
    ] {
        let faults = faults(&threshold(kind, value));
        assert_eq!(faults[0].pointer, "/controls/0/threshold/value");
    }
}

#[test]
fn what_jcs_cannot_carry_is_refused_at_its_place() {
    let right = "/controls/0/rules/0/right";
    let huge = fault(&with(&format!("{right}/0"), json!(9_007_199_254_740_993_u64)));
    assert_eq!(
        huge,
        r#""/controls/0/rules/0/right/0": this cannot be carried faithfully: integer that a double cannot carry"#
    );
    assert!(fault(&with(right, json!(["a\u{0}"]))).contains("NUL"));
    let twice = Policy::from_canonical(r#"{"name":"a","name":"a","version":"1.0.0"}"#);
    assert!(twice.expect_err("a fault")[0].message.contains("duplicate key"));
    assert!(Policy::from_canonical("{").is_err());
}

#[test]
fn a_document_nests_no_deeper_than_canonical_json() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(fault(&with("/controls/0/rules/0/right", deep)).contains("depth"));
}

#[test]
fn a_document_is_as_long_as_its_limit_and_no_longer() {
    let mut document = example();
    // 190 controls of about 1,300 bytes.
    let control = |n: usize, text: usize| {
        let rule = json!({"id": "r", "left": "payload.a", "op": "exists"});
        json!({"id": format!("c{n}"), "severity": "low", "description": "x".repeat(text), "rules": [rule]})
    };
    document["controls"] = (0..190).map(|n| control(n, 1_200)).collect();
    let size = Policy::read(&document).expect("a policy").canonical.len();
    let missing = max::DOCUMENT_BYTES_MAX - size - control(190, 0).to_string().len() - 1;
    let mut more = document.clone();
    let text = missing.min(max::TEXT_CHARS_MAX);
    more["controls"].as_array_mut().expect("controls").push(control(190, text));
    for n in 0..190 {
        let size = Policy::read(&more).expect("a policy").canonical.len();
        let missing = max::DOCUMENT_BYTES_MAX - size;
        if missing == 0 {
            break;
        }
        more["controls"][n] = control(n, 1_200 + missing.min(2_800));
    }
    assert_eq!(Policy::read(&more).expect("a policy").canonical.len(), max::DOCUMENT_BYTES_MAX);
    more["description"] = json!("Which tools an agent may call, and with what?!");
    assert!(fault(&more).starts_with(r#""": a document has at most"#));
}

#[test]
fn counts_have_limits_at_their_place() {
    let rule = |n: usize| json!({"id": format!("r{n}"), "left": "payload.a", "op": "exists"});
    let rules = |count: usize| with("/controls/0/rules", (0..count).map(rule).collect());
    let place = |document: &Value| faults(document)[0].pointer.clone();
    assert_eq!(place(&rules(max::RULES_MAX + 1)), "/controls/0/rules");
    let list = |count: usize| with("/controls/0/rules/0/right", (0..count).collect());
    assert_eq!(faults(&list(max::LIST_ITEMS_MAX)), []);
    assert_eq!(place(&list(max::LIST_ITEMS_MAX + 1)), "/controls/0/rules/0/right");
    let items = |count: usize| {
        with("/controls/0/expression/items", vec![json!({"rule": "on-the-list"}); count].into())
    };
    assert_eq!(faults(&items(max::ITEMS_MAX)), []);
    assert_eq!(place(&items(max::ITEMS_MAX + 1)), "/controls/0/expression/items");
    let wide = json!({"op": "or", "items": vec![json!({"rule": "on-the-list"}); 50]});
    let nodes =
        |count: usize| with("/controls/0/expression/items", vec![wide.clone(); count].into());
    assert_eq!(faults(&nodes(9)), []);
    assert_eq!(place(&nodes(10)), "/controls/0/expression");
}

#[test]
fn regexes_have_limits_of_their_own() {
    let rule = |n: usize, pattern: &str| json!({"id": format!("r{n}"), "left": "payload.a", "op": "regex", "right": pattern});
    let one = |pattern: &str| {
        with("/controls/0", json!({"id": "c", "severity": "low", "rules": [rule(0, pattern)]}))
    };
    assert_eq!(faults(&one(&"a".repeat(max::REGEX_CHARS_MAX))), []);
    let long = faults(&one(&"a".repeat(max::REGEX_CHARS_MAX + 1)));
    assert_eq!(long[0].pointer, "/controls/0/rules/0/right");
    let many = |patterns: usize| {
        let control = |c: usize| {
            let rules: Vec<Value> =
                (0..50).map(|n| rule(n, &((c * 50 + n) % patterns).to_string())).collect();
            json!({"id": format!("c{c}"), "severity": "low", "rules": rules})
        };
        with("/controls", (0..4).map(control).collect())
    };
    assert_eq!(faults(&many(max::REGEXES_MAX)), []);
    assert_eq!(faults(&many(max::REGEXES_MAX + 1))[0].pointer, "/controls/1/rules/0/right");
}

#[test]
fn fifty_faults_are_enough_and_none_repeats_long_input() {
    let mut document = example();
    for n in 0..200 {
        document[format!("{n}{}", "x".repeat(600))] = json!(1);
    }
    document["version"] = json!("y".repeat(50_000));
    let found = faults(&document);
    assert_eq!(found.len(), max::FAULTS_MAX);
    assert!(found.iter().all(|f| f.message.chars().count() < 200 && f.pointer.len() < 300));
}
