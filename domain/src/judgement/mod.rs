//! Judging a piece of a tenant's log by the policies that were in force at each of its events.
//!
//! Pure: the log's piece, the windows of thresholds and the calls that wait for results come in with
//! the [`Matter`]; what was found goes out as [`Rulings`]. The same matter always gives the same
//! rulings but for `detected_at`, which is the clock's.
//!
//! Source: contract/policy.md, sections 2 to 4.

mod judge;
mod tools;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use judge::judge;
pub use tools::{OpenCall, ToolResult, ToolUse};

use crate::evidence::event_type::EventType;
use crate::hash::Hash;
use crate::ids::{SessionId, TenantId};
use crate::personal_data::Finding;
use crate::policy::compile::CompiledPolicy;
use crate::policy::context::SessionFacts;
use crate::policy::window::Window;
use crate::violation::Detected;

/// Names that stand in the place of a control's id where a clause of the policy itself is broken.
pub const PII_CONTROL: &str = "pii";
pub const TOOL_RESULTS_CONTROL: &str = "require_tool_results";
pub const EVENTS_CONTROL: &str = "max_events_per_session";

/// A piece of one tenant's log, and what must be known to judge it.
#[derive(Debug)]
pub struct Matter {
    pub tenant: TenantId,
    /// In force before the first entry.
    pub active: Vec<Arc<CompiledPolicy>>,
    /// In the order of the log.
    pub entries: Vec<Entry>,
    /// Of the thresholds of policies that are in force, for the actors of the entries.
    pub windows: HashMap<WindowKey, Window>,
    /// Calls of the entries' sessions that had no result before, oldest first.
    pub open_calls: HashMap<SessionId, Vec<OpenCall>>,
    /// Violations alone are wanted: what else is found is left out where no policy asks for it.
    pub violations_alone: bool,
}

/// One event of the log that concerns the judge.
#[derive(Debug)]
pub enum Entry {
    /// From the next entry on.
    Activated(Arc<CompiledPolicy>),
    Retired {
        name: String,
        version: String,
    },
    Records(Arc<Records>),
}

/// The records of one append, or of a seal.
#[derive(Debug, Clone)]
pub struct Records {
    pub position: u64,
    /// Of the request that brought them.
    pub correlation_id: String,
    pub session: Arc<JudgedSession>,
    pub records: Vec<Testimony>,
}

/// What is known of a session.
#[derive(Debug)]
pub struct JudgedSession {
    pub id: SessionId,
    pub facts: SessionFacts,
    /// A `SESSION_END` is among its events, before its seal.
    pub has_session_end: bool,
}

/// What the judge reads of a record.
#[derive(Debug, Clone)]
pub struct Testimony {
    pub sequence_number: u64,
    pub event_id: Uuid,
    pub event_type: EventType,
    pub timestamp_wall: String,
    pub actor_id: Option<String>,
    /// Canonical JSON.
    pub payload: String,
    pub event_hash: Hash,
    pub received_at: DateTime<Utc>,
}

/// Whose failures a window counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowKey {
    pub policy: String,
    pub version: String,
    pub control: String,
    /// Of a percentage; empty for the others.
    pub actor: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Rulings {
    pub violations: Vec<Ruling>,
    pub findings: Vec<FoundData>,
    pub uses: Vec<ToolUse>,
    /// Results of calls that came in an earlier matter.
    pub results: Vec<ToolResult>,
    /// Windows that have moved.
    pub windows: HashMap<WindowKey, Window>,
}

/// A violation, and the request in which it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    pub detected: Detected,
    pub correlation_id: String,
}

/// Personal data in one event.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundData {
    pub session: SessionId,
    pub sequence_number: u64,
    pub finding: Finding,
}

impl Ruling {
    /// Who caused the event: the policy that judged.
    pub fn actor(&self) -> String {
        format!("policy:{}@{}", self.detected.policy, self.detected.policy_version)
    }
}
