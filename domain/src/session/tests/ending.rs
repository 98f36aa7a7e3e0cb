//! `SESSION_END` ends the client's part.

use super::story::{Story, answer, answers, end, log_drop, session_id};
use crate::evidence::refusal::Refusal;
use crate::session::Phase;

fn ended() -> Refusal {
    Refusal::SessionClosed { session_id: session_id(), status: "ended" }
}

#[test]
fn after_its_end_a_session_takes_no_more_events() {
    let mut story = Story::strict().given(vec![answer(0), end(1)]);
    assert_eq!(story.session.phase, Phase::Ended);
    assert!(story.chain().has_session_end);
    for more in [answer(2), end(2), log_drop(2, 1)] {
        assert_eq!(story.refusal(vec![more]).1, ended());
    }
}

#[test]
fn after_the_end_nothing_follows_in_the_same_batch() {
    for mut story in [Story::strict(), Story::permissive()] {
        for more in [answer(2), end(2), answer(5)] {
            assert_eq!(story.refusal(vec![answer(0), end(1), more]), (Some(2), ended()));
        }
    }
}

#[test]
fn a_session_may_consist_of_its_end() {
    let mut story = Story::strict();
    assert!(story.append(vec![end(0)]).is_ok());
}

#[test]
fn a_sealed_session_refuses_even_what_it_holds() {
    let mut story = Story::strict().given(vec![answer(0), end(1)]);
    story.seal(false).unwrap();
    let sealed = Refusal::SessionClosed { session_id: session_id(), status: "sealed" };
    assert_eq!(story.refusal(answers([2])), (None, sealed.clone()));
    assert_eq!(story.refusal(vec![answer(0), end(1)]), (None, sealed));
}
