//! The compliance dashboard over a million violations.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::PgPool;

use crate::Outcome;
use crate::machine::{Median, quantile_ms};
use crate::server::{Server, caught_up, tenant};

const VIOLATIONS: i64 = 1_000_000;
const ROUNDS: usize = 3;
const CALLS: usize = 200;
const PATH: &str = "/v1/dashboards/compliance";

/// The counts as the fold of violations keeps them; `$1` is the tenant.
const COUNTS: [&str; 5] = [
    "insert into violation_hours
     select tenant_id, generation, date_trunc('hour', detected_at, 'UTC'), policy, severity, count(*),
         count(*) filter (where status = 'OPEN'), count(*) filter (where status = 'ACKNOWLEDGED'),
         count(*) filter (where status = 'RESOLVED'),
         count(*) filter (where resolved_at <= due_at), count(*) filter (where resolved_at > due_at),
         count(acknowledged_at),
         coalesce(sum(extract(epoch from acknowledged_at - detected_at) * 1000000), 0)::int8,
         coalesce(sum(extract(epoch from resolved_at - detected_at) * 1000000), 0)::int8
     from violation_views where tenant_id = $1 group by 1, 2, 3, 4, 5",
    "insert into violation_days
     select tenant_id, generation, date_trunc('day', hour, 'UTC'), policy, sum(detected),
         sum(resolved), sum(ever_acknowledged), sum(acknowledge_micros), sum(resolve_micros)
     from violation_hours where tenant_id = $1 group by 1, 2, 3, 4",
    "insert into violation_actor_days
     select tenant_id, generation, date_trunc('day', detected_at, 'UTC'), coalesce(actor_id, ''),
         count(*)
     from violation_views where tenant_id = $1 group by 1, 2, 3, 4",
    "insert into violation_states
     select tenant_id, generation, status, severity, count(*)
     from violation_views where tenant_id = $1 and status <> 'RESOLVED' group by 1, 2, 3, 4",
    "insert into violation_due
     select tenant_id, generation, date_trunc('hour', due_at, 'UTC'), severity, count(*)
     from violation_views where tenant_id = $1 and status <> 'RESOLVED' group by 1, 2, 3, 4",
];

pub(crate) async fn calls() -> Outcome<()> {
    let server = Server::start(&[])?;
    let pool = server.owner_pool(2).await?;
    // Sessions and personal data stand on the dashboard, too.
    server.load(&["--seconds", "1", "--rate", "10000"]).await?;
    caught_up(&pool).await?;
    let began = Instant::now();
    fill(&pool).await?;
    let filled_in = began.elapsed().as_secs_f64();
    check(&server, &pool).await?;
    let (mut p50, mut p99) = (Median::default(), Median::default());
    for _ in 0..ROUNDS {
        let mut times: Vec<Duration> = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let began = Instant::now();
            server.get(PATH).await?;
            times.push(began.elapsed());
        }
        p50.add(quantile_ms(&mut times, 0.5));
        p99.add(quantile_ms(&mut times, 0.99));
    }
    let (hours, days): (i64, i64) = sqlx::query_as(
        "select (select count(*) from violation_days), (select count(*) from violation_actor_days)",
    )
    .fetch_one(&pool)
    .await?;
    println!(
        "dashboard over {VIOLATIONS} violations, {CALLS} calls: p50 {:.1} ms, p99 {:.1} ms (limit 50); \
         all sums are right (filled in {filled_in:.0} s)",
        p50.get(),
        p99.get()
    );
    println!(
        "  limited by: PostgreSQL's one core, which adds up {hours} policies' and {days} actors' days"
    );
    Ok(())
}

async fn fill(pool: &PgPool) -> Outcome<()> {
    let tenant = tenant(pool).await?;
    // Indexes are made faster than they are kept.
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "select indexname, indexdef from pg_indexes
         where tablename = 'violation_views' and indexname <> 'violation_views_pkey'",
    )
    .fetch_all(pool)
    .await?;
    for (name, _) in &indexes {
        sqlx::query(&format!("drop index {name}")).execute(pool).await?;
    }
    sqlx::query(include_str!("dashboard.sql"))
        .bind(tenant.0)
        .bind(VIOLATIONS)
        .execute(pool)
        .await?;
    for (_, definition) in &indexes {
        sqlx::query(definition).execute(pool).await?;
    }
    for query in COUNTS {
        sqlx::query(query).bind(tenant.0).execute(pool).await?;
    }
    sqlx::query("analyze").execute(pool).await?;
    Ok(())
}

/// What the dashboard says, held against the violations themselves.
async fn check(server: &Server, pool: &PgPool) -> Outcome<()> {
    let overdue = || async {
        let query =
            "select count(*) from violation_views where status <> 'RESOLVED' and due_at < now()";
        sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await
    };
    let (open, acknowledged, recent, seconds): (i64, i64, i64, f64) = sqlx::query_as(
        "select count(*) filter (where status = 'OPEN'),
                count(*) filter (where status = 'ACKNOWLEDGED'), count(*),
                avg(extract(epoch from resolved_at - detected_at))::float8
         from violation_views where detected_at >= now() - interval '30 days'",
    )
    .fetch_one(pool)
    .await?;
    let before = overdue().await?;
    let said = server.get(PATH).await?;
    let after = overdue().await?;
    let sum = |list: &str, member: &str| -> i64 {
        let rows = said[list].as_array().into_iter().flatten();
        rows.filter_map(|row| row[member].as_i64()).sum()
    };
    let top: i64 = sqlx::query_scalar(
        "select sum(n)::int8 from (select count(*) as n from violation_views group by actor_id
                             order by 1 desc limit 10) t",
    )
    .fetch_one(pool)
    .await?;
    let is_same =
        |at: &Value, wanted: f64| at.as_f64().is_some_and(|it| (it - wanted).abs() < 0.01);
    let right = recent == VIOLATIONS
        && sum("open_by_severity", "open") == open
        && sum("open_by_severity", "acknowledged") == acknowledged
        && sum("by_policy", "violations") == VIOLATIONS
        && sum("by_policy", "unresolved") == open + acknowledged
        && sum("by_actor", "violations") == top
        && is_same(&said["mean_times"]["acknowledge_seconds"], 1_200.0)
        && is_same(&said["mean_times"]["resolve_seconds"], seconds)
        && said["overdue"].as_i64().is_some_and(|late| (before..=after).contains(&late));
    if right { Ok(()) } else { Err(format!("the dashboard is wrong: {said}").into()) }
}
