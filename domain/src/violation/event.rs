//! What has happened to a violation. Stored for ever: see `tests/golden` for every version.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::hash::Hash;
use crate::ids::SessionId;
use crate::policy::document::Severity;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ViolationEvent {
    Detected(Box<Detected>),
    #[serde(untagged)]
    Done {
        session_id: SessionId,
        by: String,
        at: DateTime<Utc>,
        #[serde(flatten)]
        action: Action,
    },
}

/// A breach, with everything that is known of it. The evidence is named and hashed, not copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detected {
    pub violation_id: Uuid,
    /// 64 hex digits: see [`super::DedupKey`].
    pub dedup_key: Hash,
    pub session_id: SessionId,
    /// The event that broke the policy, or that made a window cross its threshold.
    pub event_id: Uuid,
    pub sequence_number: u64,
    pub event_hash: Hash,
    pub actor_id: Option<String>,
    pub agent_id: String,
    pub policy: String,
    pub policy_version: String,
    pub policy_hash: String,
    pub control: String,
    pub rule: Option<String>,
    pub severity: Severity,
    pub reason: String,
    /// What was compared with what, and how it came out; personal data is masked.
    pub explanation: Value,
    /// Absent until scorers exist.
    pub risk_score: Option<f64>,
    pub detected_at: DateTime<Utc>,
    pub due_at: Option<DateTime<Utc>>,
    /// Whom the server escalates it to when it is overdue.
    pub auto_escalate_to: Option<String>,
}

/// What was done about a violation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    Acknowledged { comment: Option<String> },
    Commented { comment: String },
    Escalated { to: String, reason: String, level: u32, automatic: bool },
    Resolved { resolution: String },
    Reopened { reason: String },
}

impl Action {
    pub(super) fn of(self, session_id: SessionId, by: String, at: DateTime<Utc>) -> ViolationEvent {
        ViolationEvent::Done { session_id, by, at, action: self }
    }

    /// As it stands in the action log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acknowledged { .. } => "acknowledged",
            Self::Commented { .. } => "commented",
            Self::Escalated { .. } => "escalated",
            Self::Resolved { .. } => "resolved",
            Self::Reopened { .. } => "reopened",
        }
    }

    /// What belongs to the action itself.
    pub fn details(&self) -> Value {
        match self {
            Self::Acknowledged { comment } => serde_json::json!({ "comment": comment }),
            Self::Commented { comment } => serde_json::json!({ "comment": comment }),
            Self::Escalated { to, reason, level, automatic } => serde_json::json!({
                "to": to, "reason": reason, "level": level, "automatic": automatic,
            }),
            Self::Resolved { resolution } => serde_json::json!({ "resolution": resolution }),
            Self::Reopened { reason } => serde_json::json!({ "reason": reason }),
        }
    }
}

impl ViolationEvent {
    /// The session that was broken in.
    pub fn session_id(&self) -> SessionId {
        match self {
            Self::Detected(detected) => detected.session_id,
            Self::Done { session_id, .. } => *session_id,
        }
    }
}

impl DomainEvent for ViolationEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Detected(_) => "violation.detected".to_owned(),
            Self::Done { action, .. } => format!("violation.{}", action.name()),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}
