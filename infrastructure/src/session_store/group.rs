//! Group commit: all appends that wait go into one statement and share one flush of the disk.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use application::{AggregateId, Hints};
use cqrs_es::AggregateError;
use domain::evidence::record::Record;
use domain::evidence::refusal::Refusal;
use domain::hash::Hash;
use domain::ids::TenantId;
use domain::session::{SessionError, SessionSealed};
use sqlx::{Acquire, PgConnection, PgPool, Row};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::StoreError;
use super::head::HeadRow;
use crate::write_door::{database, unexpected};

/// Appends that may wait for a writer before callers wait for a place.
const QUEUE_APPENDS_MAX: usize = 1024;
/// Appends of one statement.
const GROUP_APPENDS_MAX: usize = 256;
/// Records of one statement: beyond, a statement costs memory and saves no time.
const GROUP_RECORDS_MAX: usize = 4096;
/// Records that make a second statement beside a running one worth its cost.
const SECOND_GROUP_RECORDS_MIN: usize = 256;
/// Heads of several tenants can still be locked crosswise by two groups; one is told to try again.
const DEADLOCK_RETRIES_MAX: usize = 5;

/// One append on its way into the database.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) id: AggregateId,
    /// What the head's version must still be.
    pub(super) version: i64,
    pub(super) head: HeadRow,
    pub(super) event_type: String,
    pub(super) event_version: String,
    pub(super) payload: String,
    pub(super) metadata: String,
    pub(super) records: Arc<Vec<Record>>,
    pub(super) kid: Arc<str>,
    pub(super) macs: Vec<Hash>,
}

struct Waiting {
    append: Append,
    answer: oneshot::Sender<Result<i64, StoreError>>,
}

/// The task that groups what waits, and lets a few groups be written at a time.
pub(super) struct Writers {
    queue: mpsc::Sender<Waiting>,
}

/// What a group is written to, and who is told.
#[derive(Clone)]
struct Target {
    pool: PgPool,
    hints: Arc<dyn Hints>,
}

impl Writers {
    /// `groups_max` statements run at a time.
    pub(super) fn spawn(pool: &PgPool, hints: Arc<dyn Hints>, groups_max: usize) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_APPENDS_MAX);
        let target = Target { pool: pool.clone(), hints };
        tokio::spawn(run(target, waiting, groups_max.max(1)));
        Self { queue }
    }

    /// Waits until the append is durable, or refused.
    pub(super) async fn write(&self, append: Append) -> Result<i64, StoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = || unexpected("the writer has stopped");
        self.queue.send(Waiting { append, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// While one group is written, what comes in waits for the next: the longer a statement takes, the
/// more it carries. A second one beside it pays only when it carries enough.
async fn run(target: Target, mut waiting: mpsc::Receiver<Waiting>, groups_max: usize) {
    let mut backlog = VecDeque::new();
    let mut received = Vec::with_capacity(GROUP_APPENDS_MAX);
    let mut running = JoinSet::new();
    loop {
        let records: usize = backlog.iter().map(|w: &Waiting| w.append.records.len()).sum();
        let worth_it = running.is_empty() || records >= SECOND_GROUP_RECORDS_MIN;
        if !backlog.is_empty() && worth_it && running.len() < groups_max {
            let group = next_group(&mut backlog);
            let target = target.clone();
            running.spawn(async move { flush(&target, group).await });
            continue;
        }
        tokio::select! {
            biased;
            Some(_) = running.join_next() => {}
            count = waiting.recv_many(&mut received, GROUP_APPENDS_MAX),
                if backlog.len() < QUEUE_APPENDS_MAX => {
                if count == 0 {
                    while running.join_next().await.is_some() {}
                    return;
                }
            }
        }
        backlog.extend(received.drain(..));
    }
}

/// Takes appends up to the limits, at most one of a session: the second of two was decided on a
/// state that the first one ends, and loses.
fn next_group(backlog: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut sessions = HashSet::new();
    let mut group: Vec<Waiting> = Vec::new();
    let mut records = 0;
    while let Some(next) = backlog.front() {
        let size = next.append.records.len();
        let full = group.len() >= GROUP_APPENDS_MAX || records + size > GROUP_RECORDS_MAX;
        if full && !group.is_empty() {
            break;
        }
        let Some(next) = backlog.pop_front() else { break };
        if sessions.insert(next.append.id.clone()) {
            records += size;
            group.push(next);
        } else {
            // The caller has gone when this fails: nobody is left to tell.
            let _ = next.answer.send(Err(AggregateError::AggregateConflict));
        }
    }
    // Heads are locked in this order by every group: two groups wait, but not for each other.
    group.sort_unstable_by_key(|waiting| waiting.append.id.id);
    group
}

async fn flush(target: &Target, group: Vec<Waiting>) {
    let pool = &target.pool;
    let appends: Vec<&Append> = group.iter().map(|w| &w.append).collect();
    match write(pool, &appends).await {
        Ok(positions) => {
            tell(target.hints.as_ref(), &appends, &positions);
            for (waiting, position) in group.into_iter().zip(positions) {
                let _ = waiting.answer.send(position.ok_or(AggregateError::AggregateConflict));
            }
        }
        Err(error) if group.len() == 1 => {
            for waiting in group {
                let error = refused_or_failed(pool, &error, &waiting.append).await;
                let _ = waiting.answer.send(Err(error));
            }
        }
        // One append spoils the statement of all: each gets its own.
        Err(error) if is_one_appends_fault(&error) => {
            for waiting in group {
                Box::pin(flush(target, vec![waiting])).await;
            }
        }
        Err(error) => {
            let cause = error.to_string();
            for waiting in group {
                let _ = waiting.answer.send(Err(unexpected(cause.clone())));
            }
        }
    }
}

/// One hint a tenant, with the last of its positions.
fn tell(hints: &dyn Hints, appends: &[&Append], positions: &[Option<i64>]) {
    let mut heads: Vec<(TenantId, i64)> = Vec::new();
    for (append, position) in appends.iter().zip(positions) {
        let Some(position) = *position else { continue };
        match heads.iter_mut().find(|(tenant, _)| *tenant == append.id.tenant) {
            Some((_, head)) => *head = position.max(*head),
            None => heads.push((append.id.tenant, position)),
        }
    }
    for (tenant, head) in heads {
        hints.committed(tenant, head as u64);
    }
}

fn is_one_appends_fault(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|e| e.is_unique_violation() || e.code().is_some_and(|c| c.starts_with("22")))
}

/// An `event_id` that the session holds already is the client's fault; anything else is ours.
///
/// Which id it was is asked for: row-level security keeps it out of the error's detail.
async fn refused_or_failed(pool: &PgPool, error: &sqlx::Error, append: &Append) -> StoreError {
    let taken = error.as_database_error().filter(|e| e.is_unique_violation());
    match taken.map(|e| e.constraint() == Some("evidence_event_id_once")) {
        None => unexpected(error.to_string()),
        // Another server was faster under the same number: the head will say so.
        Some(false) => StoreError::AggregateConflict,
        Some(true) => match stored_id(pool, append).await {
            Ok(Some(event_id)) => {
                let why = Refusal::EventIdConflict { event_id };
                StoreError::UserError(SessionError::Refused(why.whole()))
            }
            Ok(None) => unexpected(error.to_string()),
            Err(error) => database(error),
        },
    }
}

/// The first id of the append that its session holds already.
async fn stored_id(pool: &PgPool, append: &Append) -> sqlx::Result<Option<Uuid>> {
    let ids: Vec<Uuid> = append.records.iter().map(|r| r.body.event_id).collect();
    sqlx::query_scalar(
        "select id from unnest($3::uuid[]) with ordinality as sent(id, ord)
         where exists (select from evidence_events e where e.tenant_id = $1
                       and e.session_id = $2 and e.event_id = sent.id)
         order by ord limit 1",
    )
    .bind(append.id.tenant.0)
    .bind(append.id.id)
    .bind(ids)
    .fetch_optional(pool)
    .await
}

/// One position for each append, or none where its session had moved on.
async fn write(pool: &PgPool, appends: &[&Append]) -> sqlx::Result<Vec<Option<i64>>> {
    let mut tries = 0;
    loop {
        let mut connection = pool.acquire().await?;
        match write_group(&mut connection, appends).await {
            Err(sqlx::Error::Database(e))
                if e.code().as_deref() == Some("40P01") && tries < DEADLOCK_RETRIES_MAX =>
            {
                tries += 1;
            }
            result => return result,
        }
    }
}

/// Writes the seal: its record and event as an append, and what certificates are made of.
pub(super) async fn write_seal(
    pool: &PgPool,
    append: Append,
    sealed: &SessionSealed,
) -> Result<i64, StoreError> {
    let mut connection = pool.acquire().await.map_err(database)?;
    let mut transaction = connection.begin().await.map_err(database)?;
    let positions = match write_group(&mut transaction, &[&append]).await {
        Ok(positions) => positions,
        Err(error) => return Err(refused_or_failed(pool, &error, &append).await),
    };
    let Some(Some(position)) = positions.first().copied() else {
        return Err(AggregateError::AggregateConflict);
    };
    // The tenant's head is locked now: no policy can change before this commit.
    let policies_position: i64 = sqlx::query_scalar(
        "select coalesce(max(position), 0) from policy_versions where tenant_id = $1",
    )
    .bind(append.id.tenant.0)
    .fetch_one(&mut *transaction)
    .await
    .map_err(database)?;
    if policies_position as u64 != sealed.policies_position {
        return Err(AggregateError::AggregateConflict);
    }
    let reasons: Vec<&str> = sealed.partial_reasons.iter().map(|r| r.as_str()).collect();
    sqlx::query(
        "insert into session_seals (tenant_id, session_id, sequence_number, seal, seal_event_hash,
                                    evidence_class, partial_reasons, envelope, sealed_at, position)
         values ($1, $2, $3, $4::json, $5, $6, $7, $8::json, $9, $10)",
    )
    .bind(append.id.tenant.0)
    .bind(append.id.id)
    .bind(sealed.sequence_number as i64)
    .bind(serde_json::to_string(&sealed.seal).map_err(unexpected)?)
    .bind(sealed.seal_event_hash.0.as_slice())
    .bind(sealed.evidence_class.as_str())
    .bind(reasons)
    .bind(serde_json::to_string(&sealed.envelope).map_err(unexpected)?)
    .bind(sealed.at)
    .bind(position)
    .execute(&mut *transaction)
    .await
    .map_err(database)?;
    transaction.commit().await.map_err(database)?;
    Ok(position)
}

/// Swaps the heads, writes the records of those that swapped, then takes places in the log: the
/// tenant's head is locked last, so that other writers insert their records meanwhile.
const WRITE_GROUP: &str = "
with cmd as materialized (
    select * from unnest(
        $1::int4[], $2::uuid[], $3::uuid[], $4::int8[], $5::text[], $6::int8[], $7::bytea[],
        $8::bool[], $9::int8[], $10::int8[], $11::timestamptz[], $12::int8[], $13::timestamptz[],
        $14::text[], $15::text[], $16::text[], $17::text[], $34::text[]
    ) as c(ord, tenant_id, session_id, version, phase, next_sequence, head_hash, has_session_end,
           total_drops, log_drops, drop_window_start, drop_window_count, last_activity,
           evidence_class, event_type, payload, metadata, event_version)
), swapped as (
    update session_heads h
    set version = c.version + 1, phase = c.phase, next_sequence = c.next_sequence,
        head_hash = c.head_hash, has_session_end = c.has_session_end,
        total_drops = c.total_drops, log_drops = c.log_drops,
        drop_window_start = c.drop_window_start, drop_window_count = c.drop_window_count,
        last_activity = c.last_activity, evidence_class = c.evidence_class
    from cmd c
    where h.tenant_id = c.tenant_id and h.session_id = c.session_id and h.version = c.version
    returning c.ord
), stored as (
    insert into evidence_events (tenant_id, session_id, sequence_number, event_id, event_type,
        timestamp_wall, timestamp_monotonic, source_sdk_ver, schema_ver, actor_id, payload,
        payload_hash, prev_event_hash, event_hash, signature_kid, signature, received_at)
    select c.tenant_id, c.session_id, r.sequence_number, r.event_id, r.event_type,
        r.timestamp_wall, r.timestamp_monotonic, r.source_sdk_ver, r.schema_ver, r.actor_id,
        r.payload, r.payload_hash, r.prev_event_hash, r.event_hash, r.signature_kid, r.signature,
        r.received_at
    from unnest(
        $18::int4[], $19::int8[], $20::uuid[], $21::text[], $22::text[], $23::float8[], $24::text[],
        $25::text[], $26::text[], $27::text[], $28::bytea[], $29::bytea[], $30::bytea[],
        $31::text[], $32::bytea[], $33::timestamptz[]
    ) as r(ord, sequence_number, event_id, event_type, timestamp_wall, timestamp_monotonic,
           source_sdk_ver, schema_ver, actor_id, payload, payload_hash, prev_event_hash, event_hash,
           signature_kid, signature, received_at)
    join cmd c on c.ord = r.ord
    where r.ord in (select ord from swapped)
    returning 1
), slot as (
    update tenant_heads t set position = t.position + n.events
    from (
        select c.tenant_id, count(*) as events, (select count(*) from stored) as records
        from cmd c where c.ord in (select ord from swapped) group by c.tenant_id
    ) n
    where t.tenant_id = n.tenant_id and n.records >= 0
    returning t.tenant_id, t.position - n.events as base
), placed as (
    select c.*, slot.base + row_number() over (partition by c.tenant_id order by c.ord) as position
    from cmd c join slot on slot.tenant_id = c.tenant_id
    where c.ord in (select ord from swapped)
), logged as (
    insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence, event_type,
                        event_version, payload, metadata)
    select tenant_id, position, 'session', session_id::text, version + 1, event_type,
           event_version, payload::json, metadata::json
    from placed
)
select ord, position from placed";

async fn write_group(
    connection: &mut PgConnection,
    appends: &[&Append],
) -> sqlx::Result<Vec<Option<i64>>> {
    let heads = || appends.iter().map(|a| &a.head);
    let column = Column(appends);
    let rows = sqlx::query(WRITE_GROUP)
        .bind((0..appends.len() as i32).collect::<Vec<_>>())
        .bind(appends.iter().map(|a| a.id.tenant.0).collect::<Vec<Uuid>>())
        .bind(appends.iter().map(|a| a.id.id).collect::<Vec<Uuid>>())
        .bind(appends.iter().map(|a| a.version).collect::<Vec<i64>>())
        .bind(heads().map(|h| h.phase).collect::<Vec<_>>())
        .bind(heads().map(|h| h.next_sequence).collect::<Vec<_>>())
        .bind(heads().map(|h| h.head_hash.as_ref().map(|h| h.0.as_slice())).collect::<Vec<_>>())
        .bind(heads().map(|h| h.has_session_end).collect::<Vec<_>>())
        .bind(heads().map(|h| h.total_drops).collect::<Vec<_>>())
        .bind(heads().map(|h| h.log_drops).collect::<Vec<_>>())
        .bind(heads().map(|h| h.drop_window_start).collect::<Vec<_>>())
        .bind(heads().map(|h| h.drop_window_count).collect::<Vec<_>>())
        .bind(heads().map(|h| h.last_activity).collect::<Vec<_>>())
        .bind(heads().map(|h| h.evidence_class).collect::<Vec<_>>())
        .bind(appends.iter().map(|a| a.event_type.as_str()).collect::<Vec<_>>())
        .bind(appends.iter().map(|a| a.payload.as_str()).collect::<Vec<_>>())
        .bind(appends.iter().map(|a| a.metadata.as_str()).collect::<Vec<_>>())
        .bind(column.ords())
        .bind(column.of(|r| r.body.sequence_number as i64))
        .bind(column.of(|r| r.body.event_id))
        .bind(column.of(|r| r.body.event_type.as_str()))
        .bind(column.of(|r| r.body.timestamp_wall.as_str()))
        .bind(column.of(|r| r.body.timestamp_monotonic))
        .bind(column.of(|r| r.body.source_sdk_ver.as_deref()))
        .bind(column.of(|r| r.body.schema_ver.as_str()))
        .bind(column.of(|r| r.body.actor_id.as_deref()))
        .bind(column.of(|r| r.body.payload.as_str()))
        .bind(column.of(|r| r.body.payload_hash.0.as_slice()))
        .bind(column.of(|r| r.prev_event_hash.as_ref().map(|h| h.0.as_slice())))
        .bind(column.of(|r| r.event_hash.0.as_slice()))
        .bind(column.kids())
        .bind(column.macs())
        .bind(column.of(|r| r.received_at))
        .bind(appends.iter().map(|a| a.event_version.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut positions = vec![None; appends.len()];
    for row in rows {
        let ord: i32 = row.try_get(0)?;
        if let Some(place) = positions.get_mut(ord as usize) {
            *place = Some(row.try_get(1)?);
        }
    }
    Ok(positions)
}

/// Columns over the records of all appends.
struct Column<'a>(&'a [&'a Append]);

impl<'a> Column<'a> {
    fn of<T>(&self, value: impl Fn(&'a Record) -> T) -> Vec<T> {
        self.0.iter().flat_map(|a| a.records.iter()).map(value).collect()
    }

    fn ords(&self) -> Vec<i32> {
        let each = |(ord, a): (usize, &&Append)| std::iter::repeat_n(ord as i32, a.records.len());
        self.0.iter().enumerate().flat_map(each).collect()
    }

    fn kids(&self) -> Vec<&'a str> {
        self.0.iter().flat_map(|a| std::iter::repeat_n(a.kid.as_ref(), a.records.len())).collect()
    }

    fn macs(&self) -> Vec<&'a [u8]> {
        self.0.iter().flat_map(|a| &a.macs).map(|mac| mac.0.as_slice()).collect()
    }
}
