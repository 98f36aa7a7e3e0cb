//! Trials in small pieces against what judging everything at once finds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Comparison, Report, Span, Trial};
use crate::evidence::event_type::EventType;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};
use crate::judgement::{Entry, JudgedSession, Matter, Records, Testimony, judge};
use crate::policy::compile::CompiledPolicy;
use crate::policy::context::SessionFacts;
use crate::policy::validate::Policy;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));

fn policy(version: &str, allowed: &Value, failures: u32) -> Arc<CompiledPolicy> {
    policy_with(version, allowed, failures, true)
}

fn policy_with(
    version: &str,
    allowed: &Value,
    failures: u32,
    require_tool_results: bool,
) -> Arc<CompiledPolicy> {
    let document = json!({
        "name": "tool-access", "version": version,
        "limits": { "require_tool_results": require_tool_results },
        "controls": [
            { "id": "allowed", "severity": "high", "rules": [
                { "id": "on-the-list", "left": "payload.tool_name", "op": "in", "right": allowed },
            ] },
            { "id": "often", "severity": "low", "rules": [
                { "id": "quiet", "left": "payload.tool_name", "op": "!=", "right": "shout" },
            ], "threshold": { "type": "count", "value": failures, "window_seconds": 60 } },
            { "id": "mostly", "severity": "low", "rules": [
                { "id": "quiet", "left": "payload.tool_name", "op": "!=", "right": "shout" },
            ], "threshold": { "type": "percent", "value": 50, "window_seconds": 10 } },
        ],
    });
    Arc::new(CompiledPolicy::new(&Policy::read(&document).unwrap()).unwrap())
}

/// Sessions in which some tools are called, some of the calls are answered, and some end.
fn history(sessions: u128) -> Vec<Records> {
    let mut pieces = Vec::new();
    let mut clock = DateTime::UNIX_EPOCH;
    for round in 0..4_u64 {
        for number in 0..sessions {
            let facts = SessionFacts::default();
            let id = SessionId(Uuid::from_u128(100 + number));
            let session = Arc::new(JudgedSession { id, facts, has_session_end: true });
            let draw = u64::try_from(number).unwrap() * 7 + round * 3;
            let tool = ["search", "shout", "pay", "look_up"][(draw % 4) as usize];
            let (kind, payload) = match (round, draw % 3) {
                (3, 0 | 1) => ("SESSION_END", json!({ "status": "success", "duration_ms": 1 })),
                (2, 0) => ("TOOL_RESULT", json!({ "tool_name": tool, "result": {} })),
                _ => ("TOOL_CALL", json!({ "tool_name": tool, "args": {} })),
            };
            clock += TimeDelta::milliseconds(i64::try_from(draw % 5).unwrap() * 700);
            let record = Testimony {
                sequence_number: round,
                event_id: Uuid::from_u128(1_000 * (100 + number) + u128::from(round)),
                event_type: EventType::parse(kind).unwrap(),
                timestamp_wall: "1970-01-01T00:00:00Z".to_owned(),
                actor_id: (draw % 2 == 0).then(|| format!("user-{}", draw % 5)),
                payload: payload.to_string(),
                event_hash: Hash([0; 32]),
                received_at: clock,
            };
            let position = pieces.len() as u64 + 1;
            let correlation_id = String::new();
            pieces.push(Records { position, correlation_id, session, records: vec![record] });
        }
    }
    pieces
}

fn tried(pieces: usize, span: Span, versions: [Option<&Arc<CompiledPolicy>>; 2]) -> Report {
    let [candidate, active] = versions.map(Option::<&Arc<_>>::cloned);
    let mut trial = Trial::new(TENANT, span, candidate.unwrap(), active);
    let mut all = history(60);
    while !all.is_empty() {
        let rest = all.split_off(pieces.min(all.len()));
        trial.take(all).unwrap();
        all = rest;
    }
    trial.finish(1, 240)
}

/// The keys by control that one version finds in everything at once.
fn found(policy: &Arc<CompiledPolicy>) -> HashMap<String, HashSet<Hash>> {
    let matter = Matter {
        tenant: TENANT,
        active: vec![policy.clone()],
        entries: history(60).into_iter().map(Arc::new).map(Entry::Records).collect(),
        windows: HashMap::new(),
        open_calls: HashMap::new(),
        violations_alone: false,
    };
    let mut found: HashMap<String, HashSet<Hash>> = HashMap::new();
    for ruling in judge(matter, DateTime::UNIX_EPOCH).unwrap().violations {
        found.entry(ruling.detected.control).or_default().insert(ruling.detected.dedup_key);
    }
    found
}

fn expected(
    candidate: &Arc<CompiledPolicy>,
    active: &Arc<CompiledPolicy>,
) -> BTreeMap<String, Comparison> {
    let (candidate, active) = (found(candidate), found(active));
    let names: HashSet<&String> = candidate.keys().chain(active.keys()).collect();
    let none = HashSet::new();
    let compared = names.into_iter().map(|name| {
        let (ours, theirs) =
            (candidate.get(name).unwrap_or(&none), active.get(name).unwrap_or(&none));
        let comparison = Comparison {
            added: ours.difference(theirs).count() as u64,
            removed: theirs.difference(ours).count() as u64,
            same: ours.intersection(theirs).count() as u64,
        };
        (name.clone(), comparison)
    });
    compared.collect()
}

#[test]
fn a_trial_in_pieces_finds_what_judging_everything_at_once_finds() {
    let candidate = policy("2.0.0", &json!(["search", "pay"]), 4);
    let active = policy("1.0.0", &json!(["search", "look_up"]), 3);
    let expected = expected(&candidate, &active);
    assert_eq!(expected.len(), 4, "every control is broken: {expected:?}");
    assert!(expected["often"].same > 0 || expected["mostly"].same > 0, "{expected:?}");
    for pieces in [1, 7, 50, 1_000] {
        let report = tried(pieces, Span::default(), [Some(&candidate), Some(&active)]);
        assert_eq!(report.controls, expected, "in pieces of {pieces}");
        assert_eq!(report.events, 240);
        let Comparison { added, removed, same } = report.totals;
        assert_eq!(report.candidate.violations, added + same);
        assert_eq!(report.active.unwrap().violations, removed + same);
        for (control, examples) in &report.examples {
            let Comparison { added, removed, .. } = report.controls[control];
            assert_eq!(examples.added.len() as u64, added.min(10), "{control}");
            assert_eq!(examples.removed.len() as u64, removed.min(10), "{control}");
            assert!(examples.added.iter().all(|example| example.control == *control));
        }
    }
}

/// Calls are answered pieces later, whichever of the two must know of it.
#[test]
fn one_version_alone_may_demand_results() {
    let demands = policy_with("1.0.0", &json!(["search", "look_up"]), 3, true);
    let does_not = policy_with("2.0.0", &json!(["search", "look_up"]), 3, false);
    for (candidate, active) in [(&demands, &does_not), (&does_not, &demands)] {
        let expected = expected(candidate, active);
        let unanswered = expected["require_tool_results"];
        assert!(unanswered.added + unanswered.removed > 0, "{expected:?}");
        for pieces in [1, 7, 1_000] {
            let report = tried(pieces, Span::default(), [Some(candidate), Some(active)]);
            assert_eq!(report.controls, expected, "in pieces of {pieces}");
        }
    }
}

#[test]
fn a_version_against_itself_is_the_same_and_against_nothing_is_added() {
    let version = policy("1.0.0", &json!(["search"]), 3);
    let itself = tried(13, Span::default(), [Some(&version), Some(&version)]);
    assert!(itself.totals.same > 0);
    assert_eq!((itself.totals.added, itself.totals.removed), (0, 0));
    let alone = tried(13, Span::default(), [Some(&version), None]);
    assert_eq!(alone.totals.added, itself.totals.same);
    assert_eq!((alone.active, alone.totals.same), (None, 0));
}

#[test]
fn a_span_leaves_out_what_was_received_before_and_after() {
    let version = policy("1.0.0", &json!(["none"]), 1_000);
    let all: Vec<_> = history(60).iter().map(|r| r.records[0].received_at).collect();
    let (since, until) = (all[80], all[160]);
    let inside = all.iter().filter(|at| (since..until).contains(*at)).count() as u64;
    let span = Span { since: Some(since), until: Some(until) };
    let report = tried(13, span, [Some(&version), None]);
    assert_eq!(report.events, inside);
    assert!(inside > 40 && report.totals.added > 0);
}
