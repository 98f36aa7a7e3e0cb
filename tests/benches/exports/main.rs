//! The numbers of the README about exports.
//!
//! `make bench`. Everything shares the machine's cores: server, PostgreSQL and load.

mod large;
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
    if wanted("session") {
        large::long_session().await?;
    }
    if wanted("large") {
        large::large_events().await?;
    }
    if wanted("selection") {
        large::selection().await?;
    }
    if wanted("bundle") {
        large::bundle().await?;
    }
    Ok(())
}

/// Of the server.
fn peak_mib(pid: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}
