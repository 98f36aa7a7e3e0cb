//! A breach of a policy, and what people do about it.
//!
//! **Invariants:** one violation per [`DedupKey`], whoever evaluates how often; the state moves
//! OPEN → ACKNOWLEDGED → RESOLVED → OPEN and no other way; whatever is done is an event, and stays.
//!
//! Source: contract/policy.md, section 4.

mod event;
mod key;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

pub use event::{Action, Detected, ViolationEvent};
pub use key::{DedupKey, Occurrence};

use crate::ids::SessionId;

/// Characters of a comment, a reason or a resolution.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// Characters of whom a violation is escalated to.
pub const RECIPIENT_CHARS_MAX: usize = 256;

/// Where a violation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Open,
    Acknowledged,
    Resolved,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Resolved];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Resolved => "RESOLVED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The commands that a violation in this state takes.
    pub fn allows(self) -> &'static [&'static str] {
        match self {
            Self::Open => &["acknowledge", "comment", "escalate"],
            Self::Acknowledged => &["comment", "escalate", "resolve"],
            Self::Resolved => &["comment", "reopen"],
        }
    }
}

/// The state that decisions need; default when nothing was heard of the violation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    pub found: Option<Found>,
    /// Events so far; what an `ETag` names.
    pub version: u64,
}

/// A violation that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub session_id: SessionId,
    pub status: Status,
    /// From 0 upward.
    pub escalation_level: u32,
    /// The last to whom it was escalated, and why.
    pub escalated: Option<(String, String)>,
    /// The clock has escalated it; it does so once.
    pub auto_escalated: bool,
    pub due_at: Option<DateTime<Utc>>,
    /// It was resolved before, and is open again.
    pub reopened: bool,
    /// Of the last time.
    pub resolution: Option<String>,
}

/// What is asked, by whom and when.
#[derive(Debug, Clone, PartialEq)]
pub struct ViolationCommand {
    pub what: Request,
    /// `key:<id>` of the caller, or `clock`.
    pub by: String,
    /// The version that the violation must have (`If-Match`).
    pub expected: Option<u64>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Acknowledge {
        comment: Option<String>,
    },
    Comment {
        comment: String,
    },
    Escalate {
        to: String,
        reason: String,
    },
    Resolve {
        resolution: String,
    },
    Reopen {
        reason: String,
    },
    /// Past its due date the server escalates it, once.
    AutoEscalate {
        to: String,
    },
}

impl Request {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Comment { .. } => "comment",
            Self::Escalate { .. } | Self::AutoEscalate { .. } => "escalate",
            Self::Resolve { .. } => "resolve",
            Self::Reopen { .. } => "reopen",
        }
    }

    /// The texts that it carries, with the name and the limit of each.
    fn texts(&self) -> Vec<(&'static str, &str, usize)> {
        match self {
            Self::Acknowledge { comment } => {
                comment.iter().map(|text| ("comment", text.as_str(), TEXT_CHARS_MAX)).collect()
            }
            Self::Comment { comment } => vec![("comment", comment, TEXT_CHARS_MAX)],
            Self::Escalate { to, reason } => {
                vec![("to", to, RECIPIENT_CHARS_MAX), ("reason", reason, TEXT_CHARS_MAX)]
            }
            Self::Resolve { resolution } => vec![("resolution", resolution, TEXT_CHARS_MAX)],
            Self::Reopen { reason } => vec![("reason", reason, TEXT_CHARS_MAX)],
            Self::AutoEscalate { .. } => vec![],
        }
    }
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViolationError {
    #[error("there is no such violation")]
    NotFound,
    #[error("{command} is not possible: the violation is {}", .status.as_str())]
    State { command: &'static str, status: Status },
    #[error("{field} has 1 to {max} characters")]
    Text { field: &'static str, max: usize },
    #[error("the violation has changed since it was read")]
    Precondition,
}

impl Violation {
    /// Every rule of violations, as one table from (state, command) to events. What is so already
    /// changes nothing and is no error.
    pub fn decide(
        &self,
        command: ViolationCommand,
    ) -> Result<Option<ViolationEvent>, ViolationError> {
        let ViolationCommand { what, by, expected, at } = command;
        let found = self.found.as_ref().ok_or(ViolationError::NotFound)?;
        if expected.is_some_and(|version| version != self.version) {
            return Err(ViolationError::Precondition);
        }
        check_texts(&what)?;
        let forbidden = ViolationError::State { command: what.name(), status: found.status };
        let session_id = found.session_id;
        let action = match (what, found.status) {
            (Request::Acknowledge { comment }, Status::Open) => Action::Acknowledged { comment },
            // So already, but for the words, which are kept.
            (Request::Acknowledge { comment: Some(comment) }, Status::Acknowledged)
            | (Request::Comment { comment }, _) => Action::Commented { comment },
            (Request::Escalate { to, reason }, Status::Open | Status::Acknowledged) => {
                let again = (to, reason);
                if found.escalated.as_ref() == Some(&again) {
                    return Ok(None);
                }
                let level = found.escalation_level + 1;
                Action::Escalated { to: again.0, reason: again.1, level, automatic: false }
            }
            (Request::AutoEscalate { to }, Status::Open | Status::Acknowledged) => {
                let overdue = found.due_at.is_some_and(|due| due < at);
                if found.auto_escalated || !overdue {
                    return Ok(None);
                }
                let level = found.escalation_level + 1;
                let reason = "the violation is overdue".to_owned();
                Action::Escalated { to, reason, level, automatic: true }
            }
            (Request::Resolve { resolution }, Status::Acknowledged) => {
                Action::Resolved { resolution }
            }
            (Request::Reopen { reason }, Status::Resolved) => Action::Reopened { reason },
            (Request::Reopen { .. }, Status::Open) if found.reopened => return Ok(None),
            // So already, or nothing to be done any more.
            (Request::Acknowledge { .. }, Status::Acknowledged)
            | (Request::AutoEscalate { .. }, Status::Resolved) => return Ok(None),
            (Request::Resolve { resolution }, Status::Resolved)
                if found.resolution.as_ref() == Some(&resolution) =>
            {
                return Ok(None);
            }
            (
                Request::Acknowledge { .. } | Request::Escalate { .. } | Request::Resolve { .. },
                Status::Resolved,
            )
            | (Request::Resolve { .. }, Status::Open)
            | (Request::Reopen { .. }, Status::Open | Status::Acknowledged) => {
                return Err(forbidden);
            }
        };
        Ok(Some(action.of(session_id, by, at)))
    }
}

fn check_texts(request: &Request) -> Result<(), ViolationError> {
    let bad = request.texts().into_iter().find(|(_, text, max)| {
        text.trim().is_empty() || text.chars().count() > *max || text.contains('\0')
    });
    match bad {
        None => Ok(()),
        Some((field, _, max)) => Err(ViolationError::Text { field, max }),
    }
}

impl Found {
    fn of(detected: &Detected) -> Self {
        Self {
            session_id: detected.session_id,
            status: Status::Open,
            escalation_level: 0,
            escalated: None,
            auto_escalated: false,
            due_at: detected.due_at,
            reopened: false,
            resolution: None,
        }
    }

    /// Folds what was done into where the violation stands.
    pub fn take(&mut self, action: &Action) {
        match action {
            Action::Acknowledged { .. } => self.status = Status::Acknowledged,
            Action::Commented { .. } => {}
            Action::Escalated { to, reason, level, automatic } => {
                self.escalation_level = *level;
                self.escalated = Some((to.clone(), reason.clone()));
                self.auto_escalated |= automatic;
            }
            Action::Resolved { resolution } => {
                self.status = Status::Resolved;
                self.resolution = Some(resolution.clone());
            }
            Action::Reopened { .. } => {
                self.status = Status::Open;
                self.reopened = true;
            }
        }
    }
}

impl Aggregate for Violation {
    const TYPE: &'static str = "violation";
    type Command = ViolationCommand;
    type Event = ViolationEvent;
    type Error = ViolationError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ViolationCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ViolationError> {
        if let Some(event) = self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ViolationEvent) {
        self.version += 1;
        match event {
            ViolationEvent::Detected(detected) => self.found = Some(Found::of(&detected)),
            ViolationEvent::Done { action, .. } => {
                if let Some(found) = &mut self.found {
                    found.take(&action);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
