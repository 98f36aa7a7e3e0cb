//! A session begins once, and before that there is none.

use chrono::TimeDelta;

use super::story::{Story, answers, session_id, start};
use crate::evidence::record::ChainAuthority;
use crate::evidence::refusal::Refusal;
use crate::session::{IngestMode, Phase, SessionCommand, SessionError, SessionEvent};

#[test]
fn a_session_that_is_started_says_how() {
    let mut story = Story::unborn();
    let start = start(ChainAuthority::Sdk, IngestMode::Permissive);
    let events = story.command(SessionCommand::Start(start.clone())).unwrap();
    assert_eq!(events, [SessionEvent::Started(start.into())]);
    assert_eq!(story.session.phase, Phase::Active);
    assert_eq!(story.chain().authority, ChainAuthority::Sdk);
    assert_eq!(story.chain().mode, IngestMode::Permissive);
    assert_eq!((story.chain().next_sequence, story.chain().head_hash), (0, None));
}

#[test]
fn a_session_cannot_be_started_twice_whatever_has_become_of_it() {
    let start = || SessionCommand::Start(start(ChainAuthority::Server, IngestMode::Strict));
    let mut story = Story::strict();
    assert_eq!(story.command(start()), Err(SessionError::Exists));
    story = story.given(vec![super::story::end(0)]);
    assert_eq!(story.command(start()), Err(SessionError::Exists));
    story.seal(false).unwrap();
    assert_eq!(story.command(start()), Err(SessionError::Exists));
}

#[test]
fn a_session_that_was_never_started_takes_and_seals_nothing() {
    let mut story = Story::unborn();
    assert_eq!(story.append(answers(0..1)), Err(SessionError::NotFound));
    assert_eq!(story.session.check_sealable(true), Err(SessionError::NotFound));
    assert_eq!(story.session.class(), None);
}

#[test]
fn a_session_left_alone_for_too_long_is_closed_to_all_but_the_seal() {
    let mut story = Story::strict().given(answers(0..2));
    story.idle_max = Some(TimeDelta::seconds(60));
    story.wait(60);
    assert_eq!(story.session.status(story.at, story.idle_max), "active");
    story = story.given(answers(2..3));
    story.wait(61);
    assert_eq!(story.session.status(story.at, story.idle_max), "closed");
    let closed = Refusal::SessionClosed { session_id: session_id(), status: "closed" };
    assert_eq!(story.refusal(answers(3..4)), (None, closed));
    assert!(story.seal(true).is_ok());
}

#[test]
fn without_a_time_out_a_session_waits_for_ever() {
    let mut story = Story::strict();
    story.wait(1_000_000_000);
    assert_eq!(story.session.status(story.at, None), "active");
    assert!(story.append(answers(0..1)).is_ok());
}
