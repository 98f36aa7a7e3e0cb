//! Read models: how far behind the log they are under load, how fast they are made anew, and what
//! following costs the writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::Outcome;
use crate::crowd::Crowd;
use crate::log::followed;
use crate::machine::{Median, quantile_ms};
use crate::server::Server;

const ROUNDS: usize = 3;
/// Two rates that are close to each other.
const ROUNDS_OF_COST: usize = 5;
/// Between two looks at how far read models are.
const LOOK: Duration = Duration::from_millis(20);
const CATCH_UP_MAX: Duration = Duration::from_mins(1);
const REBUILT_EVENTS: u64 = 1_000_000;

/// Large batches by few clients, and single events by many, as fast as the server takes them.
const LOADS: [(&str, [&str; 6]); 2] = [
    ("16 clients × batch 100", ["--clients", "16", "--batch", "100", "--seconds", "4"]),
    ("64 clients × batch 1", ["--clients", "64", "--batch", "1", "--seconds", "4"]),
];

/// One look at the log and the read models.
struct Look {
    at: Instant,
    head: i64,
    followed: i64,
}

pub(crate) async fn lag() -> Outcome<()> {
    let server = Server::start(&[])?;
    let pool = server.owner_pool().await?;
    for (name, load) in LOADS {
        let end = Arc::new(AtomicBool::new(false));
        let looking = tokio::spawn(look_around(pool.clone(), end.clone()));
        let rate = server.load(&load).await?;
        // The last positions have their lag, too.
        let began = Instant::now();
        caught_up(&pool).await?;
        let rest = began.elapsed().as_secs_f64();
        tokio::time::sleep(LOOK * 2).await;
        end.store(true, Ordering::Relaxed);
        let mut lags = lags(&looking.await??);
        let [p50, p99, max] = [0.5, 0.99, 0.999_999].map(|q| quantile_ms(&mut lags, q));
        println!(
            "read models behind the log, {name:<24} p50 {p50:>4.0} ms, p99 {p99:>4.0} ms (limit 500), \
             at most {max:.0} ms; at {rate:.0} events/s, level {rest:.2} s after the last"
        );
    }
    Ok(())
}

async fn look_around(pool: PgPool, end: Arc<AtomicBool>) -> Outcome<Vec<Look>> {
    let mut looks = Vec::new();
    let mut pause = tokio::time::interval(LOOK);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !end.load(Ordering::Relaxed) {
        pause.tick().await;
        let (head, followed) = followed(&pool).await?;
        looks.push(Look { at: Instant::now(), head, followed });
    }
    Ok(looks)
}

/// Of each position. It was committed after the last look that did not see it: the lag is counted
/// from there, so that what lies between two looks makes it longer and never shorter.
fn lags(looks: &[Look]) -> Vec<Duration> {
    let mut lags = Vec::new();
    let mut reached = 0;
    for pair in looks.windows(2) {
        let [before, now] = pair else { continue };
        while looks.get(reached).is_some_and(|look| look.followed < now.head) {
            reached += 1;
        }
        if let Some(look) = looks.get(reached) {
            let lag = look.at.saturating_duration_since(before.at);
            lags.extend((before.head..now.head).map(|_| lag));
        }
    }
    lags
}

/// Waits until every read model has come as far as the log.
async fn caught_up(pool: &PgPool) -> Outcome<()> {
    let began = Instant::now();
    loop {
        let (head, followed) = followed(pool).await?;
        if head == followed {
            return Ok(());
        }
        if began.elapsed() > CATCH_UP_MAX {
            return Err("read models do not catch up".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Every read model made anew beside the running server, one after the other.
pub(crate) async fn rebuild() -> Outcome<()> {
    let server = Server::start(&[])?;
    let pool = server.owner_pool().await?;
    let events = REBUILT_EVENTS.to_string();
    let load = ["--clients", "16", "--batch", "100", "--seconds", "600", "--events", &events];
    server.load(&load).await?;
    caught_up(&pool).await?;
    let list = server.beside(&["projections", "list", "--json"]).await?;
    let list: serde_json::Value = serde_json::from_slice(&list)?;
    let names: Option<Vec<&str>> = list["projections"]
        .as_array()
        .and_then(|all| all.iter().map(|one| one["projection"].as_str()).collect());
    let names = names.ok_or("a list of another shape")?;
    let mut single = vec![Median::default(); names.len()];
    let mut all = Median::default();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for (name, single) in names.iter().zip(&mut single) {
            let began = Instant::now();
            server.beside(&["projections", "rebuild", name]).await?;
            single.add(REBUILT_EVENTS as f64 / began.elapsed().as_secs_f64());
        }
        all.add(REBUILT_EVENTS as f64 / began.elapsed().as_secs_f64());
    }
    let counted: i64 = sqlx::query_scalar(
        "select sum(a.events)::int8 from agents a
         join projections p on p.name = 'agents' and p.generation = a.generation",
    )
    .fetch_one(&pool)
    .await?;
    if counted as u64 != REBUILT_EVENTS {
        return Err(format!("a rebuilt read model has {counted} events").into());
    }
    for (name, rate) in names.iter().zip(&single) {
        println!("  rebuild of {name:<18} {:>9.0} events/s", rate.get());
    }
    println!(
        "rebuild of all {} read models, one after the other {:>9.0} events/s (limit 100,000), \
         over {REBUILT_EVENTS} events in batches of 100",
        names.len(),
        all.get()
    );
    Ok(())
}

/// Two servers of the same age in turn, one of which leaves its read models as they are.
pub(crate) async fn cost_of_following() -> Outcome<()> {
    let with = Server::start(&[])?;
    let without = Server::start(&["--no-followers"])?;
    let pool = with.owner_pool().await?;
    let subscriber = Crowd::gather(&with.place().address, vec![with.place().stream(None)], 1)?;
    subscriber.opened().await?;
    let mut rates = vec![[Median::default(), Median::default()]; LOADS.len()];
    for round in 0..ROUNDS_OF_COST {
        for ((_, load), [followed, alone]) in LOADS.iter().zip(&mut rates) {
            // In turns, so that neither always has the fresher disk.
            if round % 2 == 0 {
                followed.add(with.load(load).await?);
                caught_up(&pool).await?;
                alone.add(without.load(load).await?);
            } else {
                alone.add(without.load(load).await?);
                followed.add(with.load(load).await?);
                caught_up(&pool).await?;
            }
        }
    }
    let streamed = subscriber.check();
    for ((name, _), [followed, alone]) in LOADS.iter().zip(&rates) {
        println!(
            "ingest with followers and a subscriber, {name:<24} {:>9.0} events/s, {:>9.0} without: \
             {:.2} × (limit 0.9)",
            followed.get(),
            alone.get(),
            followed.get() / alone.get()
        );
    }
    streamed
}
