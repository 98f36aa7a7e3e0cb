//! The verifier, held against vectors that an independent implementation made, and against everyone
//! who would like to change them.

mod chain;
mod formats;
mod metadata;
mod properties;
mod seals;
mod signatures;

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::evidence::canonical;
use crate::evidence::dsse::{SEAL_PAYLOAD_TYPE, pae};
use crate::evidence::jwk::Jwk;
use crate::evidence::merkle::MerkleTree;
use crate::evidence::record::{HashedFields, event_hash};

const SESSION: &str = include_str!("../../../../../tests/vectors/session.jsonl");
const ENVELOPE: &str = include_str!("../../../../../tests/vectors/session.seal.dsse.json");
const KEYS: &str = include_str!("../../../../../tests/vectors/jwks.json");
const HEAD: &str = "da96687618cf1e1b4ce881b735d969d243f1f46e8c168d6743ed5731510fc096";
/// Position of the seal in the vectors.
const SEAL: usize = 7;

fn keys() -> JwkSet {
    serde_json::from_str(KEYS).unwrap()
}

fn envelope() -> Envelope {
    parse_envelope(ENVELOPE.as_bytes()).unwrap()
}

fn verify(text: impl AsRef<[u8]>, options: &Options<'_>) -> Report {
    verify_reader(&mut text.as_ref(), "test", options, &mut |_| {})
}

/// With everything that a caller could know of the vectors.
fn verify_knowing_all(text: impl AsRef<[u8]>) -> Report {
    let (keys, envelope) = (keys(), envelope());
    let expected_head = Hash::from_hex(HEAD);
    verify(text, &Options { keys: Some(&keys), expected_head, seal: Some(&envelope) })
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// Asserts the codes in their order, and the exit code.
#[track_caller]
fn assert_findings(report: &Report, exit_code: u8, expected: &[&str]) {
    assert_eq!(codes(report), expected, "{:#?}", report.findings);
    assert_eq!(report.exit_code, exit_code);
}

/// A log as someone with a text editor sees it.
#[derive(Clone)]
struct Log(Vec<Value>);

impl Log {
    fn of_vectors() -> Self {
        Self(SESSION.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn jsonl(&self) -> String {
        let lines: Vec<_> = self.0.iter().map(Value::to_string).collect();
        lines.join("\n")
    }

    fn verify(&self) -> Report {
        verify(self.jsonl(), &Options::default())
    }

    fn verify_knowing_all(&self) -> Report {
        verify_knowing_all(self.jsonl())
    }

    fn seal(&mut self) -> &mut Value {
        let last = self.0.len() - 1;
        &mut self.0[last]["payload"]
    }

    /// Recomputes all numbers and hashes, as an attacker can, and those that the seal repeats.
    fn rechain(&mut self) {
        let by_sdk = self.0[0]["chain_authority"] == "sdk";
        let (mut tree, mut head, mut drops) = (MerkleTree::default(), None, 0);
        for at in 0..self.0.len() {
            let record = &mut self.0[at];
            record["sequence_number"] = json!(at);
            if record["event_type"] == "CHAIN_SEAL" {
                let facts = [
                    ("session_digest", json!(format!("sha256:{}", tree.root()))),
                    ("final_event_hash", json!(head)),
                    ("event_count", json!(at)),
                    ("total_drops", json!(drops)),
                ];
                for (key, value) in facts {
                    let claim = record["payload"].get(key);
                    if claim.is_some_and(|claim| *claim != json!("v1:opaque")) {
                        record["payload"][key] = value;
                    }
                }
            }
            drops += record["payload"]["dropped_count"].as_u64().unwrap_or(0);
            record["prev_event_hash"] = json!(head);
            head = Some(rehash(record));
            let mut leaf = record.clone();
            leaf.as_object_mut().unwrap().remove("payload");
            if by_sdk {
                leaf.as_object_mut().unwrap().remove("received_at");
            }
            tree.push(&canonical::of_serde(&leaf).unwrap());
        }
    }

    /// What a signer of this log's seal would sign.
    fn envelope_signed_by(&self, key: &SigningKey) -> Envelope {
        let seal = self.0.last().unwrap();
        let statement = canonical::of_serde(&json!({
            "tenant_id": "0190c1d2-0000-7000-8000-000000000001",
            "session_id": seal["session_id"],
            "chain_authority": seal["chain_authority"],
            "seal_event_hash": seal["event_hash"],
            "seal": seal["payload"],
        }))
        .unwrap();
        let signature = key.sign(&pae(SEAL_PAYLOAD_TYPE, &statement));
        let kid = jwk(key, None, None).kid;
        Envelope::new(SEAL_PAYLOAD_TYPE, &statement, kid, &signature.to_bytes())
    }
}

/// Recomputes both hashes of one record.
fn rehash(record: &mut Value) -> Hash {
    let payload_hash = Hash::of(&canonical::of_serde(&record["payload"]).unwrap());
    record["payload_hash"] = json!(payload_hash);
    let prev = record["prev_event_hash"].as_str().and_then(Hash::from_hex);
    let hash = event_hash(&HashedFields {
        event_id: record["event_id"].as_str().unwrap(),
        event_type: record["event_type"].as_str().unwrap(),
        payload_hash: &payload_hash,
        prev_event_hash: prev.as_ref(),
        sequence_number: record["sequence_number"].as_u64().unwrap(),
        session_id: record["session_id"].as_str().unwrap(),
        timestamp_wall: record["timestamp_wall"].as_str().unwrap(),
    });
    record["event_hash"] = json!(hash);
    hash
}

fn attacker() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn jwk(key: &SigningKey, nbf: Option<i64>, exp: Option<i64>) -> Jwk {
    Jwk::of_ed25519(&key.verifying_key().to_bytes(), nbf, exp)
}

fn log_drop(dropped: &Value, cumulative: &Value) -> Value {
    let mut record = Log::of_vectors().0[5].clone();
    record["event_type"] = json!("LOG_DROP");
    record["event_id"] = json!("0190c1d2-7a15-7000-8000-00000000000a");
    record["payload"] = json!({
        "dropped_count": dropped, "cumulative_drops": cumulative, "drop_reason": "BUFFER_FULL",
    });
    record
}

fn remove(record: &mut Value, key: &str) {
    record.as_object_mut().unwrap().remove(key).unwrap();
}
