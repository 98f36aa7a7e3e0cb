//! `exhibit bench`: loads a running server over HTTP and says what it took.
//!
//! A generator must cost less than what it measures, so it speaks just as much HTTP/1.1 as it needs,
//! over one connection a client, one request at a time.

mod events;

use std::time::{Duration, Instant};

use application::Ids;
use clap::Args;
use clap::builder::BoolishValueParser;
use infrastructure::system::SystemIds;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::events::{Mix, Origin};
use super::{Fault, Outcome};

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// The server, e.g. `http://127.0.0.1:8080`
    #[arg(long, env = "EXHIBIT_URL")]
    url: String,
    /// A key with the scope ingest:write
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true)]
    key: String,
    /// Connections, each with a session of its own
    #[arg(long, env = "EXHIBIT_BENCH_CLIENTS", default_value_t = 16)]
    clients: usize,
    /// Events of a request
    #[arg(long, env = "EXHIBIT_BENCH_BATCH", default_value_t = 100)]
    batch: usize,
    /// How long to load
    #[arg(long, env = "EXHIBIT_BENCH_SECONDS", default_value_t = 5)]
    seconds: u64,
    /// Stop after so many events, when that comes first
    #[arg(long, env = "EXHIBIT_BENCH_EVENTS", default_value_t = u64::MAX, hide_default_value = true)]
    events: u64,
    /// Events a second, if the server takes them; as fast as it takes them when absent
    #[arg(long, env = "EXHIBIT_BENCH_RATE", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// What the events are
    #[arg(long, env = "EXHIBIT_BENCH_MIX", default_value = "calls")]
    mix: Mix,
    /// Go on with this session (one client)
    #[arg(long, env = "EXHIBIT_BENCH_SESSION")]
    session: Option<String>,
    /// Print one JSON document instead of a line for people
    #[arg(long, env = "EXHIBIT_BENCH_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

pub(super) fn run(args: &BenchArgs) -> Outcome {
    let result = super::runtime()?.block_on(load(args))?;
    let rate = result.events as f64 / result.elapsed.as_secs_f64();
    let quantile = |q: f64| {
        let at = (result.latencies.len() as f64 * q) as usize;
        result.latencies.get(at).map_or(0.0, |l| l.as_secs_f64() * 1000.0)
    };
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    if args.json {
        let document = json!({
            "events": result.events, "seconds": result.elapsed.as_secs_f64(),
            "events_per_second": rate, "requests": result.latencies.len(),
            "p50_ms": p50, "p99_ms": p99, "sessions": result.sessions,
        });
        println!("{document}");
    } else {
        println!(
            "{rate:.0} events/s ({} events, {} clients × {} a request), p50 {p50:.2} ms, p99 {p99:.2} ms",
            result.events, args.clients, args.batch,
        );
    }
    Ok(())
}

struct Load {
    events: u64,
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
    sessions: Vec<String>,
}

async fn load(args: &BenchArgs) -> Result<Load, Fault> {
    let address = args.url.strip_prefix("http://").ok_or("the URL begins with http://")?;
    let address = address.trim_end_matches('/').to_owned();
    let mut clients = Vec::new();
    for _ in 0..args.clients {
        clients.push(Client::connect(&address, args).await?);
    }
    let started = Instant::now();
    let end = started + Duration::from_secs(args.seconds);
    let quota = args.events.div_ceil(args.clients as u64);
    let tasks: Vec<_> = (clients.into_iter().enumerate())
        .map(|(index, client)| {
            let pace = Pace::new(args, started, index);
            tokio::spawn(client.run(end, args.batch, quota, pace))
        })
        .collect();
    let mut result =
        Load { events: 0, elapsed: Duration::ZERO, latencies: Vec::new(), sessions: Vec::new() };
    for task in tasks {
        let (client, latencies) = task.await??;
        result.events += client.sent;
        result.latencies.extend(latencies);
        result.sessions.push(client.session);
    }
    result.elapsed = started.elapsed();
    result.latencies.sort_unstable();
    Ok(result)
}

/// When a client sends. One that is late goes on at once: the rate is what is asked for as long as
/// the server keeps up with it.
struct Pace {
    turn: Instant,
    pause: Duration,
}

impl Pace {
    /// The clients send in turn.
    fn new(args: &BenchArgs, started: Instant, index: usize) -> Self {
        let between = args.rate.map_or(0.0, |rate| args.batch as f64 / f64::from(rate));
        Self {
            turn: started + Duration::from_secs_f64(between * index as f64),
            pause: Duration::from_secs_f64(between * args.clients as f64),
        }
    }

    async fn next(&mut self) {
        if !self.pause.is_zero() {
            tokio::time::sleep_until(self.turn.into()).await;
            self.turn += self.pause;
        }
    }
}

struct Client {
    stream: TcpStream,
    session: String,
    mix: Mix,
    next: u64,
    sent: u64,
    /// Makes event ids that are unique in the session without asking for randomness each time.
    id_prefix: String,
    head: String,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: &str, args: &BenchArgs) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let fresh = SystemIds.uuid().to_string();
        let session = args.session.clone().unwrap_or_else(|| fresh.clone());
        let common = format!(
            "HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\n",
            args.key
        );
        let head = format!("POST /v1/sessions/{session}/events {common}content-length: ");
        let mut client = Self {
            stream,
            mix: args.mix,
            next: 0,
            sent: 0,
            id_prefix: fresh[..24].to_owned(),
            head,
            session,
            buffer: Vec::with_capacity(64 * 1024),
        };
        if args.session.is_none() {
            let body = json!({ "session_id": client.session, "agent_id": "bench" }).to_string();
            let request =
                format!("POST /v1/sessions {common}content-length: {}\r\n\r\n{body}", body.len());
            client.exchange(request.as_bytes()).await?;
        } else {
            client.next = client.position(&common).await?;
        }
        Ok(client)
    }

    /// Where the session that is gone on with stands: a gap's refusal says so.
    async fn position(&mut self, common: &str) -> Result<u64, Fault> {
        let probe = self.body(u64::from(u32::MAX), 1);
        let request = format!(
            "POST /v1/sessions/{}/events {common}content-length: {}\r\n\r\n{probe}",
            self.session,
            probe.len()
        );
        let refusal = match self.exchange(request.as_bytes()).await {
            Err(refusal) => refusal.to_string(),
            Ok(()) => return Err("a gap was not refused".into()),
        };
        let number = refusal.split("\"expected_sequence\":").nth(1);
        let digits: String =
            number.ok_or(refusal.clone())?.chars().take_while(char::is_ascii_digit).collect();
        Ok(digits.parse()?)
    }

    async fn run(
        mut self,
        end: Instant,
        batch: usize,
        quota: u64,
        mut pace: Pace,
    ) -> Result<(Self, Vec<Duration>), Fault> {
        let mut latencies = Vec::new();
        while Instant::now().max(pace.turn) < end && self.sent < quota {
            pace.next().await;
            let body = self.body(self.next, batch);
            let request = format!("{}{}\r\n\r\n{body}", self.head, body.len());
            let started = Instant::now();
            self.exchange(request.as_bytes()).await?;
            latencies.push(started.elapsed());
            self.next += batch as u64;
            self.sent += batch as u64;
        }
        Ok((self, latencies))
    }

    fn body(&self, first: u64, batch: usize) -> String {
        let origin = Origin { session: &self.session, id_prefix: &self.id_prefix };
        self.mix.body(&origin, first, batch)
    }

    /// Sends a request and reads its answer whole; anything but success is an error with its body.
    async fn exchange(&mut self, request: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|t| t.split("\r\n").next());
            let length: usize = length.ok_or("an answer without a length")?.parse()?;
            if self.buffer.len() < end + 4 + length {
                continue;
            }
            if head.starts_with("http/1.1 2") {
                return Ok(());
            }
            return Err(String::from_utf8_lossy(&self.buffer).into_owned().into());
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
