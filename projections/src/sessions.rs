//! Sessions as they are listed and looked at: the start's row beside the head's.

use chrono::{DateTime, Utc};
use domain::evidence::class::ClassFacts;
use domain::evidence::record::ChainAuthority;
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::TenantReads;

/// One session, joined from what never changes and what every append changes.
#[derive(Debug, Clone)]
pub struct SessionRow {
    pub session_id: Uuid,
    pub agent_id: String,
    pub environment: Option<String>,
    pub framework: Option<String>,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    pub ingestion_service_id: String,
    pub started_at: DateTime<Utc>,
    pub authority: ChainAuthority,
    pub mode: String,
    /// `active`, `ended` or `sealed`.
    pub phase: String,
    pub next_sequence: u64,
    pub head_hash: Option<Hash>,
    pub has_session_end: bool,
    pub total_drops: u64,
    pub log_drops: u64,
    pub last_activity: DateTime<Utc>,
    pub sealed_at: Option<DateTime<Utc>>,
    /// Position of the last domain event of the session; 0 in lists, where it is not asked for.
    pub position: u64,
}

impl SessionRow {
    pub fn facts(&self) -> ClassFacts {
        ClassFacts {
            authority: self.authority,
            sealed: self.phase == "sealed",
            has_session_end: self.has_session_end,
            has_log_drop: self.log_drops > 0,
        }
    }
}

/// What a list is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub agent_id: Option<String>,
    /// `active`, `closed` or `sealed`.
    pub status: Option<String>,
    pub evidence_class: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Sessions without activity since then count as closed.
    pub idle_before: Option<DateTime<Utc>>,
}

/// Where a page ended: the start and the id of its last session.
#[derive(Debug, Clone, Copy)]
pub struct SessionMark {
    pub started_at: DateTime<Utc>,
    pub session_id: Uuid,
}

const COLUMNS: &str = "s.session_id, s.agent_id, s.environment, s.framework, s.tags,
    s.metadata::text as metadata, s.ingestion_service_id, s.started_at, h.authority, h.mode,
    h.phase, h.next_sequence, h.head_hash, h.has_session_end, h.total_drops, h.log_drops,
    h.last_activity, x.sealed_at";

const TABLES: &str = "sessions s
    join session_heads h on h.tenant_id = s.tenant_id and h.session_id = s.session_id
    left join session_seals x on x.tenant_id = s.tenant_id and x.session_id = s.session_id";

impl TenantReads {
    /// The session with this id.
    pub async fn session(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> sqlx::Result<Option<SessionRow>> {
        let mut transaction = self.begin(tenant).await?;
        let query = format!(
            "select {COLUMNS}, (
                 select position from events e
                 where e.tenant_id = $1 and e.aggregate_type = 'session'
                   and e.aggregate_id = $2::text
                 order by sequence desc limit 1
             ) as position
             from {TABLES} where s.tenant_id = $1 and s.session_id = $2"
        );
        let row = sqlx::query(&query)
            .bind(tenant.0)
            .bind(session.0)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Sessions, the latest start first, after the mark.
    pub async fn sessions(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        after: Option<SessionMark>,
        limit: i64,
    ) -> sqlx::Result<Vec<SessionRow>> {
        let mut transaction = self.begin(tenant).await?;
        let query = format!(
            "select {COLUMNS}, null::bigint as position from {TABLES}
             where s.tenant_id = $1
               and ($2::text is null or s.agent_id = $2)
               and ($3::text is null or $3 = case
                       when h.phase = 'sealed' then 'sealed'
                       when h.last_activity < $4 then 'closed'
                       else 'active' end)
               and ($5::text is null or h.evidence_class = $5)
               and ($6::timestamptz is null or s.started_at >= $6)
               and ($7::timestamptz is null or s.started_at < $7)
               and ($8::timestamptz is null or (s.started_at, s.session_id) < ($8, $9))
             order by s.started_at desc, s.session_id desc limit $10"
        );
        let rows = sqlx::query(&query)
            .bind(tenant.0)
            .bind(&filter.agent_id)
            .bind(&filter.status)
            .bind(filter.idle_before)
            .bind(&filter.evidence_class)
            .bind(filter.since)
            .bind(filter.until)
            .bind(after.map(|mark| mark.started_at))
            .bind(after.map(|mark| mark.session_id))
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        rows.iter().map(read).collect()
    }

    /// The seal of a session, if it is sealed by the server.
    pub async fn seal(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> sqlx::Result<Option<SealRow>> {
        let mut transaction = self.begin(tenant).await?;
        let row = sqlx::query(
            "select seal::text as seal, seal_event_hash, evidence_class, partial_reasons,
                    envelope::text as envelope, sealed_at, position
             from session_seals where tenant_id = $1 and session_id = $2",
        )
        .bind(tenant.0)
        .bind(session.0)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        row.map(|row| {
            Ok(SealRow {
                seal: json(&row, "seal")?,
                seal_event_hash: Hash::from_slice(row.try_get("seal_event_hash")?)
                    .ok_or_else(|| sqlx::Error::Decode("a hash has 32 bytes".into()))?,
                evidence_class: row.try_get("evidence_class")?,
                partial_reasons: row.try_get("partial_reasons")?,
                envelope: json(&row, "envelope")?,
                sealed_at: row.try_get("sealed_at")?,
                position: row.try_get::<i64, _>("position")? as u64,
            })
        })
        .transpose()
    }
}

/// A seal as it was made.
#[derive(Debug, Clone)]
pub struct SealRow {
    pub seal: Value,
    pub seal_event_hash: Hash,
    pub evidence_class: String,
    pub partial_reasons: Vec<String>,
    pub envelope: Value,
    pub sealed_at: DateTime<Utc>,
    pub position: u64,
}

fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> sqlx::Result<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}

fn read(row: &PgRow) -> sqlx::Result<SessionRow> {
    let count = |column: &str| row.try_get::<i64, _>(column).map(|n| n as u64);
    let head: Option<&[u8]> = row.try_get("head_hash")?;
    Ok(SessionRow {
        session_id: row.try_get("session_id")?,
        agent_id: row.try_get("agent_id")?,
        environment: row.try_get("environment")?,
        framework: row.try_get("framework")?,
        tags: row.try_get("tags")?,
        metadata: json(row, "metadata")?,
        ingestion_service_id: row.try_get("ingestion_service_id")?,
        started_at: row.try_get("started_at")?,
        authority: ChainAuthority::parse(row.try_get("authority")?)
            .ok_or_else(|| sqlx::Error::Decode("unknown authority in a session".into()))?,
        mode: row.try_get("mode")?,
        phase: row.try_get("phase")?,
        next_sequence: count("next_sequence")?,
        head_hash: head.and_then(Hash::from_slice),
        has_session_end: row.try_get("has_session_end")?,
        total_drops: count("total_drops")?,
        log_drops: count("log_drops")?,
        last_activity: row.try_get("last_activity")?,
        sealed_at: row.try_get("sealed_at")?,
        position: row.try_get::<Option<i64>, _>("position")?.unwrap_or_default() as u64,
    })
}
