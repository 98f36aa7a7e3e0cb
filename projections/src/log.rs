//! The tenant's log as it is streamed and paged: heads, pieces in order, items.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::log::{Cursor, Epoch};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};

use crate::TenantReads;
use crate::feed::Item;

/// What a page of history is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct HistoryFilter {
    /// An event's full name.
    pub event_type: Option<String>,
    pub entity_type: Option<String>,
    pub entity_id: Option<String>,
    /// Written at or after.
    pub since: Option<DateTime<Utc>>,
    /// Written before.
    pub until: Option<DateTime<Utc>>,
    /// Events of policies, too, which not every reader may see.
    pub policies: bool,
}

/// Which way a page goes, and after which position it begins.
#[derive(Debug, Clone, Copy)]
pub enum HistoryOrder {
    /// Newest first, below the position when there is one.
    Descending(Option<u64>),
    /// Oldest first, above the position.
    Ascending(u64),
}

const COLUMNS: &str = "position, aggregate_type, aggregate_id, sequence, event_type,
    payload::text as payload, metadata::text as metadata, timestamp";

/// Aggregates that a tenant's readers may see: keys and tenants are for administrators alone.
const READABLE: [&str; 4] = ["session", "violation", "export", POLICY];
/// ... and those that need a right of their own.
const POLICY: &str = "policy";

impl TenantReads {
    /// The log's epoch and last position; none for a tenant without an event.
    pub async fn log_head(&self, tenant: TenantId) -> sqlx::Result<Option<Cursor>> {
        let mut transaction = self.begin(tenant).await?;
        let row = sqlx::query("select epoch, position from tenant_heads where tenant_id = $1")
            .bind(tenant.0)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.map(|row| {
            let epoch = Epoch::parse(row.try_get(0)?)
                .ok_or_else(|| sqlx::Error::Decode("an epoch has 8 characters".into()))?;
            Ok(Cursor { epoch, position: row.try_get::<i64, _>(1)? as u64 })
        })
        .transpose()
    }

    /// When the event at a position was written.
    pub async fn written_at(
        &self,
        tenant: TenantId,
        position: u64,
    ) -> sqlx::Result<Option<DateTime<Utc>>> {
        let mut transaction = self.begin(tenant).await?;
        let at = sqlx::query_scalar(
            "select timestamp from events where tenant_id = $1 and position = $2",
        )
        .bind(tenant.0)
        .bind(position as i64)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(at)
    }

    /// The position before the oldest event that was written since. Times rise with positions but
    /// for what clocks do, so the search halves instead of reading the log.
    pub async fn position_before(
        &self,
        tenant: TenantId,
        since: DateTime<Utc>,
        head: u64,
    ) -> sqlx::Result<u64> {
        let (mut old, mut young) = (0, head + 1);
        while young - old > 1 {
            let middle = old + (young - old) / 2;
            match self.written_at(tenant, middle).await? {
                Some(at) if at >= since => young = middle,
                _ => old = middle,
            }
        }
        Ok(old)
    }

    /// Every event after a position, readable or not, so that positions have no hole.
    pub async fn log_after(
        &self,
        tenant: TenantId,
        epoch: Epoch,
        position: u64,
        limit: i64,
    ) -> sqlx::Result<Vec<Item>> {
        let mut transaction = self.begin(tenant).await?;
        // Positions have no hole: the range is the limit. With a limit instead, a planner that knows
        // no better sorts the whole rest of the log.
        let query = format!(
            "select {COLUMNS} from events
             where tenant_id = $1 and position > $2 and position <= $2 + $3 order by position"
        );
        let rows = sqlx::query(&query)
            .bind(tenant.0)
            .bind(position as i64)
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        rows.iter().map(|row| item(tenant, epoch, row)).collect()
    }

    /// A page of what the tenant may read.
    pub async fn history(
        &self,
        tenant: TenantId,
        epoch: Epoch,
        filter: &HistoryFilter,
        order: HistoryOrder,
        limit: i64,
    ) -> sqlx::Result<Vec<Item>> {
        let mut query = QueryBuilder::<Postgres>::new("select ");
        query.push(COLUMNS).push(" from events where tenant_id = ").push_bind(tenant.0);
        let readable = READABLE.iter().filter(|kind| filter.policies || **kind != POLICY);
        let readable: Vec<&str> = readable.copied().collect();
        query.push(" and aggregate_type = any(").push_bind(readable).push(")");
        if let Some(event_type) = &filter.event_type {
            push_type(&mut query, event_type);
        }
        if let Some(entity_type) = &filter.entity_type {
            query.push(" and aggregate_type = ").push_bind(entity_type);
        }
        if let Some(entity_id) = &filter.entity_id {
            query.push(" and aggregate_id = ").push_bind(entity_id);
        }
        if let Some(since) = filter.since {
            query.push(" and timestamp >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" and timestamp < ").push_bind(until);
        }
        match order {
            HistoryOrder::Descending(below) => {
                if let Some(below) = below {
                    query.push(" and position < ").push_bind(below as i64);
                }
                query.push(" order by position desc");
            }
            HistoryOrder::Ascending(above) => {
                query.push(" and position > ").push_bind(above as i64);
                query.push(" order by position");
            }
        }
        query.push(" limit ").push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        if filter.entity_id.is_none() {
            // Along the index, page by page: a planner that knows no better sorts the whole log for
            // every page. What one entity has is little, and may be sorted.
            sqlx::query("set local enable_sort = off").execute(&mut *transaction).await?;
        }
        let rows = query.build().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        rows.iter().map(|row| item(tenant, epoch, row)).collect()
    }
}

fn item(tenant: TenantId, epoch: Epoch, row: &PgRow) -> sqlx::Result<Item> {
    let cursor = Cursor { epoch, position: row.try_get::<i64, _>("position")? as u64 };
    Item::read(tenant, cursor, row)
}

/// A type as a literal: the index of rare types is there for those that are not appends, which no
/// plan for an unknown type can use. Names of types have nothing in them that would need a quote;
/// any other text is no type, and finds nothing.
fn push_type<'q>(query: &mut QueryBuilder<'q, Postgres>, event_type: &'q str) {
    let is_name = event_type.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_' | b'.'));
    if is_name {
        query.push(" and event_type = '").push(event_type).push("'");
    } else {
        query.push(" and event_type = ").push_bind(event_type);
    }
}
