//! What connections cost: their memory, replays, and all of them coming back at once.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::crowd::{Crowd, Subscription};
use crate::log::{Head, rows_read};
use crate::machine::{Median, resident_kib};
use crate::server::Server;
use crate::writers::{Appender, pace};

const IDLE_CONNECTIONS: usize = 5_000;
/// Until buffers of the opening are given back, and heartbeats have come.
const SETTLE: Duration = Duration::from_secs(3);
const REPLAY_CLIENTS: usize = 8;
const REPLAY_ITEMS: u64 = 500;
const REPLAY_TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const STORM_CLIENTS: usize = 2_000;
const STORM_BEHIND_MAX: u64 = 400;
const STORM_MAX: Duration = Duration::from_secs(30);
/// PostgreSQL's counters are that late.
const COUNTERS: Duration = Duration::from_millis(1_500);

/// Of a server that has served nothing yet but a few streams.
pub(crate) async fn memory() -> Outcome<()> {
    let server = Server::start(&[])?;
    let place = server.place();
    let warm = Crowd::gather(&place.address, vec![place.stream(None); 20], 20)?;
    warm.opened().await?;
    drop(warm);
    tokio::time::sleep(SETTLE).await;
    let before = resident_kib(server.pid());
    let requests = vec![place.stream(None); IDLE_CONNECTIONS];
    let crowd = Crowd::gather(&place.address, requests, 64)?;
    crowd.opened().await?;
    tokio::time::sleep(SETTLE).await;
    crowd.check()?;
    let each = (resident_kib(server.pid()) - before) / IDLE_CONNECTIONS as f64;
    println!("memory of an idle connection, {IDLE_CONNECTIONS} of them {each:>8.1} KiB (limit 20)");
    Ok(())
}

/// Clients that connect, read all that they have not seen, and go.
pub(crate) async fn replays(server: &Server) -> Outcome<()> {
    fill(server).await?;
    let pool = server.owner_pool().await?;
    let head = Head::of(&pool).await?;
    let request = server.place().stream(Some(&head.behind(REPLAY_ITEMS)));
    let mut rate = Median::default();
    tokio::time::sleep(COUNTERS).await;
    let read_before = rows_read(&pool).await?;
    let mut replays = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let end = began + REPLAY_TIME;
        let tasks: Vec<_> = (0..REPLAY_CLIENTS)
            .map(|_| {
                let (address, request) = (server.place().address.clone(), request.clone());
                tokio::spawn(async move { replay_until(end, &address, &request).await })
            })
            .collect();
        let mut round = 0;
        for task in tasks {
            round += task.await??;
        }
        rate.add(round as f64 / began.elapsed().as_secs_f64());
        replays += round;
    }
    tokio::time::sleep(COUNTERS).await;
    let read = (rows_read(&pool).await? - read_before) as f64 / replays as f64;
    println!(
        "replays of {REPLAY_ITEMS} items, {REPLAY_CLIENTS} clients  {:>9.0} replays/s (limit 800); \
         {} ({read:.1} rows of the log read a replay)",
        rate.get(),
        if read < 1.0 { "served from the ring" } else { "served from the store" },
    );
    Ok(())
}

async fn replay_until(end: Instant, address: &str, request: &str) -> Outcome<u64> {
    let mut replays = 0;
    while Instant::now() < end {
        let (mut subscription, mut items) = Subscription::open(address, request).await?;
        while items < REPLAY_ITEMS {
            subscription.next(|_| items += 1).await?;
        }
        if items != REPLAY_ITEMS {
            return Err(format!("a replay had {items} items").into());
        }
        replays += 1;
    }
    Ok(replays)
}

/// Makes the log longer than a replay.
async fn fill(server: &Server) -> Outcome<()> {
    let mut writers = Vec::new();
    for _ in 0..8 {
        writers.push(Appender::start(server.place()).await?);
    }
    pace(writers, 1_000.0, Duration::from_secs(1)).await?;
    Ok(())
}

/// Everybody's server ends and starts again; everybody comes back at once, whatever the farewell
/// has said about when.
pub(crate) async fn storm(server: Server) -> Outcome<()> {
    fill(&server).await?;
    let head = Head::of(&server.owner_pool().await?).await?;
    let address = server.place().address.clone();
    let live = vec![server.place().stream(None); STORM_CLIENTS];
    let live = Crowd::gather(&address, live, 64)?;
    live.opened().await?;
    live.ends();
    let behind = |index: usize| index as u64 % (STORM_BEHIND_MAX + 1);
    let requests: Vec<String> = (0..STORM_CLIENTS)
        .map(|index| server.place().stream(Some(&head.behind(behind(index)))))
        .collect();
    let stopping = Instant::now();
    let place = server.stop();
    let stopped_in = stopping.elapsed().as_secs_f64();
    drop(live);
    let began = Instant::now();
    let crowd = Crowd::gather(&address, requests, STORM_CLIENTS)?;
    let server = Server::start_in(place, &[])?;
    let listening = began.elapsed().as_secs_f64();
    crowd.opened().await?;
    let opened = began.elapsed().as_secs_f64();
    crowd.have(behind, STORM_MAX).await?;
    let caught_up = began.elapsed().as_secs_f64();
    // Nobody has got more than it had not seen.
    let expected: u64 = (0..STORM_CLIENTS).map(behind).sum();
    if crowd.total() != expected {
        return Err(format!("{} items in the place of {expected}", crowd.total()).into());
    }
    println!(
        "{STORM_CLIENTS} clients come back, up to {STORM_BEHIND_MAX} items behind: all have caught up \
         {caught_up:.2} s after the start (limit 10), errors 0 (the stop took {stopped_in:.2} s, \
         listening after {listening:.2} s, all connected after {opened:.2} s, {expected} items)"
    );
    drop(server);
    Ok(())
}
