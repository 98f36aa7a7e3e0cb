//! Events as an agent would send them.

use application::Ids;
use infrastructure::system::SystemIds;
use serde_json::{Value, json};
use uuid::Uuid;

/// `SESSION_START`, as number 0.
pub fn session_start(session: Uuid) -> Value {
    event(
        session,
        0,
        "SESSION_START",
        json!({
            "agent_id": "refund-agent", "environment": "dev", "framework": "langchain",
            "framework_version": "1.0.0", "sdk_version": "1.0.0",
        }),
    )
}

pub fn tool_call(session: Uuid, sequence: u64) -> Value {
    let args = json!({ "order": sequence, "amount": 1.5 });
    event(session, sequence, "TOOL_CALL", json!({ "tool_name": "look_up_order", "args": args }))
}

pub fn tool_result(session: Uuid, sequence: u64) -> Value {
    event(
        session,
        sequence,
        "TOOL_RESULT",
        json!({
            "tool_name": "look_up_order", "result": { "found": true }, "status": "success",
            "duration_ms": 12,
        }),
    )
}

pub fn session_end(session: Uuid, sequence: u64) -> Value {
    event(session, sequence, "SESSION_END", json!({ "status": "success", "duration_ms": 2300 }))
}

/// A call of this tool.
pub fn call_of(session: Uuid, sequence: u64, tool: &str) -> Value {
    event(session, sequence, "TOOL_CALL", json!({ "tool_name": tool, "args": {} }))
}

/// `count` tool calls numbered from `first`.
pub fn tool_calls(session: Uuid, first: u64, count: u64) -> Vec<Value> {
    (first..first + count).map(|sequence| tool_call(session, sequence)).collect()
}

/// A whole session: start, a tool call with its result, end.
pub fn whole_session(session: Uuid) -> Vec<Value> {
    vec![
        session_start(session),
        tool_call(session, 1),
        tool_result(session, 2),
        session_end(session, 3),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "payloads are written where they are sent")]
pub fn event(session: Uuid, sequence: u64, event_type: &str, payload: Value) -> Value {
    json!({
        "event_id": SystemIds.uuid(), "session_id": session, "sequence_number": sequence,
        "timestamp_wall": "2026-03-01T10:00:00.120+01:00", "event_type": event_type,
        "payload": payload,
    })
}
