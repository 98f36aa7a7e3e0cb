//! How much a session may lose (evidence.md, section 3).

use super::story::{Story, answers, log_drop};
use crate::evidence::refusal::Refusal;

fn limit(control: &'static str, limit: u64) -> Refusal {
    Refusal::PolicyLimit { policy: "log-drop".to_owned(), control, limit }
}

/// A session into which clients have sent `count` drops, ten a minute.
fn after_drops(count: u64) -> Story {
    let mut story = Story::permissive();
    for sequence in 0..count {
        if sequence % 10 == 0 {
            story.wait(60);
        }
        story = story.given(vec![log_drop(sequence, 1)]);
    }
    story
}

#[test]
fn a_client_may_send_ten_drops_a_minute_and_again_ten_in_the_next() {
    let mut story = after_drops(10);
    let eleventh = || vec![log_drop(10, 1)];
    let refused = (Some(0), limit("client_log_drops_per_minute", 10));
    assert_eq!(story.refusal(eleventh()), refused);
    story.wait(59);
    assert_eq!(story.refusal(eleventh()), refused);
    story.wait(1);
    let next_ten: Vec<_> = (10..21).map(|n| log_drop(n, 1)).collect();
    assert_eq!(story.refusal(next_ten.clone()).0, Some(10));
    assert!(story.append(next_ten[..10].to_vec()).is_ok());
}

#[test]
fn drops_are_counted_within_one_batch_too() {
    let mut story = Story::strict();
    let batch: Vec<_> = (0..12).map(|n| log_drop(n, 1)).collect();
    let refused = (Some(10), limit("client_log_drops_per_minute", 10));
    assert_eq!(story.refusal(batch), refused);
}

#[test]
fn a_retry_of_drops_does_not_count_again() {
    let mut story = after_drops(10);
    for _ in 0..3 {
        let again = (0..10).map(|n| log_drop(n, 1)).collect();
        assert_eq!(story.append(again).unwrap(), None);
    }
    assert_eq!((story.chain().log_drops, story.chain().total_drops), (10, 10));
}

#[test]
fn the_minute_is_the_clients_and_does_not_hold_up_a_filler() {
    let mut story = after_drops(10);
    assert!(story.append(answers([30])).is_ok());
    assert_eq!(story.chain().log_drops, 30);
}

#[test]
fn fillers_do_not_use_up_the_minute_of_the_client() {
    let mut story = Story::permissive().given(answers([0, 30]));
    let ten = (31..41).map(|n| log_drop(n, 1)).collect();
    assert!(story.append(ten).is_ok());
}

#[test]
fn a_session_holds_a_hundred_drops_and_no_more() {
    let mut story = after_drops(100);
    story.wait(60);
    let refused = (Some(0), limit("log_drops_per_session", 100));
    assert_eq!(story.refusal(vec![log_drop(100, 1)]), refused);
    assert_eq!(story.refusal(answers([101])), refused);
    assert!(story.append(answers([100])).is_ok());
}

#[test]
fn a_session_loses_ten_thousand_events_and_no_more() {
    let mut story = Story::permissive().given(vec![log_drop(0, 9_000)]);
    let refused = |index| (Some(index), limit("dropped_events", 10_000));
    assert_eq!(story.refusal(vec![log_drop(1, 1_001)]), refused(0));
    assert_eq!(story.refusal(vec![log_drop(1, 500), log_drop(2, 501)]), refused(1));
    story = story.given(vec![log_drop(1, 1_000)]);
    assert_eq!(story.chain().total_drops, 10_000);
    assert_eq!(story.refusal(answers([3])), refused(0));
    assert_eq!(story.refusal(vec![log_drop(2, (1 << 53) - 1)]), refused(0));
    assert!(story.append(answers([2])).is_ok());
}
