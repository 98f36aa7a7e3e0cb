//! What compliance people look at first, and what analysts ask of violations: sums of the counts
//! that the folds keep, never of the violations themselves.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::ids::TenantId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;

use crate::TenantReads;
use crate::aggregations::{Answer, Bucket, ClassRow, stands_at};
use crate::folds::violations::NAME;

/// Days that the ranking by policy and the mean times look back.
const DAYS: i64 = 30;
/// Actors that are ranked.
const ACTORS_MAX: i64 = 10;
/// Policies that are ranked.
const POLICIES_MAX: usize = 100;

/// Unresolved violations of one severity.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema, PartialEq, Eq)]
pub struct SeverityRow {
    pub severity: String,
    /// Not even acknowledged.
    pub open: i64,
    pub acknowledged: i64,
    /// Past their due date.
    pub overdue: i64,
}

/// One policy over the days.
#[derive(Debug, Clone, Serialize, ToSchema, PartialEq, Eq)]
pub struct PolicyRow {
    pub policy: String,
    pub violations: i64,
    pub unresolved: i64,
}

/// One actor over the days.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema, PartialEq, Eq)]
pub struct ActorRow {
    /// Null for events that named nobody.
    pub actor_id: Option<String>,
    pub violations: i64,
}

/// Personal data of one kind.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema, PartialEq, Eq)]
pub struct ExposureRow {
    pub detector: String,
    pub sessions: i64,
    pub matches: i64,
}

/// How fast people are, over the days; null where nothing has happened yet.
#[derive(Debug, Clone, Serialize, ToSchema, PartialEq)]
pub struct MeanTimes {
    pub acknowledge_seconds: Option<f64>,
    pub resolve_seconds: Option<f64>,
}

/// Everything of one look, in one snapshot.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Compliance {
    /// Unresolved violations; every severity stands here.
    pub open_by_severity: Vec<SeverityRow>,
    pub overdue: i64,
    /// Found in the last 30 days, the most broken first.
    pub by_policy: Vec<PolicyRow>,
    /// Found in the last 30 days: the ten with most.
    pub by_actor: Vec<ActorRow>,
    /// Of what was found in the last 30 days.
    pub mean_times: MeanTimes,
    pub sessions_by_class: Vec<ClassRow>,
    /// Over all sessions.
    pub personal_data: Vec<ExposureRow>,
    /// The answer stands for the log up to here.
    pub position: i64,
}

/// Violations of one group in one bucket of time, by the time of their detection.
#[derive(Debug, Clone, FromRow)]
pub struct GroupCount {
    pub bucket: DateTime<Utc>,
    pub name: String,
    pub violations: i64,
    pub unresolved: i64,
}

/// What became of the violations that were found in one bucket of time.
#[derive(Debug, Clone, Default, FromRow)]
pub struct SlaCount {
    pub bucket: DateTime<Utc>,
    pub detected: i64,
    pub open: i64,
    pub acknowledged: i64,
    pub resolved: i64,
    pub resolved_in_time: i64,
    pub resolved_late: i64,
    pub ever_acknowledged: i64,
    pub acknowledge_micros: i64,
    pub resolve_micros: i64,
}

/// A span of whole hours.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub since: DateTime<Utc>,
    /// Not included.
    pub until: DateTime<Utc>,
}

impl TenantReads {
    /// The dashboard.
    pub async fn compliance(
        &self,
        tenant: TenantId,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Compliance> {
        let since = (now - TimeDelta::days(DAYS)).duration_trunc(TimeDelta::days(1)).unwrap_or(now);
        let mut snapshot = self.snapshot(tenant).await?;
        let open_by_severity = by_severity(&mut snapshot, tenant, now).await?;
        let (by_policy, mean_times) = by_policy(&mut snapshot, tenant, since).await?;
        let by_actor = sqlx::query_as(
            "select nullif(c.actor_id, '') as actor_id, sum(c.detected)::int8 as violations
             from violation_actor_days c
             join projections p on p.name = 'violations' and p.generation = c.generation
             where c.tenant_id = $1 and c.day >= $2
             group by c.actor_id order by 2 desc, 1 limit $3",
        )
        .bind(tenant.0)
        .bind(since)
        .bind(ACTORS_MAX)
        .fetch_all(&mut *snapshot)
        .await?;
        let sessions_by_class = sqlx::query_as(
            "select evidence_class, count(*) as sessions,
                    count(*) filter (where phase = 'sealed') as sealed_sessions,
                    coalesce(sum(event_count), 0)::int8 as events
             from session_views v
             join projections p on p.name = 'sessions' and p.generation = v.generation
             where v.tenant_id = $1 group by evidence_class order by 2 desc, 1",
        )
        .bind(tenant.0)
        .fetch_all(&mut *snapshot)
        .await?;
        let personal_data = sqlx::query_as(
            "select t.detector, t.sessions, t.matches from pii_totals t
             join projections p on p.name = 'judgement' and p.generation = t.generation
             where t.tenant_id = $1 order by t.matches desc, 1",
        )
        .bind(tenant.0)
        .fetch_all(&mut *snapshot)
        .await?;
        let mut position = i64::MAX;
        for name in [NAME, "sessions", "judgement"] {
            position = position.min(stands_at(&mut snapshot, tenant, name).await?);
        }
        snapshot.commit().await?;
        let overdue = open_by_severity.iter().map(|row| row.overdue).sum();
        Ok(Compliance {
            open_by_severity,
            overdue,
            by_policy,
            by_actor,
            mean_times,
            sessions_by_class,
            personal_data,
            position,
        })
    }

    /// Violations found in a span, by policy and bucket.
    pub async fn violations_by_policy(
        &self,
        tenant: TenantId,
        span: Span,
        bucket: Bucket,
    ) -> sqlx::Result<Answer<GroupCount>> {
        self.grouped(tenant, span, bucket, BY_POLICY).await
    }

    /// The same by severity.
    pub async fn violations_by_severity(
        &self,
        tenant: TenantId,
        span: Span,
        bucket: Bucket,
    ) -> sqlx::Result<Answer<GroupCount>> {
        self.grouped(tenant, span, bucket, BY_SEVERITY).await
    }

    /// The same by actor and day: those with most, up to a number.
    pub async fn violations_by_actor(
        &self,
        tenant: TenantId,
        span: Span,
        actors: i64,
    ) -> sqlx::Result<Answer<GroupCount>> {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = sqlx::query_as(
            "with counted as (
                 select c.day, c.actor_id, sum(c.detected)::int8 as violations
                 from violation_actor_days c
                 join projections p on p.name = 'violations' and p.generation = c.generation
                 where c.tenant_id = $1 and c.day >= $2 and c.day < $3 group by 1, 2
             ), most as (
                 select actor_id from counted group by 1 order by sum(violations) desc, 1 limit $4
             )
             select day as bucket, actor_id as name, violations, 0::int8 as unresolved
             from counted where actor_id in (select actor_id from most) order by 2, 1",
        )
        .bind(tenant.0)
        .bind(span.since)
        .bind(span.until)
        .bind(actors)
        .fetch_all(&mut *snapshot)
        .await?;
        let position = stands_at(&mut snapshot, tenant, NAME).await?;
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }

    /// What became of the violations that were found in a span.
    pub async fn sla(
        &self,
        tenant: TenantId,
        span: Span,
        bucket: Bucket,
    ) -> sqlx::Result<Answer<SlaCount>> {
        self.grouped(tenant, span, bucket, SLA).await
    }

    async fn grouped<T>(
        &self,
        tenant: TenantId,
        span: Span,
        bucket: Bucket,
        query: &str,
    ) -> sqlx::Result<Answer<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut snapshot = self.snapshot(tenant).await?;
        let rows = sqlx::query_as(query)
            .bind(tenant.0)
            .bind(span.since)
            .bind(span.until)
            .bind(bucket.as_str())
            .fetch_all(&mut *snapshot)
            .await?;
        let position = stands_at(&mut snapshot, tenant, NAME).await?;
        snapshot.commit().await?;
        Ok(Answer { rows, position })
    }
}

const SLA: &str = "
    select date_trunc($4, c.hour, 'UTC') as bucket, sum(detected)::int8 as detected,
           sum(open)::int8 as open, sum(acknowledged)::int8 as acknowledged,
           sum(resolved)::int8 as resolved, sum(resolved_in_time)::int8 as resolved_in_time,
           sum(resolved_late)::int8 as resolved_late,
           sum(ever_acknowledged)::int8 as ever_acknowledged,
           sum(acknowledge_micros)::int8 as acknowledge_micros,
           sum(resolve_micros)::int8 as resolve_micros
    from violation_hours c
    join projections p on p.name = 'violations' and p.generation = c.generation
    where c.tenant_id = $1 and c.hour >= $2 and c.hour < $3 group by 1 order by 1";

const BY_POLICY: &str = "
    select date_trunc($4, c.hour, 'UTC') as bucket, c.policy as name,
           sum(c.detected)::int8 as violations, sum(c.open + c.acknowledged)::int8 as unresolved
    from violation_hours c
    join projections p on p.name = 'violations' and p.generation = c.generation
    where c.tenant_id = $1 and c.hour >= $2 and c.hour < $3 group by 1, 2 order by 2, 1";

const BY_SEVERITY: &str = "
    select date_trunc($4, c.hour, 'UTC') as bucket, c.severity as name,
           sum(c.detected)::int8 as violations, sum(c.open + c.acknowledged)::int8 as unresolved
    from violation_hours c
    join projections p on p.name = 'violations' and p.generation = c.generation
    where c.tenant_id = $1 and c.hour >= $2 and c.hour < $3 group by 1, 2 order by 2, 1";

/// What [`PolicyRow`] and [`MeanTimes`] are made of: hours are many, so they are read once for both.
#[derive(Debug, FromRow)]
struct PolicySums {
    policy: String,
    violations: i64,
    unresolved: i64,
    ever_acknowledged: i64,
    acknowledge_micros: f64,
    resolved: i64,
    resolve_micros: f64,
}

/// Violations found since then: the policies with most, and how fast people are over all of them.
async fn by_policy(
    connection: &mut PgConnection,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> sqlx::Result<(Vec<PolicyRow>, MeanTimes)> {
    let sums: Vec<PolicySums> = sqlx::query_as(
        "select c.policy, sum(c.detected)::int8 as violations,
                sum(c.detected - c.resolved)::int8 as unresolved,
                sum(c.ever_acknowledged)::int8 as ever_acknowledged,
                sum(c.acknowledge_micros)::float8 as acknowledge_micros,
                sum(c.resolved)::int8 as resolved, sum(c.resolve_micros)::float8 as resolve_micros
         from violation_days c
         join projections p on p.name = 'violations' and p.generation = c.generation
         where c.tenant_id = $1 and c.day >= $2
         group by c.policy order by 2 desc, 1",
    )
    .bind(tenant.0)
    .bind(since)
    .fetch_all(connection)
    .await?;
    let mean = |count: fn(&PolicySums) -> i64, micros: fn(&PolicySums) -> f64| {
        let count: i64 = sums.iter().map(count).sum();
        (count > 0).then(|| sums.iter().map(micros).sum::<f64>() / count as f64 / 1e6)
    };
    let mean_times = MeanTimes {
        acknowledge_seconds: mean(|s| s.ever_acknowledged, |s| s.acknowledge_micros),
        resolve_seconds: mean(|s| s.resolved, |s| s.resolve_micros),
    };
    let row = |PolicySums { policy, violations, unresolved, .. }| PolicyRow {
        policy,
        violations,
        unresolved,
    };
    Ok((sums.into_iter().take(POLICIES_MAX).map(row).collect(), mean_times))
}

/// Unresolved violations by severity. Those that are overdue: of whole hours from the counts, of the
/// running one from its few violations.
async fn by_severity(
    connection: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<SeverityRow>> {
    sqlx::query_as(
        "with served as (select generation from projections where name = 'violations'),
         late as (
             select d.severity, sum(d.violations)::int8 as violations
             from violation_due d, served s
             where d.tenant_id = $1 and d.generation = s.generation
               and d.hour < date_trunc('hour', $2, 'UTC') group by 1
             union all
             select v.severity, count(*) from violation_views v, served s
             where v.tenant_id = $1 and v.generation = s.generation and v.status <> 'RESOLVED'
               and v.due_at >= date_trunc('hour', $2, 'UTC') and v.due_at < $2 group by 1
         )
         select n.severity,
                coalesce(sum(c.violations) filter (where c.status = 'OPEN'), 0)::int8 as open,
                coalesce(sum(c.violations) filter (where c.status = 'ACKNOWLEDGED'), 0)::int8
                    as acknowledged,
                coalesce((select sum(violations) from late l where l.severity = n.severity), 0)::int8
                    as overdue
         from unnest(array['critical', 'high', 'medium', 'low']) with ordinality as n(severity, ord)
         left join (violation_states c join served s on c.generation = s.generation)
             on c.tenant_id = $1 and c.severity = n.severity
         group by n.severity, n.ord order by n.ord",
    )
    .bind(tenant.0)
    .bind(now)
    .fetch_all(connection)
    .await
}
