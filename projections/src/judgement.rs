//! What the judge has found beside violations: personal data by place, uses of tools.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::evidence::tool_access::ToolVerdict;
use domain::ids::{SessionId, TenantId};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::TenantReads;

/// Personal data of one kind at one place; never the text that matched.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct FindingRow {
    pub sequence_number: i64,
    /// E.g. `email`.
    pub detector: String,
    /// JSON pointer (RFC 6901) into the event's payload; personal data in names is masked.
    pub pointer: String,
    pub matches: i32,
}

/// One use of a tool.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct ToolUseRow {
    pub session_id: Uuid,
    pub sequence_number: i64,
    pub event_id: Uuid,
    pub tool_name: String,
    pub actor_id: Option<String>,
    /// As the client sent it.
    pub timestamp: String,
    pub received_at: DateTime<Utc>,
    /// Names and types of the arguments, never their values.
    pub args_summary: String,
    /// Of the result: `success`, `error`, or null while there is none.
    pub status: Option<String>,
    pub duration_ms: Option<f64>,
    /// Null when no policy applied.
    pub allowed: Option<bool>,
    /// `name@version` of the policies that judged the call.
    pub judged_by: Vec<String>,
    /// `policy/control` of what it broke.
    pub broken: Vec<String>,
    /// Of the append in the tenant's log.
    pub position: i64,
}

/// What a list of uses is narrowed to. Absent members narrow nothing.
#[derive(Debug, Clone, Default)]
pub struct ToolUseFilter {
    pub tool_name: Option<String>,
    pub session_id: Option<Uuid>,
    pub actor_id: Option<String>,
    pub allowed: Option<bool>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// Where a page of uses ended.
#[derive(Debug, Clone, Copy)]
pub struct ToolUseMark {
    pub position: i64,
    pub session_id: Uuid,
    pub sequence_number: i64,
}

const SERVED: &str = "join projections p on p.name = 'judgement' and p.generation = j.generation";

impl TenantReads {
    /// Places of personal data in a session, in the order of its events, after a place.
    pub async fn findings(
        &self,
        tenant: TenantId,
        session: SessionId,
        after: Option<&FindingRow>,
        limit: i64,
    ) -> sqlx::Result<Vec<FindingRow>> {
        let query = "select sequence_number, detector, pointer, matches from pii_findings j
             where j.tenant_id = $1 and j.session_id = $2
               and j.generation = (select generation from projections where name = 'judgement')
               and ($3::int8 is null or (sequence_number, detector, pointer) > ($3, $4, $5))
             order by sequence_number, detector, pointer limit $6";
        let mut transaction = self.begin(tenant).await?;
        let rows = sqlx::query_as(query)
            .bind(tenant.0)
            .bind(session.0)
            .bind(after.map(|row| row.sequence_number))
            .bind(after.map(|row| row.detector.as_str()))
            .bind(after.map(|row| row.pointer.as_str()))
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// What was said of the uses of tools in a session, in the order of its events, after a number.
    pub async fn verdicts_of_session(
        &self,
        tenant: TenantId,
        session: SessionId,
        after: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(i64, ToolVerdict)>> {
        let mut transaction = self.begin(tenant).await?;
        // The generation as one value: of a join the planner does not know that it is one.
        let rows = sqlx::query(
            "select sequence_number, allowed, broken, judged_by from tool_uses
             where tenant_id = $1 and session_id = $2 and sequence_number > $3
               and generation = (select generation from projections where name = 'judgement')
             order by sequence_number limit $4",
        )
        .bind(tenant.0)
        .bind(session.0)
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let of_row = |row: &PgRow| {
            let verdict = ToolVerdict {
                allowed: row.try_get(1)?,
                broken: row.try_get(2)?,
                judged_by: row.try_get(3)?,
            };
            Ok((row.try_get(0)?, verdict))
        };
        rows.iter().map(of_row).collect()
    }

    /// Uses of tools, the latest first, after the mark.
    pub async fn tool_uses(
        &self,
        tenant: TenantId,
        filter: &ToolUseFilter,
        after: Option<ToolUseMark>,
        limit: i64,
    ) -> sqlx::Result<Vec<ToolUseRow>> {
        let mut query = QueryBuilder::<Postgres>::new(
            "select session_id, sequence_number, event_id, tool_name, actor_id,
                    timestamp_wall as timestamp, received_at, args_summary, status, duration_ms,
                    allowed, judged_by, broken, position
             from tool_uses j ",
        );
        query.push(SERVED).push(" where j.tenant_id = ").push_bind(tenant.0);
        for (column, value) in [("tool_name", &filter.tool_name), ("actor_id", &filter.actor_id)] {
            if let Some(value) = value {
                query.push(" and ").push(column).push(" = ").push_bind(value);
            }
        }
        if let Some(session) = filter.session_id {
            query.push(" and session_id = ").push_bind(session);
        }
        if let Some(allowed) = filter.allowed {
            query.push(" and allowed = ").push_bind(allowed);
        }
        if let Some(since) = filter.since {
            query.push(" and received_at >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" and received_at < ").push_bind(until);
        }
        if let Some(mark) = after {
            query.push(" and (position, session_id, sequence_number) < (");
            query.push_bind(mark.position).push(", ").push_bind(mark.session_id).push(", ");
            query.push_bind(mark.sequence_number).push(")");
        }
        query.push(" order by position desc, session_id desc, sequence_number desc limit ");
        query.push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        let rows = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

/// Personal data by session and detector, of those sessions that hold any.
pub(crate) async fn personal_data(
    connection: &mut PgConnection,
    tenant: TenantId,
    sessions: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<(String, i64)>>> {
    let query = format!(
        "select session_id, detector, matches from session_pii j {SERVED}
         where j.tenant_id = $1 and j.session_id = any($2) order by session_id, detector"
    );
    let rows: Vec<(Uuid, String, i64)> =
        sqlx::query_as(&query).bind(tenant.0).bind(sessions).fetch_all(connection).await?;
    let mut by_session: HashMap<Uuid, Vec<(String, i64)>> = HashMap::new();
    for (session, detector, matches) in rows {
        by_session.entry(session).or_default().push((detector, matches));
    }
    Ok(by_session)
}
