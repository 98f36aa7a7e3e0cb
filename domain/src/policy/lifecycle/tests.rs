//! The lifecycle as stories.

use serde_json::Value;

use super::*;

const NAME: &str = "tool-access";

fn draft(version: &str, content: &str) -> Draft {
    Draft {
        name: NAME.to_owned(),
        version: version.to_owned(),
        content_hash: format!("sha256:{content}"),
        has_controls: true,
        document: Value::Null,
    }
}

fn by(who: &str, what: PolicyAction) -> PolicyCommand {
    PolicyCommand { what, by: who.to_owned(), expected: None, at: DateTime::UNIX_EPOCH }
}

fn act(
    policy: &mut PolicyVersions,
    who: &str,
    what: PolicyAction,
) -> Result<Vec<&'static str>, PolicyError> {
    let events = policy.decide(NAME, by(who, what))?;
    let names = events.iter().map(|event| match event {
        PolicyEvent::Drafted(_) => "drafted",
        PolicyEvent::Revised(_) => "revised",
        PolicyEvent::Submitted { .. } => "submitted",
        PolicyEvent::Rejected { .. } => "rejected",
        PolicyEvent::Activated { .. } => "activated",
        PolicyEvent::Retired { .. } => "retired",
    });
    let names = names.collect();
    for event in events {
        policy.apply(event);
    }
    Ok(names)
}

fn submit(version: &str) -> PolicyAction {
    PolicyAction::Submit { version: version.to_owned(), backtest_id: None }
}

fn activate(version: &str, supersede: bool) -> PolicyAction {
    let version = version.to_owned();
    PolicyAction::Activate { version, supersede, allow_self_approval: false }
}

fn retire(version: &str) -> PolicyAction {
    PolicyAction::Retire { version: version.to_owned(), reason: "done".to_owned() }
}

fn reject(version: &str) -> PolicyAction {
    PolicyAction::Reject { version: version.to_owned(), reason: "no".to_owned() }
}

fn in_state(status: Status) -> PolicyVersions {
    let mut policy = PolicyVersions::default();
    act(&mut policy, "ann", PolicyAction::Draft(draft("1.0.0", "a"))).unwrap();
    let steps: &[(&str, PolicyAction)] =
        &[("ann", submit("1.0.0")), ("bob", activate("1.0.0", false)), ("bob", retire("1.0.0"))];
    let count = Status::ALL.iter().position(|s| *s == status).unwrap();
    for (who, step) in &steps[..count] {
        act(&mut policy, who, step.clone()).unwrap();
    }
    policy
}

#[test]
fn each_state_takes_its_commands_and_no_others() {
    let commands = [
        PolicyAction::Draft(draft("1.0.0", "b")),
        PolicyAction::Revise(draft("1.0.0", "b")),
        submit("1.0.0"),
        reject("1.0.0"),
        activate("1.0.0", false),
        retire("1.0.0"),
    ];
    for status in Status::ALL {
        for command in &commands {
            let name = command.name();
            let outcome = act(&mut in_state(status), "bob", command.clone());
            if status.allows().contains(&name) {
                assert!(outcome.is_ok(), "{name} on {status:?}: {outcome:?}");
            } else {
                let refusal = PolicyError::State { command: name, status: Some(status) };
                assert_eq!(outcome, Err(refusal));
            }
        }
    }
}

#[test]
fn nothing_but_a_draft_happens_to_a_version_that_does_not_exist() {
    for command in [submit("1.0.0"), reject("1.0.0"), retire("1.0.0")] {
        let outcome = act(&mut PolicyVersions::default(), "ann", command);
        assert_eq!(outcome, Err(PolicyError::NotFound));
    }
}

#[test]
fn whoever_wrote_at_a_text_does_not_approve_it() {
    let mut policy = in_state(Status::Draft);
    act(&mut policy, "bob", PolicyAction::Revise(draft("1.0.0", "b"))).unwrap();
    act(&mut policy, "cem", submit("1.0.0")).unwrap();
    for author in ["ann", "bob"] {
        let outcome = act(&mut policy, author, activate("1.0.0", false));
        assert_eq!(outcome, Err(PolicyError::SelfApproval), "{author}");
    }
    assert_eq!(act(&mut policy, "cem", activate("1.0.0", false)), Ok(vec!["activated"]));
}

#[test]
fn a_second_version_takes_the_place_of_the_first_only_when_told_to() {
    let mut policy = in_state(Status::Active);
    act(&mut policy, "ann", PolicyAction::Draft(draft("1.1.0", "b"))).unwrap();
    act(&mut policy, "ann", submit("1.1.0")).unwrap();
    let refused = act(&mut policy, "bob", activate("1.1.0", false));
    assert_eq!(refused, Err(PolicyError::OtherActive("1.0.0".to_owned())));
    let done = act(&mut policy, "bob", activate("1.1.0", true));
    assert_eq!(done, Ok(vec!["retired", "activated"]));
    assert_eq!(policy.version("1.0.0").unwrap().status, Status::Retired);
    assert_eq!(policy.version("1.1.0").unwrap().status, Status::Active);
}

#[test]
fn the_same_text_again_changes_nothing_and_an_empty_one_is_not_submitted() {
    let mut policy = in_state(Status::Draft);
    assert_eq!(act(&mut policy, "bob", PolicyAction::Revise(draft("1.0.0", "a"))), Ok(vec![]));
    let empty = Draft { has_controls: false, ..draft("2.0.0", "e") };
    act(&mut policy, "ann", PolicyAction::Draft(empty)).unwrap();
    assert_eq!(act(&mut policy, "ann", submit("2.0.0")), Err(PolicyError::NoControls));
}

#[test]
fn a_command_that_expects_another_revision_changes_nothing() {
    let policy = in_state(Status::Draft);
    for (expected, fits) in [(0, false), (1, true), (2, false)] {
        let command = PolicyCommand { expected: Some(expected), ..by("ann", submit("1.0.0")) };
        let outcome = policy.decide(NAME, command);
        assert_eq!(outcome.is_ok(), fits, "{expected}");
    }
}
