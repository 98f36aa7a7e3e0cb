//! An evidence export: two sessions interleaved, a violation, custody, and its signature.

use serde_json::{Value, json};

use super::keys::{SELECTION, sign, signer};
use super::session::{OTHER, SESSION, TENANT, open_session};
use super::{jcs, sha256};

/// What a test may ask for.
pub fn filters() -> Value {
    json!({
        "actor": null, "policy": null, "session_id": null, "since": null, "type": null,
        "until": null,
    })
}

/// The lines before the footer: all records of two sessions.
pub fn body(filters: &Value) -> Vec<Value> {
    let mut lines = vec![json!({
        "export_id": "0190c1d2-0000-7000-8000-0000000000e1",
        "exported_at": "2026-03-02T00:00:00.000000Z", "exported_by": "key:ada",
        "filters": filters, "kind": "header", "position": 40, "purpose": "audit",
        "schema": "exhibit-ndjson/1", "tenant_id": TENANT,
    })];
    let sessions = [open_session(SESSION), open_session(OTHER)];
    for number in 0..sessions[0].len() {
        for (at, session) in sessions.iter().enumerate() {
            let record = &session[number];
            let mut line = json!({
                "kind": "event", "position": 2 + number * 3 + at, "record": record,
            });
            if record["event_type"] == "TOOL_CALL" {
                line["tool_access"] =
                    json!({ "allowed": false, "judged_by": ["p@1"], "broken": ["c"] });
                line["personal_data"] =
                    json!([{ "detector": "email", "place": "/args", "count": 1 }]);
            }
            lines.push(line);
        }
    }
    for session in &sessions {
        lines.push(violation(&session[1]));
    }
    lines.push(json!({
        "kind": "custody",
        "custody": {
            "action": "session.started", "actor": "key:ada", "at": "2026-03-01T09:00:00.000000Z",
            "details": {},
        },
    }));
    lines
}

/// A breach of the policy `refunds` by a record.
pub fn violation(record: &Value) -> Value {
    json!({ "kind": "violation", "violation": {
        "violation_id": "0190c1d2-0000-7000-8000-0000000000f1", "policy": "refunds",
        "session_id": record["session_id"], "event_id": record["event_id"],
        "sequence_number": record["sequence_number"], "event_hash": record["event_hash"],
        "severity": "high", "status": "OPEN", "actions": [],
    } })
}

/// Only what broke the policy `refunds`.
pub fn policy_body() -> Vec<Value> {
    let mut filters = filters();
    filters["policy"] = json!("refunds");
    let mut lines = body(&filters);
    lines.retain(|line| line["kind"] != "event" || line["record"]["event_type"] == "TOOL_CALL");
    lines
}

/// Only what was received within three seconds.
pub fn window_body() -> Vec<Value> {
    let mut filters = filters();
    filters["since"] = json!("2026-03-01T09:00:01Z");
    filters["until"] = json!("2026-03-01T10:00:04+01:00");
    let mut lines = body(&filters);
    lines.retain(|line| {
        let number = line["record"]["sequence_number"].as_u64();
        number.is_none_or(|number| (1..4).contains(&number))
    });
    lines
}

/// The whole file: canonical lines and their footer.
pub fn file(body: &[Value]) -> Vec<u8> {
    let mut text: Vec<u8> =
        body.iter().flat_map(|line| [jcs(line), b"\n".to_vec()].concat()).collect();
    let footer = json!({
        "counts": counts(body), "kind": "footer", "lines": body.len(), "sha256": sha256(&text),
    });
    text.extend(jcs(&footer));
    text.push(b'\n');
    text
}

pub fn counts(body: &[Value]) -> Value {
    let count = |kind: &str| body.iter().filter(|line| line["kind"] == kind).count();
    json!({
        "custody": count("custody"), "events": count("event"), "violations": count("violation"),
    })
}

pub fn statement(body: &[Value], file: &[u8]) -> Vec<u8> {
    jcs(&json!({ "counts": counts(body), "header": body[0], "sha256": sha256(file) }))
}

pub fn signature(body: &[Value], file: &[u8]) -> Vec<u8> {
    sign(&signer(), SELECTION, &statement(body, file))
}
