//! `exhibit projections`: looks at read models, and folds one anew while it serves.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use application::Ids;
use application::judging::Judge;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use infrastructure::docket::{self, PgDocket, PolicyBook};
use infrastructure::hints::HintChannel;
use infrastructure::system::{SystemClock, SystemIds};
use projections::runner::{Lag, Runner};
use serde_json::json;

use super::{Format, Outcome};
use crate::config::StoreArgs;
use crate::judgement::Judgement;

#[derive(Debug, Args)]
pub(super) struct ProjectionsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List read models, how far they are behind the log, and where one stands still
    List(ListArgs),
    /// Fold the whole log into a read model anew, beside the rows that are served, and swap them
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// text for people, json for programs: one document on standard output
    #[arg(long, env = "EXHIBIT_FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct RebuildArgs {
    /// A read model's name, from `exhibit projections list`
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: ProjectionsArgs) -> Outcome {
    match args.verb {
        Verb::List(ListArgs { store, format }) => super::with_tools(&store, async move |tools| {
            let lags = Runner::new(tools.database.server.clone()).lag().await?;
            if format == Format::Json {
                println!("{}", document(&lags));
            } else {
                print!("{}", table(&lags));
            }
            Ok(())
        }),
        Verb::Rebuild(RebuildArgs { name, store }) => {
            super::with_tools(&store, async move |tools| {
                let bar = ProgressBar::new(0).with_style(style()?);
                bar.enable_steady_tick(Duration::from_millis(200));
                let pool = tools.database.server.clone();
                let runner = Runner::new(pool.clone());
                let told = |done: i64, all: i64| {
                    bar.set_length(all as u64);
                    bar.set_position(done as u64);
                };
                let rebuilt = if name == docket::NAME {
                    let hints = Arc::new(HintChannel::new(SystemIds.uuid()));
                    let docket = Arc::new(PgDocket::new(pool, PolicyBook::default(), hints));
                    let judge = Judge { docket, clock: Arc::new(SystemClock) };
                    runner.rebuild_as(&Judgement(judge), told).await
                } else {
                    runner.rebuild(&name, told).await
                };
                bar.finish_and_clear();
                let rebuilt = rebuilt?;
                println!(
                    "{name}: generation {} is served, made of {} events",
                    rebuilt.generation, rebuilt.events
                );
                Ok(())
            })
        }
    }
}

fn style() -> Result<ProgressStyle, indicatif::style::TemplateError> {
    ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta}")
}

fn table(lags: &[Lag]) -> String {
    let mut table = format!(
        "{:20} {:>10} {:>10} {:>10}  state\n",
        "projection", "generation", "behind", "seconds"
    );
    for lag in lags {
        let mut state = String::from("follows");
        if let Some(building) = lag.building {
            state = format!("follows, generation {building} is being built");
        }
        if let Some(stopped) = lag.stopped.first() {
            state = format!("stopped before event {}: {}", stopped.position, stopped.reason);
        }
        // Writing to a String does not fail.
        let _ = writeln!(
            table,
            "{:20} {:>10} {:>10} {:>10.1}  {state}",
            lag.projection, lag.generation, lag.events, lag.seconds
        );
    }
    table
}

fn document(lags: &[Lag]) -> serde_json::Value {
    let items: Vec<_> = lags
        .iter()
        .map(|lag| {
            let stopped: Vec<_> = lag
                .stopped
                .iter()
                .map(|stopped| json!({ "position": stopped.position, "reason": stopped.reason }))
                .collect();
            json!({
                "projection": lag.projection, "generation": lag.generation,
                "building": lag.building, "lag_events": lag.events, "lag_seconds": lag.seconds,
                "stopped": stopped,
            })
        })
        .collect();
    json!({ "projections": items })
}
