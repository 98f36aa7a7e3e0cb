//! What can be asked of a version.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

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

/// A command and the name that it is about: the aggregate is one name's.
#[derive(Debug, Clone, PartialEq)]
pub struct Named(pub String, pub PolicyCommand);
