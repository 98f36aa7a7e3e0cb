//! A sealed session: six records, their chain, the seal and its signature.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::{self, SEAL, sign, signer};
use super::{hex, jcs, sha256};

pub const TENANT: &str = "0190c1d2-0000-7000-8000-00000000000a";
pub const SESSION: &str = "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90";
pub const OTHER: &str = "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b91";

/// The events of a session, without what the server adds.
pub fn events() -> Vec<(&'static str, Value)> {
    vec![
        (
            "SESSION_START",
            json!({
                "agent_id": "refund-agent", "environment": "prod", "framework": "own",
                "framework_version": "1", "sdk_version": "1.0.0",
            }),
        ),
        ("TOOL_CALL", json!({ "tool_name": "look_up_order", "args": { "order": 4711 } })),
        (
            "TOOL_RESULT",
            json!({
                "tool_name": "look_up_order", "result": { "amount": 31.5, "name": "[REDACTED]",
                "name_hash": sha256(b"Ada") }, "status": "success", "duration_ms": 12,
            }),
        ),
        ("ERROR", json!({ "error_type": "Timeout", "message": "€ – ok", "fatal": false })),
        ("SESSION_END", json!({ "status": "success", "duration_ms": 5000 })),
    ]
}

/// Records in their chain, without a seal.
pub fn open_session(session: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for (number, (event_type, payload)) in events().into_iter().enumerate() {
        let record = json!({
            "actor_id": if number % 2 == 0 { "ada" } else { "bob" },
            "chain_authority": "server",
            "event_id": format!("{}-{number:012x}", &session[..23]),
            "event_type": event_type,
            "payload": payload,
            "received_at": format!("2026-03-01T09:00:0{number}.000000Z"),
            "schema_ver": "v0.6",
            "sequence_number": number,
            "session_id": session,
            "timestamp_wall": format!("2026-03-01T10:00:0{number}.120+01:00"),
        });
        records.push(record);
    }
    rehash(&mut records);
    records
}

/// Records and their seal.
pub fn sealed_session(session: &str) -> Vec<Value> {
    let mut records = open_session(session);
    records.push(json!({
        "chain_authority": "server",
        "event_id": format!("{}-0000000000ff", &session[..23]),
        "event_type": "CHAIN_SEAL",
        "payload": {},
        "received_at": "2026-03-01T09:00:09.500000Z",
        "schema_ver": "v0.6",
        "sequence_number": records.len(),
        "session_id": session,
        "timestamp_wall": "2026-03-01T09:00:09.500Z",
    }));
    reseal(&mut records);
    records
}

/// Computes all hashes anew, as somebody would who hides a change; numbers count from 0.
pub fn rehash(records: &mut [Value]) {
    let mut prev = Value::Null;
    for (number, record) in records.iter_mut().enumerate() {
        record["sequence_number"] = json!(number);
        record["prev_event_hash"] = prev;
        hash(record);
        prev = record["event_hash"].clone();
    }
}

/// Computes the hashes of one record anew.
pub fn hash(record: &mut Value) {
    record["payload_hash"] = json!(sha256(&jcs(&record["payload"])));
    let names = [
        "event_id",
        "session_id",
        "sequence_number",
        "timestamp_wall",
        "event_type",
        "payload_hash",
        "prev_event_hash",
    ];
    let hashed: Value = names.iter().map(|name| (*name, record[*name].clone())).collect();
    record["event_hash"] = json!(sha256(&jcs(&hashed)));
}

/// Writes the last record as the seal of those before it, all hashes new.
pub fn reseal(records: &mut [Value]) {
    rehash(records);
    let (seal, before) = records.split_last_mut().unwrap();
    let leaves: Vec<Vec<u8>> = before.iter().map(leaf).collect();
    seal["payload"] = json!({
        "ingestion_service_id": "exhibit-test",
        "seal_timestamp": "2026-03-01T09:00:09.500Z",
        "session_digest": format!("sha256:{}", hex(&tree(&leaves))),
        "final_event_hash": before.last().unwrap()["event_hash"],
        "event_count": before.len(),
        "total_drops": 0,
        "evidence_class": "AUTHORITATIVE_EVIDENCE",
        "policy_set_digest": format!("sha256:{}", sha256(b"[]")),
    });
    rehash(records);
}

fn leaf(record: &Value) -> Vec<u8> {
    let mut record = record.clone();
    record.as_object_mut().unwrap().retain(|name, _| name != "payload" && name != "signature");
    jcs(&record)
}

/// RFC 6962, section 2.1, as it is written there.
fn tree(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => Sha256::digest(b"").to_vec(),
        [leaf] => Sha256::digest([&[0], leaf.as_slice()].concat()).to_vec(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([&[1], tree(left).as_slice(), &tree(right)].concat()).to_vec()
        }
    }
}

/// What is signed over a seal.
pub fn statement(records: &[Value]) -> Vec<u8> {
    let seal = records.last().unwrap();
    jcs(&json!({
        "tenant_id": TENANT, "session_id": seal["session_id"], "chain_authority": "server",
        "seal_event_hash": seal["event_hash"], "seal": seal["payload"],
    }))
}

/// The signed seal of a session.
pub fn envelope(records: &[Value]) -> Vec<u8> {
    sign(&signer(), SEAL, &statement(records))
}

pub fn jsonl(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|record| [jcs(record), b"\n".to_vec()].concat()).collect()
}

/// The JSON export of a sealed session.
pub fn export(records: &[Value]) -> Value {
    let last = records.last().unwrap();
    let envelope: Value = serde_json::from_slice(&envelope(records)).unwrap();
    json!({
        "schema": "exhibit-export/1", "exported_at": "2026-03-02T00:00:00.000000Z",
        "exported_by": "key:ada", "purpose": "audit", "evidence_class": "AUTHORITATIVE_EVIDENCE",
        "verification": { "status": "PASS" },
        "session": {
            "session_id": last["session_id"], "chain_authority": "server", "status": "sealed",
            "event_count": records.len(), "final_hash": last["event_hash"],
            "evidence_class": "AUTHORITATIVE_EVIDENCE",
        },
        "seal": {
            "present": true, "envelope": envelope, "seal": last["payload"],
            "seal_event_hash": last["event_hash"],
        },
        "events": records, "pii": { "detectors_run": [], "detectors_not_run": [], "matches": [] },
        "tool_access": [], "violations": [], "chain_of_custody": [],
        "counts": { "events": records.len(), "log_drops": 0, "total_drops": 0, "violations": 0 },
        "disclaimer": "EVIDENCE SUPPORT STATEMENT.",
    })
}

pub fn trusted_keys() -> Vec<u8> {
    keys::jwks(&signer(), keys::WINDOW)
}
