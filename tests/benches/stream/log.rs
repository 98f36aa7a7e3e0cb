//! The log by SQL: where it stands, and what was read of it.

use sqlx::PgPool;

use crate::Outcome;

/// Of the one tenant with sessions.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) epoch: String,
    pub(crate) position: u64,
}

impl Head {
    pub(crate) async fn of(pool: &PgPool) -> Outcome<Self> {
        let (epoch, position): (String, i64) = sqlx::query_as(
            "select epoch, position from tenant_heads order by position desc limit 1",
        )
        .fetch_one(pool)
        .await?;
        Ok(Self { epoch, position: position as u64 })
    }

    /// A cursor that has not seen so many items.
    pub(crate) fn behind(&self, items: u64) -> String {
        format!("{}-{}", self.epoch, self.position - items)
    }
}

/// Rows that were read from the table of events so far, as far as PostgreSQL has counted them.
pub(crate) async fn rows_read(pool: &PgPool) -> Outcome<i64> {
    Ok(sqlx::query_scalar(
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
         from pg_stat_user_tables where relname = 'events'",
    )
    .fetch_one(pool)
    .await?)
}

/// Where the log stands, and where the read model does that is farthest behind.
pub(crate) async fn followed(pool: &PgPool) -> Outcome<(i64, i64)> {
    Ok(sqlx::query_as(
        "select h.position, min(coalesce(g.position, 0))
         from (select * from tenant_heads order by position desc limit 1) h
         cross join projections p
         left join projection_progress g on g.tenant_id = h.tenant_id
             and g.projection = p.name and g.generation = p.generation
         group by h.position",
    )
    .fetch_one(pool)
    .await?)
}
