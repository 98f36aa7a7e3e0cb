//! The numbers of the README about policies and violations.
//!
//! `make bench`. Everything shares the machine's cores: server, PostgreSQL and load.

mod dashboard;
mod documents;
mod evaluation;
mod history;
mod judging;
mod keeping_up;
mod machine;
mod raising;
mod server;

use std::time::Instant;

use history::History;
use machine::load_average;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let began = Instant::now();
    println!("load of the machine before: {}", load_average());
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(parts(std::env::args().skip(1).find(|arg| !arg.starts_with('-'))))?;
    let seconds = began.elapsed().as_secs_f64();
    println!("all of it took {seconds:.0} s; load of the machine after: {}", load_average());
    Ok(())
}

/// All of them, or the one that is named: `cargo bench … --bench policies -- dashboard`.
async fn parts(only: Option<String>) -> Outcome<()> {
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("clauses") {
        evaluation::clauses()?;
    }
    if wanted("personal-data") {
        evaluation::personal_data()?;
    }
    if wanted("judging") || wanted("backtests") {
        let history = History::record().await?;
        if wanted("judging") {
            history.judging()?;
        }
        if wanted("backtests") {
            history.backtests().await?;
        }
    }
    if wanted("cost") {
        judging::cost().await?;
    }
    if wanted("raising") {
        raising::concurrently().await?;
    }
    if wanted("keeping-up") {
        keeping_up::lag().await?;
    }
    if wanted("dashboard") {
        dashboard::calls().await?;
    }
    Ok(())
}
