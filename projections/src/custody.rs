//! Who has had a session's evidence, from its start on: read off the log itself.
//!
//! What was chosen from all sessions by filters is named where it held something of this one.

use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TenantId};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;

use crate::TenantReads;
use crate::exports::ActRow;
use crate::feed::of_export;

/// One entry of a chain of custody. Appends of one key in a row are one entry.
#[derive(Debug, Clone, Serialize)]
pub struct CustodyEntry {
    pub action: String,
    /// `key:<id>` or `cli`.
    pub actor: String,
    pub at: DateTime<Utc>,
    pub details: Value,
}

/// Entries of one session: appends that alternate between keys beyond this are summed up.
const ENTRIES_MAX: i64 = 1_000;
/// Acts that are read at a time.
const ACTS_AT_ONCE: i64 = 500;

impl CustodyEntry {
    /// An act of export, download or verification.
    pub fn of(act: ActRow) -> Self {
        let mut details = of_export(act.event);
        details["export_id"] = json!(act.export_id);
        Self { action: act.event_type, actor: act.actor, at: act.at, details }
    }
}

impl TenantReads {
    /// The custody of a session, oldest first, with what left up to a position in the log.
    pub async fn custody(
        &self,
        tenant: TenantId,
        session: SessionId,
        until: u64,
    ) -> sqlx::Result<Vec<CustodyEntry>> {
        let mut entries = self.work_on(tenant, session).await?;
        let began = entries.first().map_or(0, |(position, _)| *position);
        let mut after = began;
        loop {
            let acts = self.custody_acts(tenant, Some(session), after, until, ACTS_AT_ONCE).await?;
            after = acts.last().map_or(after, |act| act.position);
            let is_last = (acts.len() as i64) < ACTS_AT_ONCE;
            entries.extend(acts.into_iter().map(|act| (act.position, CustodyEntry::of(act))));
            if is_last {
                break;
            }
        }
        entries.sort_by_key(|(position, _)| *position);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Who wrote to it, with the position where each run of the same begins.
    async fn work_on(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> sqlx::Result<Vec<(u64, CustodyEntry)>> {
        let mut transaction = self.begin(tenant).await?;
        // Runs of the same type and actor: the difference of two row numbers is the run's name.
        let rows = sqlx::query(
            "with named as (
                 select sequence, position, event_type, timestamp, metadata ->> 'actor' as actor,
                        (payload ->> 'first_sequence')::bigint as first_sequence,
                        (payload ->> 'last_sequence')::bigint as last_sequence,
                        payload ->> 'reason' as reason
                 from events
                 where tenant_id = $1 and aggregate_type = 'session' and aggregate_id = $2
             ), runs as (
                 select *, row_number() over (order by sequence)
                         - row_number() over (partition by event_type, actor order by sequence) as run
                 from named
             )
             select event_type, coalesce(actor, 'unknown') as actor, min(timestamp) as since,
                    max(timestamp) as until, count(*) as commands, min(first_sequence) as first,
                    max(last_sequence) as last, min(reason) as reason, min(position) as position
             from runs group by event_type, actor, run order by min(sequence) limit $3",
        )
        .bind(tenant.0)
        .bind(session.0.to_string())
        .bind(ENTRIES_MAX)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.iter()
            .map(|row| {
                let action: String = row.try_get("event_type")?;
                let details = match action.as_str() {
                    "session.events_appended" => json!({
                        "commands": row.try_get::<i64, _>("commands")?,
                        "first_sequence": row.try_get::<Option<i64>, _>("first")?,
                        "last_sequence": row.try_get::<Option<i64>, _>("last")?,
                        "until": row.try_get::<DateTime<Utc>, _>("until")?,
                    }),
                    "session.sealed" => {
                        json!({ "reason": row.try_get::<Option<String>, _>("reason")? })
                    }
                    _ => json!({}),
                };
                let entry = CustodyEntry {
                    action,
                    actor: row.try_get("actor")?,
                    at: row.try_get("since")?,
                    details,
                };
                Ok((row.try_get::<i64, _>("position")? as u64, entry))
            })
            .collect()
    }
}
