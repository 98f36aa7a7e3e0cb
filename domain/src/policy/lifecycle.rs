//! All versions of one policy name, and where each stands: draft, review, active, retired.
//!
//! **Invariants:** at most one version is ACTIVE; what is RETIRED stays so; nobody activates what
//! they wrote (unless the server was started to allow it); a text changes as a DRAFT alone.
//!
//! Source: contract/policy.md, section 3.

mod command;
mod event;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use command::{Draft, Named, PolicyAction, PolicyCommand};
pub use event::{PolicyEvent, Written};

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

#[cfg(test)]
mod tests;
