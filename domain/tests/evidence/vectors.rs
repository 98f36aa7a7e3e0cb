//! The golden data of an independent implementation, reproduced from what the client sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::evidence::canonical::canonicalize;
use domain::evidence::dsse::Envelope;
use domain::evidence::intake::IncomingEvent;
use domain::evidence::jwk::JwkSet;
use domain::evidence::merkle::MerkleTree;
use domain::evidence::record::{ChainAuthority, ChainContext, Record};
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId, parse_uuid};
use domain::session::{
    Append, IngestMode, PreparedSeal, SealFacts, Session, SessionCommand, Start,
};
use serde_json::{Map, Value};

use crate::wire::{SESSION, batch, read, read_lines};

const REQUESTS: &str = include_str!("../../../tests/vectors/session.requests.json");
const STORED: &str = include_str!("../../../tests/vectors/session.jsonl");
const ENVELOPE: &str = include_str!("../../../tests/vectors/session.seal.dsse.json");
const KEYS: &str = include_str!("../../../tests/vectors/jwks.json");

fn session_id() -> SessionId {
    SessionId::parse(SESSION).unwrap()
}

fn requests() -> Vec<IncomingEvent> {
    let events = REQUESTS.trim().trim_start_matches('[').trim_end_matches(']');
    read(&batch([events])).unwrap()
}

/// The lines that must be stored, the seal last.
fn stored() -> Vec<Value> {
    STORED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn instant(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

/// The requests, chained at the instants at which the vectors say they were received.
fn chained() -> Vec<Record> {
    let mut head = None;
    let mut records = Vec::new();
    for (event, stored) in requests().into_iter().zip(stored()) {
        let received_at = instant(&stored["received_at"]);
        let record = Record::chain(event.body, session_id(), head, received_at);
        head = Some(record.event_hash);
        records.push(record);
    }
    records
}

fn context() -> ChainContext {
    ChainContext { session_id: session_id(), authority: ChainAuthority::Server }
}

fn digest(records: &[Record]) -> Hash {
    let mut tree = MerkleTree::default();
    for record in records {
        let mut leaf = Vec::new();
        record.write_leaf(&context(), &mut leaf);
        tree.push(&leaf);
    }
    tree.root()
}

/// What the seal was signed over.
fn statement() -> Vec<u8> {
    let envelope: Value = serde_json::from_str(ENVELOPE).unwrap();
    STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()
}

/// The session after the requests were taken in.
fn session() -> Session {
    let stored = stored();
    let start = SessionCommand::Start(Start {
        tenant_id: tenant(),
        session_id: session_id(),
        agent_id: "refund-agent".to_owned(),
        environment: None,
        framework: None,
        chain_authority: ChainAuthority::Server,
        mode: IngestMode::Strict,
        tags: vec![],
        metadata: Map::new(),
        ingestion_service_id: "exhibit-vector-1".to_owned(),
        at: instant(&stored[0]["received_at"]),
    });
    let append = SessionCommand::Append(Append {
        events: requests().into(),
        stored: vec![],
        id_seed: uuid::Uuid::nil(),
        idle_max: None,
        session_limits: std::sync::Arc::new([]),
        at: instant(&stored[6]["received_at"]),
    });
    let mut session = Session::default();
    for command in [start, append] {
        for event in session.decide(command).unwrap() {
            session.apply(event);
        }
    }
    session
}

fn tenant() -> TenantId {
    let statement: Value = serde_json::from_slice(&statement()).unwrap();
    TenantId::parse(statement["tenant_id"].as_str().unwrap()).unwrap()
}

fn prepared() -> PreparedSeal {
    let records = chained();
    let seal = stored().pop().unwrap();
    let facts = SealFacts {
        tenant_id: tenant(),
        ingestion_service_id: "exhibit-vector-1".to_owned(),
        session_digest: digest(&records),
        event_count: records.len() as u64,
        final_event_hash: records.last().unwrap().event_hash,
        policy_set_digest: domain::evidence::seal::policy_set_digest(vec![]).unwrap(),
        policies_position: 0,
        event_id: parse_uuid(seal["event_id"].as_str().unwrap()).unwrap(),
        incomplete: false,
        at: instant(&seal["received_at"]),
    };
    session().prepare_seal(facts).unwrap()
}

#[test]
fn every_hash_of_the_chain_is_reproduced() {
    let (records, stored) = (chained(), stored());
    assert_eq!(records.len(), stored.len() - 1);
    for (record, stored) in records.iter().zip(&stored) {
        assert_eq!(stored["payload_hash"], record.body.payload_hash.to_string());
        assert_eq!(stored["event_hash"], record.event_hash.to_string());
        let prev = record.prev_event_hash.map_or(Value::Null, |hash| hash.to_string().into());
        assert_eq!(stored["prev_event_hash"], prev);
    }
}

#[test]
fn every_record_is_written_as_the_canonical_form_of_the_stored_line() {
    for (record, line) in chained().iter().zip(STORED.lines()) {
        let mut full = Vec::new();
        record.write_full(&context(), None, &mut full);
        let full = String::from_utf8(full).unwrap();
        assert_eq!(full.as_bytes(), canonicalize(line.as_bytes()).unwrap(), "{full}");
    }
}

#[test]
fn every_leaf_is_the_canonical_form_of_the_stored_line_without_its_payload() {
    for (record, mut stored) in chained().iter().zip(stored()) {
        stored.as_object_mut().unwrap().remove("payload").unwrap();
        let mut leaf = Vec::new();
        record.write_leaf(&context(), &mut leaf);
        assert_eq!(leaf, serde_json_canonicalizer::to_vec(&stored).unwrap());
    }
}

#[test]
fn lines_and_a_batch_give_the_same_events() {
    let events: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    assert_eq!(read_lines(&lines.join("\n")).unwrap(), requests());
}

#[test]
fn the_session_that_takes_the_requests_ends_at_the_same_hash() {
    let session = session();
    let chain = session.chain().unwrap();
    assert_eq!(chain.head_hash, chained().last().map(|record| record.event_hash));
    assert_eq!(chain.next_sequence, 7);
    assert!(chain.has_session_end);
}

#[test]
fn the_merkle_digest_is_reproduced() {
    let seal = &stored()[7]["payload"];
    assert_eq!(seal["session_digest"], format!("sha256:{}", digest(&chained())));
}

#[test]
fn the_seal_event_is_reproduced() {
    let prepared = prepared();
    let mut full = Vec::new();
    prepared.record.write_full(&context(), None, &mut full);
    let line = STORED.lines().last().unwrap();
    assert_eq!(full, canonicalize(line.as_bytes()).unwrap());
    assert_eq!(stored()[7]["event_hash"], prepared.record.event_hash.to_string());
}

#[test]
fn the_bytes_to_sign_are_reproduced_and_the_signature_holds_over_them() {
    assert_eq!(
        String::from_utf8(prepared().statement).unwrap(),
        String::from_utf8(statement()).unwrap()
    );
    let envelope: Envelope = serde_json::from_str(ENVELOPE).unwrap();
    let keys: JwkSet = serde_json::from_str(KEYS).unwrap();
    assert_eq!(envelope.verify(&keys), Ok(envelope.signatures[0].keyid.clone()));
}
