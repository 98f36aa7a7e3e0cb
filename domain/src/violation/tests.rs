//! The state machine, state by state and command by command.

use chrono::TimeDelta;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::hash::Hash;
use crate::policy::document::Severity;

fn detected() -> ViolationEvent {
    ViolationEvent::Detected(Box::new(Detected {
        violation_id: Uuid::from_u128(1),
        dedup_key: Hash([1; 32]),
        session_id: SessionId(Uuid::from_u128(2)),
        event_id: Uuid::from_u128(3),
        sequence_number: 4,
        event_hash: Hash([2; 32]),
        actor_id: None,
        agent_id: "agent".to_owned(),
        policy: "tool-access".to_owned(),
        policy_version: "1.0.0".to_owned(),
        policy_hash: "sha256:0".to_owned(),
        control: "allowed-tools".to_owned(),
        rule: None,
        severity: Severity::High,
        reason: "not allowed".to_owned(),
        explanation: Value::Null,
        risk_score: None,
        detected_at: DateTime::UNIX_EPOCH,
        due_at: Some(due()),
        auto_escalate_to: Some("owner@example.org".to_owned()),
    }))
}

fn due() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(1)
}

fn acknowledge() -> Request {
    Request::Acknowledge { comment: None }
}

fn comment() -> Request {
    Request::Comment { comment: "seen".to_owned() }
}

fn escalate() -> Request {
    Request::Escalate { to: "lead".to_owned(), reason: "big".to_owned() }
}

fn resolve() -> Request {
    Request::Resolve { resolution: "fixed".to_owned() }
}

fn reopen() -> Request {
    Request::Reopen { reason: "not fixed".to_owned() }
}

fn auto() -> Request {
    Request::AutoEscalate { to: "owner@example.org".to_owned() }
}

/// `Some(name)` of what happened, `None` when nothing changed.
fn act(
    violation: &mut Violation,
    what: Request,
    at: DateTime<Utc>,
) -> Result<Option<&'static str>, ViolationError> {
    let command = ViolationCommand { what, by: "key:a".to_owned(), expected: None, at };
    let event = violation.decide(command)?;
    let name = event.as_ref().and_then(|event| match event {
        ViolationEvent::Detected(_) => None,
        ViolationEvent::Done { action, .. } => Some(action.name()),
    });
    if let Some(event) = event {
        violation.apply(event);
    }
    Ok(name)
}

fn after(requests: &[Request]) -> Violation {
    let mut violation = Violation::default();
    violation.apply(detected());
    for request in requests {
        act(&mut violation, request.clone(), DateTime::UNIX_EPOCH).unwrap();
    }
    violation
}

fn now(violation: &mut Violation, what: Request) -> Result<Option<&'static str>, ViolationError> {
    act(violation, what, DateTime::UNIX_EPOCH)
}

#[test]
fn each_state_takes_its_commands_a_repeat_changes_nothing_and_the_rest_is_forbidden() {
    let states = [
        (Status::Open, after(&[])),
        (Status::Acknowledged, after(&[acknowledge()])),
        (Status::Resolved, after(&[acknowledge(), resolve()])),
    ];
    let repeats = [("acknowledge", Status::Acknowledged), ("resolve", Status::Resolved)];
    for (status, violation) in states {
        for request in [acknowledge(), comment(), escalate(), resolve(), reopen()] {
            let name = request.name();
            let outcome = now(&mut violation.clone(), request);
            if status.allows().contains(&name) {
                assert!(matches!(outcome, Ok(Some(_))), "{name} on {status:?}: {outcome:?}");
            } else if repeats.contains(&(name, status)) {
                assert_eq!(outcome, Ok(None), "{name} on {status:?}");
            } else {
                assert_eq!(outcome, Err(ViolationError::State { command: name, status }));
            }
        }
    }
}

#[test]
fn words_of_a_repeat_are_kept_and_another_resolution_is_none() {
    let mut violation = after(&[acknowledge()]);
    let again = Request::Acknowledge { comment: Some("me too".to_owned()) };
    assert_eq!(now(&mut violation, again), Ok(Some("commented")));
    let mut violation = after(&[acknowledge(), resolve()]);
    let other = Request::Resolve { resolution: "otherwise".to_owned() };
    let refusal = ViolationError::State { command: "resolve", status: Status::Resolved };
    assert_eq!(now(&mut violation, other), Err(refusal));
}

#[test]
fn what_was_reopened_is_open_and_reopening_it_again_changes_nothing() {
    let mut violation = after(&[acknowledge(), resolve(), reopen()]);
    assert_eq!(violation.found.as_ref().unwrap().status, Status::Open);
    assert_eq!(now(&mut violation, reopen()), Ok(None));
    assert_eq!(now(&mut violation, acknowledge()), Ok(Some("acknowledged")));
}

#[test]
fn escalation_is_a_level_beside_the_state_and_the_same_one_again_is_none() {
    let mut violation = after(&[escalate()]);
    assert_eq!(now(&mut violation, escalate()), Ok(None));
    let higher = Request::Escalate { to: "board".to_owned(), reason: "big".to_owned() };
    assert_eq!(now(&mut violation, higher), Ok(Some("escalated")));
    let found = violation.found.unwrap();
    assert_eq!((found.escalation_level, found.status), (2, Status::Open));
}

#[test]
fn the_clock_escalates_what_is_overdue_and_does_so_once() {
    let mut violation = after(&[]);
    assert_eq!(act(&mut violation, auto(), due()), Ok(None), "due is not overdue");
    let late = due() + TimeDelta::seconds(1);
    assert_eq!(act(&mut violation, auto(), late), Ok(Some("escalated")));
    assert_eq!(act(&mut violation, auto(), late), Ok(None));
    let mut resolved = after(&[acknowledge(), resolve()]);
    assert_eq!(act(&mut resolved, auto(), late), Ok(None));
}

#[test]
fn texts_have_bounds_and_nothing_is_done_to_what_does_not_exist() {
    for text in [String::new(), " \n".to_owned(), "x".repeat(TEXT_CHARS_MAX + 1), "\0".to_owned()] {
        let outcome = now(&mut after(&[]), Request::Comment { comment: text });
        let refusal = ViolationError::Text { field: "comment", max: TEXT_CHARS_MAX };
        assert_eq!(outcome, Err(refusal));
    }
    assert_eq!(now(&mut Violation::default(), comment()), Err(ViolationError::NotFound));
}

#[test]
fn a_command_that_expects_another_version_changes_nothing() {
    let violation = after(&[acknowledge()]);
    for (expected, fits) in [(1, false), (2, true), (3, false)] {
        let command = ViolationCommand {
            what: comment(),
            by: "key:a".to_owned(),
            expected: Some(expected),
            at: DateTime::UNIX_EPOCH,
        };
        assert_eq!(violation.decide(command).is_ok(), fits, "{expected}");
    }
}

#[test]
fn events_are_stored_by_name_and_read_back() {
    let done = escalate();
    let command =
        ViolationCommand { what: done, by: "key:a".to_owned(), expected: None, at: due() };
    let event = after(&[]).decide(command).unwrap().unwrap();
    for event in [detected(), event] {
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains("\"type\":\""), "{text}");
        assert_eq!(serde_json::from_str::<ViolationEvent>(&text).unwrap(), event);
    }
}
