//! One tenant's items to a thousand subscribers, by Exhibit and by nchan.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::crowd::Crowd;
use crate::machine::quantile_ms;
use crate::nchan::{Nchan, Publisher};
use crate::server::Place;
use crate::writers::{Appender, Commit, Write, pace};

pub(crate) const SUBSCRIBERS: usize = 1_000;
/// Of a busy log, from a commit to a client.
pub(crate) const BUSY_P99_MS_MAX: f64 = 60.0;
const WRITERS: usize = 64;
const CONNECTING: usize = 64;
/// Not measured, at the beginning of a round.
const WARM_UP: Duration = Duration::from_millis(500);
/// What is still on its way when the last item is committed gets so long.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// What carries items to subscribers.
pub(crate) trait Carrier {
    type Writer: Write;

    async fn writer(&self) -> Outcome<Self::Writer>;
    fn address(&self) -> &str;
    /// Asks for a stream of what comes next.
    fn request(&self) -> String;
}

impl Carrier for Place {
    type Writer = Appender;

    async fn writer(&self) -> Outcome<Appender> {
        Appender::start(self).await
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn request(&self) -> String {
        self.stream(None)
    }
}

impl Place {
    /// A request for the log, after a cursor or from now on.
    pub(crate) fn stream(&self, cursor: Option<&str>) -> String {
        let cursor = cursor.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        format!(
            "GET /v1/stream HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             accept: text/event-stream\r\n{cursor}\r\n",
            self.address, self.key
        )
    }
}

impl Carrier for Nchan {
    type Writer = Publisher;

    async fn writer(&self) -> Outcome<Publisher> {
        self.publisher().await
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn request(&self) -> String {
        "GET /subscribe HTTP/1.1\r\nhost: nchan\r\naccept: text/event-stream\r\n\r\n".to_owned()
    }
}

/// What a round of one rate has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Items a second that were asked for, and that were committed.
    pub(crate) asked: f64,
    pub(crate) committed: f64,
    /// Items a second that all subscribers got together.
    pub(crate) deliveries: f64,
    /// From the answer to the writer to the subscriber's read, and from the writer's request.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p99_from_request_ms: f64,
    /// Every subscriber got every item, once.
    pub(crate) complete: bool,
}

impl Round {
    /// At the rate that was asked for, whole and in time.
    pub(crate) fn is_sustained(&self) -> bool {
        self.complete && self.committed >= 0.95 * self.asked && self.p99_ms < BUSY_P99_MS_MAX
    }
}

/// Commits items at a rate to a new crowd of subscribers.
pub(crate) async fn round<C: Carrier>(
    carrier: &C,
    writers: usize,
    rate: f64,
    time: Duration,
) -> Outcome<Round> {
    let mut appenders = Vec::new();
    for _ in 0..writers {
        appenders.push(carrier.writer().await?);
    }
    let requests = vec![carrier.request(); SUBSCRIBERS];
    let crowd = Crowd::gather(carrier.address(), requests, CONNECTING)?;
    crowd.opened().await?;
    let began = Instant::now();
    let writing = tokio::spawn(pace(appenders, rate, WARM_UP + time));
    tokio::time::sleep(WARM_UP).await;
    let (first, warm) = (crowd.total(), Instant::now());
    tokio::time::sleep_until((began + WARM_UP + time).into()).await;
    let (last, end) = (crowd.total(), Instant::now());
    let commits = writing.await??;
    let each = commits.len() as u64;
    let complete =
        crowd.have(|_| each, DRAIN_MAX).await.is_ok() && crowd.total() == each * SUBSCRIBERS as u64;
    let measured: Vec<Commit> =
        commits.into_iter().filter(|c| c.answered >= warm && c.answered <= end).collect();
    let seconds = (end - warm).as_secs_f64();
    let [mut after_answer, mut after_request] = latencies(&measured, &crowd);
    Ok(Round {
        asked: rate,
        committed: measured.len() as f64 / seconds,
        deliveries: (last - first) as f64 / seconds,
        p50_ms: quantile_ms(&mut after_answer, 0.5),
        p99_ms: quantile_ms(&mut after_answer, 0.99),
        p99_from_request_ms: quantile_ms(&mut after_request, 0.99),
        complete,
    })
}

/// Of all items at all subscribers of the sample: after the writer's answer, after its request.
fn latencies(commits: &[Commit], crowd: &Crowd) -> [Vec<Duration>; 2] {
    let commits: HashMap<u64, &Commit> = commits.iter().map(|c| (c.position, c)).collect();
    let mut latencies = [Vec::new(), Vec::new()];
    for delivery in crowd.deliveries() {
        if let Some(commit) = commits.get(&delivery.position) {
            // A subscriber may read before the writer has read its answer: that is 0.
            latencies[0].push(delivery.at.saturating_duration_since(commit.answered));
            latencies[1].push(delivery.at.saturating_duration_since(commit.sent));
        }
    }
    latencies
}

/// Rounds of rising rates, until one is far below the best.
pub(crate) async fn climb<C: Carrier>(
    carrier: &C,
    name: &str,
    rates: &[f64],
    time: Duration,
) -> Outcome<Vec<Round>> {
    let mut rounds: Vec<Round> = Vec::new();
    for rate in rates {
        let round = busy(carrier, *rate, time).await?;
        println!(
            "  {name} at {rate:>5} items/s: {:>5.0} committed, {:>9.0} deliveries/s, p50 {:>5.1} ms, \
             p99 {:>6.1} ms ({:.1} from the request){}",
            round.committed,
            round.deliveries,
            round.p50_ms,
            round.p99_ms,
            round.p99_from_request_ms,
            if round.complete { "" } else { ", NOT COMPLETE" },
        );
        let is_over = rounds.iter().any(|before| round.deliveries < 0.7 * before.deliveries);
        rounds.push(round);
        if is_over {
            break;
        }
    }
    Ok(rounds)
}

pub(crate) async fn busy<C: Carrier>(carrier: &C, rate: f64, time: Duration) -> Outcome<Round> {
    round(carrier, WRITERS, rate, time).await
}
