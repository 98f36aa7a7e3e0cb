//! How far read models are behind the log.

use sqlx::{FromRow, Row};

use super::Runner;
use super::rebuild::BUILD_LOCK;

/// Of one projection, over all tenants.
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    pub projection: String,
    pub generation: i32,
    /// The generation that a rebuild is writing.
    pub building: Option<i32>,
    /// Events that are committed and not folded.
    pub events: i64,
    /// Age of the oldest of them.
    pub seconds: f64,
    /// Where it stands still, if it does anywhere.
    pub stopped: Vec<Stopped>,
}

/// A projection stands still for a tenant.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Stopped {
    /// The event that cannot be folded.
    pub position: i64,
    pub reason: String,
}

/// Of those that stand still, so many are told.
const STOPPED_SHOWN_MAX: i64 = 10;

impl Runner {
    /// The lag of every projection, by name.
    pub async fn lag(&self) -> sqlx::Result<Vec<Lag>> {
        let rows = sqlx::query(
            "select p.name, p.generation,
                    -- A rebuild that died has left its number, and has lost its lock.
                    case when exists (
                        select from pg_locks l
                        join pg_database d on d.oid = l.database
                        where l.locktype = 'advisory' and d.datname = current_database()
                          and l.classid::bigint = $1
                          and l.objid::bigint = hashtext(p.name)::bigint & 4294967295
                    ) then p.building end as building,
                    coalesce(sum(h.position - coalesce(g.position, 0)), 0)::int8 as events,
                    coalesce(extract(epoch from now() - min(e.timestamp)), 0)::float8 as seconds,
                    count(g.stopped_at) as stopped
             from projections p
             left join tenant_heads h on true
             left join projection_progress g on g.tenant_id = h.tenant_id
                 and g.projection = p.name and g.generation = p.generation
             left join events e on e.tenant_id = h.tenant_id
                 and e.position = coalesce(g.position, 0) + 1
             group by p.name, p.generation, p.building order by p.name",
        )
        .bind(i64::from(BUILD_LOCK))
        .fetch_all(&self.pool)
        .await?;
        let mut lags = Vec::with_capacity(rows.len());
        for row in rows {
            let (projection, generation): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            // Nearly always none: not worth a query for each.
            let stopped = match row.try_get::<i64, _>(5)? {
                0 => Vec::new(),
                _ => self.stopped(&projection, generation).await?,
            };
            lags.push(Lag {
                projection,
                generation,
                building: row.try_get(2)?,
                events: row.try_get(3)?,
                seconds: row.try_get::<f64, _>(4)?.max(0.0),
                stopped,
            });
        }
        Ok(lags)
    }

    async fn stopped(&self, name: &str, generation: i32) -> sqlx::Result<Vec<Stopped>> {
        sqlx::query_as(
            "select stopped_at as position, coalesce(stopped_reason, '') as reason
             from projection_progress
             where projection = $1 and generation = $2 and stopped_at is not null
             order by tenant_id limit $3",
        )
        .bind(name)
        .bind(generation)
        .bind(STOPPED_SHOWN_MAX)
        .fetch_all(&self.pool)
        .await
    }
}
