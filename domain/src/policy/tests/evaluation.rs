//! Judging against the reference, and what holds whatever is judged.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::arbitrary::{document, payload};
use super::reference;
use super::stage::{Stage, compiled};
use crate::evidence::json;
use crate::policy::evaluate::Failure;
use crate::policy::explain::Explanation;

/// Any JSON at all, as text.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..1_u64 << 53).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let key = || prop_oneof!["[abc]|a_hash", ".*"];
    leaf.prop_recursive(6, 60, 20, move |value| {
        prop_oneof![
            proptest::collection::vec(value.clone(), 0..20).prop_map(Value::from),
            proptest::collection::vec((key(), value), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_evaluator_judges_as_the_reference_does(document in document(), payload in payload()) {
        let policy = compiled(&document);
        let failures = Stage::default().failures(&policy, &payload.to_string());
        let failures: Vec<_> = failures.iter().map(|f| (f.control, f.rule)).collect();
        let expected = reference::failures(&document, &reference::tree(&payload));
        prop_assert_eq!(failures, expected, "{} on {}", document, payload);
    }

    #[test]
    fn every_judgement_explains_itself(document in document(), payload in any_json()) {
        let policy = compiled(&document);
        let stage = Stage::default();
        let payload = payload.to_string();
        let failures = stage.failures(&policy, &payload);
        prop_assert_eq!(&failures, &stage.failures(&policy, &payload));
        prop_assert!(failures.is_sorted());
        for (control, written) in policy.document().controls.iter().enumerate() {
            let whole = stage.explain(&policy, (control, None), &payload);
            let failed = failures.iter().any(|failure| failure.control == control);
            prop_assert_eq!(whole.result(), !failed);
            let text = serde_json::to_string(&whole).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Explanation>(&text).expect("one"), whole);
            if written.expression.is_some() {
                continue;
            }
            for rule in 0..written.rules.len() {
                let part = stage.explain(&policy, (control, Some(rule)), &payload);
                let failure = Failure { control, rule: Some(rule) };
                prop_assert_eq!(part.result(), !failures.contains(&failure));
            }
        }
    }
}

fn one_control(control: &Value) -> Value {
    json!({"name": "a", "version": "1.0.0", "controls": [control]})
}

#[test]
fn an_explanation_is_the_tree_of_the_contract() {
    let policy = compiled(&one_control(&json!({
        "id": "c",
        "severity": "low",
        "rules": [
            {"id": "tool", "left": "payload.tool", "op": "in", "right": ["search", "add"]},
            {"id": "risk", "left": "risk.score", "op": "<", "right": 30},
        ],
        "expression": {"op": "and", "items": [
            {"rule": "tool"},
            {"op": "not", "items": [{"rule": "risk"}]},
        ]},
    })));
    let explanation = Stage::default().explain(&policy, (0, None), r#"{"tool":"shell"}"#);
    assert_eq!(
        json!(explanation),
        json!({"op": "and", "result": false, "items": [
            {
                "rule": "tool", "op": "in", "left": "payload.tool", "result": false,
                "left_value": "shell", "right": ["search", "add"], "reason": "not_in_list",
            },
            {"op": "not", "result": true, "items": [{
                "rule": "risk", "op": "<", "left": "risk.score", "result": false, "right": 30,
                "reason": "left_operand_not_found",
            }]},
        ]})
    );
}

fn without_mail(text: &str) -> Cow<'_, str> {
    text.replace("ada@example.org", "[EMAIL]").replace("4111111111111111", "[CARD]").into()
}

#[test]
fn what_an_explanation_shows_is_masked_and_short() {
    let rule = |id: &str, left: &str| json!({"id": id, "left": left, "op": "==", "right": "x"});
    let rules = [
        "payload.mail",
        "payload.long",
        "payload.list",
        "payload.object",
        "payload.n",
        "payload.card",
        "payload.x",
    ];
    let rules: Vec<Value> = rules.iter().map(|left| rule(&left[8..], left)).collect();
    let policy = compiled(&one_control(&json!({"id": "c", "severity": "low", "rules": rules})));
    let long = "ä".repeat(300);
    let payload = json!({
        "mail": "ada@example.org", "long": long, "list": [1, 2, 3], "object": {"a": 1}, "n": null,
        "card": 4_111_111_111_111_111_u64, "x": 0.5,
    });
    let payload = payload.to_string();
    let payload = json::parse(payload.as_bytes(), 64).expect("JSON").root;
    let stage = Stage::default();
    let shown = |rule| {
        let explanation = policy.explain(0, Some(rule), &stage.context(&payload), &without_mail);
        json!(explanation)["left_value"].clone()
    };
    assert_eq!(shown(0), "text of 15 characters");
    assert_eq!(shown(1), "text of 300 characters");
    assert_eq!(shown(2), "array of 3");
    assert_eq!(shown(3), "object");
    assert_eq!(shown(4), Value::Null);
    assert_eq!(shown(5), "number");
    assert_eq!(shown(6), 0.5);
}

#[test]
fn positions_that_do_not_exist_are_explained_by_nothing() {
    let rule = json!({"id": "r", "left": "payload.a", "op": "exists"});
    let policy = compiled(&one_control(&json!({"id": "c", "severity": "low", "rules": [rule]})));
    let nothing = json!({"op": "and", "result": true, "items": []});
    assert_eq!(json!(Stage::default().explain(&policy, (7, Some(0)), "{}")), nothing);
    assert!(!Stage::default().explain(&policy, (0, Some(7)), "{}").result());
}
