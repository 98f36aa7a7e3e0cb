//! The numbers of the README: ingest beside the raw limit and stock postgres-es, growth, memory,
//! verification, start. One run, one machine, medians of three rounds, ratios.
//!
//! `make bench`. Everything shares the machine's cores: server, PostgreSQL and load.

mod machine;
mod raw;
mod server;
mod stock;

use std::time::Duration;

use machine::{Median, peak_memory_mib};
use server::Server;
use stock::Aggregates;

const ROUNDS: usize = 3;
const LOAD_SECONDS: &str = "4";
const LOAD: Duration = Duration::from_secs(4);
const LONG_SESSION_EVENTS: u64 = 1_000_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // cargo passes --bench; a filter is of no use here.
    let runtime = tokio::runtime::Runtime::new()?;
    let server = Server::start()?;
    println!("first start to ready  {:>8.2} s   (limit 3 s)", server.started_in.as_secs_f64());
    runtime.block_on(ingest(&server))?;
    growth(&server)?;
    let memory = peak_memory_mib(server.pid());
    println!("server's peak memory  {memory:>8.0} MiB (limit 300 MiB)");
    verify(&server)?;
    later_starts(server)
}

/// Raw limit, ours and the stock store in turn, so that none has a fresher machine than another.
async fn ingest(server: &Server) -> Outcome<()> {
    let pool = server.owner_pool().await?;
    raw::prepare(&pool).await?;
    stock::prepare(&pool).await?;
    let (best_100, best_1) = (raw::best(server, 100).await?, raw::best(server, 1).await?);
    println!("raw limit by {best_100} connections at batch 100, by {best_1} at batch 1");
    let [mut raw_100, mut raw_1, mut ours_100, mut ours_1, mut stock, mut stock_best] =
        std::array::from_fn(|_| Median::default());
    for _ in 0..ROUNDS {
        raw_100.add(raw::rate(server, best_100, 100, LOAD).await?);
        ours_100.add(
            server.load(&["--clients", "16", "--batch", "100", "--seconds", LOAD_SECONDS])?.rate,
        );
        stock.add(stock::rate(&pool, Aggregates::OneAClient, 16, 100, LOAD).await?);
        stock_best.add(stock::rate(&pool, Aggregates::OneACommand, 16, 100, LOAD).await?);
        raw_1.add(raw::rate(server, best_1, 1, LOAD).await?);
        ours_1.add(
            server.load(&["--clients", "64", "--batch", "1", "--seconds", LOAD_SECONDS])?.rate,
        );
    }
    let line = |what: &str, rate: &Median, ratio: f64, of: &str, limit: f64| {
        let rate = rate.get();
        println!("{what:<34} {rate:>9.0} events/s   {ratio:>5.2} × {of} (limit {limit})");
    };
    println!("{:<34} {:>9.0} events/s", "raw INSERT … UNNEST, batch 100", raw_100.get());
    println!("{:<34} {:>9.0} events/s", "raw INSERT … UNNEST, batch 1", raw_1.get());
    println!("{:<34} {:>9.0} events/s", "stock postgres-es, same work", stock.get());
    println!("{:<34} {:>9.0} events/s", "stock postgres-es, best case", stock_best.get());
    let ratio = |a: &Median, b: &Median| a.get() / b.get();
    line("exhibit, 16 clients × batch 100", &ours_100, ratio(&ours_100, &raw_100), "raw", 0.5);
    line("exhibit, 64 clients × batch 1", &ours_1, ratio(&ours_1, &raw_1), "raw", 2.0);
    line("exhibit beside stock, same work", &ours_100, ratio(&ours_100, &stock), "stock", 5.0);
    line(
        "exhibit beside stock, its best case",
        &ours_100,
        ratio(&ours_100, &stock_best),
        "stock",
        5.0,
    );
    Ok(())
}

/// What an append costs at event 1,000 and at event 1,000,000 of the same session.
fn growth(server: &Server) -> Outcome<()> {
    let mut short = Median::default();
    let mut long = Median::default();
    let one = |events: &str, session: Option<&str>| {
        let mut args =
            vec!["--clients", "1", "--batch", "100", "--seconds", "600", "--events", events];
        if let Some(session) = session {
            args.extend(["--session", session]);
        }
        server.load(&args)
    };
    let grown = one(&LONG_SESSION_EVENTS.to_string(), None)?;
    let long_session = grown.session;
    server.remember_session(&long_session);
    for _ in 0..ROUNDS {
        let short_session = one("1000", None)?.session;
        short.add(one("20000", Some(&short_session))?.p50_ms);
        long.add(one("20000", Some(&long_session))?.p50_ms);
    }
    let (short, long) = (short.get(), long.get());
    println!(
        "append of 100 events: {short:.3} ms at 1,000, {long:.3} ms at 1,000,000: {:.2} × (limit 1.2)",
        long / short
    );
    Ok(())
}

fn verify(server: &Server) -> Outcome<()> {
    let file = server.export_long_session()?;
    let lines =
        std::io::BufRead::lines(std::io::BufReader::new(std::fs::File::open(&file)?)).count();
    let mut rate = Median::default();
    for _ in 0..ROUNDS {
        let started = std::time::Instant::now();
        let report = Server::exhibit(&["verify", "--format", "json", &file.display().to_string()])?;
        rate.add(lines as f64 / started.elapsed().as_secs_f64());
        let report: serde_json::Value = serde_json::from_slice(&report)?;
        assert_eq!(report["event_count"], lines, "the verifier has read everything");
        assert_ne!(report["status"], "FAIL");
    }
    println!(
        "exhibit verify, {lines} events     {:>9.0} events/s on one core (limit 150,000), peak {:.0} MiB",
        rate.get(),
        machine::children_peak_memory_mib()?
    );
    Ok(())
}

fn later_starts(server: Server) -> Outcome<()> {
    let mut later = Median::default();
    let mut folder = server.stop();
    for _ in 0..ROUNDS {
        let again = Server::start_in(folder)?;
        later.add(again.started_in.as_secs_f64());
        folder = again.stop();
    }
    println!("later starts to ready {:>8.2} s   (limit 0.5 s)", later.get());
    Ok(())
}
