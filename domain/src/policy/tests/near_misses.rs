//! Documents that are almost valid: one thing wrong, at any depth, refused at its place.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::arbitrary::document;
use crate::policy::fault::Fault;
use crate::policy::validate::{Policy, RESERVED_CONTROLS, schema};

/// A pointer to every value of the document, the document itself first.
fn places(document: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let mut at = 0;
    while at < places.len() {
        let below: Vec<String> = match document.pointer(&places[at]).expect("a place") {
            Value::Object(members) => members.keys().cloned().collect(),
            Value::Array(items) => (0..items.len()).map(|n| n.to_string()).collect(),
            _ => Vec::new(),
        };
        let here = places[at].clone();
        places.extend(below.into_iter().map(|step| format!("{here}/{step}")));
        at += 1;
    }
    places
}

/// What is done to a document; each knows where it may happen.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mutation {
    UnknownKey,
    UnknownOperator,
    EmptyItems,
    NotWithTwo,
    DepthEleven,
    WrongType,
    MissingKey,
    OutOfRange,
    UnknownRule,
    DuplicateControl,
    DuplicateRule,
    ReservedControl,
    BadRegex,
    BadPath,
}

const MUTATIONS: [Mutation; 14] = [
    Mutation::UnknownKey,
    Mutation::UnknownOperator,
    Mutation::EmptyItems,
    Mutation::NotWithTwo,
    Mutation::DepthEleven,
    Mutation::WrongType,
    Mutation::MissingKey,
    Mutation::OutOfRange,
    Mutation::UnknownRule,
    Mutation::DuplicateControl,
    Mutation::DuplicateRule,
    Mutation::ReservedControl,
    Mutation::BadRegex,
    Mutation::BadPath,
];

/// Whether a place lies within the right side of a rule, where any scalar may stand.
fn is_right(place: &str) -> bool {
    place.contains("/right")
}

fn ends(place: &str, key: &str) -> bool {
    place.rsplit('/').next() == Some(key)
}

fn parent(place: &str) -> &str {
    place.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Out of what range, by member.
fn out_of_range(place: &str) -> Option<Value> {
    let wrong = [
        ("name", json!("Tool-access")),
        ("name", json!("a".repeat(65))),
        ("version", json!("1.02.0")),
        ("version", json!("v1.0.0")),
        ("version", json!("1.0")),
        ("owner", json!("ä".repeat(4_097))),
        ("sla_hours", json!(0)),
        ("sla_hours", json!(87_601)),
        ("sla_hours", json!(0.5)),
        ("max_events_per_session", json!(0)),
        ("max_events_per_session", json!(1e300)),
        ("window_seconds", json!(0)),
        ("window_seconds", json!(2_592_001)),
        ("value", json!(0)),
        ("value", json!(1_001)),
        ("severity", json!("Low")),
        ("id", json!("-a")),
        ("id", json!("a b")),
        ("left", json!("")),
        ("left", json!(format!("payload.{}", "a".repeat(249)))),
        ("review", json!(-1)),
        ("reject", json!(100.1)),
        ("risk", json!("risk")),
        ("risk", json!("risk@1")),
        ("detectors", json!([])),
        ("rules", json!([])),
        ("applies_to", json!([])),
    ];
    let fitting: Vec<&Value> =
        wrong.iter().filter(|(key, _)| ends(place, key)).map(|(_, value)| value).collect();
    // Any of them, but the same for the same place.
    fitting.get(place.len() % fitting.len().max(1)).map(|value| (*value).clone())
}

const KEYS_REQUIRED: [&str; 15] = [
    "name",
    "version",
    "id",
    "severity",
    "rules",
    "left",
    "op",
    "items",
    "type",
    "value",
    "window_seconds",
    "detectors",
    "review",
    "quarantine",
    "reject",
];

impl Mutation {
    fn fits(self, place: &str, value: &Value) -> bool {
        let is_expression = value.is_object() && value.get("items").is_some();
        let is_rule = value.get("left").is_some();
        match self {
            Self::UnknownKey => value.is_object(),
            Self::UnknownOperator => is_expression || is_rule,
            Self::EmptyItems | Self::NotWithTwo => is_expression,
            Self::DepthEleven | Self::UnknownRule => value.get("rule").is_some(),
            Self::WrongType => !place.is_empty(),
            Self::MissingKey => {
                !is_right(place) && KEYS_REQUIRED.iter().any(|key| ends(place, key))
            }
            Self::OutOfRange => !is_right(place) && out_of_range(place).is_some(),
            Self::DuplicateControl => ends(place, "controls"),
            Self::DuplicateRule => ends(place, "rules"),
            Self::ReservedControl => ends(parent(place), "controls"),
            Self::BadRegex | Self::BadPath => is_rule,
        }
    }

    /// Does it, and says where the fault must point to.
    fn apply(self, document: &mut Value, place: &str, pick: Index) -> String {
        let value = document.pointer_mut(place).expect("a place");
        match self {
            Self::UnknownKey => {
                let keys = ["x", "Op", "items ", "a/b~c", "", "__proto__", "$ref", "ruleset"];
                let key = keys[pick.index(keys.len())];
                value[key] = json!(1);
                format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Self::UnknownOperator => {
                let names = ["xor", "AND", "", "===", "matches", "nor", "=", "IN", "not in"];
                value["op"] = json!(names[pick.index(names.len())]);
                format!("{place}/op")
            }
            Self::EmptyItems => {
                value["items"] = json!([]);
                format!("{place}/items")
            }
            Self::NotWithTwo => {
                let item = value["items"][0].clone();
                *value = json!({"op": "not", "items": [item, item]});
                format!("{place}/items")
            }
            Self::DepthEleven => {
                let above = place.matches("/items/").count();
                for _ in above..11 {
                    *value = json!({"op": "and", "items": [value.take()]});
                }
                format!("{place}{}", "/items/0".repeat(10 - above))
            }
            Self::UnknownRule => {
                value["rule"] = json!("nowhere");
                format!("{place}/rule")
            }
            Self::WrongType => {
                *value = match value {
                    _ if is_right(place) => json!({}),
                    Value::String(_) => json!(5),
                    Value::Number(_) => json!("7"),
                    Value::Array(_) => json!({}),
                    Value::Object(_) => json!([]),
                    Value::Bool(_) | Value::Null => json!("true"),
                };
                place.to_owned()
            }
            Self::OutOfRange => {
                *value = out_of_range(place).expect("a wrong value");
                place.to_owned()
            }
            Self::MissingKey => {
                let key = place.rsplit('/').next().expect("a key").to_owned();
                let above = document.pointer_mut(parent(place)).expect("a place");
                above.as_object_mut().expect("an object").remove(&key);
                parent(place).to_owned()
            }
            Self::DuplicateControl | Self::DuplicateRule => {
                let items = value.as_array_mut().expect("an array");
                items.push(items[pick.index(items.len())].clone());
                format!("{place}/{}/id", items.len() - 1)
            }
            Self::ReservedControl => {
                value["id"] = json!(RESERVED_CONTROLS[pick.index(RESERVED_CONTROLS.len())]);
                format!("{place}/id")
            }
            Self::BadRegex => {
                let patterns = ["(?=a)b", r"(a)\1", "(a", "*", "(?P<a>x", "(?!x)", "a{5000}{5000}"];
                value["op"] = json!("regex");
                value["right"] = json!(patterns[pick.index(patterns.len())]);
                format!("{place}/right")
            }
            Self::BadPath => {
                let paths = ["event.nope", "payload", "user.name", "payload.a[", "risk.score.x"];
                value["left"] = json!(paths[pick.index(paths.len())]);
                format!("{place}/left")
            }
        }
    }

    /// Whether the published schema alone must refuse it.
    fn shows_in_schema(self) -> bool {
        MUTATIONS.iter().position(|m| *m == self)
            < MUTATIONS.iter().position(|m| *m == Self::UnknownRule)
    }
}

fn check(document: &Value, expected: &str, mutation: Mutation) -> Result<(), TestCaseError> {
    let faults: Vec<Fault> = match Policy::read(document) {
        Ok(_) => return Err(TestCaseError::fail(format!("{mutation:?} was accepted: {document}"))),
        Err(faults) => faults,
    };
    prop_assert!(
        faults.iter().any(|fault| fault.pointer == expected),
        "{:?}: no fault at {}: {:?}",
        mutation,
        expected,
        faults
    );
    for fault in &faults {
        prop_assert!(fault.message.chars().count() <= 300, "{}", fault.message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Up to 14 near misses a case, most of them deep inside the document.
    #[test]
    fn near_misses_are_refused_at_their_place(
        document in document(), picks in proptest::collection::vec(any::<Index>(), 14),
        detail in any::<Index>(),
    ) {
        let accepted = Policy::read(&document);
        prop_assert!(accepted.is_ok(), "{:?}", accepted);
        let schema: Value = serde_json::from_str(schema()).expect("JSON");
        let schema = jsonschema::draft202012::new(&schema).expect("a schema");
        let places = places(&document);
        for (mutation, pick) in MUTATIONS.into_iter().zip(picks) {
            let fitting: Vec<&String> = places
                .iter()
                .filter(|place| mutation.fits(place, document.pointer(place).expect("a place")))
                .collect();
            if fitting.is_empty() {
                continue;
            }
            let mut wrong = document.clone();
            let expected = mutation.apply(&mut wrong, fitting[pick.index(fitting.len())], detail);
            check(&wrong, &expected, mutation)?;
            prop_assert_eq!(schema.is_valid(&wrong), !mutation.shows_in_schema());
        }
    }
}
