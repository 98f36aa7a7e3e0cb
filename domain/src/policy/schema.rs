//! The JSON Schema of the document, made from the same limits that the rest of the engine uses.
//!
//! Every object closes with `additionalProperties: false`. Alternatives are `if`/`then`/`else` on
//! one telling member rather than `oneOf`, so that a complaint points to the place and not to the
//! whole; expressions are unrolled level by level, because a schema that recurs cannot count.

mod parts;

use serde_json::{Map, Value, json};

use self::parts::{all_of, array, case, integer, object, pattern, reference, text};
use super::limits as max;

/// The published text; what is published is what is enforced.
pub(super) const TEXT: &str = include_str!("../../schemas/policy.schema.json");

/// The closed set of agent types (evidence.md, 1.1).
pub(super) const AGENT_TYPES: [&str; 13] = [
    "SESSION_START",
    "SESSION_END",
    "MODEL_REQUEST",
    "MODEL_RESPONSE",
    "TOOL_CALL",
    "TOOL_RESULT",
    "AGENT_STATE_SNAPSHOT",
    "AGENT_DECISION",
    "DECISION_TRACE",
    "ERROR",
    "ANNOTATION",
    "LOG_DROP",
    "CHAIN_SEAL",
];

/// The detectors of personal data and secrets.
pub const DETECTORS: [&str; 10] = [
    "email",
    "phone",
    "ssn",
    "credit_card",
    "iban",
    "ip_address",
    "aws_access_key_id",
    "private_key",
    "jwt",
    "github_token",
];

pub(super) const NAME: &str = "^[a-z][a-z0-9-]{0,63}$";
pub(super) const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
/// The grammar of semver.org, without anchors, as it also stands within a model's name.
const SEMVER: &str = "(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\
    (-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?\
    (\\+[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?";

/// The schema; `schemas/policy.schema.json` is this, pretty-printed.
pub fn generate() -> Value {
    let mut definitions = Map::new();
    for (name, schema) in [
        ("control", control()),
        ("expression_too_deep", json!(false)),
        ("rule", rule()),
        ("rule_reference", object(&[("rule", pattern(ID))], &["rule"])),
        ("scalar", scalar()),
        ("semver", pattern(&format!("^{SEMVER}$"))),
        ("severity", json!({"enum": ["low", "medium", "high", "critical"]})),
        ("text", text(max::TEXT_CHARS_MAX)),
        ("threshold", threshold()),
    ] {
        definitions.insert(name.to_owned(), schema);
    }
    for depth in 1..=max::DEPTH_MAX {
        definitions.insert(format!("expression{depth}"), expression(depth));
    }
    let mut schema = document();
    schema["$defs"] = Value::Object(definitions);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Policy");
    schema["description"] = json!(
        "A policy document (contract/policy.md, section 1). Beyond this schema, the server checks \
         that paths are known, rule references lead somewhere, ids are unique and not reserved, \
         regular expressions compile, and the decision's thresholds ascend."
    );
    schema
}

fn document() -> Value {
    let text = reference("text");
    object(
        &[
            ("name", pattern(NAME)),
            ("version", all_of(&reference("semver"), json!({"maxLength": max::VERSION_CHARS_MAX}))),
            ("description", text.clone()),
            ("owner", text.clone()),
            ("notification_channel", text),
            (
                "sla_hours",
                json!({"type": ["integer", "null"], "minimum": 1, "maximum": max::SLA_HOURS_MAX}),
            ),
            ("auto_escalate", json!({"type": "boolean", "default": false})),
            ("applies_to", array(&event_types(), 1, max::TYPES_MAX)),
            ("limits", limits()),
            ("controls", array(&reference("control"), 0, max::CONTROLS_MAX)),
            ("pii", pii()),
            ("models", models()),
            ("decision", decision()),
        ],
        &["name", "version"],
    )
}

/// An agent type, a dotted name, or the beginning of either with `*` behind it.
fn event_types() -> Value {
    let word = "[a-z][a-z0-9_]*";
    let agent = AGENT_TYPES.join("|");
    json!({
        "type": "string",
        "maxLength": 65,
        "pattern": format!(
            "^({agent}|{word}(\\.{word})+|\\*|[A-Z][A-Z_]*\\*|{word}(\\.{word})*\\.?\\*)$"
        ),
    })
}

fn limits() -> Value {
    object(
        &[
            ("max_events_per_session", integer(1, max::SESSION_EVENTS_MAX)),
            ("require_tool_results", json!({"type": "boolean", "default": false})),
        ],
        &[],
    )
}

fn pii() -> Value {
    let mut detectors = array(&json!({"enum": DETECTORS}), 1, DETECTORS.len());
    detectors["uniqueItems"] = json!(true);
    object(
        &[("detectors", detectors), ("severity", reference("severity"))],
        &["detectors", "severity"],
    )
}

fn models() -> Value {
    let model = json!({
        "type": "string",
        "maxLength": max::TEXT_CHARS_MAX,
        "pattern": format!("^[a-z][a-z0-9_-]{{0,63}}@{SEMVER}$"),
    });
    object(&[("risk", model.clone()), ("anomaly", model)], &[])
}

fn decision() -> Value {
    let score = json!({"type": "number", "minimum": 0, "maximum": 100});
    let names = ["review", "quarantine", "reject"];
    object(&names.map(|name| (name, score.clone())), &names)
}

fn control() -> Value {
    object(
        &[
            ("id", pattern(ID)),
            ("severity", reference("severity")),
            ("description", reference("text")),
            ("rules", array(&reference("rule"), 1, max::RULES_MAX)),
            ("expression", reference("expression1")),
            ("threshold", reference("threshold")),
        ],
        &["id", "severity", "rules"],
    )
}

fn rule() -> Value {
    let scalar = reference("scalar");
    let list = array(&scalar, 1, max::LIST_ITEMS_MAX);
    let text = text(max::TEXT_CHARS_MAX);
    let comparable = json!({"type": ["number", "string"], "maxLength": max::TEXT_CHARS_MAX});
    let regex = json!({"type": "string", "maxLength": max::REGEX_CHARS_MAX});
    let boolean = json!({"type": "boolean"});
    let groups: [(&[&str], Value); 6] = [
        (&["==", "!=", "contains"], scalar),
        (&[">", "<", ">=", "<="], comparable),
        (&["in", "not_in"], list),
        (&["starts_with", "ends_with"], text),
        (&["regex"], regex),
        (&["exists"], boolean),
    ];
    let operators: Vec<&str> = groups.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let cases: Vec<Value> = groups
        .iter()
        .map(|(names, right)| {
            let mut then = json!({"properties": {"right": right}});
            if *names != ["exists"] {
                then["required"] = json!(["right"]);
            }
            case("op", &json!({"enum": names}), &then)
        })
        .collect();
    let mut rule = object(
        &[
            ("id", pattern(ID)),
            ("left", json!({"type": "string", "minLength": 1, "maxLength": max::PATH_CHARS_MAX})),
            ("op", json!({"enum": operators})),
            ("right", json!(true)),
        ],
        &["id", "left", "op"],
    );
    rule["allOf"] = json!(cases);
    rule
}

fn scalar() -> Value {
    json!({"type": ["null", "boolean", "number", "string"], "maxLength": max::TEXT_CHARS_MAX})
}

fn expression(depth: usize) -> Value {
    let deeper = if depth < max::DEPTH_MAX {
        reference(&format!("expression{}", depth + 1))
    } else {
        reference("expression_too_deep")
    };
    let item =
        json!({"if": {"required": ["rule"]}, "then": reference("rule_reference"), "else": deeper});
    let mut expression = object(
        &[
            ("op", json!({"enum": ["and", "or", "not"]})),
            ("items", array(&all_of(&item, json!({"type": "object"})), 1, max::ITEMS_MAX)),
        ],
        &["op", "items"],
    );
    let one_item = json!({"properties": {"items": {"maxItems": 1}}});
    expression["allOf"] = json!([case("op", &json!({"const": "not"}), &one_item)]);
    expression
}

fn threshold() -> Value {
    let whole = integer(1, max::THRESHOLD_COUNT_MAX as u64);
    let percent = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 100});
    let mut threshold = object(
        &[
            ("type", json!({"enum": ["count", "percent", "time_window"]})),
            ("value", json!({"type": "number"})),
            ("window_seconds", integer(1, max::WINDOW_SECONDS_MAX.into())),
        ],
        &["type", "value", "window_seconds"],
    );
    threshold["allOf"] = json!([
        case(
            "type",
            &json!({"enum": ["count", "time_window"]}),
            &json!({"properties": {"value": whole}})
        ),
        case("type", &json!({"const": "percent"}), &json!({"properties": {"value": percent}})),
    ]);
    threshold
}

#[cfg(test)]
mod tests;
