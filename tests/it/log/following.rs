//! The anomaly that the heads of tenants prevent: a follower that reads on from the last position it
//! saw, and so would never see an event that gets a lower one later.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use application::Ids;
use infrastructure::database::SERVER_ROLE;
use infrastructure::system::SystemIds;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tests::TestDatabase;
use uuid::Uuid;

const TENANTS: usize = 4;
const WRITERS: usize = 16;
const FOLLOWERS: usize = 4;
/// Of each writer: 20,000 in all.
const COMMITS: u64 = 1_250;
/// One transaction in so many is rolled back.
const ROLLED_BACK: u32 = 8;
/// One chance to dawdle in so many is taken.
const DAWDLED: u32 = 4;
const DAWDLE_MICROS_MAX: u32 = 5_000;

/// As postgres-es writes: an event a statement, and the trigger finds tenant and position.
const QUIET: &str = "
insert into quiet_events (aggregate_type, aggregate_id, sequence, event_type, event_version,
                          payload, metadata)
values ('tenant', $1, $2, 'tenant.key_added', '1', '{}', $3::json)";

/// As the store of sessions writes: the tenant's head is advanced last, by as many events as come.
const LOUD: &str = "
with slot as (
    update tenant_heads set position = position + $4 where tenant_id = $1
    returning position - $4 as base
)
insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence, event_type,
                    event_version, payload, metadata)
select $1, slot.base + number, 'session', $2, $3 + number, 'session.events_appended', '1', '{}', '{}'
from slot, generate_series(1, $4) as number";

/// An event as it stands in a log: position, aggregate, sequence.
type Place = (i64, String, i64);

/// From 0 to below `sides`, by the project's one source of randomness.
fn dice(sides: u32) -> u32 {
    SystemIds.uuid().as_u128() as u32 % sides
}

async fn dawdle_at_times() {
    if dice(DAWDLED) == 0 {
        let micros = dice(DAWDLE_MICROS_MAX + 1);
        tokio::time::sleep(Duration::from_micros(micros.into())).await;
    }
}

/// A connection under the server's role, that does not wait for the disk.
async fn connect(database: &TestDatabase) -> PgConnection {
    let options: PgConnectOptions = database.url.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let setting = format!("set role {SERVER_ROLE}; set synchronous_commit = off");
    connection.execute(setting.as_str()).await.unwrap();
    connection
}

/// One of those who write a tenant's log: to an aggregate of each kind, which nobody else writes.
struct Writer {
    connection: PgConnection,
    tenant: Uuid,
    metadata: String,
    quiet: (String, i64),
    loud: (String, i64),
}

impl Writer {
    async fn new(database: &TestDatabase, tenant: Uuid) -> Self {
        let connection = connect(database).await;
        let metadata = json!({ "tenant_id": tenant }).to_string();
        let aggregate = || (SystemIds.uuid().to_string(), 0);
        Self { connection, tenant, metadata, quiet: aggregate(), loud: aggregate() }
    }

    /// Writes until enough is committed; how many transactions were rolled back meanwhile.
    async fn write(mut self) -> (Self, u64) {
        let (mut committed, mut rolled_back) = (0, 0);
        while committed < COMMITS {
            if self.one_transaction().await {
                committed += 1;
            } else {
                rolled_back += 1;
            }
        }
        (self, rolled_back)
    }

    /// Whether it was committed.
    async fn one_transaction(&mut self) -> bool {
        let events = i64::from(1 + dice(3));
        let is_quiet = dice(2) == 0;
        let mut transaction = self.connection.begin().await.unwrap();
        if is_quiet {
            let (aggregate, sequence) = &self.quiet;
            for number in 1..=events {
                let event = sqlx::query(QUIET).bind(aggregate).bind(sequence + number);
                event.bind(&self.metadata).execute(&mut *transaction).await.unwrap();
            }
        } else {
            // What stores its records first is older than others that get their position before it.
            transaction.execute("select pg_current_xact_id()").await.unwrap();
            dawdle_at_times().await;
            let (aggregate, sequence) = &self.loud;
            let appended = sqlx::query(LOUD).bind(self.tenant).bind(aggregate).bind(sequence);
            appended.bind(events).execute(&mut *transaction).await.unwrap();
        }
        dawdle_at_times().await;
        if dice(ROLLED_BACK) == 0 {
            transaction.rollback().await.unwrap();
            return false;
        }
        transaction.commit().await.unwrap();
        let (_, sequence) = if is_quiet { &mut self.quiet } else { &mut self.loud };
        *sequence += events;
        true
    }

    /// Events that it has committed.
    fn events(&self) -> i64 {
        self.quiet.1 + self.loud.1
    }
}

/// The next events of a tenant's log after a position.
async fn after(connection: &mut PgConnection, tenant: Uuid, last: i64) -> Vec<Place> {
    sqlx::query_as(
        "select position, aggregate_id, sequence from events
         where tenant_id = $1 and position > $2 order by position limit 500",
    )
    .bind(tenant)
    .bind(last)
    .fetch_all(connection)
    .await
    .unwrap()
}

/// Follows all tenants, on and on, and to the end once the writers have stopped.
async fn follow(
    mut connection: PgConnection,
    tenants: Vec<Uuid>,
    stopped: Arc<AtomicBool>,
) -> Vec<Vec<Place>> {
    let mut seen: Vec<Vec<Place>> = vec![Vec::new(); tenants.len()];
    loop {
        let is_last = stopped.load(Ordering::SeqCst);
        let mut read = 0;
        for (seen, tenant) in seen.iter_mut().zip(&tenants) {
            let last = seen.last().map_or(0, |(position, ..)| *position);
            let new = after(&mut connection, *tenant, last).await;
            read += new.len();
            seen.extend(new);
        }
        if is_last && read == 0 {
            return seen;
        }
    }
}

/// How many events of the log a follower has missed, seen twice, and seen after a later one.
fn anomalies(log: &[Place], seen: &[Place]) -> [usize; 3] {
    let distinct: HashSet<&Place> = seen.iter().collect();
    let missed = log.iter().filter(|place| !distinct.contains(place)).count();
    let disordered = seen.windows(2).filter(|pair| pair[1].0 <= pair[0].0).count();
    [missed, seen.len() - distinct.len(), disordered]
}

/// A tenant's whole log, read in one piece.
async fn log(connection: &mut PgConnection, tenant: Uuid) -> Vec<Place> {
    sqlx::query_as(
        "select position, aggregate_id, sequence from events where tenant_id = $1
         order by position",
    )
    .bind(tenant)
    .fetch_all(connection)
    .await
    .unwrap()
}

/// Tenants with the first event of each, which makes its head.
async fn tenants(connection: &mut PgConnection) -> Vec<Uuid> {
    let tenants: Vec<Uuid> = std::iter::repeat_with(|| SystemIds.uuid()).take(TENANTS).collect();
    for tenant in &tenants {
        let metadata = json!({ "tenant_id": tenant }).to_string();
        let event = sqlx::query(QUIET).bind(tenant.to_string()).bind(1_i64).bind(metadata);
        event.execute(&mut *connection).await.unwrap();
    }
    tenants
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_on_from_the_last_position_misses_nothing_of_twenty_thousand_commits() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let tenants = tenants(&mut connection).await;
    let stopped = Arc::new(AtomicBool::new(false));
    let (mut followers, mut writers) = (Vec::new(), Vec::new());
    for _ in 0..FOLLOWERS {
        let following = follow(connect(&database).await, tenants.clone(), stopped.clone());
        followers.push(tokio::spawn(following));
    }
    for number in 0..WRITERS {
        let writer = Writer::new(&database, tenants[number % TENANTS]).await;
        writers.push(tokio::spawn(writer.write()));
    }
    let (mut events, mut rolled_back) = (TENANTS as i64, 0);
    for writer in writers {
        let (writer, undone) = writer.await.unwrap();
        events += writer.events();
        rolled_back += undone;
    }
    stopped.store(true, Ordering::SeqCst);
    let mut followed = Vec::new();
    for follower in followers {
        followed.push(follower.await.unwrap());
    }

    let mut logged = 0;
    for (number, tenant) in tenants.into_iter().enumerate() {
        let log = log(&mut connection, tenant).await;
        for seen in &followed {
            assert_eq!(anomalies(&log, &seen[number]), [0; 3], "missed, doubled, out of order");
            assert!(seen[number] == log, "a position that was seen holds the same event for ever");
        }
        let positions: Vec<i64> = log.iter().map(|(position, ..)| *position).collect();
        let last = log.len() as i64;
        assert_eq!(positions, (1..=last).collect::<Vec<_>>(), "dense from 1 on");
        let head: i64 =
            sqlx::query_scalar("select position from tenant_heads where tenant_id = $1")
                .bind(tenant)
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(head, last);
        logged += last;
    }
    assert_eq!(logged, events, "what was committed, and nothing that was rolled back");
    assert!(rolled_back > COMMITS, "{rolled_back} of {WRITERS} writers");
}
