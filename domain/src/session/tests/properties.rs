//! What holds for a session whatever comes to it.

use proptest::prelude::*;

use super::story::{Story, answer, end, incoming, log_drop, session_id};
use crate::evidence::event_type::EventType;
use crate::evidence::intake::IncomingEvent;
use crate::evidence::json::{self, Json};
use crate::evidence::record::Record;
use crate::session::Phase;

/// What a client may do next, in numbers relative to the end of the chain.
#[derive(Debug, Clone)]
enum Step {
    Append { back: u64, events: Vec<(u64, Kind)> },
    Wait(i64),
    Seal { incomplete: bool },
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Answer,
    OtherAnswer,
    Drop(u64),
    End,
}

impl Kind {
    fn at(self, number: u64) -> IncomingEvent {
        match self {
            Self::Answer => answer(number),
            Self::OtherAnswer => incoming(number, "quiz.answered", r#"{"other":true}"#),
            Self::Drop(count) => log_drop(number, count),
            Self::End => end(number),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        12 => Just(Kind::Answer),
        2 => Just(Kind::OtherAnswer),
        2 => (1..3000u64).prop_map(Kind::Drop),
        1 => Just(Kind::End),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Numbers mostly follow each other; now and then one stands still or leaves a gap.
    let stride = prop_oneof![20 => Just(1u64), 1 => Just(0), 2 => 2..4u64];
    let back = prop_oneof![3 => Just(0u64), 1 => 1..4u64];
    let events = proptest::collection::vec((stride, kind()), 1..6);
    prop_oneof![
        12 => (back, events).prop_map(|(back, events)| Step::Append { back, events }),
        2 => (0..90i64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(|incomplete| Step::Seal { incomplete }),
    ]
}

/// Takes the step; whether it was refused does not matter here.
fn take(story: &mut Story, step: &Step) {
    match step {
        Step::Append { back, events } => {
            let mut number = story.chain().next_sequence.saturating_sub(*back);
            let mut batch = Vec::new();
            for (stride, kind) in events {
                batch.push(kind.at(number));
                number += stride;
            }
            let _refused = story.append(batch).is_err();
        }
        Step::Wait(seconds) => story.wait(*seconds),
        Step::Seal { incomplete } => {
            let _refused = story.seal(*incomplete).is_err();
        }
    }
}

/// Sum of `dropped_count` and number of `LOG_DROP`s, read from the payloads.
fn drops_in(records: &[Record]) -> (u64, u64) {
    let drops = records.iter().filter(|r| r.body.event_type == EventType::LOG_DROP);
    drops.fold((0, 0), |(dropped, count), record| {
        let payload = json::parse(record.body.payload.as_bytes(), json::DEPTH_MAX).unwrap();
        let more = payload.root.get("dropped_count").and_then(Json::as_integer).unwrap();
        (dropped + more, count + 1)
    })
}

fn assert_chain_is_whole(story: &Story) -> Result<(), TestCaseError> {
    let mut prev = None;
    for (number, record) in (0..).zip(&story.stored) {
        prop_assert_eq!(record.body.sequence_number, number);
        prop_assert_eq!(record.prev_event_hash, prev);
        let again = Record::chain(record.body.clone(), session_id(), prev, record.received_at);
        prop_assert_eq!(record.event_hash, again.event_hash);
        prev = Some(record.event_hash);
    }
    let chain = story.chain();
    prop_assert_eq!(chain.next_sequence, story.stored.len() as u64);
    prop_assert_eq!(chain.head_hash, prev);
    prop_assert_eq!((chain.total_drops, chain.log_drops), drops_in(&story.stored));
    Ok(())
}

/// Where types may stand: the end only before a seal or last, the seal last.
fn assert_nothing_follows_the_end(story: &Story) -> Result<(), TestCaseError> {
    let position = |wanted: &EventType| {
        story.stored.iter().rev().position(|record| record.body.event_type == *wanted)
    };
    let sealed = story.session.phase == Phase::Sealed;
    prop_assert_eq!(position(&EventType::CHAIN_SEAL), sealed.then_some(0));
    let end = story.chain().has_session_end.then_some(usize::from(sealed));
    prop_assert_eq!(position(&EventType::SESSION_END), end);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_taken_leaves_a_chain_without_a_hole(
        permissive in any::<bool>(), steps in proptest::collection::vec(step(), 1..25)
    ) {
        let mut story = if permissive { Story::permissive() } else { Story::strict() };
        for step in &steps {
            take(&mut story, step);
            assert_chain_is_whole(&story)?;
            assert_nothing_follows_the_end(&story)?;
        }
    }

    #[test]
    fn how_events_are_cut_into_batches_does_not_matter(
        events in proptest::collection::vec((1..3u64, kind()), 1..40),
        cuts in proptest::collection::vec((1..7usize, 0..3usize), 1..40),
        ends in any::<bool>(),
    ) {
        let mut number = 0;
        let mut batch = Vec::new();
        let mut drops = 0;
        for (stride, kind) in events {
            let kind = match kind {
                Kind::Drop(_) if drops < 10 => { drops += 1; Kind::Drop(1) }
                Kind::Answer | Kind::OtherAnswer => kind,
                Kind::Drop(_) | Kind::End => Kind::Answer,
            };
            batch.push(kind.at(number));
            number += stride;
        }
        if ends {
            batch.push(end(number));
        }
        let whole = Story::permissive().given(batch.clone());
        let mut parts = Story::permissive();
        let mut from = 0;
        for (length, again) in cuts.into_iter().cycle() {
            // Each part begins with a few events that were sent before.
            let to = (from + length).min(batch.len());
            let part = batch[from.saturating_sub(again)..to].to_vec();
            prop_assert!(parts.append(part).unwrap().is_some());
            from = to;
            if from == batch.len() {
                break;
            }
        }
        prop_assert_eq!(&parts.session, &whole.session);
        prop_assert_eq!(&parts.stored, &whole.stored);
        prop_assert_eq!(parts.append(batch).unwrap(), None);
    }
}
