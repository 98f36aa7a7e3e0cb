//! The one loop that read models follow the log by.
//!
//! Checkpoint and rows are committed together: a crash between two events repeats none and loses
//! none. Several processes may run it at once: the checkpoint's row is the lock.

use domain::ids::TenantId;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// Events of one transaction.
const BATCH_EVENTS_MAX: i64 = 500;

/// A read model that folds the events of one quiet aggregate type.
pub trait Projection {
    /// Names the checkpoint.
    const NAME: &'static str;
    /// The aggregate type whose events it folds.
    const FOLLOWS: &'static str;
    type Event: DeserializeOwned + Send;

    /// Folds one event; runs in the transaction that moves the checkpoint.
    fn project(
        connection: &mut PgConnection,
        tenant: TenantId,
        event: Self::Event,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// Folds everything that was committed before the call.
pub async fn catch_up<P: Projection>(pool: &PgPool) -> sqlx::Result<()> {
    let behind: Vec<Uuid> = sqlx::query_scalar(
        "select e.tenant_id from quiet_events e
         left join projection_checkpoints c on c.projection = $1 and c.tenant_id = e.tenant_id
         where e.aggregate_type = $2 and e.position > coalesce(c.position, 0)
         group by e.tenant_id",
    )
    .bind(P::NAME)
    .bind(P::FOLLOWS)
    .fetch_all(pool)
    .await?;
    for tenant in behind {
        while follow::<P>(pool, TenantId(tenant)).await? {}
    }
    Ok(())
}

/// Folds one batch of a tenant's events; whether there may be more.
async fn follow<P: Projection>(pool: &PgPool, tenant: TenantId) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "insert into projection_checkpoints (projection, tenant_id, position) values ($1, $2, 0)
         on conflict do nothing",
    )
    .bind(P::NAME)
    .bind(tenant.0)
    .execute(&mut *transaction)
    .await?;
    let checkpoint: i64 = sqlx::query_scalar(
        "select position from projection_checkpoints where projection = $1 and tenant_id = $2
         for update",
    )
    .bind(P::NAME)
    .bind(tenant.0)
    .fetch_one(&mut *transaction)
    .await?;
    let events = sqlx::query(
        "select position, payload::text from quiet_events
         where tenant_id = $1 and aggregate_type = $2 and position > $3
         order by position limit $4",
    )
    .bind(tenant.0)
    .bind(P::FOLLOWS)
    .bind(checkpoint)
    .bind(BATCH_EVENTS_MAX)
    .fetch_all(&mut *transaction)
    .await?;
    let Some(last) = events.last() else { return Ok(false) };
    let reached: i64 = last.try_get(0)?;
    for row in &events {
        let event =
            serde_json::from_str(row.try_get(1)?).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        P::project(&mut transaction, tenant, event).await?;
    }
    sqlx::query(
        "update projection_checkpoints set position = $3 where projection = $1 and tenant_id = $2",
    )
    .bind(P::NAME)
    .bind(tenant.0)
    .bind(reached)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(events.len() as i64 == BATCH_EVENTS_MAX)
}
