//! A violation as it is shown.

use chrono::{DateTime, Utc};
use projections::violations::{ActionRow, View};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A violation as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Violation")]
pub struct ViolationView {
    pub violation_id: Uuid,
    pub session_id: Uuid,
    /// The event that broke the policy, or that made a window cross its threshold.
    pub event_id: Uuid,
    pub sequence_number: i64,
    /// Of that event: it names the evidence without repeating it.
    pub event_hash: String,
    pub actor_id: Option<String>,
    pub agent_id: String,
    pub policy: String,
    /// The version that judged.
    pub policy_version: String,
    /// Of its text: see `/v1/policies/documents/{content_hash}`.
    pub policy_hash: String,
    /// A control's id, or `pii` or `require_tool_results`.
    pub control: String,
    pub rule: Option<String>,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    pub reason: String,
    /// What was compared with what, and how it came out; personal data is masked.
    #[schema(value_type = Object)]
    pub explanation: Value,
    pub risk_score: Option<f64>,
    pub detected_at: DateTime<Utc>,
    pub due_at: Option<DateTime<Utc>>,
    /// Past its due date, and not resolved.
    pub overdue: bool,
    /// `OPEN`, `ACKNOWLEDGED` or `RESOLVED`.
    pub status: String,
    /// From 0 upward, beside the status.
    pub escalation_level: i32,
    pub escalated_to: Option<String>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution: Option<String>,
    /// Changes with every command; what `If-Match` names.
    pub version: i64,
    /// Of its last event in the tenant's log.
    pub position: i64,
    /// What was done about it, oldest first; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<ActionRow>>,
}

impl ViolationView {
    pub fn of(view: View, now: DateTime<Utc>) -> Self {
        Self {
            overdue: view.is_unresolved() && view.due_at.is_some_and(|due| due < now),
            violation_id: view.violation_id,
            session_id: view.session_id,
            event_id: view.event_id,
            sequence_number: view.sequence_number,
            event_hash: view.event_hash,
            actor_id: view.actor_id,
            agent_id: view.agent_id,
            policy: view.policy,
            policy_version: view.policy_version,
            policy_hash: view.policy_hash,
            control: view.control,
            rule: view.rule,
            severity: view.severity,
            reason: view.reason,
            explanation: view.explanation.0,
            risk_score: view.risk_score,
            detected_at: view.detected_at,
            due_at: view.due_at,
            status: view.status,
            escalation_level: view.escalation_level,
            escalated_to: view.escalated_to,
            acknowledged_at: view.acknowledged_at,
            resolved_at: view.resolved_at,
            resolution: view.resolution,
            version: view.version,
            position: view.position,
            actions: None,
        }
    }
}
