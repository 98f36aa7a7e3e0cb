//! Valid documents of every shape, and payloads that their rules may meet.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::policy::schema::DETECTORS;

/// Paths; those into the payload meet what [`payload`] makes.
const PATHS: [&str; 16] = [
    "payload.a",
    "payload.b",
    "payload.c",
    "payload.a.b",
    "payload.b.c",
    "payload.a[0]",
    "payload.b[1].a",
    "payload.c[0][1]",
    "event.type",
    "event.actor_id",
    "event.sequence_number",
    "session.tags",
    "session.event_count",
    "pii.types[1]",
    "pii.count",
    "risk.score",
];

pub fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..10_i64).prop_map(Value::from),
        select(vec![0.5, -0.0, 1e30]).prop_map(Value::from),
        word().prop_map(Value::from),
    ]
}

/// Few words that begin and end like one another, so that operators meet what they look for.
fn word() -> impl Strategy<Value = &'static str> {
    select(vec!["", "a", "ab", "aba", "ba", "ä", "€\u{10000}", "email", "exam", "[REDACTED]"])
}

fn rule() -> impl Strategy<Value = Value> {
    let operator_and_right = prop_oneof![
        (select(vec!["==", "!=", "contains"]), scalar()),
        (
            select(vec![">", "<", ">=", "<="]),
            prop_oneof![(-3..10_i64).prop_map(Value::from), word().prop_map(Value::from)]
        ),
        (select(vec!["in", "not_in"]), vec(scalar(), 1..12).prop_map(Value::from)),
        (select(vec!["starts_with", "ends_with"]), word().prop_map(Value::from)),
        (Just("regex"), select(vec!["^a", "b$", "[ab]{2}", ".", "^$"]).prop_map(Value::from)),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
    ];
    (select(PATHS.to_vec()), operator_and_right)
        .prop_map(|(left, (op, right))| json!({"left": left, "op": op, "right": right}))
}

/// An expression over `rules` rules, at most ten deep.
pub fn expression(rules: usize) -> impl Strategy<Value = Value> {
    let leaf = (0..rules).prop_map(|n| json!({"rule": format!("r{n}")}));
    let join = |item: BoxedStrategy<Value>| {
        prop_oneof![
            (select(vec!["and", "or"]), vec(item.clone(), 1..4))
                .prop_map(|(op, items)| json!({"op": op, "items": items})),
            item.prop_map(|item| json!({"op": "not", "items": [item]})),
        ]
    };
    let item = leaf.prop_recursive(9, 40, 3, move |item| join(item.boxed()));
    join(item.boxed())
}

fn threshold() -> impl Strategy<Value = Value> {
    let counted = (select(vec!["count", "time_window"]), (1..=1_000_u32).prop_map(Value::from));
    let percent = (Just("percent"), select(vec![0.1, 50.0, 99.5, 100.0]).prop_map(Value::from));
    (prop_oneof![counted, percent], 1..=2_592_000_u32).prop_map(
        |((kind, value), window_seconds)| {
            json!({"type": kind, "value": value, "window_seconds": window_seconds})
        },
    )
}

fn control() -> impl Strategy<Value = Value> {
    let severity = select(vec!["low", "medium", "high", "critical"]);
    vec(rule(), 1..6).prop_flat_map(move |mut rules| {
        for (n, rule) in rules.iter_mut().enumerate() {
            rule["id"] = json!(format!("r{n}"));
        }
        let expression = option::weighted(0.7, expression(rules.len()));
        (Just(rules), severity.clone(), expression, option::of(threshold())).prop_map(
            |(rules, severity, expression, threshold)| {
                let mut control = json!({"severity": severity, "rules": rules});
                put(&mut control, "expression", expression);
                put(&mut control, "threshold", threshold);
                control
            },
        )
    })
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[key] = value;
    }
}

/// The members beside the controls, each there or not.
fn surroundings() -> impl Strategy<Value = Map<String, Value>> {
    let detectors = subsequence(DETECTORS.to_vec(), 1..=10).prop_shuffle();
    let all = json!({
        "description": "What it is for.",
        "owner": "ä".repeat(4_096),
        "notification_channel": "webhook:sec-team",
        "sla_hours": 87_600,
        "auto_escalate": true,
        "applies_to": ["TOOL_CALL", "auth.*", "TOOL_*", "*", "qms.car.update", "quiz*"],
        "limits": {"max_events_per_session": 9_007_199_254_740_991_u64, "require_tool_results": true},
        "models": {"risk": "risk@1.0.0", "anomaly": "anomaly@2.1.0-rc.1+5"},
        "decision": {"review": 30, "quarantine": 70.5, "reject": 70.5},
    });
    let Value::Object(all) = all else { unreachable!("an object") };
    let count = all.len();
    let members: Vec<(String, Value)> = all.into_iter().collect();
    (subsequence(members, 0..=count), option::of(detectors)).prop_map(|(members, detectors)| {
        let mut members: Map<String, Value> = members.into_iter().collect();
        if let Some(detectors) = detectors {
            members.insert("pii".to_owned(), json!({"detectors": detectors, "severity": "medium"}));
        }
        members
    })
}

pub fn document() -> impl Strategy<Value = Value> {
    let version =
        select(vec!["0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha.1", "1.0.0-0a-+001", "2.0.0+b.7"]);
    ("[a-z][a-z0-9-]{0,63}", version, vec(control(), 1..4), surroundings()).prop_map(
        |(name, version, mut controls, mut members)| {
            for (n, control) in controls.iter_mut().enumerate() {
                control["id"] = json!(format!("c{n}"));
            }
            members.insert("name".to_owned(), name.into());
            members.insert("version".to_owned(), version.into());
            members.insert("controls".to_owned(), controls.into());
            Value::Object(members)
        },
    )
}

/// An object over few keys, redactions among them.
pub fn payload() -> impl Strategy<Value = Value> {
    let key = || select(vec!["a", "b", "c", "a_hash", "b_hash"]);
    let object = move |value: BoxedStrategy<Value>| {
        vec((key(), value), 0..5).prop_map(|members| {
            Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        })
    };
    let value = scalar().prop_recursive(3, 24, 4, move |value| {
        prop_oneof![vec(value.clone(), 0..4).prop_map(Value::from), object(value.boxed())]
    });
    object(value.boxed())
}
