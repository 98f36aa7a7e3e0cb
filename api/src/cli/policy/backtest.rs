//! `exhibit policy backtest`: a version or a file, tried on stored history.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use application::backtests::{Ending, Order, Span, Watcher};
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use infrastructure::docket::compiled;

use super::super::{Fault, Outcome, actor};
use super::diff::Source;
use super::files;
use super::tools::{At, Named, PolicyTools, told, with_policies};

#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// A file, which is stored nowhere, or NAME@VERSION
    #[arg(value_name = "FILE|NAME@VERSION")]
    candidate: Source,
    /// Records received at or after this time (RFC 3339)
    #[arg(long, env = "EXHIBIT_BACKTEST_SINCE", value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Records received before this time (RFC 3339)
    #[arg(long, env = "EXHIBIT_BACKTEST_UNTIL", value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    #[command(flatten)]
    at: At,
}

/// Shows how far it has come, and ends it on Ctrl-C.
struct Bar {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Watcher for Bar {
    fn hears(&mut self, done: u64, total: u64) -> bool {
        self.bar.set_length(total.max(done));
        self.bar.set_position(done);
        !self.interrupted.load(Ordering::Relaxed)
    }
}

impl Bar {
    fn new() -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = interrupted.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        });
        Self { bar: bar(), interrupted }
    }
}

fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0).with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} events, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(super) fn run(args: &BacktestArgs) -> Outcome {
    let span = Span { since: args.since, until: args.until };
    let ending = with_policies(&args.at, async |tools: PolicyTools| match &args.candidate {
        Source::File(file) => {
            let name = file.display().to_string();
            let policy = files::read(file).and_then(|document| compiled(&document));
            let policy = Arc::new(policy.map_err(|faults| told(&name, &faults))?);
            let mut bar = Bar::new();
            Ok(tools.backtests.try_out(tools.tenant, policy, span, &mut bar).await?)
        }
        Source::Stored(Named { name, version }) => {
            let (name, version) = (name.clone(), version.clone());
            let order = Order { tenant: tools.tenant, name, version, span, by: actor() };
            let begun = tools.backtests.begin(order).await?;
            anstream::eprintln!("backtest {}", begun.id);
            Ok(tools.backtests.run(begun, &mut Bar::new()).await?)
        }
    })?;
    report(&ending)
}

fn report(ending: &Ending) -> Result<(), Fault> {
    match ending {
        Ending::Completed(report) => println!("{}", serde_json::to_string_pretty(report)?),
        Ending::Cancelled => return Err("the backtest was cancelled".into()),
        Ending::Failed(reason) => return Err(format!("the backtest failed: {reason}").into()),
    }
    Ok(())
}
