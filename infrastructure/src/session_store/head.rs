//! The head row: a session's closed-form state as columns, and the start that makes it.

use application::AggregateId;
use chrono::{DateTime, Utc};
use domain::evidence::class::EvidenceClass;
use domain::evidence::record::ChainAuthority;
use domain::hash::Hash;
use domain::ids::SessionId;
use domain::session::{Chain, IngestMode, Phase, Session, SessionStarted};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::Versioned;

/// The columns of `session_heads` that change.
#[derive(Debug, Clone)]
pub(super) struct HeadRow {
    pub(super) authority: &'static str,
    pub(super) mode: &'static str,
    pub(super) phase: &'static str,
    pub(super) next_sequence: i64,
    pub(super) head_hash: Option<Hash>,
    pub(super) has_session_end: bool,
    pub(super) total_drops: i64,
    pub(super) log_drops: i64,
    pub(super) drop_window_start: Option<DateTime<Utc>>,
    pub(super) drop_window_count: i64,
    pub(super) last_activity: DateTime<Utc>,
    pub(super) evidence_class: &'static str,
}

impl HeadRow {
    pub(super) fn of(session: &Session) -> Option<Self> {
        let chain = session.chain.as_ref()?;
        let class = session.class().map_or(EvidenceClass::Partial, |(class, _)| class);
        Some(Self {
            authority: chain.authority.as_str(),
            mode: chain.mode.as_str(),
            phase: phase_name(session.phase),
            next_sequence: chain.next_sequence as i64,
            head_hash: chain.head_hash,
            has_session_end: chain.has_session_end,
            total_drops: chain.total_drops as i64,
            log_drops: chain.log_drops as i64,
            drop_window_start: chain.drop_window.map(|(start, _)| start),
            drop_window_count: chain.drop_window.map_or(0, |(_, count)| count as i64),
            last_activity: chain.last_activity,
            evidence_class: class.as_str(),
        })
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Unborn => "unborn",
        Phase::Active => "active",
        Phase::Ended => "ended",
        Phase::Sealed => "sealed",
    }
}

/// The head of a session, if it was started.
pub(super) async fn select(pool: &PgPool, id: &AggregateId) -> sqlx::Result<Option<Versioned>> {
    let row = sqlx::query(
        "select version, authority, mode, phase, next_sequence, head_hash, has_session_end,
                total_drops, log_drops, drop_window_start, drop_window_count, last_activity
         from session_heads where tenant_id = $1 and session_id = $2",
    )
    .bind(id.tenant.0)
    .bind(id.id)
    .fetch_optional(pool)
    .await?;
    row.map(|row| read(&row, id)).transpose()
}

fn read(row: &PgRow, id: &AggregateId) -> sqlx::Result<Versioned> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(|n| n as u64);
    let unknown = |what: &str| sqlx::Error::Decode(format!("unknown {what} in a head row").into());
    let phase = match row.try_get::<&str, _>("phase")? {
        "active" => Phase::Active,
        "ended" => Phase::Ended,
        "sealed" => Phase::Sealed,
        _ => return Err(unknown("phase")),
    };
    let mode = IngestMode::parse(row.try_get("mode")?).ok_or_else(|| unknown("mode"))?;
    let authority =
        ChainAuthority::parse(row.try_get("authority")?).ok_or_else(|| unknown("authority"))?;
    let window_start: Option<DateTime<Utc>> = row.try_get("drop_window_start")?;
    let window_count = count("drop_window_count")?;
    let chain = Chain {
        session_id: SessionId(id.id),
        authority,
        mode,
        next_sequence: count("next_sequence")?,
        head_hash: row.try_get::<Option<&[u8]>, _>("head_hash")?.and_then(Hash::from_slice),
        has_session_end: row.try_get("has_session_end")?,
        total_drops: count("total_drops")?,
        log_drops: count("log_drops")?,
        drop_window: window_start.map(|start| (start, window_count)),
        last_activity: row.try_get("last_activity")?,
    };
    let session = Session { phase, chain: Some(chain) };
    Ok(Versioned { version: row.try_get("version")?, session })
}

/// Writes the start of a session: its static row, its head, its first domain event.
pub(super) async fn insert(
    pool: &PgPool,
    id: &AggregateId,
    started: &SessionStarted,
    head: &HeadRow,
    payload: &str,
    metadata: &str,
) -> sqlx::Result<i64> {
    let session_metadata =
        serde_json::to_string(&started.metadata).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    sqlx::query_scalar(
        "with started as (
             insert into sessions (tenant_id, session_id, agent_id, environment, framework, tags,
                                   metadata, ingestion_service_id, started_at)
             values ($1, $2, $3, $4, $5, $6, $7::json, $8, $9)
         ), head as (
             insert into session_heads (tenant_id, session_id, version, authority, mode, phase,
                                        next_sequence, has_session_end, total_drops, log_drops,
                                        drop_window_count, last_activity, evidence_class)
             values ($1, $2, 1, $10, $11, $12, 0, false, 0, 0, 0, $9, $13)
         ), slot as (
             update tenant_heads set position = position + 1 where tenant_id = $1
             returning position
         )
         insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence,
                             event_type, event_version, payload, metadata)
         select $1, slot.position, 'session', $2::text, 1, 'session.started', '1', $14::json, $15::json
         from slot
         returning position",
    )
    .bind(id.tenant.0)
    .bind(id.id)
    .bind(&started.agent_id)
    .bind(&started.environment)
    .bind(&started.framework)
    .bind(&started.tags)
    .bind(session_metadata)
    .bind(&started.ingestion_service_id)
    .bind(started.started_at)
    .bind(head.authority)
    .bind(head.mode)
    .bind(head.phase)
    .bind(head.evidence_class)
    .bind(payload)
    .bind(metadata)
    .fetch_one(pool)
    .await
}
