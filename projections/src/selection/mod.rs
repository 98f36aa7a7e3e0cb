//! What an export by filters selects, piece by piece in the order of the tenant's log.

mod found;

use std::collections::HashMap;

use domain::artifacts::ndjson::Marks;
use domain::evidence::record::{ChainAuthority, ChainContext, EvidenceSignature, Record};
use domain::evidence::tool_access::ToolVerdict;
use domain::export::Filters;
use domain::ids::{SessionId, TenantId};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

pub use found::{FoundRow, FoundViolation};

use crate::TenantReads;
use crate::evidence::PIECE_BYTES;

/// Events of the log in one piece.
const EVENTS_MAX: i64 = 1_000;
/// Records in one piece, as long as that is more than one append.
const RECORDS_MAX: i64 = 4_000;

/// A record that was selected.
#[derive(Debug)]
pub struct Selected {
    /// Of the append that brought it.
    pub position: u64,
    pub context: ChainContext,
    pub record: Record,
    pub signature: EvidenceSignature,
    pub marks: Marks,
}

/// What a piece of the log has for a selection.
#[derive(Debug)]
pub struct SelectedPiece {
    pub records: Vec<Selected>,
    /// Position up to which the log was looked at.
    pub reached: u64,
}

/// Records that one event of the log has brought.
struct Range {
    position: i64,
    session: Uuid,
    first: i64,
    last: i64,
}

type Place = (Uuid, i64);

impl TenantReads {
    /// The next piece after a position and up to another; none at the end.
    pub async fn selection(
        &self,
        tenant: TenantId,
        filters: &Filters,
        after: u64,
        until: u64,
    ) -> sqlx::Result<Option<SelectedPiece>> {
        if after >= until {
            return Ok(None);
        }
        let mut transaction = self.begin(tenant).await?;
        let connection = &mut *transaction;
        let (ranges, mut reached) = ranges(connection, tenant, filters, after, until).await?;
        let (mut records, cut) = records(connection, tenant, filters, &ranges).await?;
        reached = cut.unwrap_or(reached);
        if !records.is_empty() {
            let mut uses = uses(connection, tenant, after, reached).await?;
            let mut findings = findings(connection, tenant, &ranges).await?;
            for selected in &mut records {
                let number = selected.record.body.sequence_number as i64;
                let place = (selected.context.session_id.0, number);
                selected.marks.tool_access = uses.remove(&place);
                selected.marks.personal_data = findings.remove(&place).unwrap_or_default();
            }
        }
        transaction.commit().await?;
        Ok(Some(SelectedPiece { records, reached }))
    }
}

async fn ranges(
    connection: &mut PgConnection,
    tenant: TenantId,
    filters: &Filters,
    after: u64,
    until: u64,
) -> sqlx::Result<(Vec<Range>, u64)> {
    let end = until.min(after + EVENTS_MAX as u64);
    let mut query = QueryBuilder::<Postgres>::new(
        "select position, aggregate_id,
                coalesce(payload ->> 'first_sequence', payload ->> 'sequence_number')::int8,
                coalesce(payload ->> 'last_sequence', payload ->> 'sequence_number')::int8
         from events where tenant_id = ",
    );
    query.push_bind(tenant.0).push(" and position > ").push_bind(after as i64);
    query.push(" and position <= ").push_bind(end as i64);
    query.push(" and aggregate_type = 'session' and event_type <> 'session.started'");
    if let Some(session) = filters.session_id {
        query.push(" and aggregate_id = ").push_bind(session.to_string());
    }
    query.push(" order by position");
    let rows = query.build().fetch_all(connection).await?;
    let (mut ranges, mut records) = (Vec::with_capacity(rows.len()), 0);
    for row in rows {
        let session = row.try_get::<&str, _>(1)?.parse();
        let range = Range {
            position: row.try_get(0)?,
            session: session.map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
            first: row.try_get(2)?,
            last: row.try_get(3)?,
        };
        records += range.last - range.first + 1;
        if records > RECORDS_MAX && !ranges.is_empty() {
            return Ok((ranges, range.position as u64 - 1));
        }
        ranges.push(range);
    }
    Ok((ranges, end))
}

/// The selected records of these ranges; when their payloads are large only the first, to the end of an
/// append, and its position. The database leaves the others out: what it has sent must be read.
async fn records(
    connection: &mut PgConnection,
    tenant: TenantId,
    filters: &Filters,
    ranges: &[Range],
) -> sqlx::Result<(Vec<Selected>, Option<u64>)> {
    if ranges.is_empty() {
        return Ok((Vec::new(), None));
    }
    let column = |of: fn(&Range) -> i64| ranges.iter().map(of).collect::<Vec<_>>();
    let sessions: Vec<Uuid> = ranges.iter().map(|range| range.session).collect();
    // The inner order goes along the primary key, range after range.
    let mut query = QueryBuilder::<Postgres>::new(
        "select * from (
             select e.*, r.position, r.session_id as session, h.authority,
                    sum(octet_length(e.payload)) over (
                        order by r.position groups between unbounded preceding and 1 preceding
                    ) as bytes_before
             from unnest(",
    );
    query.push_bind(sessions).push("::uuid[], ").push_bind(column(|r| r.first));
    query.push("::int8[], ").push_bind(column(|r| r.last)).push("::int8[], ");
    query.push_bind(column(|r| r.position));
    query.push(
        "::int8[]) as r(session_id, first, last, position)
         join session_heads h on h.session_id = r.session_id and h.tenant_id = ",
    );
    query.push_bind(tenant.0).push(
        " cross join lateral (
             select sequence_number, event_id, event_type, timestamp_wall, timestamp_monotonic,
                    source_sdk_ver, schema_ver, actor_id, payload, payload_hash, prev_event_hash,
                    event_hash, signature_kid, signature, received_at
             from evidence_events e where e.session_id = r.session_id
               and e.sequence_number >= r.first and e.sequence_number <= r.last
               and e.tenant_id = ",
    );
    query.push_bind(tenant.0);
    push_filters(&mut query, filters);
    query.push(" order by e.sequence_number) e) e where bytes_before is null or bytes_before < ");
    query.push_bind(PIECE_BYTES).push(" order by position, sequence_number");
    let rows = query.build().fetch_all(connection).await?;
    let records: Vec<Selected> = rows.iter().map(selected).collect::<sqlx::Result<_>>()?;
    let bytes: usize = records.iter().map(|selected| selected.record.body.payload.len()).sum();
    // With less than that nothing was left out.
    let is_full = bytes as i64 >= PIECE_BYTES;
    let reached = records.last().filter(|_| is_full).map(|last| last.position);
    Ok((records, reached))
}

fn selected(row: &PgRow) -> sqlx::Result<Selected> {
    let (record, signature) = crate::evidence::read(row)?;
    let authority = ChainAuthority::parse(row.try_get("authority")?);
    let authority = authority.ok_or_else(|| sqlx::Error::Decode("unknown authority".into()))?;
    let session_id = SessionId(row.try_get("session")?);
    Ok(Selected {
        position: row.try_get::<i64, _>("position")? as u64,
        context: ChainContext { session_id, authority },
        record,
        signature,
        marks: Marks::default(),
    })
}

/// Conditions on the record `e`.
fn push_filters<'q>(query: &mut QueryBuilder<'q, Postgres>, filters: &'q Filters) {
    let texts = [("actor_id", &filters.actor), ("event_type", &filters.event_type)];
    for (column, value) in texts {
        if let Some(value) = value {
            query.push(" and e.").push(column).push(" = ").push_bind(value);
        }
    }
    if let Some(session) = filters.session_id {
        query.push(" and e.session_id = ").push_bind(session.0);
    }
    if let Some(since) = filters.since {
        query.push(" and e.received_at >= ").push_bind(since);
    }
    if let Some(until) = filters.until {
        query.push(" and e.received_at < ").push_bind(until);
    }
    if let Some(policy) = &filters.policy {
        query.push(
            " and exists (
                 select from violation_views b
                 join projections p on p.name = 'violations' and p.generation = b.generation
                 where b.tenant_id = e.tenant_id and b.session_id = e.session_id
                   and b.sequence_number = e.sequence_number and b.policy = ",
        );
        query.push_bind(policy).push(")");
    }
}

async fn uses(
    connection: &mut PgConnection,
    tenant: TenantId,
    after: u64,
    reached: u64,
) -> sqlx::Result<HashMap<Place, ToolVerdict>> {
    let rows = sqlx::query(
        "select session_id, sequence_number, allowed, judged_by, broken from tool_uses
         where tenant_id = $1 and position > $2 and position <= $3
           and generation = (select generation from projections where name = 'judgement')",
    )
    .bind(tenant.0)
    .bind(after as i64)
    .bind(reached as i64)
    .fetch_all(connection)
    .await?;
    let of_row = |row: &PgRow| {
        let verdict = ToolVerdict {
            allowed: row.try_get(2)?,
            judged_by: row.try_get(3)?,
            broken: row.try_get(4)?,
        };
        Ok(((row.try_get(0)?, row.try_get(1)?), verdict))
    };
    rows.iter().map(of_row).collect()
}

async fn findings(
    connection: &mut PgConnection,
    tenant: TenantId,
    ranges: &[Range],
) -> sqlx::Result<HashMap<Place, Vec<serde_json::Value>>> {
    let column = |of: fn(&Range) -> i64| ranges.iter().map(of).collect::<Vec<_>>();
    let sessions: Vec<Uuid> = ranges.iter().map(|range| range.session).collect();
    // The inner order keeps the ranges apart: joined as a whole, each would read all findings of its
    // session.
    let rows = sqlx::query(
        "select j.session_id, j.sequence_number, j.detector, j.pointer, j.matches
         from unnest($2::uuid[], $3::int8[], $4::int8[]) as r(session_id, first, last)
         cross join lateral (
             select * from pii_findings j
             where j.tenant_id = $1 and j.session_id = r.session_id
               and j.generation = (select generation from projections where name = 'judgement')
               and j.sequence_number >= r.first and j.sequence_number <= r.last
             order by j.sequence_number, j.detector, j.pointer
         ) j order by j.detector, j.pointer",
    )
    .bind(tenant.0)
    .bind(sessions)
    .bind(column(|r| r.first))
    .bind(column(|r| r.last))
    .fetch_all(connection)
    .await?;
    let mut findings: HashMap<Place, Vec<serde_json::Value>> = HashMap::new();
    for row in rows {
        let finding = json!({
            "detector": row.try_get::<&str, _>(2)?,
            "place": row.try_get::<&str, _>(3)?,
            "count": row.try_get::<i32, _>(4)?,
        });
        findings.entry((row.try_get(0)?, row.try_get(1)?)).or_default().push(finding);
    }
    Ok(findings)
}
