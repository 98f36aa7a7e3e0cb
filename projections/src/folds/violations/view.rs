//! One violation as it stands: a row of `violation_views`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::violation::{Action, Detected};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A row, with everything that lists and exports show.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct View {
    pub violation_id: Uuid,
    pub session_id: Uuid,
    pub event_id: Uuid,
    pub sequence_number: i64,
    pub actor_id: Option<String>,
    pub agent_id: String,
    pub policy: String,
    pub policy_version: String,
    pub policy_hash: String,
    pub control: String,
    pub rule: Option<String>,
    pub severity: String,
    pub reason: String,
    pub explanation: Json<serde_json::Value>,
    pub event_hash: String,
    pub risk_score: Option<f64>,
    pub detected_at: DateTime<Utc>,
    pub due_at: Option<DateTime<Utc>>,
    pub auto_escalate_to: Option<String>,
    /// `OPEN`, `ACKNOWLEDGED` or `RESOLVED`.
    pub status: String,
    pub escalation_level: i32,
    pub escalated_to: Option<String>,
    pub auto_escalated: bool,
    /// The first acknowledgement since it was detected or reopened.
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution: Option<String>,
    /// Lines of its action log.
    pub actions: i64,
    /// Events of the violation.
    pub version: i64,
    /// Of its detection in the tenant's log.
    pub detected_position: i64,
    /// Of its last event.
    pub position: i64,
}

/// The columns of [`View`], in the order of its members.
pub const COLUMNS: &str = "violation_id, session_id, event_id, sequence_number, actor_id, agent_id,
    policy, policy_version, policy_hash, control, rule, severity, reason, explanation, event_hash,
    risk_score, detected_at, due_at, auto_escalate_to, status, escalation_level, escalated_to,
    auto_escalated, acknowledged_at, resolved_at, resolution, actions, version, detected_position,
    position";

impl View {
    pub(super) fn detected(detected: Detected, position: i64) -> Self {
        Self {
            violation_id: detected.violation_id,
            session_id: detected.session_id.0,
            event_id: detected.event_id,
            sequence_number: detected.sequence_number as i64,
            actor_id: detected.actor_id,
            agent_id: detected.agent_id,
            policy: detected.policy,
            policy_version: detected.policy_version,
            policy_hash: detected.policy_hash,
            control: detected.control,
            rule: detected.rule,
            severity: detected.severity.as_str().to_owned(),
            reason: detected.reason,
            explanation: Json(detected.explanation),
            event_hash: detected.event_hash.to_string(),
            risk_score: detected.risk_score,
            detected_at: detected.detected_at,
            due_at: detected.due_at,
            auto_escalate_to: detected.auto_escalate_to,
            status: "OPEN".to_owned(),
            escalation_level: 0,
            escalated_to: None,
            auto_escalated: false,
            acknowledged_at: None,
            resolved_at: None,
            resolution: None,
            actions: 1,
            version: 1,
            detected_position: position,
            position,
        }
    }

    pub(super) fn take(&mut self, action: &Action, at: DateTime<Utc>, position: i64) {
        match action {
            Action::Acknowledged { .. } => {
                "ACKNOWLEDGED".clone_into(&mut self.status);
                self.acknowledged_at = Some(at);
            }
            Action::Commented { .. } => {}
            Action::Escalated { to, level, automatic, .. } => {
                self.escalation_level = *level as i32;
                self.escalated_to = Some(to.clone());
                self.auto_escalated |= automatic;
            }
            Action::Resolved { resolution } => {
                "RESOLVED".clone_into(&mut self.status);
                self.resolved_at = Some(at);
                self.resolution = Some(resolution.clone());
            }
            Action::Reopened { .. } => {
                "OPEN".clone_into(&mut self.status);
                (self.acknowledged_at, self.resolved_at, self.resolution) = (None, None, None);
            }
        }
        self.actions += 1;
        self.version += 1;
        self.position = position;
    }

    /// Whether nobody has resolved it.
    pub fn is_unresolved(&self) -> bool {
        self.status != "RESOLVED"
    }
}

/// The rows of these violations, as far as they were folded before.
pub(super) async fn read(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    ids: Vec<Uuid>,
) -> sqlx::Result<BTreeMap<Uuid, View>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = format!(
        "select {COLUMNS} from violation_views
         where tenant_id = $1 and generation = $2 and violation_id = any($3)"
    );
    let views: Vec<View> = sqlx::query_as(&query)
        .bind(tenant.0)
        .bind(generation)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    Ok(views.into_iter().map(|view| (view.violation_id, view)).collect())
}

/// Writes rows, new and old.
pub(super) async fn write(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    views: &BTreeMap<Uuid, View>,
) -> sqlx::Result<()> {
    let query = format!(
        "insert into violation_views (tenant_id, generation, {COLUMNS})
         select $1, $2, u.violation_id, u.session_id, u.event_id, u.sequence_number, u.actor_id,
             u.agent_id, u.policy, u.policy_version, u.policy_hash, u.control, u.rule, u.severity,
             u.reason, u.explanation::json, u.event_hash, u.risk_score, u.detected_at, u.due_at,
             u.auto_escalate_to, u.status, u.escalation_level, u.escalated_to, u.auto_escalated,
             u.acknowledged_at, u.resolved_at, u.resolution, u.actions, u.version,
             u.detected_position, u.position
         from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::int8[], $7::text[], $8::text[],
             $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
             $15::text[], $16::text[], $17::text[], $18::float8[], $19::timestamptz[],
             $20::timestamptz[], $21::text[], $22::text[], $23::int4[], $24::text[], $25::bool[],
             $26::timestamptz[], $27::timestamptz[], $28::text[], $29::int8[], $30::int8[],
             $31::int8[], $32::int8[]) as u({COLUMNS})
         on conflict (tenant_id, generation, violation_id) do update set
             status = excluded.status, escalation_level = excluded.escalation_level,
             escalated_to = excluded.escalated_to, auto_escalated = excluded.auto_escalated,
             acknowledged_at = excluded.acknowledged_at, resolved_at = excluded.resolved_at,
             resolution = excluded.resolution, actions = excluded.actions,
             version = excluded.version, position = excluded.position"
    );
    let all = || views.values();
    let texts = |value: fn(&View) -> &str| all().map(value).collect::<Vec<_>>();
    let maybe = |value: fn(&View) -> Option<&str>| all().map(value).collect::<Vec<_>>();
    let times = |value: fn(&View) -> Option<DateTime<Utc>>| all().map(value).collect::<Vec<_>>();
    let counts = |value: fn(&View) -> i64| all().map(value).collect::<Vec<_>>();
    let ids = |value: fn(&View) -> Uuid| all().map(value).collect::<Vec<_>>();
    sqlx::query(&query)
        .bind(tenant.0)
        .bind(generation)
        .bind(ids(|v| v.violation_id))
        .bind(ids(|v| v.session_id))
        .bind(ids(|v| v.event_id))
        .bind(counts(|v| v.sequence_number))
        .bind(maybe(|v| v.actor_id.as_deref()))
        .bind(texts(|v| &v.agent_id))
        .bind(texts(|v| &v.policy))
        .bind(texts(|v| &v.policy_version))
        .bind(texts(|v| &v.policy_hash))
        .bind(texts(|v| &v.control))
        .bind(maybe(|v| v.rule.as_deref()))
        .bind(texts(|v| &v.severity))
        .bind(texts(|v| &v.reason))
        .bind(all().map(|v| v.explanation.0.to_string()).collect::<Vec<_>>())
        .bind(texts(|v| &v.event_hash))
        .bind(all().map(|v| v.risk_score).collect::<Vec<_>>())
        .bind(all().map(|v| v.detected_at).collect::<Vec<_>>())
        .bind(times(|v| v.due_at))
        .bind(maybe(|v| v.auto_escalate_to.as_deref()))
        .bind(texts(|v| &v.status))
        .bind(all().map(|v| v.escalation_level).collect::<Vec<_>>())
        .bind(maybe(|v| v.escalated_to.as_deref()))
        .bind(all().map(|v| v.auto_escalated).collect::<Vec<_>>())
        .bind(times(|v| v.acknowledged_at))
        .bind(times(|v| v.resolved_at))
        .bind(maybe(|v| v.resolution.as_deref()))
        .bind(counts(|v| v.actions))
        .bind(counts(|v| v.version))
        .bind(counts(|v| v.detected_position))
        .bind(counts(|v| v.position))
        .execute(connection)
        .await
        .map(|_| ())
}
