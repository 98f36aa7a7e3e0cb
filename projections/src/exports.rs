//! Exports as they stand, and the audit of everything that left: read off the log itself.

use chrono::{DateTime, Utc};
use domain::export::{ExportEvent, Made, Order};
use domain::ids::{SessionId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use crate::TenantReads;

/// An export that a server makes in the background.
#[derive(Debug, Clone, FromRow)]
pub struct ExportRow {
    pub export_id: Uuid,
    pub ordered: Json<Order>,
    /// `queued`, `running`, `completed`, `failed` or `expired`.
    pub status: String,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    /// Of the request in the tenant's log.
    pub position: i64,
    pub made: Option<Json<Made>>,
    pub reason: Option<String>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// One act: asking, making, taking away, checking.
#[derive(Debug, Clone)]
pub struct ActRow {
    /// In the tenant's log.
    pub position: u64,
    pub export_id: Uuid,
    /// E.g. `export.created`.
    pub event_type: String,
    /// Whose act it is: `worker` where a server acted by itself.
    pub actor: String,
    pub correlation_id: String,
    pub at: DateTime<Utc>,
    pub event: ExportEvent,
}

/// What an audit is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct ActFilter {
    pub session: Option<SessionId>,
    pub export: Option<Uuid>,
    /// E.g. `export.downloaded`.
    pub event_type: Option<String>,
    pub actor: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

const ACT: &str = "select position, aggregate_id, event_type,
    coalesce(payload ->> 'by', metadata ->> 'actor', ''),
    coalesce(metadata ->> 'correlation_id', ''), timestamp, payload
    from events where aggregate_type = 'export' and tenant_id = ";

impl TenantReads {
    /// One export of a kind.
    pub async fn export(
        &self,
        tenant: TenantId,
        kind: &str,
        export: Uuid,
    ) -> sqlx::Result<Option<ExportRow>> {
        let mut transaction = self.begin(tenant).await?;
        let row = sqlx::query_as(
            "select export_id, ordered, status, requested_by, requested_at, position, made, reason,
                    finished_at
             from exports where tenant_id = $1 and kind = $2 and export_id = $3",
        )
        .bind(tenant.0)
        .bind(kind)
        .bind(export)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// How many of a tenant's exports are not made yet.
    pub async fn unfinished_exports(&self, tenant: TenantId) -> sqlx::Result<i64> {
        let mut transaction = self.begin(tenant).await?;
        let count = sqlx::query_scalar(
            "select count(*) from exports
             where tenant_id = $1 and status in ('queued', 'running')",
        )
        .bind(tenant.0)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Acts, the latest first, below a position when there is one.
    pub async fn export_acts(
        &self,
        tenant: TenantId,
        filter: &ActFilter,
        below: Option<u64>,
        limit: i64,
    ) -> sqlx::Result<Vec<ActRow>> {
        let mut query = QueryBuilder::<Postgres>::new(ACT);
        query.push_bind(tenant.0);
        if let Some(session) = filter.session {
            query.push(" and exhibit_exported_session(payload) = ").push_bind(session.to_string());
        }
        if let Some(export) = filter.export {
            query.push(" and aggregate_id = ").push_bind(export.to_string());
        }
        if let Some(event_type) = &filter.event_type {
            query.push(" and event_type = ").push_bind(event_type);
        }
        if let Some(actor) = &filter.actor {
            query.push(" and coalesce(payload ->> 'by', metadata ->> 'actor') = ").push_bind(actor);
        }
        if let Some(since) = filter.since {
            query.push(" and timestamp >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" and timestamp < ").push_bind(until);
        }
        if let Some(below) = below {
            query.push(" and position < ").push_bind(below as i64);
        }
        query.push(" order by position desc limit ").push_bind(limit);
        self.acts(tenant, query).await
    }

    /// Acts that touched a session, or any session when none is named: those that name it, and
    /// those on selections that held something of it. Oldest first, after a position and up to
    /// another.
    pub async fn custody_acts(
        &self,
        tenant: TenantId,
        session: Option<SessionId>,
        after: u64,
        until: u64,
        limit: i64,
    ) -> sqlx::Result<Vec<ActRow>> {
        let mut query = QueryBuilder::<Postgres>::new(ACT);
        query.push_bind(tenant.0).push(" and position > ").push_bind(after as i64);
        query.push(" and position <= ").push_bind(until as i64);
        if let Some(session) = session {
            query.push(" and (exhibit_exported_session(payload) = ");
            query.push_bind(session.to_string());
            query.push(
                " or aggregate_id in (
                     select s.export_id::text from export_sessions s where s.session_id = ",
            );
            query.push_bind(session.0).push(" and s.tenant_id = ").push_bind(tenant.0).push("))");
        }
        query.push(" order by position limit ").push_bind(limit);
        self.acts(tenant, query).await
    }

    async fn acts(
        &self,
        tenant: TenantId,
        mut query: QueryBuilder<'_, Postgres>,
    ) -> sqlx::Result<Vec<ActRow>> {
        let mut transaction = self.begin(tenant).await?;
        let rows = query.build().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        rows.iter().map(act).collect()
    }
}

fn act(row: &PgRow) -> sqlx::Result<ActRow> {
    let export_id = row.try_get::<&str, _>(1)?.parse();
    Ok(ActRow {
        position: row.try_get::<i64, _>(0)? as u64,
        export_id: export_id.map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        event_type: row.try_get(2)?,
        actor: row.try_get(3)?,
        correlation_id: row.try_get(4)?,
        at: row.try_get(5)?,
        event: row.try_get::<Json<ExportEvent>, _>(6)?.0,
    })
}
