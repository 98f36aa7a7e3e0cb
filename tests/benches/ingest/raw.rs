//! The raw limit: multi-row `INSERT … SELECT FROM UNNEST` of the same events into a table of the
//! same columns and primary key. No hashing, no HTTP, no chain, no log.

use std::time::{Duration, Instant};

use application::Ids;
use chrono::{DateTime, Utc};
use infrastructure::system::SystemIds;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::Outcome;
use crate::server::Server;

const CONNECTIONS: [usize; 5] = [1, 2, 4, 8, 16];
const PROBE: Duration = Duration::from_secs(2);

pub(crate) async fn prepare(pool: &PgPool) -> Outcome<()> {
    sqlx::query("create table raw_events (like evidence_events including all)")
        .execute(pool)
        .await?;
    Ok(())
}

/// The number of connections that inserts the fastest.
pub(crate) async fn best(server: &Server, batch: usize) -> Outcome<usize> {
    let mut best = (0.0, 1);
    for connections in CONNECTIONS {
        let rate = rate(server, connections, batch, PROBE).await?;
        if rate > best.0 {
            best = (rate, connections);
        }
    }
    Ok(best.1)
}

/// Events a second over so many connections.
pub(crate) async fn rate(
    server: &Server,
    connections: usize,
    batch: usize,
    time: Duration,
) -> Outcome<f64> {
    let options = server.owner()?;
    let mut admin = PgConnection::connect_with(&options).await?;
    sqlx::query("truncate raw_events").execute(&mut admin).await?;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let connection = PgConnection::connect_with(&options).await?;
        tasks.push(connection);
    }
    let started = Instant::now();
    let tasks: Vec<_> =
        tasks.into_iter().map(|c| tokio::spawn(insert(c, batch, started + time))).collect();
    let mut events = 0;
    for task in tasks {
        events += task.await??;
    }
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

async fn insert(mut connection: PgConnection, batch: usize, end: Instant) -> Outcome<usize> {
    let (tenant, session) = (SystemIds.uuid(), SystemIds.uuid());
    let at: DateTime<Utc> = DateTime::UNIX_EPOCH;
    let mut columns = Columns::new(batch);
    let mut next: i64 = 0;
    while Instant::now() < end {
        columns.fill(next, session);
        sqlx::query(
            "insert into raw_events (tenant_id, session_id, sequence_number, event_id, event_type,
                 timestamp_wall, source_sdk_ver, schema_ver, actor_id, payload, payload_hash,
                 prev_event_hash, event_hash, signature_kid, signature, received_at)
             select $1, $2, n, id, 'TOOL_CALL', '2026-03-01T09:00:00.123456+01:00', 'bench-1.0',
                 'v0.6', 'ada@example.org', payload, hash, hash, hash, 'abcdefgh', hash, $6
             from unnest($3::int8[], $4::uuid[], $5::text[], $7::bytea[]) as r(n, id, payload, hash)",
        )
        .bind(tenant)
        .bind(session)
        .bind(&columns.numbers)
        .bind(&columns.ids)
        .bind(&columns.payloads)
        .bind(at)
        .bind(&columns.hashes)
        .execute(&mut connection)
        .await?;
        next += batch as i64;
    }
    Ok(next as usize)
}

/// The columns that differ from row to row, filled anew for each statement.
struct Columns {
    numbers: Vec<i64>,
    ids: Vec<Uuid>,
    payloads: Vec<String>,
    hashes: Vec<Vec<u8>>,
}

impl Columns {
    fn new(batch: usize) -> Self {
        Self {
            numbers: vec![0; batch],
            ids: vec![Uuid::nil(); batch],
            payloads: vec![String::new(); batch],
            hashes: vec![vec![7; 32]; batch],
        }
    }

    fn fill(&mut self, first: i64, session: Uuid) {
        for (i, number) in (first..).take(self.numbers.len()).enumerate() {
            self.numbers[i] = number;
            // Ascending within a session, as the load generator's are.
            self.ids[i] = Uuid::from_u64_pair(session.as_u64_pair().0, number as u64);
            self.payloads[i] = format!(
                "{{\"args\":{{\"amount\":12.5,\"express\":false,\"note\":\"deliver to the side door, \
                 please\",\"order_id\":\"ORD-{number}\"}},\"tool_name\":\"look_up_order\"}}"
            );
        }
    }
}
