//! Tickets for one stream each, so that a key never stands in a URL.

use application::PortError;
use chrono::{DateTime, Utc};
use domain::hash::Hash;
use domain::ids::TenantId;
use sqlx::PgPool;
use uuid::Uuid;

/// Kept in the database: any server takes a ticket that another has given out.
#[derive(Debug, Clone)]
pub struct Tickets {
    pool: PgPool,
}

/// Whose a ticket was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    pub tenant: TenantId,
    pub key_id: String,
}

impl Tickets {
    /// `pool` works under the server's role.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Keeps the hash of a fresh ticket; forgets those that have expired.
    pub async fn issue(
        &self,
        ticket: &Hash,
        whose: &Redeemed,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), PortError> {
        sqlx::query(
            "with expired as (delete from stream_tickets where expires_at <= $5)
             insert into stream_tickets (ticket_hash, tenant_id, key_id, expires_at)
             values ($1, $2, $3, $4)",
        )
        .bind(ticket.0.as_slice())
        .bind(whose.tenant.0)
        .bind(&whose.key_id)
        .bind(expires_at)
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(|e| PortError::new("keeping a ticket", e))?;
        Ok(())
    }

    /// Whose a ticket is, once: a second time there is none.
    pub async fn redeem(
        &self,
        ticket: &Hash,
        now: DateTime<Utc>,
    ) -> Result<Option<Redeemed>, PortError> {
        let row: Option<(Uuid, String, DateTime<Utc>)> = sqlx::query_as(
            "delete from stream_tickets where ticket_hash = $1
             returning tenant_id, key_id, expires_at",
        )
        .bind(ticket.0.as_slice())
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| PortError::new("redeeming a ticket", e))?;
        let live = row.filter(|(_, _, expires_at)| now < *expires_at);
        Ok(live.map(|(tenant, key_id, _)| Redeemed { tenant: TenantId(tenant), key_id }))
    }
}
