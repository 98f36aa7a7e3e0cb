//! Domain events as readers see them: one shape for the stream and for history.
//!
//! Source: contract/stream.md, section 2.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::evidence::event_type::EventType;
use domain::evidence::record::format_micros;
use domain::export::ExportEvent;
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::log::Cursor;
use domain::policy::lifecycle::PolicyEvent;
use domain::session::{EventsAppended, SessionEvent, SessionSealed, SessionStarted};
use domain::violation::ViolationEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;
use uuid::Uuid;

/// One event of the log. What may not be read has no body, but still its place.
#[derive(Debug, Clone)]
pub struct Item {
    pub position: u64,
    /// By the database's clock.
    pub written_at: DateTime<Utc>,
    /// The session that it is about, if it is about one.
    pub session: Option<SessionId>,
    /// None when the tenant's readers may not see it.
    pub body: Option<ItemBody>,
}

/// What is sent of an event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ItemBody {
    /// Of this shape: 1.
    pub v: u8,
    /// In the tenant's log.
    pub position: u64,
    /// The same for every reader and at every reading.
    pub id: Uuid,
    /// E.g. `session.sealed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was written, by the database's clock.
    pub at: String,
    pub entity: Entity,
    /// Who caused it.
    pub actor: String,
    pub correlation_id: String,
    /// By type; never a payload of evidence.
    #[schema(value_type = Object)]
    pub data: ItemData,
}

/// What is sent of an event's own data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ItemData {
    /// Most of a log: written without a detour.
    Appended(Appended),
    Other(Value),
}

/// Of an append. Its payloads stay where they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Appended {
    count: u64,
    dropped: u64,
    first_sequence: u64,
    head_hash: Hash,
    last_sequence: u64,
    types: BTreeMap<EventType, u64>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entity {
    #[serde(rename = "type")]
    pub entity_type: String,
    pub id: Uuid,
    /// Of the entity after the event: 1 is its first.
    pub version: i64,
}

/// What the server keeps beside each event.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    correlation_id: String,
}

impl Item {
    pub(crate) fn read(tenant: TenantId, cursor: Cursor, row: &PgRow) -> sqlx::Result<Self> {
        let aggregate_type: &str = row.try_get("aggregate_type")?;
        let position = cursor.position;
        let at: DateTime<Utc> = row.try_get("timestamp")?;
        let decoded = |error| sqlx::Error::Decode(Box::new(error));
        let payload: &str = row.try_get("payload")?;
        let read = match aggregate_type {
            "session" => session_event(payload).map(|event| (None, data(event))),
            "violation" => serde_json::from_str(payload).map(|event: ViolationEvent| {
                (Some(event.session_id()), ItemData::Other(of_violation(event)))
            }),
            "policy" => {
                serde_json::from_str(payload).map(|event| (None, ItemData::Other(of_policy(event))))
            }
            "export" => serde_json::from_str(payload)
                .map(|event: ExportEvent| (event.session_id(), ItemData::Other(of_export(event)))),
            _ => return Ok(Self { position, written_at: at, session: None, body: None }),
        };
        let (session, data) = read.map_err(decoded)?;
        let id: Uuid = row
            .try_get::<&str, _>("aggregate_id")?
            .parse()
            .map_err(|e: uuid::Error| sqlx::Error::Decode(Box::new(e)))?;
        let metadata: Metadata = serde_json::from_str(row.try_get("metadata")?).map_err(decoded)?;
        let body = ItemBody {
            v: 1,
            position,
            id: Uuid::new_v5(&tenant.0, cursor.to_string().as_bytes()),
            event_type: row.try_get("event_type")?,
            at: format_micros(at),
            entity: Entity {
                entity_type: aggregate_type.to_owned(),
                id,
                version: row.try_get("sequence")?,
            },
            actor: metadata.actor,
            correlation_id: metadata.correlation_id,
            data,
        };
        let session = session.or((body.entity.entity_type == "session").then_some(SessionId(id)));
        Ok(Self { position, written_at: at, session, body: Some(body) })
    }
}

/// How an append is stored: serde writes the tag first, and PostgreSQL keeps `json` as it is written.
const APPENDED: &str = "{\"type\":\"events_appended\",";

/// A session's event as it is stored. Appends, most of a log, are read without the copy of everything
/// that serde makes to find a tag inside an object; what does not begin like one is read with it.
pub(crate) fn session_event(payload: &str) -> serde_json::Result<SessionEvent> {
    match payload.strip_prefix(APPENDED) {
        Some(members) => serde_json::from_str(&["{", members].concat()).map(SessionEvent::Appended),
        None => serde_json::from_str(payload),
    }
}

fn data(event: SessionEvent) -> ItemData {
    match event {
        SessionEvent::Started(started) => ItemData::Other(of_start(&started)),
        SessionEvent::Appended(appended) => ItemData::Appended(of_append(appended)),
        SessionEvent::Sealed(sealed) => ItemData::Other(of_seal(&sealed)),
    }
}

fn of_start(started: &SessionStarted) -> Value {
    json!({
        "session_id": started.session_id,
        "agent_id": started.agent_id,
        "environment": started.environment,
        "framework": started.framework,
        "chain_authority": started.chain_authority,
        "mode": started.mode,
        "tags": started.tags,
    })
}

fn of_append(appended: EventsAppended) -> Appended {
    Appended {
        count: appended.count,
        dropped: appended.dropped,
        first_sequence: appended.first_sequence,
        head_hash: appended.head_hash,
        last_sequence: appended.last_sequence,
        types: appended.types,
    }
}

/// What is known of the breach, but for its explanation, which is asked for by id.
fn of_violation(event: ViolationEvent) -> Value {
    match event {
        ViolationEvent::Detected(detected) => json!({
            "violation_id": detected.violation_id,
            "session_id": detected.session_id,
            "event_id": detected.event_id,
            "sequence_number": detected.sequence_number,
            "actor_id": detected.actor_id,
            "agent_id": detected.agent_id,
            "policy": detected.policy,
            "policy_version": detected.policy_version,
            "policy_hash": detected.policy_hash,
            "control": detected.control,
            "rule": detected.rule,
            "severity": detected.severity,
            "reason": detected.reason,
            "due_at": detected.due_at,
        }),
        ViolationEvent::Done { session_id, action, .. } => {
            let mut data = action.details();
            data["session_id"] = json!(session_id);
            data
        }
    }
}

/// Which version has moved; its text is asked for by name or hash.
fn of_policy(event: PolicyEvent) -> Value {
    match event {
        PolicyEvent::Drafted(written) | PolicyEvent::Revised(written) => json!({
            "name": written.name, "version": written.version,
            "content_hash": written.content_hash,
        }),
        PolicyEvent::Submitted { name, version, content_hash, backtest_id, .. } => json!({
            "name": name, "version": version, "content_hash": content_hash,
            "backtest_id": backtest_id,
        }),
        PolicyEvent::Rejected { name, version, reason, .. } => {
            json!({ "name": name, "version": version, "reason": reason })
        }
        PolicyEvent::Activated { name, version, content_hash, self_approved, .. } => json!({
            "name": name, "version": version, "content_hash": content_hash,
            "self_approved": self_approved,
        }),
        PolicyEvent::Retired { name, version, reason, superseded_by, .. } => json!({
            "name": name, "version": version, "reason": reason, "superseded_by": superseded_by,
        }),
    }
}

/// What leaves, for what; how a verification came out.
pub(crate) fn of_export(event: ExportEvent) -> Value {
    let (order, mut data) = match event {
        ExportEvent::Requested { order, .. } | ExportEvent::Expired { order, .. } => {
            (order, json!({}))
        }
        ExportEvent::Created { order, made, .. } => (order, json!(made)),
        ExportEvent::Failed { order, reason, .. } => (order, json!({ "reason": reason })),
        ExportEvent::Downloaded { order, file, .. } => (order, json!({ "file": file })),
        ExportEvent::Verified { verdict, .. } => return json!(verdict),
    };
    data["kind"] = json!(order.kind);
    data["formats"] = json!(order.formats);
    data["session_id"] = json!(order.session_id);
    data["filters"] = json!(order.filters);
    data["audience"] = json!(order.audience);
    data["purpose"] = json!(order.purpose);
    data
}

fn of_seal(sealed: &SessionSealed) -> Value {
    json!({
        "sequence_number": sealed.sequence_number,
        "seal_event_hash": sealed.seal_event_hash,
        "evidence_class": sealed.evidence_class,
        "partial_reasons": sealed.partial_reasons,
        "reason": sealed.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_is_read_as_serde_reads_it_and_refused_as_serde_refuses_it() {
        let members = r#""first_sequence":3,"last_sequence":4,"count":2,"head_hash":"HASH",
            "types":{"TOOL_CALL":2},"dropped":0,"filled":0,"at":"2026-03-01T09:00:00.123456Z",
            "tools":{"search":2}}"#
            .replace("HASH", &"7".repeat(64));
        let stored = format!("{APPENDED}{members}");
        let by_serde: SessionEvent = serde_json::from_str(&stored).unwrap();
        assert_eq!(session_event(&stored).unwrap(), by_serde);
        assert_eq!(serde_json::to_string(&by_serde).unwrap().find(APPENDED), Some(0));
        let unknown = stored.replace("\"filled\"", "\"unknown\":1,\"filled\"");
        assert!(session_event(&unknown).is_err());
        assert!(serde_json::from_str::<SessionEvent>(&unknown).is_err());
    }
}
