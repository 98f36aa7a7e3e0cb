//! What a trial has shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::SessionId;
use crate::policy::document::Severity;
use crate::violation::Detected;

/// A finished backtest. Stored, and attached to what is submitted for review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Records that were tried.
    pub events: u64,
    pub from_position: u64,
    pub to_position: u64,
    pub candidate: Tried,
    /// None when no version of the name was active: everything is added then.
    pub active: Option<Tried>,
    /// By the id of the control.
    pub controls: BTreeMap<String, Comparison>,
    pub totals: Comparison,
    /// By the id of the control; of those alone that have some.
    pub examples: BTreeMap<String, Examples>,
}

/// One version on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub version: String,
    pub hash: String,
    pub violations: u64,
}

/// Violations by who finds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The candidate alone.
    pub added: u64,
    /// The active version alone.
    pub removed: u64,
    /// Both.
    pub same: u64,
}

impl Comparison {
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            added: self.added + other.added,
            removed: self.removed + other.removed,
            same: self.same + other.same,
        }
    }
}

/// The first few violations that one version alone finds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples {
    pub added: Vec<Example>,
    pub removed: Vec<Example>,
}

/// A violation that would have been made, or not made any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    pub session_id: SessionId,
    pub sequence_number: u64,
    pub event_id: Uuid,
    pub control: String,
    pub rule: Option<String>,
    pub severity: Severity,
    pub reason: String,
}

impl Example {
    pub(super) fn of(detected: Detected) -> Self {
        let Detected { session_id, sequence_number, event_id, .. } = detected;
        let Detected { control, rule, severity, reason, .. } = detected;
        Self { session_id, sequence_number, event_id, control, rule, severity, reason }
    }
}
