//! The numbers of the README about streams and read models.
//!
//! `make bench`. Everything shares the machine's cores: server, PostgreSQL, writers and readers.

mod connections;
mod crowd;
mod fanout;
mod http;
mod items;
mod log;
mod machine;
mod nchan;
mod read_models;
mod server;
mod writers;

use std::time::{Duration, Instant};

use fanout::{BUSY_P99_MS_MAX, Carrier, Round, SUBSCRIBERS, busy, climb};
use machine::{Median, load_average};
use nchan::Nchan;
use server::Server;

const ROUNDS: usize = 3;
const STEP: Duration = Duration::from_millis(2_500);
/// Items a second that are tried.
const RATES: [f64; 7] = [250.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 6_000.0];
const NCHAN_RATES: [f64; 9] = [50.0, 100.0, 150.0, 200.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0];
const QUIET_RATE: f64 = 10.0;
const QUIET_TIME: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let began = Instant::now();
    println!("load of the machine before: {}", load_average());
    machine::allow_connections()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(parts(std::env::args().skip(1).find(|arg| !arg.starts_with('-'))))?;
    let seconds = began.elapsed().as_secs_f64();
    println!("all of it took {seconds:.0} s; load of the machine after: {}", load_average());
    Ok(())
}

/// All of them, or the one that is named: `cargo bench --package tests --bench stream -- memory`.
async fn parts(only: Option<String>) -> Outcome<()> {
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("memory") {
        connections::memory().await?;
    }
    if wanted("quiet") || wanted("busy") || wanted("replays") || wanted("storm") {
        let server = Server::start(&[])?;
        if wanted("quiet") {
            quiet(&server).await?;
        }
        if wanted("busy") {
            fan_out(&server).await?;
        }
        if wanted("replays") {
            connections::replays(&server).await?;
        }
        if wanted("storm") {
            connections::storm(server).await?;
        }
    }
    if wanted("lag") {
        read_models::lag().await?;
    }
    if wanted("rebuild") {
        read_models::rebuild().await?;
    }
    if wanted("following") {
        read_models::cost_of_following().await?;
    }
    Ok(())
}

/// A log that grows now and then.
async fn quiet(server: &Server) -> Outcome<()> {
    let round = fanout::round(server.place(), 1, QUIET_RATE, QUIET_TIME).await?;
    println!(
        "{SUBSCRIBERS} subscribers, {QUIET_RATE} items/s: commit to client p50 {:.1} ms, p99 {:.1} ms \
         (limit 30), {:.1} ms from the request{}",
        round.p50_ms,
        round.p99_ms,
        round.p99_from_request_ms,
        if round.complete { "" } else { ", NOT COMPLETE" },
    );
    Ok(())
}

async fn fan_out(server: &Server) -> Outcome<()> {
    let ours = server.place();
    let climbed = climb(ours, "exhibit", &RATES, STEP).await?;
    let items = nchan::items_of(ours).await?;
    let nchan = Nchan::start(&items)?;
    println!("  nchan carries the same items, {} bytes each", nchan.mean_bytes());
    let nchan_climbed = climb(&nchan, "nchan", &NCHAN_RATES, STEP).await?;
    let sustained = climbed.iter().rev().find(|round| round.is_sustained());
    let sustained = sustained.ok_or("no rate was sustained")?.asked;
    let (peak, nchan_peak) = (peak(&climbed), peak(&nchan_climbed));
    let mut at_sustained = Rounds::default();
    let (mut at_peak, mut nchan_at_peak) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        at_sustained.add(ours, sustained).await?;
        at_peak.add(ours, peak).await?;
        nchan_at_peak.add(&nchan, nchan_peak).await?;
    }
    println!(
        "{SUBSCRIBERS} subscribers, {sustained} items/s  {:>9.0} deliveries/s (limit 1,000,000), p99 \
         {:.1} ms (limit {BUSY_P99_MS_MAX}), {:.1} ms from the request; {} of {ROUNDS} rounds whole \
         and in time",
        at_sustained.deliveries.get(),
        at_sustained.p99_ms.get(),
        at_sustained.p99_from_request_ms.get(),
        at_sustained.sustained,
    );
    let (most, nchan_most) = (at_peak.deliveries.get(), nchan_at_peak.deliveries.get());
    println!(
        "saturated: {most:.0} deliveries/s, p99 {:.0} ms; nchan {nchan_most:.0} deliveries/s, p99 \
         {:.0} ms: {:.1} × nchan (limit 2)",
        at_peak.p99_ms.get(),
        nchan_at_peak.p99_ms.get(),
        most / nchan_most,
    );
    Ok(())
}

/// The rate at which the most was delivered.
fn peak(rounds: &[Round]) -> f64 {
    let most = rounds.iter().max_by(|a, b| a.deliveries.total_cmp(&b.deliveries));
    most.map_or(f64::NAN, |round| round.asked)
}

/// Medians of rounds of one rate.
#[derive(Default)]
struct Rounds {
    deliveries: Median,
    p99_ms: Median,
    p99_from_request_ms: Median,
    sustained: usize,
}

impl Rounds {
    async fn add<C: Carrier>(&mut self, carrier: &C, rate: f64) -> Outcome<()> {
        let round = busy(carrier, rate, STEP).await?;
        self.deliveries.add(round.deliveries);
        self.p99_ms.add(round.p99_ms);
        self.p99_from_request_ms.add(round.p99_from_request_ms);
        self.sustained += usize::from(round.is_sustained());
        Ok(())
    }
}
