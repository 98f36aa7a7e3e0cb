//! A batch behind the chain: what is stored, and what is refused in strict mode.

use std::sync::Arc;

use cqrs_es::DomainEvent;

use super::story::{Story, answer, answers, session_id};
use crate::evidence::intake::IncomingEvent;
use crate::evidence::record::Record;
use crate::evidence::refusal::Refusal;
use crate::session::{IngestMode, SessionEvent};

#[test]
fn a_batch_becomes_one_event_with_its_records_chained() {
    let mut story = Story::strict().given(answers(0..2));
    let head = story.chain().head_hash;
    let appended = story.append(answers(2..5)).unwrap().unwrap();
    assert_eq!((appended.first_sequence, appended.last_sequence, appended.count), (2, 4, 3));
    let mut prev = head;
    for (record, event) in appended.batch.iter().zip(answers(2..5)) {
        let expected = Record::chain(event.body, session_id(), prev, story.at);
        assert_eq!(*record, expected);
        prev = Some(record.event_hash);
    }
    assert_eq!(Some(appended.head_hash), prev);
    assert_eq!(story.chain().head_hash, prev);
    let event = SessionEvent::Appended(appended);
    assert_eq!(event.event_type(), "session.events_appended");
}

#[test]
fn the_first_event_names_no_hash_before_it() {
    let story = Story::strict().given(answers(0..2));
    assert_eq!(story.stored[0].prev_event_hash, None);
    assert_eq!(story.stored[1].prev_event_hash, Some(story.stored[0].event_hash));
}

#[test]
fn an_event_counts_its_batch_by_type() {
    let mut story = Story::strict();
    let events = vec![answer(0), super::story::log_drop(1, 3), answer(2)];
    let appended = story.append(events).unwrap().unwrap();
    let types: Vec<_> = appended.types.iter().map(|(t, n)| (t.as_str(), *n)).collect();
    assert_eq!(types, [("LOG_DROP", 1), ("quiz.answered", 2)]);
    assert_eq!((appended.dropped, appended.filled), (3, 0));
}

#[test]
fn the_first_number_of_a_session_is_zero_in_both_modes() {
    for mut story in [Story::strict(), Story::permissive()] {
        let refusal = story.refusal(answers(1..3));
        assert_eq!(refusal, (Some(0), Refusal::InvalidFirstSequence { received: 1 }));
        assert!(story.append(answers(0..1)).is_ok());
    }
}

#[test]
fn a_gap_is_refused_when_the_session_is_strict() {
    let mut story = Story::strict().given(answers(0..3));
    let gap = |expected, received| Refusal::LogGap {
        expected_sequence: expected,
        received_sequence: received,
    };
    assert_eq!(story.refusal(answers([4])), (Some(0), gap(3, 4)));
    assert_eq!(story.refusal(answers([3, 4, 6, 9])), (Some(2), gap(5, 6)));
    assert_eq!(story.chain().mode, IngestMode::Strict);
}

#[test]
fn one_id_cannot_name_two_events_of_a_batch() {
    let mut story = Story::strict().given(answers(0..1));
    let mut events: Vec<IncomingEvent> = answers(0..4);
    let taken = events[1].body.event_id;
    Arc::make_mut(&mut events[3].body).event_id = taken;
    let conflict = Refusal::EventIdConflict { event_id: events[1].body.event_id };
    assert_eq!(story.refusal(events), (Some(3), conflict));
}

#[test]
fn a_batch_of_nothing_changes_nothing() {
    let mut story = Story::strict();
    assert_eq!(story.append(vec![]).unwrap(), None);
}

#[test]
fn numbers_that_go_back_within_a_batch_are_refused() {
    let rewind = |last, received| Refusal::SequenceRewind {
        last_sequence: last,
        received_sequence: received,
    };
    for mut story in [Story::strict(), Story::permissive()] {
        let mut events = answers([0, 1, 2]);
        events.push(IncomingEvent { body: answer(9).body, ..answer(0) });
        Arc::make_mut(&mut events[3].body).sequence_number = 1;
        assert_eq!(story.refusal(events), (Some(3), rewind(2, 1)));
    }
}
