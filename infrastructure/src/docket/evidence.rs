//! A piece of a tenant's log with the records that its appends brought.

use std::collections::HashMap;
use std::sync::Arc;

use application::PortError;
use chrono::{DateTime, Utc};
use domain::evidence::event_type::EventType;
use domain::evidence::record::format_micros;
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::judgement::{Entry, JudgedSession, Records, Testimony};
use domain::policy::context::SessionFacts;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::Unjudged;
use super::law::PolicyBook;

/// Events of the log in one piece.
const EVENTS_MAX: i64 = 1_000;
/// Records in one piece, as long as that is more than one append: some 6 MiB.
const RECORDS_MAX: i64 = 8_000;

/// A piece of a log before its records are read.
pub(super) struct Piece {
    events: Vec<Logged>,
}

struct Logged {
    position: i64,
    what: What,
    correlation_id: String,
}

enum What {
    Records {
        session: Uuid,
        first: i64,
        last: i64,
    },
    Activated {
        content_hash: String,
    },
    Retired {
        name: String,
        version: String,
    },
    /// Nothing for the judge.
    Other,
}

impl Piece {
    /// The position of the last event; none when the log has ended.
    pub(super) fn reached(&self) -> Option<i64> {
        self.events.last().map(|event| event.position)
    }

    fn ranges(&self) -> impl Iterator<Item = (Uuid, i64, i64)> {
        self.events.iter().filter_map(|event| match event.what {
            What::Records { session, first, last } => Some((session, first, last)),
            What::Activated { .. } | What::Retired { .. } | What::Other => None,
        })
    }
}

/// The events after a position, up to the bounds above.
pub(super) async fn piece(
    connection: &mut PgConnection,
    tenant: TenantId,
    after: i64,
) -> sqlx::Result<Piece> {
    let rows = sqlx::query(
        // Positions have no hole: the range is the limit.
        "select position, event_type, aggregate_id, metadata ->> 'correlation_id',
                payload ->> 'name', payload ->> 'version', payload ->> 'content_hash',
                (payload ->> 'first_sequence')::int8, (payload ->> 'last_sequence')::int8,
                (payload ->> 'sequence_number')::int8
         from events
         where tenant_id = $1 and position > $2 and position <= $2 + $3 order by position",
    )
    .bind(tenant.0)
    .bind(after)
    .bind(EVENTS_MAX)
    .fetch_all(connection)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    let mut records = 0;
    for row in &rows {
        let event = logged(row)?;
        if let What::Records { first, last, .. } = event.what {
            records += last - first + 1;
            if records > RECORDS_MAX && !events.is_empty() {
                break;
            }
        }
        events.push(event);
    }
    Ok(Piece { events })
}

fn logged(row: &PgRow) -> sqlx::Result<Logged> {
    let missing = || sqlx::Error::Decode("an event of the log lacks what its type has".into());
    let text = |at: usize| row.try_get::<Option<String>, _>(at)?.ok_or_else(missing);
    let number = |at: usize| row.try_get::<Option<i64>, _>(at)?.ok_or_else(missing);
    let session = || {
        let id: &str = row.try_get(2)?;
        id.parse::<Uuid>().map_err(|e| sqlx::Error::Decode(Box::new(e)))
    };
    let what = match row.try_get::<&str, _>(1)? {
        "session.events_appended" => {
            What::Records { session: session()?, first: number(7)?, last: number(8)? }
        }
        "session.sealed" => {
            let number = number(9)?;
            What::Records { session: session()?, first: number, last: number }
        }
        "policy.activated" => What::Activated { content_hash: text(6)? },
        "policy.retired" => What::Retired { name: text(4)?, version: text(5)? },
        _ => What::Other,
    };
    let correlation_id = row.try_get::<Option<String>, _>(3)?.unwrap_or_default();
    Ok(Logged { position: row.try_get(0)?, what, correlation_id })
}

/// Appends and seals after a position up to another, with the last position that was looked at;
/// none when there is nothing left.
pub(crate) async fn history(
    connection: &mut PgConnection,
    tenant: TenantId,
    after: i64,
    until: i64,
) -> Result<Option<(Vec<Records>, i64)>, PortError> {
    let failed = |e| PortError::new("reading history", e);
    let mut piece = piece(connection, tenant, after).await.map_err(failed)?;
    piece.events.retain(|event| event.position <= until);
    let Some(reached) = piece.reached() else { return Ok(None) };
    piece.events.retain(|event| matches!(event.what, What::Records { .. }));
    // Without policies there is no book to be asked.
    let entries = entries(connection, tenant, piece, &PolicyBook::default()).await?;
    let records = entries.into_iter().filter_map(|entry| match entry {
        Entry::Records(records) => Some(Arc::unwrap_or_clone(records)),
        Entry::Activated(_) | Entry::Retired { .. } => None,
    });
    Ok(Some((records.collect(), reached)))
}

/// The piece with its records, for the judge.
pub(super) async fn entries(
    connection: &mut PgConnection,
    tenant: TenantId,
    piece: Piece,
    book: &PolicyBook,
) -> Result<Vec<Entry>, Unjudged> {
    let failed = |e| PortError::new("reading what is to be judged", e);
    let sessions = sessions(connection, tenant, &piece).await.map_err(failed)?;
    let mut records =
        records(connection, tenant, piece.ranges()).await.map_err(failed)?.into_iter();
    let mut entries = Vec::with_capacity(piece.events.len());
    for Logged { position, what, correlation_id } in piece.events {
        match what {
            What::Records { session, first, last } => {
                let session = sessions.get(&session).cloned().ok_or_else(|| {
                    Unjudged::Stored(format!("the session {session} was never started"))
                })?;
                // The query has kept the order of the ranges.
                let count = (last - first + 1) as usize;
                let records: Vec<Testimony> = records.by_ref().take(count).collect();
                let whole = records.len() == count
                    && records.first().is_some_and(|r| r.sequence_number == first as u64);
                if !whole {
                    let reason = format!("records of event {position} of the log are missing");
                    return Err(Unjudged::Stored(reason));
                }
                let position = position as u64;
                let records = Records { position, correlation_id, session, records };
                entries.push(Entry::Records(Arc::new(records)));
            }
            What::Activated { content_hash } => {
                entries
                    .push(Entry::Activated(book.by_hash(connection, tenant, &content_hash).await?));
            }
            What::Retired { name, version } => entries.push(Entry::Retired { name, version }),
            What::Other => {}
        }
    }
    Ok(entries)
}

/// The records of ranges, range by range.
pub(super) async fn records(
    connection: &mut PgConnection,
    tenant: TenantId,
    ranges: impl Iterator<Item = (Uuid, i64, i64)>,
) -> sqlx::Result<Vec<Testimony>> {
    let (mut sessions, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    for (session, first, last) in ranges {
        sessions.push(session);
        firsts.push(first);
        lasts.push(last);
    }
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        // The inner order goes along the primary key, range after range.
        "select e.sequence_number, e.event_id, e.event_type, e.timestamp_wall, e.actor_id,
                e.payload, e.event_hash, e.received_at
         from unnest($2::uuid[], $3::int8[], $4::int8[]) with ordinality
              as r(session_id, first, last, ord)
         cross join lateral (
             select * from evidence_events e
             where e.tenant_id = $1 and e.session_id = r.session_id
               and e.sequence_number >= r.first and e.sequence_number <= r.last
             order by e.sequence_number
         ) e
         order by r.ord, e.sequence_number",
    )
    .bind(tenant.0)
    .bind(sessions)
    .bind(firsts)
    .bind(lasts)
    .fetch_all(connection)
    .await?;
    rows.iter().map(testimony).collect()
}

fn testimony(row: &PgRow) -> sqlx::Result<Testimony> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("{what} in a stored record").into());
    Ok(Testimony {
        sequence_number: row.try_get::<i64, _>(0)? as u64,
        event_id: row.try_get(1)?,
        event_type: EventType::parse(row.try_get(2)?).ok_or_else(|| unknown("an unknown type"))?,
        timestamp_wall: row.try_get(3)?,
        actor_id: row.try_get(4)?,
        payload: row.try_get(5)?,
        event_hash: Hash::from_slice(row.try_get(6)?).ok_or_else(|| unknown("a short hash"))?,
        received_at: row.try_get(7)?,
    })
}

type SessionRow = (Uuid, String, Option<String>, DateTime<Utc>, Vec<String>, bool);

/// What the sessions were started with, which never changes.
async fn sessions(
    connection: &mut PgConnection,
    tenant: TenantId,
    piece: &Piece,
) -> sqlx::Result<HashMap<Uuid, Arc<JudgedSession>>> {
    let mut ids: Vec<Uuid> = piece.ranges().map(|(session, _, _)| session).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<SessionRow> = sqlx::query_as(
        "select s.session_id, s.agent_id, s.environment, s.started_at, s.tags, h.has_session_end
         from sessions s join session_heads h using (tenant_id, session_id)
         where s.tenant_id = $1 and s.session_id = any($2)",
    )
    .bind(tenant.0)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let judged = |(id, agent_id, environment, started_at, tags, has_session_end): SessionRow| {
        let started_at = format_micros(started_at);
        let facts = SessionFacts { agent_id, environment, started_at, tags };
        (id, Arc::new(JudgedSession { id: SessionId(id), facts, has_session_end }))
    };
    Ok(rows.into_iter().map(judged).collect())
}
