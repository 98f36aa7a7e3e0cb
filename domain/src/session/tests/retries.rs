//! A retry is not an error; another content under a stored number is.

use std::sync::Arc;

use super::story::{Story, answer, answers, end, incoming, session_id};
use crate::evidence::refusal::Refusal;

fn rewind(last_sequence: u64, received_sequence: u64) -> Refusal {
    Refusal::SequenceRewind { last_sequence, received_sequence }
}

#[test]
fn a_retry_of_a_whole_batch_is_no_event() {
    let mut story = Story::strict().given(answers(0..5));
    assert_eq!(story.append(answers(0..5)).unwrap(), None);
    assert_eq!(story.append(answers(1..3)).unwrap(), None);
    assert_eq!(story.append(answers(4..5)).unwrap(), None);
}

#[test]
fn of_a_batch_whose_beginning_is_stored_only_the_tail_is_stored() {
    let mut story = Story::strict().given(answers(0..3));
    let appended = story.append(answers(1..6)).unwrap().unwrap();
    assert_eq!((appended.first_sequence, appended.count), (3, 3));
    let at_once = Story::strict().given(answers(0..6));
    assert_eq!(story.stored, at_once.stored);
}

#[test]
fn a_refusal_of_the_tail_names_the_index_in_the_batch_that_was_sent() {
    let mut story = Story::strict().given(answers(0..3));
    let gap = Refusal::LogGap { expected_sequence: 4, received_sequence: 5 };
    assert_eq!(story.refusal(answers([1, 2, 3, 5])), (Some(3), gap));
}

#[test]
fn another_content_under_a_stored_number_is_a_rewind() {
    let other = || incoming(1, "quiz.answered", r#"{"other":1}"#);
    for mut story in [Story::strict(), Story::permissive()] {
        story = story.given(answers(0..3));
        assert_eq!(story.refusal(vec![other()]), (Some(0), rewind(2, 1)));
        assert_eq!(story.refusal(vec![answer(0), other(), answer(2)]), (Some(1), rewind(2, 1)));
        assert_eq!(story.refusal(vec![other(), answer(3)]), (Some(0), rewind(2, 1)));
    }
}

#[test]
fn what_the_hash_does_not_cover_makes_no_other_event() {
    let mut story = Story::strict().given(answers(0..1));
    let mut again = answer(0);
    Arc::make_mut(&mut again.body).actor_id = Some("ada".to_owned());
    assert_eq!(story.append(vec![again]).unwrap(), None);
}

#[test]
fn a_stored_number_that_stands_twice_in_a_retry_is_a_rewind() {
    for mut story in [Story::strict(), Story::permissive()] {
        story = story.given(answers(0..3));
        assert_eq!(story.refusal(answers([0, 0])), (Some(1), rewind(2, 0)));
        assert_eq!(story.refusal(answers([2, 1])), (Some(1), rewind(2, 1)));
    }
}

#[test]
fn a_retry_with_a_hole_is_refused_when_the_session_is_strict() {
    let mut story = Story::strict().given(answers(0..3));
    assert_eq!(story.refusal(answers([0, 2])), (Some(1), rewind(2, 2)));
}

#[test]
fn a_retry_of_a_batch_whose_gap_was_filled_is_no_event() {
    let mut story = Story::permissive().given(answers(0..1));
    let batch = || answers([1, 2, 5, 6]);
    assert_eq!(story.append(batch()).unwrap().unwrap().filled, 2);
    assert_eq!(story.append(batch()).unwrap(), None);
    let appended = story.append(answers([2, 5, 6, 7])).unwrap().unwrap();
    assert_eq!((appended.first_sequence, appended.count), (7, 1));
}

#[test]
fn an_event_that_comes_late_finds_its_number_filled() {
    let mut story = Story::permissive().given(answers([0, 3]));
    assert_eq!(story.refusal(answers([1])), (Some(0), rewind(3, 1)));
}

#[test]
fn a_retry_after_the_end_is_no_event_but_new_events_are_refused() {
    let mut story = Story::strict().given(vec![answer(0), answer(1), end(2)]);
    assert_eq!(story.append(vec![answer(1), end(2)]).unwrap(), None);
    let ended = Refusal::SessionClosed { session_id: session_id(), status: "ended" };
    assert_eq!(story.refusal(answers([3])).1, ended);
    assert_eq!(story.refusal(vec![end(2), answer(3)]).1, ended);
}
