//! The contract's sections on rules and expressions once more: slowly, over plain JSON.
//!
//! One tree holds the whole context and paths become JSON pointers; nothing is compiled, nothing
//! shared with the evaluator.

use regex::Regex;
use serde_json::{Value, json};

/// The context of [`super::stage::Stage`]'s default, as one tree.
pub fn tree(payload: &Value) -> Value {
    json!({
        "event": {
            "id": "0197a000-0000-7000-8000-000000000001",
            "type": "TOOL_CALL",
            "sequence_number": 7,
            "timestamp": "2026-01-02T03:04:06+01:00",
            "actor_id": "ada",
            "session_id": "0197a000-0000-7000-8000-000000000000",
        },
        "payload": payload,
        "session": {
            "agent_id": "tutor",
            "environment": "prod",
            "event_count": 8,
            "started_at": "2026-01-02T03:04:05Z",
            "tags": ["exam", "pilot"],
        },
        "pii": {"types": ["email", "phone"], "count": 3},
    })
}

/// `[control, rule or null]` of each false outcome.
pub fn failures(document: &Value, tree: &Value) -> Vec<(usize, Option<usize>)> {
    let mut failures = Vec::new();
    for (number, control) in document["controls"].as_array().expect("controls").iter().enumerate() {
        let rules = control["rules"].as_array().expect("rules");
        let Some(expression) = control.get("expression") else {
            let wrong = (0..rules.len()).filter(|&at| !rule(&rules[at], tree));
            failures.extend(wrong.map(|at| (number, Some(at))));
            continue;
        };
        if !expression_holds(expression, rules, tree) {
            let mut names = Vec::new();
            named(expression, &mut names);
            names.sort_unstable();
            names.dedup();
            let only = rules.iter().position(|rule| names == [rule["id"].as_str().expect("id")]);
            failures.push((number, only));
        }
    }
    failures
}

fn named<'e>(item: &'e Value, names: &mut Vec<&'e str>) {
    match item["rule"].as_str() {
        Some(name) => names.push(name),
        None => item["items"].as_array().expect("items").iter().for_each(|i| named(i, names)),
    }
}

fn expression_holds(item: &Value, rules: &[Value], tree: &Value) -> bool {
    if let Some(name) = item["rule"].as_str() {
        return rules.iter().find(|r| r["id"] == name).is_some_and(|r| rule(r, tree));
    }
    let items: Vec<bool> = item["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| expression_holds(item, rules, tree))
        .collect();
    let holding = items.iter().filter(|holds| **holds).count();
    match item["op"].as_str().expect("op") {
        "and" => holding == items.len(),
        "or" => holding > 0,
        _ => holding == 0,
    }
}

fn rule(rule: &Value, tree: &Value) -> bool {
    let pointer = format!("/{}", rule["left"].as_str().expect("left"))
        .replace(['.', '['], "/")
        .replace(']', "");
    let op = rule["op"].as_str().expect("op");
    let right = &rule["right"];
    let redacted = prefixes(&pointer).any(|prefix| {
        tree.pointer(prefix).is_some_and(|value| value == "[REDACTED]")
            && tree.pointer(&format!("{prefix}_hash")).is_some()
    });
    let left = tree.pointer(&pointer);
    if op == "exists" {
        // Below a redaction nothing is known.
        return left.is_some() == right.as_bool().unwrap_or(true) && (left.is_some() || !redacted);
    }
    match left {
        Some(left) if !redacted => operator(op, left, right),
        _ => false,
    }
}

fn prefixes(pointer: &str) -> impl Iterator<Item = &str> {
    (1..=pointer.len())
        .filter(|&end| pointer[end..].is_empty() || pointer[end..].starts_with('/'))
        .map(|end| &pointer[..end])
}

fn same_type(a: &Value, b: &Value) -> bool {
    (a.is_null() && b.is_null())
        || (a.is_boolean() && b.is_boolean())
        || (a.is_number() && b.is_number())
        || (a.is_string() && b.is_string())
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a - b == 0.0,
        _ => same_type(a, b) && a == b,
    }
}

fn operator(op: &str, left: &Value, right: &Value) -> bool {
    let list = || right.as_array().expect("a list");
    let texts = || left.as_str().zip(right.as_str());
    let order = |numbers: fn(f64, f64) -> bool, points: fn(&[u32], &[u32]) -> bool| {
        let points_of = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
        let by_number = left.as_f64().zip(right.as_f64()).map(|(a, b)| numbers(a, b));
        let by_text = texts().map(|(a, b)| points(&points_of(a), &points_of(b)));
        by_number.or(by_text).unwrap_or(false)
    };
    match op {
        "==" => same(left, right),
        "!=" => same_type(left, right) && !same(left, right),
        ">" => order(|a, b| a > b, |a, b| a > b),
        "<" => order(|a, b| a < b, |a, b| a < b),
        ">=" => order(|a, b| a >= b, |a, b| a >= b),
        "<=" => order(|a, b| a <= b, |a, b| a <= b),
        "in" => list().iter().any(|item| same(left, item)),
        "not_in" => {
            list().iter().any(|item| same_type(left, item))
                && !list().iter().any(|item| same(left, item))
        }
        "contains" => match left {
            Value::Array(items) => items.iter().any(|item| same(item, right)),
            _ => texts().is_some_and(|(text, part)| text.find(part).is_some()),
        },
        "starts_with" => texts().is_some_and(|(text, part)| text.find(part) == Some(0)),
        "ends_with" => texts().is_some_and(|(text, part)| {
            text.chars().rev().take(part.chars().count()).eq(part.chars().rev())
        }),
        "regex" => texts().is_some_and(|(text, pattern)| {
            Regex::new(pattern).expect("a pattern").find(text).is_some()
        }),
        op => unreachable!("{op}"),
    }
}
