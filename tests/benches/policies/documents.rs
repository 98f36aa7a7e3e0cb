//! Policies over the events of `exhibit bench --mix agent`.

use std::sync::Arc;

use domain::policy::compile::CompiledPolicy;
use infrastructure::docket::compiled;
use serde_json::{Value, json};

use crate::Outcome;

const TYPES: [&str; 6] =
    ["SESSION_START", "SESSION_END", "MODEL_REQUEST", "MODEL_RESPONSE", "TOOL_CALL", "TOOL_RESULT"];
const TOOLS: [&str; 6] =
    ["look_up_order", "look_up_customer", "send_message", "refund", "web_search", "calculator"];

pub(crate) fn compile(document: &Value) -> Outcome<Arc<CompiledPolicy>> {
    let policy = compiled(document).map_err(|faults| format!("{faults:?}"))?;
    Ok(Arc::new(policy))
}

fn rule(id: &str, left: &str, op: &str, right: impl Into<Value>) -> Value {
    json!({ "id": id, "left": left, "op": op, "right": right.into() })
}

fn control(id: &str, rules: &[Value], expression: Option<Value>) -> Value {
    let mut control = json!({ "id": id, "severity": "medium", "rules": rules });
    if let Some(expression) = expression {
        control["expression"] = expression;
    }
    control
}

/// Five clauses, all of which must hold.
pub(crate) fn five_clauses() -> Value {
    let rules = [
        rule("tool", "payload.tool_name", "==", "look_up_order"),
        rule("type", "event.type", "in", vec!["TOOL_CALL", "TOOL_RESULT", "MODEL_REQUEST"]),
        rule("amount", "payload.args.amount", "<=", 1000),
        rule("order", "payload.args.order_id", "starts_with", "ORD-"),
        rule("note", "payload.args.note", "contains", "side door"),
    ];
    json!({ "name": "five", "version": "1.0.0", "controls": [control("five", &rules, None)] })
}

/// A hundred controls of five rules over every event. Three events in a hundred break one of them:
/// calls of tools with an amount over 89.
pub(crate) fn hundred_controls() -> Value {
    let controls: Vec<Value> =
        (0..100).map(|n| if n % 2 == 0 { of_every_event(n) } else { of_calls(n) }).collect();
    json!({ "name": "hundred", "version": "1.0.0", "controls": controls })
}

/// Five rules that are all asked of every event.
fn of_every_event(number: u32) -> Value {
    let rules = [
        rule("type", "event.type", "in", TYPES.to_vec()),
        rule("actor", "event.actor_id", "ends_with", "@example.org"),
        rule("agent", "session.agent_id", "==", "bench"),
        rule("secret", "payload.password", "exists", false),
        rule("argument", "payload.args.password", "exists", false),
    ];
    control(&format!("control-{number}"), &rules, None)
}

/// One rule that lets other events pass, four for calls of tools.
fn of_calls(number: u32) -> Value {
    let bound = if number == 1 { 89 } else { 1000 + number };
    let rules = [
        rule("other", "event.type", "!=", "TOOL_CALL"),
        rule("tool", "payload.tool_name", "in", TOOLS.to_vec()),
        rule("amount", "payload.args.amount", "<=", bound),
        rule("order", "payload.args.order_id", "starts_with", "ORD-"),
        rule("note", "payload.args.note", "regex", "^[a-z ,]{3,200}$"),
    ];
    let named = |name: &str| json!({ "rule": name });
    let call = json!({ "op": "and",
        "items": [named("tool"), named("amount"), named("order"), named("note")] });
    let expression = json!({ "op": "or", "items": [named("other"), call] });
    control(&format!("control-{number}"), &rules, Some(expression))
}

/// Ten controls as somebody may have them. Every amount over the bound breaks one.
pub(crate) fn ten_controls(version: &str, amount_max: u32) -> Value {
    // Other events pass.
    let of = |id: &str, event_type: &str, left: &str, op: &str, right: Value| {
        let rules = [rule("other", "event.type", "!=", event_type), rule("holds", left, op, right)];
        let items = json!([{ "rule": "other" }, { "rule": "holds" }]);
        control(id, &rules, Some(json!({ "op": "or", "items": items })))
    };
    let mut slow = of("in-time", "TOOL_RESULT", "payload.duration_ms", "<", json!(5000));
    slow["threshold"] = json!({ "type": "count", "value": 100, "window_seconds": 60 });
    let controls = json!([
        of("reviewed-tools", "TOOL_CALL", "payload.tool_name", "in", json!(TOOLS)),
        of("amount", "TOOL_CALL", "payload.args.amount", "<=", json!(amount_max)),
        of("order", "TOOL_CALL", "payload.args.order_id", "regex", json!("^ORD-[0-9]+$")),
        of("note", "TOOL_CALL", "payload.args.note", "regex", json!("^[a-z ,]{3,200}$")),
        of("model", "MODEL_REQUEST", "payload.model", "in", json!(["large-1", "large-2"])),
        of("temperature", "MODEL_REQUEST", "payload.temperature", "<=", json!(1)),
        of("filter", "MODEL_RESPONSE", "payload.finish_reason", "!=", json!("content_filter")),
        slow,
        control("actor", &[rule("known", "event.actor_id", "ends_with", "@example.org")], None),
        control("agent", &[rule("known", "session.agent_id", "==", "bench")], None),
    ]);
    json!({ "name": "ten", "version": version, "sla_hours": 24, "controls": controls })
}
