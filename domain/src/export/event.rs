//! The events of exports, as they are stored for ever, and the words in them.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::{ExportError, FileFact, Made, Order};
use crate::hash::Hash;
use crate::ids::SessionId;

/// What kind of thing leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One session, as the answer to the request itself.
    Session,
    /// Events by filter, as NDJSON.
    Evidence,
    /// A report bundle.
    Bundle,
    /// One session for another party.
    Pack,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Session, Self::Evidence, Self::Bundle, Self::Pack];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Evidence => "evidence",
            Self::Bundle => "bundle",
            Self::Pack => "pack",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whom a pack is for. It changes nothing in the evidence: a part left out would be no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Audience {
    Internal,
    Partner,
    Regulator,
}

/// What a selection is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// A record's `actor_id`.
    pub actor: Option<String>,
    /// Name of a policy: what broke it.
    pub policy: Option<String>,
    pub session_id: Option<SessionId>,
    /// Received at or after (violations: detected).
    pub since: Option<DateTime<Utc>>,
    /// A record's `event_type`.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Received before.
    pub until: Option<DateTime<Utc>>,
}

impl Filters {
    pub(super) fn check(&self) -> Result<(), ExportError> {
        let is_fine = |at: DateTime<Utc>| !at.timestamp_subsec_nanos().is_multiple_of(1_000);
        let mut times = [self.since, self.until].into_iter().flatten();
        if times.any(is_fine) {
            return Err(ExportError::Precision);
        }
        // Nothing lies in such a period: a signed export of it would say that nothing happened.
        let is_empty = self.since.zip(self.until).is_some_and(|(since, until)| since >= until);
        if is_empty { Err(ExportError::Period) } else { Ok(()) }
    }
}

/// How a verification came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The stored session that was checked.
    pub session_id: Option<SessionId>,
    /// Of what was uploaded.
    pub sha256: Option<Hash>,
    /// The verifier's name of the format.
    pub format: String,
    /// `PASS`, `DEGRADED` or `FAIL`.
    pub status: String,
    pub evidence_class: Option<String>,
    pub exit_code: u8,
}

/// What has happened. Stored for ever: see `tests/golden`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportEvent {
    /// Somebody asks; what leaves in the answer itself begins to leave after this event.
    Requested {
        order: Order,
        by: String,
        at: DateTime<Utc>,
    },
    /// It is whole, and this is what it is.
    Created {
        order: Order,
        made: Made,
        by: String,
        at: DateTime<Utc>,
    },
    Failed {
        order: Order,
        reason: String,
        at: DateTime<Utc>,
    },
    /// A file begins to leave.
    Downloaded {
        order: Order,
        file: FileFact,
        by: String,
        at: DateTime<Utc>,
    },
    /// The files are removed.
    Expired {
        order: Order,
        at: DateTime<Utc>,
    },
    Verified {
        verdict: Verdict,
        by: String,
        at: DateTime<Utc>,
    },
}

impl DomainEvent for ExportEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Requested { .. } => "export.requested",
            Self::Created { .. } => "export.created",
            Self::Failed { .. } => "export.failed",
            Self::Downloaded { .. } => "export.downloaded",
            Self::Expired { .. } => "export.expired",
            Self::Verified { .. } => "export.verified",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl ExportEvent {
    /// What was asked for; a verification was no order.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Requested { order, .. }
            | Self::Created { order, .. }
            | Self::Failed { order, .. }
            | Self::Downloaded { order, .. }
            | Self::Expired { order, .. } => Some(order),
            Self::Verified { .. } => None,
        }
    }

    /// Whose act it is; none for what the server does by itself.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Requested { by, .. }
            | Self::Created { by, .. }
            | Self::Downloaded { by, .. }
            | Self::Verified { by, .. } => Some(by),
            Self::Failed { .. } | Self::Expired { .. } => None,
        }
    }

    /// The session that it is about, if it is about one.
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::Verified { verdict, .. } => verdict.session_id,
            Self::Requested { order, .. }
            | Self::Created { order, .. }
            | Self::Failed { order, .. }
            | Self::Downloaded { order, .. }
            | Self::Expired { order, .. } => order.session_id.or(order.filters.session_id),
        }
    }
}
