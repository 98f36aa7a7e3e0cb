//! Closing a chain, and what it may be called then.

use serde_json::{Value, json};

use super::story::{Story, answer, answers, end, log_drop, session_id, tenant_id};
use crate::evidence::canonical::{canonicalize, payload_hash};
use crate::evidence::class::{EvidenceClass, PartialReason};
use crate::evidence::dsse::Envelope;
use crate::evidence::record::Record;
use crate::hash::Hash;
use crate::session::{Phase, PreparedSeal, SealFacts, Session, SessionCommand, SessionError};

fn finished() -> Story {
    Story::permissive().given(vec![answer(0), answer(1), end(2)])
}

fn prepared(story: &Story) -> PreparedSeal {
    story.session.prepare_seal(story.seal_facts(true)).unwrap()
}

fn brought_back(prepared: PreparedSeal) -> SessionCommand {
    let envelope = Envelope::new("test", &prepared.statement, "key".to_owned(), &[0; 64]);
    SessionCommand::Seal { prepared: Box::new(prepared), envelope, reason: Some("done".to_owned()) }
}

#[test]
fn a_seal_is_the_last_event_of_the_chain() {
    let mut story = finished();
    let head = story.chain().head_hash;
    let sealed = story.seal(false).unwrap();
    let record = story.stored.last().unwrap().clone();
    assert_eq!((sealed.sequence_number, record.body.sequence_number), (3, 3));
    assert_eq!(record.prev_event_hash, head);
    assert_eq!(record.body.event_type.as_str(), "CHAIN_SEAL");
    let again = Record::chain(record.body.clone(), session_id(), head, story.at);
    assert_eq!(sealed.seal_event_hash, again.event_hash);
    assert_eq!(story.session.phase, Phase::Sealed);
    assert_eq!(story.chain().next_sequence, 4);
    assert_eq!(story.chain().head_hash, Some(sealed.seal_event_hash));
}

#[test]
fn the_payload_of_a_seal_is_canonical_and_says_what_was_sealed() {
    let story = Story::strict().given(vec![log_drop(0, 3), answer(1), end(2)]);
    let facts = story.seal_facts(false);
    let body = prepared(&story).record.body;
    assert_eq!(canonicalize(body.payload.as_bytes()).unwrap(), body.payload.as_bytes());
    assert_eq!(body.payload_hash, payload_hash(body.payload.as_bytes()));
    let payload: Value = serde_json::from_str(&body.payload).unwrap();
    let expected = json!({
        "ingestion_service_id": "exhibit-test",
        "seal_timestamp": "1970-01-01T00:00:00.000Z",
        "session_digest": format!("sha256:{}", facts.session_digest),
        "final_event_hash": story.chain().head_hash,
        "event_count": 3,
        "total_drops": 3,
        "evidence_class": "PARTIAL_AUTHORITATIVE_EVIDENCE",
        "policy_set_digest": "sha256:none",
    });
    assert_eq!(payload, expected);
}

#[test]
fn the_statement_is_canonical_and_names_whose_seal_it_is() {
    let prepared = prepared(&finished());
    assert_eq!(canonicalize(&prepared.statement).unwrap(), prepared.statement);
    let statement: Value = serde_json::from_slice(&prepared.statement).unwrap();
    let seal: Value = serde_json::from_str(&prepared.record.body.payload).unwrap();
    let expected = json!({
        "tenant_id": tenant_id(),
        "session_id": session_id(),
        "chain_authority": "server",
        "seal_event_hash": prepared.record.event_hash,
        "seal": seal,
    });
    assert_eq!(statement, expected);
}

#[test]
fn a_session_without_events_is_not_sealed() {
    let story = Story::strict();
    assert_eq!(story.session.check_sealable(true), Err(SessionError::Empty));
    let facts = story.seal_facts(true);
    assert_eq!(story.session.prepare_seal(facts), Err(SessionError::Empty));
}

#[test]
fn a_session_without_its_end_is_sealed_only_when_the_client_knows() {
    let mut story = Story::strict().given(answers(0..2));
    assert_eq!(story.seal(false), Err(SessionError::Incomplete));
    let sealed = story.seal(true).unwrap();
    assert_eq!(sealed.evidence_class, EvidenceClass::Partial);
    assert_eq!(sealed.partial_reasons, [PartialReason::MissingSessionEnd]);
}

#[test]
fn facts_of_another_chain_are_not_sealed() {
    let story = finished();
    let facts = || story.seal_facts(false);
    let short = SealFacts { event_count: 2, ..facts() };
    let other = SealFacts { final_event_hash: Hash([7; 32]), ..facts() };
    for wrong in [short, other] {
        assert_eq!(story.session.prepare_seal(wrong), Err(SessionError::Moved));
    }
}

#[test]
fn a_chain_that_grew_since_the_preparation_is_not_sealed() {
    let mut story = Story::strict().given(answers(0..2));
    let early = prepared(&story);
    story = story.given(answers([2]));
    assert_eq!(story.command(brought_back(early)), Err(SessionError::Moved));
    assert!(story.seal(true).is_ok());
}

#[test]
fn a_seal_that_was_prepared_for_another_chain_of_the_same_length_is_refused() {
    let mut story = finished();
    let other = Story::strict().given(vec![answer(0), log_drop(1, 1), end(2)]);
    assert_eq!(story.command(brought_back(prepared(&other))), Err(SessionError::Moved));
}

#[test]
fn sealing_twice_is_no_second_event() {
    let mut story = finished();
    let (first, second) = (prepared(&story), prepared(&story));
    assert_eq!(story.command(brought_back(first)).unwrap().len(), 1);
    let sealed = story.session.clone();
    assert_eq!(story.command(brought_back(second)), Ok(vec![]));
    assert_eq!(story.session, sealed);
    assert_eq!(story.session.prepare_seal(story.seal_facts(false)), Err(SessionError::Moved));
}

#[test]
fn a_session_that_was_never_started_takes_no_seal() {
    let seal = brought_back(prepared(&finished()));
    assert_eq!(Session::default().decide(seal), Err(SessionError::NotFound));
}

#[test]
fn the_class_is_authoritative_only_when_nothing_is_missing() {
    let mut story = finished();
    let class = |story: &Story| story.session.class().unwrap();
    let unsealed = (EvidenceClass::Partial, vec![PartialReason::UnsealedSession]);
    assert_eq!(class(&story), unsealed);
    let sealed = story.seal(false).unwrap();
    assert_eq!(sealed.evidence_class, EvidenceClass::Authoritative);
    assert_eq!(sealed.partial_reasons, []);
    assert_eq!(class(&story), (EvidenceClass::Authoritative, vec![]));
}

#[test]
fn all_reasons_that_apply_are_given() {
    use PartialReason::{LogDropPresent, MissingSessionEnd, UnsealedSession};
    let mut story = Story::permissive().given(answers([0, 2]));
    let (class, reasons) = story.session.class().unwrap();
    assert_eq!(class, EvidenceClass::Partial);
    assert_eq!(reasons, [UnsealedSession, MissingSessionEnd, LogDropPresent]);
    let sealed = story.seal(true).unwrap();
    assert_eq!(sealed.partial_reasons, [MissingSessionEnd, LogDropPresent]);
    assert_eq!(sealed.seal.total_drops, 1);
}
