//! What can happen to a version.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::command::Draft;

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

impl Written {
    pub(super) fn of(draft: Draft, by: String, at: DateTime<Utc>) -> Self {
        let Draft { name, version, content_hash, has_controls, document } = draft;
        Self { name, version, content_hash, has_controls, document, by, at }
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
