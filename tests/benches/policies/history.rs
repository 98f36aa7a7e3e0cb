//! Stored evidence: what judging a piece of it costs, and trying versions on all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use application::Clock;
use application::backtests::BacktestStore;
use domain::backtest::{Span, Trial};
use domain::ids::TenantId;
use domain::judgement::{Entry, Matter, Records, judge};
use domain::policy::compile::CompiledPolicy;
use infrastructure::backtests::PgBacktests;
use infrastructure::docket::PolicyBook;
use infrastructure::system::SystemClock;
use serde_json::{Value, json};

use crate::Outcome;
use crate::documents::{compile, hundred_controls, ten_controls};
use crate::machine::Median;
use crate::server::{IDLE, Server, tenant, version_path};

const ROUNDS: usize = 3;
const EVENTS: u64 = 200_000;
/// Pieces of 8,000 records that are judged in memory.
const PIECES: usize = 5;
const LOOK: Duration = Duration::from_millis(10);
const BACKTEST_MAX: Duration = Duration::from_mins(1);

/// A server with events that nobody follows, and some of them in memory.
pub(crate) struct History {
    server: Server,
    tenant: TenantId,
    pieces: Vec<Vec<Records>>,
}

impl History {
    pub(crate) async fn record() -> Outcome<Self> {
        let server = Server::start(IDLE)?;
        let events = EVENTS.to_string();
        server.load(&["--seconds", "120", "--events", &events]).await?;
        let pool = server.owner_pool(2).await?;
        let tenant = tenant(&pool).await?;
        let store = PgBacktests::new(pool, PolicyBook::default());
        let until = store.extent(tenant).await?.position;
        let mut pieces = Vec::new();
        let mut after = 0;
        while pieces.len() < PIECES
            && let Some(piece) = store.piece(tenant, after, until).await?
        {
            after = piece.reached;
            pieces.push(piece.records);
        }
        Ok(Self { server, tenant, pieces })
    }

    fn events_in_memory(&self) -> f64 {
        self.pieces.iter().flatten().map(|records| records.records.len()).sum::<usize>() as f64
    }

    /// As the judge does it, without what it reads and writes.
    pub(crate) fn judging(&self) -> Outcome<()> {
        let policy = compile(&hundred_controls())?;
        let (mut with, mut without) = (Median::default(), Median::default());
        let mut violations = 0;
        for _ in 0..ROUNDS {
            without.add(self.judge(&[])?.0);
            let (micros, found) = self.judge(std::slice::from_ref(&policy))?;
            with.add(micros);
            violations = found;
        }
        println!(
            "judging an event by 100 controls × 5 rules, in memory {:>6.1} µs, {:.1} µs without \
             policies: {:.1} µs more (limit 100); {:.1} % of the events break one",
            with.get(),
            without.get(),
            with.get() - without.get(),
            100.0 * violations as f64 / self.events_in_memory(),
        );
        println!("  limited by: one core; asking every rule of every event");
        Ok(())
    }

    /// Microseconds an event, and violations.
    fn judge(&self, active: &[Arc<CompiledPolicy>]) -> Outcome<(f64, usize)> {
        let mut took = Duration::ZERO;
        let mut violations = 0;
        for piece in &self.pieces {
            let matter = Matter {
                tenant: self.tenant,
                active: active.to_vec(),
                entries: piece.iter().cloned().map(Arc::new).map(Entry::Records).collect(),
                windows: std::collections::HashMap::new(),
                open_calls: std::collections::HashMap::new(),
                violations_alone: false,
            };
            let now = SystemClock.now();
            let began = Instant::now();
            let rulings = judge(matter, now)?;
            took += began.elapsed();
            violations += rulings.violations.len();
        }
        Ok((took.as_secs_f64() * 1e6 / self.events_in_memory(), violations))
    }

    /// A version beside the active one: in memory, and by the server over all that it has stored.
    pub(crate) async fn backtests(&self) -> Outcome<()> {
        let (active, candidate) = (ten_controls("1.0.0", 97), ten_controls("1.1.0", 93));
        let (old, new) = (compile(&active)?, compile(&candidate)?);
        let (mut alone, mut beside) = (Median::default(), Median::default());
        for _ in 0..ROUNDS {
            alone.add(self.trial(&new, None)?);
            beside.add(self.trial(&new, Some(&old))?);
        }
        println!(
            "backtest of 10 controls, in memory {:>9.0} events/s (limit 200,000), {:.0} beside the \
             active version",
            alone.get(),
            beside.get()
        );
        self.server.post("/v1/policies", &candidate).await?;
        self.over_http(&candidate, "10 controls, alone").await?;
        self.server.activate(&active).await?;
        self.over_http(&candidate, "10 controls, beside the active version").await?;
        println!("  limited by: one core that judges, while PostgreSQL reads the next piece");
        Ok(())
    }

    /// Events a second.
    fn trial(
        &self,
        candidate: &Arc<CompiledPolicy>,
        active: Option<&Arc<CompiledPolicy>>,
    ) -> Outcome<f64> {
        let mut trial =
            Trial::new(self.tenant, Span::default(), candidate.clone(), active.cloned());
        let mut took = Duration::ZERO;
        for piece in &self.pieces {
            let piece = piece.clone();
            let began = Instant::now();
            trial.take(piece)?;
            took += began.elapsed();
        }
        if trial.finish(0, 0).totals.added == 0 {
            return Err("the trial has found nothing".into());
        }
        Ok(self.events_in_memory() / took.as_secs_f64())
    }

    async fn over_http(&self, candidate: &Value, what: &str) -> Outcome<()> {
        let (mut rate, mut cpu, mut postgres) =
            (Median::default(), Median::default(), Median::default());
        for _ in 0..ROUNDS {
            let (began, before) = (Instant::now(), self.server.used());
            let path = format!("{}/backtest", version_path(candidate)?);
            let started = self.server.post(&path, &json!({})).await?;
            let link = started["links"]["self"].as_str().ok_or("no link")?.to_owned();
            let ended = self.ended(&link).await?;
            let (took, after) = (began.elapsed().as_secs_f64(), self.server.used());
            let events = ended["report"]["events"].as_u64().ok_or("no report")?;
            if events < EVENTS || ended["report"]["totals"]["added"] == 0 {
                return Err(format!("a report of another history: {ended}").into());
            }
            rate.add(events as f64 / took);
            cpu.add(events as f64 / (after.own - before.own));
            postgres.add(after.others - before.others);
        }
        println!(
            "backtest over HTTP, {what} {:>9.0} events/s, {:.0} a second of the server's CPU (limit \
             200,000); {:.2} s of PostgreSQL's for {EVENTS}",
            rate.get(),
            cpu.get(),
            postgres.get()
        );
        Ok(())
    }

    async fn ended(&self, link: &str) -> Outcome<Value> {
        let began = Instant::now();
        while began.elapsed() < BACKTEST_MAX {
            let backtest = self.server.get(link).await?;
            match backtest["status"].as_str() {
                Some("running") => tokio::time::sleep(LOOK).await,
                Some("completed") => return Ok(backtest),
                _ => return Err(format!("a backtest has failed: {backtest}").into()),
            }
        }
        Err("a backtest takes for ever".into())
    }
}
