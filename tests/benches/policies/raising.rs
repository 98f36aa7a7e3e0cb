//! Many who find the same violations at once: each is kept once.

use std::time::Instant;

use application::{Clock, Ids};
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::judgement::Ruling;
use domain::policy::document::Severity;
use domain::violation::{DedupKey, Detected, Occurrence};
use infrastructure::docket::raise;
use infrastructure::system::{SystemClock, SystemIds};
use rand::seq::SliceRandom;
use serde_json::json;
use sqlx::PgPool;

use crate::Outcome;
use crate::machine::Median;
use crate::server::{IDLE, Server, tenant};

const ROUNDS: usize = 3;
const TASKS: usize = 16;
/// Rulings of a transaction, and different keys: as the judge makes them of a piece in which a few
/// per cent break something, and one by one.
const LOADS: [(usize, usize); 2] = [(75, 5_000), (1, 1_000)];

pub(crate) async fn concurrently() -> Outcome<()> {
    let server = Server::start(IDLE)?;
    let pool = server.owner_pool(TASKS as u32 + 1).await?;
    let tenant = tenant(&pool).await?;
    for (size, keys) in LOADS {
        let mut rate = Median::default();
        for _ in 0..ROUNDS {
            let before = stored(&pool).await?;
            let tasks = shared_out(tenant, keys)?;
            let began = Instant::now();
            let tasks: Vec<_> = tasks
                .into_iter()
                .map(|rulings| tokio::spawn(raise_all(pool.clone(), tenant, rulings, size)))
                .collect();
            let mut new = 0;
            for task in tasks {
                new += task.await??;
            }
            rate.add((2 * keys) as f64 / began.elapsed().as_secs_f64());
            let after = stored(&pool).await?;
            let added: Vec<i64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
            if new != keys as u64 || added != [keys as i64; 3] {
                return Err(format!("{new} were new; keys, events, actions: {added:?}").into());
            }
        }
        let limit = if size == 1 { "" } else { " (limit 5,000)" };
        println!(
            "{} rulings by {TASKS} at once, {size:>2} a transaction {:>8.0}/s{limit}: exactly {keys} \
             violations, events and actions",
            2 * keys,
            rate.get()
        );
    }
    println!(
        "  limited by: the tenant's log, which has one end: commits wait for each other's disk"
    );
    Ok(())
}

/// Every key twice, by different tasks, in no order.
fn shared_out(tenant: TenantId, keys: usize) -> Outcome<Vec<Vec<Ruling>>> {
    let session = SessionId(SystemIds.uuid());
    let mut tasks: Vec<Vec<Ruling>> = vec![Vec::new(); TASKS];
    for number in 0..keys {
        let ruling = ruling(tenant, session, number as u64)?;
        let first = number % TASKS;
        let other = (first + 1 + number / TASKS % (TASKS - 1)) % TASKS;
        tasks[first].push(ruling.clone());
        tasks[other].push(ruling);
    }
    for rulings in &mut tasks {
        rulings.shuffle(&mut rand::rng());
    }
    Ok(tasks)
}

async fn raise_all(
    pool: PgPool,
    tenant: TenantId,
    rulings: Vec<Ruling>,
    size: usize,
) -> Outcome<u64> {
    let mut new = 0;
    for some in rulings.chunks(size) {
        let mut transaction = pool.begin().await?;
        new += raise(&mut transaction, tenant, some).await?.new;
        transaction.commit().await?;
    }
    Ok(new)
}

/// Keys, events, first lines of action logs.
async fn stored(pool: &PgPool) -> Outcome<[i64; 3]> {
    let (keys, events, actions): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from violation_keys),
                (select count(*) from events where event_type = 'violation.detected'),
                (select count(*) from violation_actions)",
    )
    .fetch_one(pool)
    .await?;
    Ok([keys, events, actions])
}

fn ruling(tenant: TenantId, session: SessionId, number: u64) -> Outcome<Ruling> {
    let event_id = SystemIds.uuid();
    let names = ("ten", "amount", None);
    let key = DedupKey::of(tenant, names, session, Occurrence::Event(event_id))?;
    let compared = json!({ "rule": "holds", "left": "payload.args.amount", "op": "<=",
        "result": false, "left_value": 98, "right": 97, "reason": "greater" });
    let other = json!({ "rule": "other", "left": "event.type", "op": "!=", "result": false,
        "left_value": "TOOL_CALL", "right": "TOOL_CALL", "reason": "equal" });
    let detected = Detected {
        violation_id: key.violation_id(tenant),
        dedup_key: key.0,
        session_id: session,
        event_id,
        sequence_number: number,
        event_hash: Hash::of(event_id.as_bytes()),
        actor_id: Some("ada@example.org".to_owned()),
        agent_id: "bench".to_owned(),
        policy: "ten".to_owned(),
        policy_version: "1.0.0".to_owned(),
        policy_hash: format!("sha256:{}", Hash::of(b"ten")),
        control: "amount".to_owned(),
        rule: None,
        severity: Severity::Medium,
        reason: "amount: event.type: equal".to_owned(),
        explanation: json!({ "op": "or", "result": false, "items": [other, compared] }),
        risk_score: None,
        detected_at: SystemClock.now(),
        due_at: None,
        auto_escalate_to: None,
    };
    Ok(Ruling { detected, correlation_id: SystemIds.uuid().to_string() })
}
