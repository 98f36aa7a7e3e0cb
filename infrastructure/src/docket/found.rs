//! What the judge remembers from one piece of a log to the next, and what it leaves for readers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::evidence::event_type::EventType;
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::judgement::{Entry, OpenCall, Rulings, ToolUse, WindowKey};
use domain::policy::compile::CompiledPolicy;
use domain::policy::window::Window;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// Windows of the policies' thresholds, for the actors of the entries.
pub(super) async fn windows(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    policies: &[Arc<CompiledPolicy>],
    entries: &[Entry],
) -> sqlx::Result<HashMap<WindowKey, Window>> {
    let with_thresholds = policies
        .iter()
        .map(|policy| policy.document())
        .filter(|document| document.controls.iter().any(|control| control.threshold.is_some()));
    let (names, versions): (Vec<&str>, Vec<&str>) =
        with_thresholds.map(|d| (d.name.as_str(), d.version.as_str())).unzip();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let records = entries.iter().filter_map(|entry| match entry {
        Entry::Records(records) => Some(&records.records),
        Entry::Activated(_) | Entry::Retired { .. } => None,
    });
    let mut actors: BTreeSet<&str> =
        records.flatten().filter_map(|record| record.actor_id.as_deref()).collect();
    // Of windows that count for everybody, and of events that named nobody.
    actors.insert("");
    let rows = sqlx::query(
        "select policy, policy_version, control, actor, state::text from policy_windows
         where tenant_id = $1 and generation = $2
           and (policy, policy_version) in (select * from unnest($3::text[], $4::text[]))
           and actor = any($5)",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(names)
    .bind(versions)
    .bind(actors.into_iter().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut windows = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = WindowKey {
            policy: row.try_get(0)?,
            version: row.try_get(1)?,
            control: row.try_get(2)?,
            actor: row.try_get(3)?,
        };
        let state = serde_json::from_str(row.try_get(4)?)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        windows.insert(key, state);
    }
    Ok(windows)
}

/// Calls without a result, of the sessions whose entries have to do with tools or end.
pub(super) async fn open_calls(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    entries: &[Entry],
) -> sqlx::Result<HashMap<SessionId, Vec<OpenCall>>> {
    let asks = [EventType::TOOL_RESULT, EventType::SESSION_END, EventType::CHAIN_SEAL];
    let sessions: BTreeSet<Uuid> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Records(records) => Some(records),
            Entry::Activated(_) | Entry::Retired { .. } => None,
        })
        .filter(|records| records.records.iter().any(|r| asks.contains(&r.event_type)))
        .map(|records| records.session.id.0)
        .collect();
    let mut open: HashMap<SessionId, Vec<OpenCall>> = HashMap::new();
    if sessions.is_empty() {
        return Ok(open);
    }
    let rows = sqlx::query(
        "select session_id, sequence_number, join_hash from tool_uses
         where tenant_id = $1 and generation = $2 and session_id = any($3) and status is null
         order by session_id, sequence_number",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(sessions.into_iter().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in rows {
        let join_hash = Hash::from_slice(row.try_get(2)?)
            .ok_or_else(|| sqlx::Error::Decode("a join has 32 bytes".into()))?;
        let sequence_number = row.try_get::<i64, _>(1)? as u64;
        let session = SessionId(row.try_get(0)?);
        open.entry(session).or_default().push(OpenCall { sequence_number, join_hash });
    }
    Ok(open)
}

/// Everything but the violations.
pub(super) async fn write(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    rulings: &Rulings,
) -> sqlx::Result<()> {
    write_windows(connection, tenant, generation, &rulings.windows).await?;
    write_uses(connection, tenant, generation, &rulings.uses).await?;
    write_results(connection, tenant, generation, rulings).await?;
    write_findings(connection, tenant, generation, rulings).await
}

async fn write_windows(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    windows: &HashMap<WindowKey, Window>,
) -> sqlx::Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    let (keys, states): (Vec<&WindowKey>, Vec<&Window>) = windows.iter().unzip();
    let states: Vec<String> = states
        .into_iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()
        .map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    sqlx::query(
        "insert into policy_windows (tenant_id, generation, policy, policy_version, control, actor,
                                     state)
         select $1, $2, p, v, c, a, s::json
         from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as w(p, v, c, a, s)
         on conflict (tenant_id, generation, policy, policy_version, control, actor)
         do update set state = excluded.state",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(keys.iter().map(|k| k.policy.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|k| k.version.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|k| k.control.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|k| k.actor.as_str()).collect::<Vec<_>>())
    .bind(states)
    .execute(connection)
    .await
    .map(|_| ())
}

async fn write_uses(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    uses: &[ToolUse],
) -> sqlx::Result<()> {
    if uses.is_empty() {
        return Ok(());
    }
    // Arrays of arrays are rectangles to PostgreSQL: lists go as text, one name a line, which no
    // name can hold.
    let lines = |list: fn(&ToolUse) -> &[String]| {
        uses.iter().map(|u| list(u).join("\n")).collect::<Vec<String>>()
    };
    sqlx::query(
        "insert into tool_uses (tenant_id, generation, session_id, sequence_number, event_id,
             tool_name, actor_id, timestamp_wall, received_at, args_summary, join_hash, status,
             duration_ms, allowed, judged_by, broken, position)
         select $1, $2, session_id, sequence_number, event_id, tool_name, actor_id, timestamp_wall,
             received_at, args_summary, join_hash, status, duration_ms, allowed,
             array_remove(string_to_array(judged_by, E'\\n'), ''),
             array_remove(string_to_array(broken, E'\\n'), ''), position
         from unnest($3::uuid[], $4::int8[], $5::uuid[], $6::text[], $7::text[], $8::text[],
             $9::timestamptz[], $10::text[], $11::bytea[], $12::text[], $13::float8[], $14::bool[],
             $15::text[], $16::text[], $17::int8[])
             as u(session_id, sequence_number, event_id, tool_name, actor_id, timestamp_wall,
                  received_at, args_summary, join_hash, status, duration_ms, allowed, judged_by,
                  broken, position)",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(uses.iter().map(|u| u.session.0).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.sequence_number as i64).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.event_id).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.tool_name.as_str()).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.actor_id.as_deref()).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.timestamp_wall.as_str()).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.received_at).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.args_summary.as_str()).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.join_hash.0.as_slice()).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.outcome.as_ref().map(|o| o.status.as_str())).collect::<Vec<_>>())
    .bind(uses.iter().map(|u| u.outcome.as_ref().and_then(|o| o.duration_ms)).collect::<Vec<_>>())
    .bind(uses.iter().map(ToolUse::allowed).collect::<Vec<_>>())
    .bind(lines(|u| &u.judged_by))
    .bind(lines(|u| &u.broken))
    .bind(uses.iter().map(|u| u.position as i64).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(|_| ())
}

/// Results of calls that came before.
async fn write_results(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    rulings: &Rulings,
) -> sqlx::Result<()> {
    let results = &rulings.results;
    if results.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update tool_uses u set status = r.status, duration_ms = r.duration_ms
         from unnest($3::uuid[], $4::int8[], $5::text[], $6::float8[])
              as r(session_id, sequence_number, status, duration_ms)
         where u.tenant_id = $1 and u.generation = $2 and u.session_id = r.session_id
           and u.sequence_number = r.sequence_number",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(results.iter().map(|r| r.session.0).collect::<Vec<_>>())
    .bind(results.iter().map(|r| r.sequence_number as i64).collect::<Vec<_>>())
    .bind(results.iter().map(|r| r.outcome.status.as_str()).collect::<Vec<_>>())
    .bind(results.iter().map(|r| r.outcome.duration_ms).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(|_| ())
}

/// Each place, what a session adds up to, and what all of them do.
async fn write_findings(
    connection: &mut PgConnection,
    tenant: TenantId,
    generation: i32,
    rulings: &Rulings,
) -> sqlx::Result<()> {
    let found = &rulings.findings;
    if found.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into pii_findings (tenant_id, generation, session_id, sequence_number, detector,
                                   pointer, matches)
         select $1, $2, * from unnest($3::uuid[], $4::int8[], $5::text[], $6::text[], $7::int4[])",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(found.iter().map(|f| f.session.0).collect::<Vec<_>>())
    .bind(found.iter().map(|f| f.sequence_number as i64).collect::<Vec<_>>())
    .bind(found.iter().map(|f| f.finding.detector.as_str()).collect::<Vec<_>>())
    .bind(found.iter().map(|f| f.finding.pointer.as_str()).collect::<Vec<_>>())
    .bind(found.iter().map(|f| i64::from(f.finding.count) as i32).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let mut sums: BTreeMap<(Uuid, &str), i64> = BTreeMap::new();
    for f in found {
        *sums.entry((f.session.0, f.finding.detector.as_str())).or_default() +=
            i64::from(f.finding.count);
    }
    sqlx::query(
        "with added as (
             insert into session_pii as p (tenant_id, generation, session_id, detector, matches)
             select $1, $2, * from unnest($3::uuid[], $4::text[], $5::int8[])
             on conflict (tenant_id, generation, session_id, detector)
             do update set matches = p.matches + excluded.matches
             -- A row that was not there before has no older version.
             returning p.detector, (p.xmax = 0) as is_new
         ), sums as (
             select detector, sum(matches)::int8 as matches,
                    (select count(*) from added a where a.detector = s.detector and a.is_new)
                        as sessions
             from unnest($4::text[], $5::int8[]) as s(detector, matches) group by detector
         )
         insert into pii_totals as t (tenant_id, generation, detector, sessions, matches)
         select $1, $2, detector, sessions, matches from sums
         on conflict (tenant_id, generation, detector)
         do update set sessions = t.sessions + excluded.sessions,
                       matches = t.matches + excluded.matches",
    )
    .bind(tenant.0)
    .bind(generation)
    .bind(sums.keys().map(|(session, _)| *session).collect::<Vec<_>>())
    .bind(sums.keys().map(|(_, detector)| *detector).collect::<Vec<_>>())
    .bind(sums.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(|_| ())
}
