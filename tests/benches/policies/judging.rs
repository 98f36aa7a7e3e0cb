//! From stored events to violations: what that costs the server, with and without a policy.

use std::time::Instant;

use crate::Outcome;
use crate::documents::hundred_controls;
use crate::machine::{Median, Used};
use crate::server::{IDLE, Server, caught_up};

const ROUNDS: usize = 3;
const EVENTS: u64 = 40_000;

/// Two servers work off the same backlog; one of them has a policy.
pub(crate) async fn cost() -> Outcome<()> {
    let (mut with, mut without) = (Server::start(IDLE)?, Server::start(IDLE)?);
    with.activate(&hundred_controls()).await?;
    let [mut own, mut all, mut base, mut took] = std::array::from_fn(|_| Median::default());
    for _ in 0..ROUNDS {
        let (server, used, seconds) = work_off(with).await?;
        let (other, used_without, _) = work_off(without).await?;
        (with, without) = (server, other);
        let micros = |seconds: f64| seconds * 1e6 / EVENTS as f64;
        own.add(micros(used.own - used_without.own));
        let total = |used: Used| used.own + used.others;
        all.add(micros(total(used) - total(used_without)));
        base.add(micros(used_without.own));
        took.add(micros(seconds));
    }
    let pool = with.owner_pool(1).await?;
    let found: i64 =
        sqlx::query_scalar("select count(*) from violation_keys").fetch_one(&pool).await?;
    let share = 100.0 * found as f64 / (EVENTS as f64 * ROUNDS as f64);
    if !(2.0..4.0).contains(&share) {
        return Err(format!("{share:.1} % of the events were found to break the policy").into());
    }
    println!(
        "stored event to violation, 100 controls × 5 rules {:>6.1} µs of the server's CPU an event \
         (limit 100), {:.1} µs with PostgreSQL's; both beside {:.1} µs without a policy",
        own.get(),
        all.get(),
        base.get()
    );
    println!(
        "  {share:.1} % of {EVENTS} events break a control; an event was through in {:.1} µs, its \
         violation's read model included",
        took.get()
    );
    println!("  limited by: one core, as one judge takes a tenant's log piece by piece");
    Ok(())
}

/// Stores events, then lets a fresh process follow them: what it has used for all, from its start.
async fn work_off(server: Server) -> Outcome<(Server, Used, f64)> {
    let events = EVENTS.to_string();
    server.load(&["--seconds", "60", "--events", &events]).await?;
    let server = server.restart(&[])?;
    let pool = server.owner_pool(1).await?;
    let began = Instant::now();
    caught_up(&pool).await?;
    let seconds = began.elapsed().as_secs_f64();
    let used = server.used();
    pool.close().await;
    Ok((server.restart(IDLE)?, used, seconds))
}
