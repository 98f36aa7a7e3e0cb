//! Stored evidence: records as pages, as streams, and as the hashes that retries are held to.

use std::ops::Range;

use application::ports::RecordStream;
use application::{EvidenceReader, PortError};
use async_trait::async_trait;
use domain::evidence::event_type::EventType;
use domain::evidence::record::{EventBody, EvidenceSignature, Record, SchemaVersion};
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::session::StoredEvent;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::TenantReads;

/// Records read at a time: some 2 MiB of them.
const CHUNK_RECORDS: i64 = 2_000;

/// A record and its signature.
pub type Signed = (Record, EvidenceSignature);

impl TenantReads {
    /// Up to `limit` records from the number `first` on.
    pub async fn page(
        &self,
        tenant: TenantId,
        session: SessionId,
        first: u64,
        limit: i64,
    ) -> sqlx::Result<Vec<Signed>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query(
            "select sequence_number, event_id, event_type, timestamp_wall, timestamp_monotonic,
                    source_sdk_ver, schema_ver, actor_id, payload, payload_hash, prev_event_hash,
                    event_hash, signature_kid, signature, received_at
             from evidence_events
             where tenant_id = $1 and session_id = $2 and sequence_number >= $3
             order by sequence_number limit $4",
        )
        .bind(tenant.0)
        .bind(session.0)
        .bind(first as i64)
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.iter().map(read).collect()
    }

    async fn stored_events(
        &self,
        tenant: TenantId,
        session: SessionId,
        first: u64,
        last: u64,
    ) -> sqlx::Result<Vec<StoredEvent>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query(
            "select sequence_number, prev_event_hash, event_hash from evidence_events
             where tenant_id = $1 and session_id = $2 and sequence_number between $3 and $4
             order by sequence_number",
        )
        .bind(tenant.0)
        .bind(session.0)
        .bind(first as i64)
        .bind(last as i64)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.iter()
            .map(|row| {
                Ok(StoredEvent {
                    sequence_number: row.try_get::<i64, _>(0)? as u64,
                    prev_event_hash: row.try_get::<Option<&[u8]>, _>(1)?.map(hash).transpose()?,
                    event_hash: hash(row.try_get(2)?)?,
                })
            })
            .collect()
    }

    async fn latest_position(&self, tenant: TenantId, session: SessionId) -> sqlx::Result<i64> {
        let mut transaction = self.begin(tenant).await?;
        let position = sqlx::query_scalar(
            "select position from events
             where tenant_id = $1 and aggregate_type = 'session' and aggregate_id = $2
             order by sequence desc limit 1",
        )
        .bind(tenant.0)
        .bind(session.0.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(position.unwrap_or_default())
    }
}

#[async_trait]
impl EvidenceReader for TenantReads {
    async fn stored(
        &self,
        tenant: TenantId,
        session: SessionId,
        first: u64,
        last: u64,
    ) -> Result<Vec<StoredEvent>, PortError> {
        self.stored_events(tenant, session, first, last).await.map_err(reading)
    }

    fn records(
        &self,
        tenant: TenantId,
        session: SessionId,
        Range { start, end }: Range<u64>,
    ) -> RecordStream<'_> {
        Box::pin(async_stream::try_stream! {
            let mut next = start;
            while next < end {
                let limit = CHUNK_RECORDS.min((end - next) as i64);
                let chunk = self.page(tenant, session, next, limit).await.map_err(reading)?;
                if chunk.is_empty() {
                    break;
                }
                for signed in chunk {
                    next = signed.0.body.sequence_number + 1;
                    yield signed;
                }
            }
        })
    }

    async fn position(&self, tenant: TenantId, session: SessionId) -> Result<u64, PortError> {
        Ok(self.latest_position(tenant, session).await.map_err(reading)? as u64)
    }
}

fn reading(error: sqlx::Error) -> PortError {
    PortError::new("reading evidence", error)
}

fn hash(bytes: &[u8]) -> sqlx::Result<Hash> {
    Hash::from_slice(bytes).ok_or_else(|| sqlx::Error::Decode("a hash has 32 bytes".into()))
}

pub(crate) fn read(row: &PgRow) -> sqlx::Result<Signed> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("unknown {what} in evidence").into());
    let body = EventBody {
        sequence_number: row.try_get::<i64, _>("sequence_number")? as u64,
        event_id: row.try_get("event_id")?,
        event_type: EventType::parse(row.try_get("event_type")?)
            .ok_or_else(|| unknown("event_type"))?,
        timestamp_wall: row.try_get("timestamp_wall")?,
        timestamp_monotonic: row.try_get("timestamp_monotonic")?,
        source_sdk_ver: row.try_get("source_sdk_ver")?,
        schema_ver: SchemaVersion::parse(row.try_get("schema_ver")?)
            .ok_or_else(|| unknown("schema_ver"))?,
        actor_id: row.try_get("actor_id")?,
        payload: row.try_get("payload")?,
        payload_hash: hash(row.try_get("payload_hash")?)?,
    };
    let record = Record {
        body: body.into(),
        prev_event_hash: row
            .try_get::<Option<&[u8]>, _>("prev_event_hash")?
            .map(hash)
            .transpose()?,
        event_hash: hash(row.try_get("event_hash")?)?,
        received_at: row.try_get("received_at")?,
    };
    let signature = EvidenceSignature {
        kid: row.try_get("signature_kid")?,
        mac: hash(row.try_get("signature")?)?,
    };
    Ok((record, signature))
}
