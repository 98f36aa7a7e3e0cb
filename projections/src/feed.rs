//! Domain events as readers see them: one shape for the stream and for history.
//!
//! Source: contract/stream.md, section 2.

use chrono::{DateTime, Utc};
use domain::evidence::record::format_micros;
use domain::ids::{SessionId, TenantId};
use domain::log::Cursor;
use domain::session::{EventsAppended, SessionEvent, SessionSealed, SessionStarted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::log::READABLE;

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
    pub data: Value,
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
        if aggregate_type != READABLE {
            return Ok(Self { position, written_at: at, session: None, body: None });
        }
        let decoded = |error| sqlx::Error::Decode(Box::new(error));
        let id: Uuid = row
            .try_get::<&str, _>("aggregate_id")?
            .parse()
            .map_err(|e: uuid::Error| sqlx::Error::Decode(Box::new(e)))?;
        let event: SessionEvent = serde_json::from_str(row.try_get("payload")?).map_err(decoded)?;
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
            data: data(&event),
        };
        Ok(Self { position, written_at: at, session: Some(SessionId(id)), body: Some(body) })
    }
}

fn data(event: &SessionEvent) -> Value {
    match event {
        SessionEvent::Started(started) => of_start(started),
        SessionEvent::Appended(appended) => of_append(appended),
        SessionEvent::Sealed(sealed) => of_seal(sealed),
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

fn of_append(appended: &EventsAppended) -> Value {
    json!({
        "first_sequence": appended.first_sequence,
        "last_sequence": appended.last_sequence,
        "count": appended.count,
        "head_hash": appended.head_hash,
        "types": appended.types,
        "dropped": appended.dropped,
    })
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
