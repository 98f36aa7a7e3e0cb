//! The numbers of the README about exports.
//!
//! `make bench`. Everything shares the machine's cores: server, PostgreSQL and load.

mod pdf;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(parts(std::env::args().skip(1).find(|arg| !arg.starts_with('-'))))
}

/// All of them, or the one that is named: `cargo bench … --bench exports -- pdf`.
async fn parts(only: Option<String>) -> Outcome<()> {
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("pdf") {
        pdf::documents().await?;
    }
    Ok(())
}
