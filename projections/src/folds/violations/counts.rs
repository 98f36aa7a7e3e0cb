//! What violations add up to, as differences that a batch makes.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::ids::TenantId;
use sqlx::PgConnection;

use super::View;
use crate::folds::hour_of;

/// Differences to each row of the counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By hour of detection, policy, severity.
    hours: BTreeMap<(DateTime<Utc>, String, String), Hour>,
    /// Detections by day, actor.
    actors: BTreeMap<(DateTime<Utc>, String), i64>,
    /// Unresolved by status, severity.
    states: BTreeMap<(String, String), i64>,
    /// Unresolved by hour in which they are due, severity.
    due: BTreeMap<(DateTime<Utc>, String), i64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Hour {
    detected: i64,
    open: i64,
    acknowledged: i64,
    resolved: i64,
    resolved_in_time: i64,
    resolved_late: i64,
    ever_acknowledged: i64,
    acknowledge_micros: i64,
    resolve_micros: i64,
}

impl Counts {
    pub(super) fn add(&mut self, view: &View) {
        self.change(view, 1);
    }

    pub(super) fn take_out(&mut self, view: &View) {
        self.change(view, -1);
    }

    fn change(&mut self, view: &View, by: i64) {
        let severity = view.severity.clone();
        let key = (hour_of(view.detected_at), view.policy.clone(), severity.clone());
        self.hours.entry(key).or_default().change(view, by);
        let actor = view.actor_id.clone().unwrap_or_default();
        *self.actors.entry((day_of(view.detected_at), actor)).or_default() += by;
        if view.is_unresolved() {
            *self.states.entry((view.status.clone(), severity.clone())).or_default() += by;
            if let Some(due_at) = view.due_at {
                *self.due.entry((hour_of(due_at), severity)).or_default() += by;
            }
        }
    }

    pub(super) async fn write(
        self,
        connection: &mut PgConnection,
        tenant: TenantId,
        generation: i32,
    ) -> sqlx::Result<()> {
        for statement in [ADD_HOURS, ADD_DAYS] {
            write_hours(statement, connection, tenant, generation, &self.hours).await?;
        }
        let (keys, by): (Vec<_>, Vec<i64>) =
            self.actors.into_iter().filter(|(_, by)| *by != 0).unzip();
        sqlx::query(
            "insert into violation_actor_days as c
                 (tenant_id, generation, day, actor_id, detected)
             select $1, $2, * from unnest($3::timestamptz[], $4::text[], $5::int8[])
             on conflict (tenant_id, generation, day, actor_id)
             do update set detected = c.detected + excluded.detected",
        )
        .bind(tenant.0)
        .bind(generation)
        .bind(keys.iter().map(|k| k.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|k| k.1.as_str()).collect::<Vec<_>>())
        .bind(by)
        .execute(&mut *connection)
        .await?;
        let (keys, by): (Vec<_>, Vec<i64>) =
            self.states.into_iter().filter(|(_, by)| *by != 0).unzip();
        sqlx::query(
            "insert into violation_states as c
                 (tenant_id, generation, status, severity, violations)
             select $1, $2, * from unnest($3::text[], $4::text[], $5::int8[])
             on conflict (tenant_id, generation, status, severity)
             do update set violations = c.violations + excluded.violations",
        )
        .bind(tenant.0)
        .bind(generation)
        .bind(keys.iter().map(|k| k.0.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|k| k.1.as_str()).collect::<Vec<_>>())
        .bind(by)
        .execute(&mut *connection)
        .await?;
        let (keys, by): (Vec<_>, Vec<i64>) =
            self.due.into_iter().filter(|(_, by)| *by != 0).unzip();
        sqlx::query(
            "insert into violation_due as c (tenant_id, generation, hour, severity, violations)
             select $1, $2, * from unnest($3::timestamptz[], $4::text[], $5::int8[])
             on conflict (tenant_id, generation, hour, severity)
             do update set violations = c.violations + excluded.violations",
        )
        .bind(tenant.0)
        .bind(generation)
        .bind(keys.iter().map(|k| k.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|k| k.1.as_str()).collect::<Vec<_>>())
        .bind(by)
        .execute(connection)
        .await
        .map(|_| ())
    }
}

impl Hour {
    fn change(&mut self, view: &View, by: i64) {
        self.detected += by;
        match view.status.as_str() {
            "OPEN" => self.open += by,
            "ACKNOWLEDGED" => self.acknowledged += by,
            _ => self.resolved += by,
        }
        if let Some(at) = view.acknowledged_at {
            self.ever_acknowledged += by;
            self.acknowledge_micros += by * micros(view.detected_at, at);
        }
        if let Some(at) = view.resolved_at {
            self.resolve_micros += by * micros(view.detected_at, at);
            match view.due_at {
                Some(due) if at > due => self.resolved_late += by,
                _ => self.resolved_in_time += by,
            }
        }
    }
}

const ADD_HOURS: &str = "
    insert into violation_hours as c (tenant_id, generation, hour, policy, severity, detected,
        open, acknowledged, resolved, resolved_in_time, resolved_late, ever_acknowledged,
        acknowledge_micros, resolve_micros)
    select $1, $2, * from unnest($3::timestamptz[], $4::text[], $5::text[], $6::int8[],
        $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[],
        $13::int8[], $14::int8[])
    on conflict (tenant_id, generation, hour, policy, severity) do update set
        detected = c.detected + excluded.detected, open = c.open + excluded.open,
        acknowledged = c.acknowledged + excluded.acknowledged,
        resolved = c.resolved + excluded.resolved,
        resolved_in_time = c.resolved_in_time + excluded.resolved_in_time,
        resolved_late = c.resolved_late + excluded.resolved_late,
        ever_acknowledged = c.ever_acknowledged + excluded.ever_acknowledged,
        acknowledge_micros = c.acknowledge_micros + excluded.acknowledge_micros,
        resolve_micros = c.resolve_micros + excluded.resolve_micros";

/// Days are sums of hours, of what looks back a month.
const ADD_DAYS: &str = "
    insert into violation_days as c (tenant_id, generation, day, policy, detected, resolved,
        ever_acknowledged, acknowledge_micros, resolve_micros)
    select $1, $2, date_trunc('day', hour, 'UTC') as day, policy, sum(detected), sum(resolved),
        sum(ever_acknowledged), sum(acknowledge_micros), sum(resolve_micros)
    from unnest($3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::int8[],
        $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int8[])
        as h(hour, policy, severity, detected, open, acknowledged, resolved, resolved_in_time,
             resolved_late, ever_acknowledged, acknowledge_micros, resolve_micros)
    group by day, policy
    on conflict (tenant_id, generation, day, policy) do update set
        detected = c.detected + excluded.detected, resolved = c.resolved + excluded.resolved,
        ever_acknowledged = c.ever_acknowledged + excluded.ever_acknowledged,
        acknowledge_micros = c.acknowledge_micros + excluded.acknowledge_micros,
        resolve_micros = c.resolve_micros + excluded.resolve_micros";

async fn write_hours(
    statement: &str,
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    hours: &BTreeMap<(DateTime<Utc>, String, String), Hour>,
) -> sqlx::Result<()> {
    let column = |value: fn(&Hour) -> i64| hours.values().map(value).collect::<Vec<_>>();
    sqlx::query(statement)
        .bind(tenant.0)
        .bind(generation)
        .bind(hours.keys().map(|k| k.0).collect::<Vec<_>>())
        .bind(hours.keys().map(|k| k.1.as_str()).collect::<Vec<_>>())
        .bind(hours.keys().map(|k| k.2.as_str()).collect::<Vec<_>>())
        .bind(column(|h| h.detected))
        .bind(column(|h| h.open))
        .bind(column(|h| h.acknowledged))
        .bind(column(|h| h.resolved))
        .bind(column(|h| h.resolved_in_time))
        .bind(column(|h| h.resolved_late))
        .bind(column(|h| h.ever_acknowledged))
        .bind(column(|h| h.acknowledge_micros))
        .bind(column(|h| h.resolve_micros))
        .execute(connection)
        .await
        .map(|_| ())
}

/// Whole numbers, so that sums do not depend on the order in which they are made.
fn micros(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_microseconds().unwrap_or(i64::MAX)
}

/// The day that an instant falls in, in UTC.
fn day_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::days(1)).unwrap_or(at)
}
