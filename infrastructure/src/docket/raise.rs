//! Writing violations: each once, whoever finds it how often.

use application::PortError;
use domain::ids::TenantId;
use domain::judgement::Ruling;
use serde_json::json;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// What has become of rulings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raised {
    /// Violations that nobody had found before.
    pub new: u64,
    /// Of the last of their events in the tenant's log.
    pub position: Option<u64>,
}

/// Takes the keys that are free, then places in the log for as many, then writes their events and
/// the first line of their action logs: all in one statement, which locks the tenant's head last.
const RAISE: &str = "
with ruling as materialized (
    select * from unnest($2::bytea[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                         $7::timestamptz[])
        with ordinality as r(dedup_key, violation_id, payload, metadata, actor, at, ord)
), fresh as (
    insert into violation_keys (tenant_id, dedup_key, violation_id)
    -- In one order for everybody: two who find the same wait, but not for each other.
    select $1, dedup_key, violation_id from ruling order by dedup_key
    on conflict do nothing
    returning dedup_key
), placed as (
    select r.*, row_number() over (order by r.ord) as place
    from ruling r where r.dedup_key in (select dedup_key from fresh)
), slot as (
    update tenant_heads set position = position + n.count
    from (select count(*) from placed) n
    where tenant_id = $1 and n.count > 0
    returning position - n.count as base
), logged as (
    insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence, event_type,
                        event_version, payload, metadata)
    select $1, slot.base + place, 'violation', violation_id::text, 1, 'violation.detected', '1',
           payload::json, metadata::json
    from placed, slot
), acted as (
    insert into violation_actions (tenant_id, violation_id, number, action, actor, at, details,
                                   position)
    select $1, violation_id, 1, 'detected', actor, at, '{}', slot.base + place
    from placed, slot
)
select count(*), max(slot.base + place) from placed, slot";

/// Raises violations inside a transaction; its commit must follow at once, for the tenant's other
/// writers wait.
pub async fn raise(
    connection: &mut PgConnection,
    tenant: TenantId,
    rulings: &[Ruling],
) -> Result<Raised, PortError> {
    if rulings.is_empty() {
        return Ok(Raised::default());
    }
    let encoded = |e: serde_json::Error| PortError::new("writing a violation", e);
    let mut payloads = Vec::with_capacity(rulings.len());
    let mut metadata = Vec::with_capacity(rulings.len());
    for ruling in rulings {
        // By reference, as the enum would write it.
        let mut payload = json!({ "type": "detected" });
        let detected = serde_json::to_value(&ruling.detected).map_err(encoded)?;
        if let (Some(all), serde_json::Value::Object(members)) = (payload.as_object_mut(), detected)
        {
            all.extend(members);
        }
        payloads.push(payload.to_string());
        metadata.push(
            json!({
                "tenant_id": tenant, "actor": ruling.actor(),
                "correlation_id": ruling.correlation_id,
            })
            .to_string(),
        );
    }
    let detected = || rulings.iter().map(|ruling| &ruling.detected);
    let row = sqlx::query(RAISE)
        .bind(tenant.0)
        .bind(detected().map(|d| d.dedup_key.0.to_vec()).collect::<Vec<_>>())
        .bind(detected().map(|d| d.violation_id).collect::<Vec<Uuid>>())
        .bind(payloads)
        .bind(metadata)
        .bind(rulings.iter().map(Ruling::actor).collect::<Vec<_>>())
        .bind(detected().map(|d| d.detected_at).collect::<Vec<_>>())
        .fetch_one(connection)
        .await
        .map_err(|e| PortError::new("writing violations", e))?;
    let failed = |e| PortError::new("writing violations", e);
    let new: i64 = row.try_get(0).map_err(failed)?;
    let position: Option<i64> = row.try_get(1).map_err(failed)?;
    Ok(Raised { new: new as u64, position: position.map(|p| p as u64) })
}
