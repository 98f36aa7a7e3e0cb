//! What the judge has found in the records that a selection names, in pieces.

use std::collections::HashMap;

use domain::export::Filters;
use domain::ids::TenantId;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::push_filters;
use crate::TenantReads;
use crate::folds::violations::COLUMNS;
use crate::judgement::ToolUseRow;
use crate::violations::{ActionRow, View};

/// A violation with its action log.
#[derive(Debug)]
pub struct FoundViolation {
    pub view: View,
    pub actions: Vec<ActionRow>,
}

/// Personal data of one kind at one place of one record.
#[derive(Debug, Clone, FromRow)]
pub struct FoundRow {
    pub session_id: Uuid,
    pub sequence_number: i64,
    pub detector: String,
    pub pointer: String,
    pub matches: i32,
}

/// The generation that is served, as one value: of a join the planner does not know that it is one,
/// and sorts everything for each piece.
macro_rules! served {
    ($name:literal) => {
        concat!(
            " and v.generation = (select generation from projections where name = '",
            $name,
            "')"
        )
    };
}

/// The record that a row is about, looked up row by row: `offset 0` keeps the planner from joining the
/// tables as a whole, for which it would read all records before those of a piece.
const RECORD: &str = " cross join lateral (
        select e.tenant_id, e.session_id, e.sequence_number, e.actor_id, e.event_type, e.received_at
        from evidence_events e where e.tenant_id = v.tenant_id
          and e.session_id = v.session_id and e.sequence_number = v.sequence_number offset 0
    ) e where v.tenant_id = ";

/// Conditions on the record `e` and, where it has the same, on the row `v`: its index serves them.
fn push_conditions<'q>(query: &mut QueryBuilder<'q, Postgres>, filters: &'q Filters) {
    if let Some(session) = filters.session_id {
        query.push(" and v.session_id = ").push_bind(session.0);
    }
    push_filters(query, filters);
}

impl TenantReads {
    /// Violations of the selected records, in the order in which they were found, after a position.
    pub async fn selected_violations(
        &self,
        tenant: TenantId,
        filters: &Filters,
        after: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<FoundViolation>> {
        let columns = COLUMNS.split(',').map(|name| format!("v.{}", name.trim()));
        let mut query = QueryBuilder::<Postgres>::new("select ");
        query.push(columns.collect::<Vec<_>>().join(", ")).push(" from violation_views v");
        query.push(RECORD).push_bind(tenant.0).push(served!("violations"));
        query.push(" and v.detected_position > ").push_bind(after);
        push_conditions(&mut query, filters);
        if let Some(policy) = &filters.policy {
            // A record that broke it may have broken others, too, which were not asked for.
            query.push(" and v.policy = ").push_bind(policy);
        }
        query.push(" order by v.detected_position limit ").push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        let views: Vec<View> = query.build_query_as().fetch_all(&mut *transaction).await?;
        let ids: Vec<Uuid> = views.iter().map(|view| view.violation_id).collect();
        let rows = sqlx::query(
            "select violation_id, number, action, actor, at, details, position
             from violation_actions where tenant_id = $1 and violation_id = any($2)
             order by violation_id, number",
        )
        .bind(tenant.0)
        .bind(&ids)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let mut actions: HashMap<Uuid, Vec<ActionRow>> = HashMap::with_capacity(ids.len());
        for row in &rows {
            actions.entry(row.try_get(0)?).or_default().push(ActionRow::from_row(row)?);
        }
        let found = |view: View| FoundViolation {
            actions: actions.remove(&view.violation_id).unwrap_or_default(),
            view,
        };
        Ok(views.into_iter().map(found).collect())
    }

    /// How many records there are of each of these sessions up to a position in the log.
    pub async fn records_until(
        &self,
        tenant: TenantId,
        sessions: &[Uuid],
        until: u64,
    ) -> sqlx::Result<HashMap<Uuid, i64>> {
        let sessions: Vec<String> = sessions.iter().map(Uuid::to_string).collect();
        let mut transaction = self.begin(tenant).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select s.id, l.count from unnest($2::text[]) s(id) cross join lateral (
                 select 1 + coalesce(payload ->> 'last_sequence',
                                     payload ->> 'sequence_number')::int8 as count
                 from events where tenant_id = $1 and aggregate_type = 'session'
                   and aggregate_id = s.id and position <= $3 and event_type <> 'session.started'
                 order by sequence desc limit 1
             ) l",
        )
        .bind(tenant.0)
        .bind(sessions)
        .bind(until as i64)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let known = |(id, count): (String, i64)| Some((id.parse().ok()?, count));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// Uses of tools among the selected records, in whole appends after a position and up to
    /// another: about so many, and the position that was reached; none at the end.
    pub async fn selected_uses(
        &self,
        tenant: TenantId,
        filters: &Filters,
        after: u64,
        until: u64,
        limit: i64,
    ) -> sqlx::Result<Option<(Vec<ToolUseRow>, u64)>> {
        let mut query = QueryBuilder::<Postgres>::new(
            "select v.session_id, v.sequence_number, v.event_id, v.tool_name, v.actor_id,
                    v.timestamp_wall as timestamp, v.received_at, v.args_summary, v.status,
                    v.duration_ms, v.allowed, v.judged_by, v.broken, v.position
             from tool_uses v",
        );
        query.push(RECORD).push_bind(tenant.0).push(served!("judgement"));
        let mut transaction = self.begin(tenant).await?;
        let reached: Option<i64> = sqlx::query_scalar(concat!(
            "select max(position) from (
                 select position from tool_uses v where tenant_id = $1",
            served!("judgement"),
            "    and position > $2 and position <= $3 order by position limit $4
             ) piece",
        ))
        .bind(tenant.0)
        .bind(after as i64)
        .bind(until as i64)
        .bind(limit)
        .fetch_one(&mut *transaction)
        .await?;
        let Some(reached) = reached else { return Ok(None) };
        query.push(" and v.position > ").push_bind(after as i64);
        query.push(" and v.position <= ").push_bind(reached);
        push_conditions(&mut query, filters);
        query.push(" order by v.position, v.session_id, v.sequence_number");
        let rows = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some((rows, reached as u64)))
    }

    /// Personal data in the selected records, by session, after a place.
    pub async fn selected_personal_data(
        &self,
        tenant: TenantId,
        filters: &Filters,
        after: Option<&FoundRow>,
        limit: i64,
    ) -> sqlx::Result<Vec<FoundRow>> {
        let mut query = QueryBuilder::<Postgres>::new(
            "select v.session_id, v.sequence_number, v.detector, v.pointer, v.matches
             from pii_findings v",
        );
        query.push(RECORD).push_bind(tenant.0).push(served!("judgement"));
        if let Some(last) = after {
            query.push(" and (v.session_id, v.sequence_number, v.detector, v.pointer) > (");
            query.push_bind(last.session_id).push(", ").push_bind(last.sequence_number);
            query.push(", ").push_bind(&last.detector).push(", ").push_bind(&last.pointer);
            query.push(")");
        }
        push_conditions(&mut query, filters);
        query.push(" order by v.session_id, v.sequence_number, v.detector, v.pointer limit ");
        query.push_bind(limit);
        let mut transaction = self.begin(tenant).await?;
        let rows = query.build_query_as().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}
