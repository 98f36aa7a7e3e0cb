//! All versions of one policy name, and where each stands: draft, review, active, retired.
//!
//! **Invariants:** at most one version is ACTIVE; what is RETIRED stays so; nobody activates what
//! they wrote (unless the server was started to allow it); a text changes as a DRAFT alone.
//!
//! Source: contract/policy.md, section 3.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::ids::TenantId;

/// Versions that one name may have: the aggregate is loaded whole.
pub const VERSIONS_MAX: usize = 1_000;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 2_000;

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Draft,
    Review,
    Active,
    Retired,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Draft, Self::Review, Self::Active, Self::Retired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Review => "REVIEW",
            Self::Active => "ACTIVE",
            Self::Retired => "RETIRED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The commands that a version in this state takes.
    pub fn allows(self) -> &'static [&'static str] {
        match self {
            Self::Draft => &["revise", "submit"],
            Self::Review => &["reject", "activate"],
            Self::Active => &["retire"],
            Self::Retired => &[],
        }
    }
}

/// The aggregate.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersions {
    versions: BTreeMap<String, Version>,
}

/// What decisions need of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub status: Status,
    pub content_hash: String,
    /// Everyone who wrote at this text: who drafted it, and who revised it.
    pub authors: Vec<String>,
    /// Whether there is anything to break.
    pub has_controls: bool,
    /// Events that concern this version; what an `ETag` names.
    pub revision: u64,
}

/// A document that was read and found valid, on its way into the aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub name: String,
    pub version: String,
    pub content_hash: String,
    pub has_controls: bool,
    /// As it was given.
    pub document: Value,
}

/// What is asked, by whom and when.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyCommand {
    pub what: PolicyAction,
    /// `key:<id>` or `cli:<user>`.
    pub by: String,
    /// The revision that the version must have (`If-Match`).
    pub expected: Option<u64>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PolicyAction {
    Draft(Draft),
    Revise(Draft),
    Submit { version: String, backtest_id: Option<Uuid> },
    Reject { version: String, reason: String },
    Activate { version: String, supersede: bool, allow_self_approval: bool },
    Retire { version: String, reason: String },
}

impl PolicyAction {
    /// The command's name in the contract's table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft(_) => "draft",
            Self::Revise(_) => "revise",
            Self::Submit { .. } => "submit",
            Self::Reject { .. } => "reject",
            Self::Activate { .. } => "activate",
            Self::Retire { .. } => "retire",
        }
    }

    /// The version that it is about.
    pub fn version(&self) -> &str {
        match self {
            Self::Draft(draft) | Self::Revise(draft) => &draft.version,
            Self::Submit { version, .. }
            | Self::Reject { version, .. }
            | Self::Activate { version, .. }
            | Self::Retire { version, .. } => version,
        }
    }
}

/// What has happened to a version. Stored for ever: see `tests/golden`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PolicyEvent {
    Drafted(Written),
    Revised(Written),
    Submitted {
        name: String,
        version: String,
        content_hash: String,
        /// A report on what the version would have done to stored history.
        backtest_id: Option<Uuid>,
        by: String,
        at: DateTime<Utc>,
    },
    Rejected {
        name: String,
        version: String,
        reason: String,
        by: String,
        at: DateTime<Utc>,
    },
    /// In force from the position after this event's.
    Activated {
        name: String,
        version: String,
        content_hash: String,
        /// Who wrote it activated it, which a server in development may allow.
        self_approved: bool,
        by: String,
        at: DateTime<Utc>,
    },
    Retired {
        name: String,
        version: String,
        reason: String,
        /// The version that took its place in the same commit.
        superseded_by: Option<String>,
        by: String,
        at: DateTime<Utc>,
    },
}

/// A text and who wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub name: String,
    pub version: String,
    /// `sha256:` over the document's canonical form.
    pub content_hash: String,
    pub has_controls: bool,
    pub document: Value,
    pub by: String,
    pub at: DateTime<Utc>,
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("there is no such policy version")]
    NotFound,
    #[error("{command} is not possible: {}", said(.status.as_ref()))]
    State { command: &'static str, status: Option<Status> },
    #[error("who wrote a version cannot approve it: another key must activate it")]
    SelfApproval,
    #[error("version {0} is active: retire it, or say \"supersede\": true")]
    OtherActive(String),
    #[error("a policy without controls cannot be submitted")]
    NoControls,
    #[error("a reason of 1 to {REASON_CHARS_MAX} characters is needed")]
    Reason,
    #[error("a policy has at most {VERSIONS_MAX} versions")]
    TooManyVersions,
    #[error("the version has changed since it was read")]
    Precondition,
}

fn said(status: Option<&Status>) -> String {
    match status {
        Some(status) => format!("the version is {}", status.as_str()),
        None => "there is no such version".to_owned(),
    }
}

/// The aggregate's id: one per tenant and name.
pub fn aggregate_id(tenant: TenantId, name: &str) -> Uuid {
    Uuid::new_v5(&tenant.0, format!("policy:{name}").as_bytes())
}

impl PolicyVersions {
    /// One version, if it was drafted.
    pub fn version(&self, version: &str) -> Option<&Version> {
        self.versions.get(version)
    }

    /// Every rule of the lifecycle, as one table from (state, command) to events.
    pub fn decide(
        &self,
        name: &str,
        command: PolicyCommand,
    ) -> Result<Vec<PolicyEvent>, PolicyError> {
        let PolicyCommand { what, by, expected, at } = command;
        let current = self.versions.get(what.version());
        if expected.is_some_and(|revision| current.is_none_or(|v| v.revision != revision)) {
            return Err(PolicyError::Precondition);
        }
        let (command, name) = (what.name(), name.to_owned());
        let state = |v: &Version| Err(PolicyError::State { command, status: Some(v.status) });
        match (what, current) {
            (PolicyAction::Draft(_), None) if self.versions.len() >= VERSIONS_MAX => {
                Err(PolicyError::TooManyVersions)
            }
            (PolicyAction::Draft(draft), None) => {
                Ok(vec![PolicyEvent::Drafted(Written::of(draft, by, at))])
            }
            (_, None) => Err(PolicyError::NotFound),
            (PolicyAction::Revise(draft), Some(known)) if known.status == Status::Draft => {
                let same = draft.content_hash == known.content_hash;
                let revised = || PolicyEvent::Revised(Written::of(draft, by, at));
                Ok(if same { vec![] } else { vec![revised()] })
            }
            (PolicyAction::Submit { version, backtest_id }, Some(known))
                if known.status == Status::Draft =>
            {
                if !known.has_controls {
                    return Err(PolicyError::NoControls);
                }
                let content_hash = known.content_hash.clone();
                Ok(vec![PolicyEvent::Submitted {
                    name,
                    version,
                    content_hash,
                    backtest_id,
                    by,
                    at,
                }])
            }
            (PolicyAction::Reject { version, reason }, Some(known))
                if known.status == Status::Review =>
            {
                let reason = checked(reason)?;
                Ok(vec![PolicyEvent::Rejected { name, version, reason, by, at }])
            }
            (PolicyAction::Activate { version, supersede, allow_self_approval }, Some(known))
                if known.status == Status::Review =>
            {
                let self_approved = known.authors.contains(&by);
                if self_approved && !allow_self_approval {
                    return Err(PolicyError::SelfApproval);
                }
                let content_hash = known.content_hash.clone();
                let retired = self.make_room(&name, &version, supersede, &by, at)?;
                let activated =
                    PolicyEvent::Activated { name, version, content_hash, self_approved, by, at };
                Ok(retired.into_iter().chain([activated]).collect())
            }
            (PolicyAction::Retire { version, reason }, Some(known))
                if known.status == Status::Active =>
            {
                let reason = checked(reason)?;
                Ok(vec![PolicyEvent::Retired {
                    name,
                    version,
                    reason,
                    superseded_by: None,
                    by,
                    at,
                }])
            }
            (
                PolicyAction::Draft(_)
                | PolicyAction::Revise(_)
                | PolicyAction::Submit { .. }
                | PolicyAction::Reject { .. }
                | PolicyAction::Activate { .. }
                | PolicyAction::Retire { .. },
                Some(known),
            ) => state(known),
        }
    }

    /// Retires the version that is in force, when it may be superseded.
    fn make_room(
        &self,
        name: &str,
        next: &str,
        supersede: bool,
        by: &str,
        at: DateTime<Utc>,
    ) -> Result<Option<PolicyEvent>, PolicyError> {
        let active = self.versions.iter().find(|(_, v)| v.status == Status::Active);
        let Some((version, _)) = active else { return Ok(None) };
        if !supersede {
            return Err(PolicyError::OtherActive(version.clone()));
        }
        Ok(Some(PolicyEvent::Retired {
            name: name.to_owned(),
            version: version.clone(),
            reason: format!("superseded by {next}"),
            superseded_by: Some(next.to_owned()),
            by: by.to_owned(),
            at,
        }))
    }

    fn moved(&mut self, version: &str, status: Status) {
        if let Some(known) = self.versions.get_mut(version) {
            known.status = status;
            known.revision += 1;
        }
    }
}

fn checked(reason: String) -> Result<String, PolicyError> {
    let fits = !reason.trim().is_empty()
        && reason.chars().count() <= REASON_CHARS_MAX
        && !reason.contains('\0');
    if fits { Ok(reason) } else { Err(PolicyError::Reason) }
}

impl Written {
    fn of(draft: Draft, by: String, at: DateTime<Utc>) -> Self {
        let Draft { name, version, content_hash, has_controls, document } = draft;
        Self { name, version, content_hash, has_controls, document, by, at }
    }
}

/// A command and the name that it is about: the aggregate is one name's.
#[derive(Debug, Clone, PartialEq)]
pub struct Named(pub String, pub PolicyCommand);

impl Aggregate for PolicyVersions {
    const TYPE: &'static str = "policy";
    type Command = Named;
    type Event = PolicyEvent;
    type Error = PolicyError;
    type Services = ();

    async fn handle(
        &mut self,
        Named(name, command): Named,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), PolicyError> {
        for event in self.decide(&name, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: PolicyEvent) {
        match event {
            PolicyEvent::Drafted(written) => {
                let version = Version {
                    status: Status::Draft,
                    content_hash: written.content_hash,
                    authors: vec![written.by],
                    has_controls: written.has_controls,
                    revision: 1,
                };
                self.versions.insert(written.version, version);
            }
            PolicyEvent::Revised(written) => {
                if let Some(known) = self.versions.get_mut(&written.version) {
                    known.content_hash = written.content_hash;
                    known.has_controls = written.has_controls;
                    known.revision += 1;
                    if !known.authors.contains(&written.by) {
                        known.authors.push(written.by);
                    }
                }
            }
            PolicyEvent::Submitted { version, .. } => self.moved(&version, Status::Review),
            PolicyEvent::Rejected { version, .. } => self.moved(&version, Status::Draft),
            PolicyEvent::Activated { version, .. } => self.moved(&version, Status::Active),
            PolicyEvent::Retired { version, .. } => self.moved(&version, Status::Retired),
        }
    }
}

impl PolicyEvent {
    /// The version that it is about.
    pub fn version(&self) -> &str {
        match self {
            Self::Drafted(written) | Self::Revised(written) => &written.version,
            Self::Submitted { version, .. }
            | Self::Rejected { version, .. }
            | Self::Activated { version, .. }
            | Self::Retired { version, .. } => version,
        }
    }
}

impl DomainEvent for PolicyEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Drafted(_) => "policy.drafted",
            Self::Revised(_) => "policy.revised",
            Self::Submitted { .. } => "policy.submitted",
            Self::Rejected { .. } => "policy.rejected",
            Self::Activated { .. } => "policy.activated",
            Self::Retired { .. } => "policy.retired",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[cfg(test)]
mod tests {
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
        let steps: &[(&str, PolicyAction)] = &[
            ("ann", submit("1.0.0")),
            ("bob", activate("1.0.0", false)),
            ("bob", retire("1.0.0")),
        ];
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
}
