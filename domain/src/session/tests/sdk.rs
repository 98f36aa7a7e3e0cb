//! Sessions whose chain the client computes: the server checks, and never recomputes.

use super::story::{Story, answer, answers, chained, end, incoming, session_id};
use crate::evidence::class::EvidenceClass;
use crate::evidence::intake::IncomingEvent;
use crate::evidence::record::ChainAuthority;
use crate::evidence::refusal::{Refusal, SchemaComplaint};
use crate::hash::Hash;
use crate::session::{IngestMode, Phase, SessionError};

fn client_seal(sequence_number: u64) -> IncomingEvent {
    incoming(sequence_number, "CHAIN_SEAL", r#"{"by":"sdk"}"#)
}

fn ended(status: &'static str) -> Refusal {
    Refusal::SessionClosed { session_id: session_id(), status }
}

/// Events behind the head of the story's chain.
fn behind(story: &Story, events: Vec<IncomingEvent>) -> Vec<IncomingEvent> {
    chained(story.chain().head_hash, events)
}

fn complained_field(refusal: Refusal) -> String {
    match refusal {
        Refusal::Schema(SchemaComplaint::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chain_that_is_computed_rightly_is_taken() {
    let mut story = Story::sdk().given(chained(None, answers(0..3)));
    let batch = behind(&story, answers(3..5));
    let appended = story.append(batch.clone()).unwrap().unwrap();
    assert_eq!(appended.head_hash, batch[1].claimed.unwrap().event_hash);
}

#[test]
fn a_wrong_hash_is_refused_by_its_field_and_index() {
    let mut story = Story::sdk().given(chained(None, answers(0..1)));
    let wrong = |change: fn(&mut IncomingEvent)| {
        let mut events = behind(&story, answers(1..4));
        change(&mut events[1]);
        events
    };
    let other_hash = wrong(|e| e.claimed.as_mut().unwrap().event_hash = Hash([7; 32]));
    let other_prev = wrong(|e| e.claimed.as_mut().unwrap().prev_event_hash = Some(Hash([7; 32])));
    let no_prev = wrong(|e| e.claimed.as_mut().unwrap().prev_event_hash = None);
    let other_body = wrong(|e| std::sync::Arc::make_mut(&mut e.body).timestamp_wall.push('0'));
    let named = [
        (other_hash, "event_hash"),
        (other_prev, "prev_event_hash"),
        (no_prev, "prev_event_hash"),
        (other_body, "event_hash"),
    ];
    for (events, field) in named {
        let (index, refusal) = story.refusal(events);
        assert_eq!((index, complained_field(refusal).as_str()), (Some(1), field));
    }
}

#[test]
fn the_first_event_claims_nothing_before_it() {
    let (index, refusal) = Story::sdk().refusal(chained(Some(Hash([7; 32])), answers(0..1)));
    assert_eq!((index, complained_field(refusal).as_str()), (Some(0), "prev_event_hash"));
}

#[test]
fn a_retry_must_claim_what_is_stored() {
    let mut story = Story::sdk().given(chained(None, answers(0..3)));
    assert_eq!(story.append(chained(None, answers(0..3))).unwrap(), None);
    let mut again = chained(None, answers(0..3));
    again[1].claimed.as_mut().unwrap().event_hash = Hash([7; 32]);
    let rewind = Refusal::SequenceRewind { last_sequence: 2, received_sequence: 1 };
    assert_eq!(story.refusal(again), (Some(1), rewind));
}

#[test]
fn a_gap_is_refused_even_when_the_session_is_permissive() {
    let mut story = Story::started(ChainAuthority::Sdk, IngestMode::Permissive);
    let gap = Refusal::LogGap { expected_sequence: 1, received_sequence: 2 };
    assert_eq!(story.refusal(chained(None, answers([0, 2]))), (Some(1), gap));
}

#[test]
fn a_client_seals_its_session() {
    let mut story = Story::sdk();
    let events = vec![answer(0), end(1), client_seal(2)];
    assert!(story.append(chained(None, events)).is_ok());
    assert_eq!(story.session.phase, Phase::Sealed);
    let more = behind(&story, answers([3]));
    assert_eq!(story.refusal(more), (None, ended("sealed")));
    assert_eq!(story.session.class(), Some((EvidenceClass::NonAuthoritative, vec![])));
}

#[test]
fn a_client_may_seal_without_an_end() {
    let mut story = Story::sdk();
    assert!(story.append(chained(None, vec![answer(0), client_seal(1)])).is_ok());
    assert_eq!(story.session.phase, Phase::Sealed);
    assert!(!story.chain().has_session_end);
}

#[test]
fn a_client_may_seal_in_a_later_batch_than_it_ended() {
    let mut story = Story::sdk().given(chained(None, vec![answer(0), end(1)]));
    let seal = behind(&story, vec![client_seal(2)]);
    assert!(story.append(seal).is_ok());
    assert_eq!(story.session.phase, Phase::Sealed);
}

#[test]
fn after_the_end_only_the_seal_follows() {
    let mut story = Story::sdk();
    for more in [answer(1), end(1)] {
        let batch = chained(None, vec![end(0), more]);
        assert_eq!(story.refusal(batch), (Some(1), ended("ended")));
    }
    story = story.given(chained(None, vec![end(0)]));
    for more in [answer(1), end(1)] {
        let batch = behind(&story, vec![more, client_seal(2)]);
        assert_eq!(story.refusal(batch).1, ended("ended"));
    }
}

#[test]
fn after_the_seal_nothing_follows_in_the_same_batch() {
    let mut story = Story::sdk();
    for more in [answer(2), client_seal(2)] {
        let batch = chained(None, vec![end(0), client_seal(1), more]);
        assert_eq!(story.refusal(batch).0, Some(2));
    }
}

#[test]
fn the_server_may_seal_what_the_client_has_not() {
    let mut story = Story::sdk().given(chained(None, answers(0..2)));
    let sealed = story.seal(false).unwrap();
    assert_eq!(sealed.evidence_class, EvidenceClass::NonAuthoritative);
    assert_eq!(sealed.partial_reasons, []);
    assert_eq!(story.seal(false), Err(SessionError::Moved));
}
