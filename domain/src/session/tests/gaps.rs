//! Permissive sessions: one `LOG_DROP` of the server for each missing number.

use super::story::{Story, answer, answers};
use crate::evidence::canonical::{canonicalize, payload_hash};
use crate::evidence::event_type::EventType;
use crate::evidence::json::{self, Json};
use crate::evidence::record::{Record, format_micros};
use crate::evidence::refusal::Refusal;

fn fillers(story: &Story) -> Vec<&Record> {
    story.stored.iter().filter(|r| r.body.event_type == EventType::LOG_DROP).collect()
}

#[test]
fn each_missing_number_is_filled_by_one_event() {
    let mut story = Story::permissive().given(answers(0..2));
    let appended = story.append(answers([4, 5, 7])).unwrap().unwrap();
    assert_eq!((appended.first_sequence, appended.last_sequence, appended.count), (2, 7, 6));
    assert_eq!((appended.filled, appended.dropped), (3, 3));
    let numbers: Vec<_> = fillers(&story).iter().map(|r| r.body.sequence_number).collect();
    assert_eq!(numbers, [2, 3, 6]);
    assert_eq!((story.chain().total_drops, story.chain().log_drops), (3, 3));
}

#[test]
fn fillers_stand_in_the_chain_like_any_event() {
    let story = Story::permissive().given(answers([0, 4, 6]));
    let hashes: Vec<_> = story.stored.iter().map(|r| Some(r.event_hash)).collect();
    let prevs: Vec<_> = story.stored.iter().map(|r| r.prev_event_hash).collect();
    assert_eq!(prevs[1..], hashes[..6]);
    let numbers: Vec<_> = story.stored.iter().map(|r| r.body.sequence_number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_filler_says_what_is_missing_in_canonical_form() {
    let mut story = Story::permissive().given(answers([0, 2]));
    story.wait(5);
    story = story.given(answers([4]));
    let payloads: Vec<_> = fillers(&story).iter().map(|r| r.body.payload.as_str()).collect();
    let filler = |cumulative, number| {
        format!(
            "{{\"cumulative_drops\":{cumulative},\"drop_reason\":\"SEQUENCE_GAP\",\
             \"dropped_count\":1,\"sequence_range\":[{number},{number}]}}"
        )
    };
    assert_eq!(payloads, [filler(1, 1), filler(2, 3)]);
    assert_eq!(fillers(&story)[1].body.timestamp_wall, format_micros(story.at));
    for record in fillers(&story) {
        let payload = record.body.payload.as_bytes();
        assert_eq!(canonicalize(payload).unwrap(), payload);
        assert_eq!(record.body.payload_hash, payload_hash(payload));
        let document = json::parse(payload, json::DEPTH_MAX).unwrap();
        assert_eq!(EventType::LOG_DROP.check_payload(&document.root), Ok(()));
        assert_eq!(document.root.get("dropped_count").and_then(Json::as_integer), Some(1));
    }
}

#[test]
fn fillers_have_ids_of_their_own() {
    let story = Story::permissive().given(answers([0, 40]));
    let mut ids: Vec<_> = story.stored.iter().map(|r| r.body.event_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 41);
}

#[test]
fn a_gap_after_the_stored_part_of_a_retry_is_filled() {
    let mut story = Story::permissive().given(answers(0..3));
    let appended = story.append(answers([2, 4])).unwrap().unwrap();
    assert_eq!((appended.first_sequence, appended.filled, appended.count), (3, 1, 2));
}

#[test]
fn a_gap_longer_than_a_session_may_lose_is_refused_whole() {
    let limit = Refusal::PolicyLimit {
        policy: "log-drop".to_owned(),
        control: "log_drops_per_session",
        limit: 100,
    };
    let mut story = Story::permissive().given(answers(0..1));
    assert_eq!(story.refusal(answers([102])), (Some(0), limit.clone()));
    assert_eq!(story.refusal(answers([1, 1 << 52])), (Some(1), limit.clone()));
    story = story.given(answers([101]));
    assert_eq!(story.chain().log_drops, 100);
    assert_eq!(story.refusal(answers([103])), (Some(0), limit));
    assert!(story.append(vec![answer(102)]).is_ok());
}
