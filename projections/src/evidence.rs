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
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::TenantReads;

/// Records read at a time, some 2 MiB of them ...
const PIECE_RECORDS: i64 = 2_000;
/// ... unless they are large: a piece ends once its payloads have so many bytes.
pub(crate) const PIECE_BYTES: i64 = 8 * 1024 * 1024;

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
        self.piece(tenant, session, first, limit, i64::MAX).await
    }

    /// The same, but no more once the payloads have `bytes`: the database stops, for what it has sent
    /// must be read even if nobody wants it.
    async fn piece(
        &self,
        tenant: TenantId,
        session: SessionId,
        first: u64,
        limit: i64,
        bytes: i64,
    ) -> sqlx::Result<Vec<Signed>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query(
            "select sequence_number, event_id, event_type, timestamp_wall, timestamp_monotonic,
                    source_sdk_ver, schema_ver, actor_id, payload, payload_hash, prev_event_hash,
                    event_hash, signature_kid, signature, received_at
             from (select e.*, sum(octet_length(payload)) over (
                       order by sequence_number rows between unbounded preceding and 1 preceding
                   ) as bytes_before
                   from evidence_events e
                   where tenant_id = $1 and session_id = $2 and sequence_number >= $3
                   order by sequence_number limit $4) e
             where bytes_before is null or bytes_before < $5
             order by sequence_number",
        )
        .bind(tenant.0)
        .bind(session.0)
        .bind(first as i64)
        .bind(limit)
        .bind(bytes)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.iter().map(read).collect()
    }

    /// Reads the next piece while the one before is used, so that the database and whoever uses the
    /// records work at the same time.
    async fn read_ahead(
        self,
        tenant: TenantId,
        session: SessionId,
        Range { start, end }: Range<u64>,
        pieces: mpsc::Sender<Vec<Signed>>,
    ) -> sqlx::Result<()> {
        let mut next = start;
        while next < end {
            let limit = PIECE_RECORDS.min((end - next) as i64);
            let piece = self.piece(tenant, session, next, limit, PIECE_BYTES).await?;
            let Some((last, _)) = piece.last() else { break };
            next = last.body.sequence_number + 1;
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
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
        numbers: Range<u64>,
    ) -> RecordStream<'_> {
        Box::pin(async_stream::try_stream! {
            let (sender, mut pieces) = mpsc::channel(1);
            // Ends with this stream.
            let mut reader = JoinSet::new();
            reader.spawn(self.clone().read_ahead(tenant, session, numbers, sender));
            while let Some(piece) = pieces.recv().await {
                for signed in piece {
                    yield signed;
                }
            }
            // Why there is no more: a reader that failed must not look like the end.
            while let Some(ended) = reader.join_next().await {
                ended.map_err(|e| PortError::new("reading evidence", e))?.map_err(reading)?;
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

/// Reads a row that begins with the columns of `TenantReads::piece`, in their order. By place, because to look
/// up fifteen names costs more than to read a small record.
pub(crate) fn read(row: &PgRow) -> sqlx::Result<Signed> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("unknown {what} in evidence").into());
    let body = EventBody {
        sequence_number: row.try_get::<i64, _>(0)? as u64,
        event_id: row.try_get(1)?,
        event_type: EventType::parse(row.try_get(2)?).ok_or_else(|| unknown("event_type"))?,
        timestamp_wall: row.try_get(3)?,
        timestamp_monotonic: row.try_get(4)?,
        source_sdk_ver: row.try_get(5)?,
        schema_ver: SchemaVersion::parse(row.try_get(6)?).ok_or_else(|| unknown("schema_ver"))?,
        actor_id: row.try_get(7)?,
        payload: row.try_get(8)?,
        payload_hash: hash(row.try_get(9)?)?,
    };
    let record = Record {
        body: body.into(),
        prev_event_hash: row.try_get::<Option<&[u8]>, _>(10)?.map(hash).transpose()?,
        event_hash: hash(row.try_get(11)?)?,
        received_at: row.try_get(14)?,
    };
    let signature = EvidenceSignature { kid: row.try_get(12)?, mac: hash(row.try_get(13)?)? };
    Ok((record, signature))
}
