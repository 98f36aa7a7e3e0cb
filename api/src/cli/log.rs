//! `exhibit log check`: whether each tenant's log is dense, in order, and at one with its sessions.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use domain::ids::TenantId;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use infrastructure::database::PoolSizes;
use projections::log_check::{CHECKS, Fault, LogCheck, LogReport, TenantLog};
use serde::Serialize;

use super::report::{DIM, GREEN, RED, printable};
use super::{Format, close, failed, with_store};
use crate::config::StoreArgs;
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    verb: LogVerb,
}

#[derive(Debug, Subcommand)]
enum LogVerb {
    /// Prove that each tenant's log is dense and in order, while writers write
    ///
    /// Reads one snapshot of each tenant and changes nothing: positions and sequences without a
    /// gap, heads that say what the events say, and every record that the events speak of.
    ///
    /// Exit codes: 0 nothing is wrong, 1 a fault was found or the check could not be made, 64 wrong
    /// usage.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Check this tenant alone
    #[arg(long, env = "EXHIBIT_TENANT", value_name = "ID", value_parser = tenant)]
    tenant: Option<TenantId>,
    /// text for people, json for programs: one document on standard output
    #[arg(long, env = "EXHIBIT_FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    store: StoreArgs,
}

/// What the JSON document holds.
#[derive(Serialize)]
struct Document<'r> {
    status: &'static str,
    tenants: &'r [LogReport],
}

/// The bar moves on while one statement runs.
const BAR_TICK: Duration = Duration::from_millis(100);

fn tenant(text: &str) -> Result<TenantId, &'static str> {
    TenantId::parse(text).ok_or("expected a tenant's id: exhibit tenant list")
}

pub(super) fn run(args: &LogArgs) -> ExitCode {
    let LogVerb::Check(args) = &args.verb;
    let checked = with_store(&args.store, async |store: &Store| {
        // A check writes nothing, not even migrations.
        store.make_ready(true).await?;
        let database = store.connect(PoolSizes { server: 1, reader: 1 });
        let checked = async {
            database.check().await?;
            check(&LogCheck::new(database.server.clone()), args.tenant).await
        };
        let checked = checked.await;
        close(&database).await;
        checked
    });
    let printed = checked.and_then(|reports| {
        print(&reports, args.format)?;
        Ok(reports.iter().all(LogReport::is_whole))
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

async fn check(log: &LogCheck, only: Option<TenantId>) -> Result<Vec<LogReport>, super::Fault> {
    let mut tenants = log.tenants().await?;
    if let Some(only) = only {
        tenants.retain(|known| known.tenant == only);
        if tenants.is_empty() {
            return Err(format!("there is no tenant {only}").into());
        }
    }
    let bar = bar(&tenants);
    let mut reports = Vec::with_capacity(tenants.len());
    for TenantLog { tenant, head } in tenants {
        let mut looked = 0;
        let report = log.check(tenant, |what| {
            bar.inc(looked);
            looked = head;
            bar.set_message(format!("{tenant}: {what}"));
        });
        reports.push(report.await?);
        bar.inc(looked);
    }
    Ok(reports)
}

/// Counts each event once for each check.
fn bar(tenants: &[TenantLog]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // A head that somebody has changed may say any number.
    let events = tenants.iter().fold(0, |sum: u64, known| sum.saturating_add(known.head));
    let bar = ProgressBar::new(events.saturating_mul(CHECKS.len() as u64))
        .with_finish(ProgressFinish::AndClear);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}% {eta} left\n{msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(BAR_TICK);
    bar
}

fn print(reports: &[LogReport], format: Format) -> io::Result<()> {
    match format {
        Format::Text => {
            let mut out = anstream::stdout().lock();
            reports.iter().try_for_each(|report| tenant_line(report, &mut out))
        }
        Format::Json => {
            let is_whole = reports.iter().all(LogReport::is_whole);
            let status = if is_whole { "OK" } else { "FAULT" };
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &Document { status, tenants: reports })?;
            writeln!(out)
        }
    }
}

/// A tenant's line, and one for each of its faults.
fn tenant_line(report: &LogReport, out: &mut dyn Write) -> io::Result<()> {
    let (verdict, style) = if report.is_whole() { ("OK", GREEN) } else { ("FAULT", RED) };
    let LogReport { tenant_id, events, sessions, records, .. } = report;
    writeln!(
        out,
        "{style}{verdict:<5}{style:#}  {tenant_id}  {events} events, {sessions} sessions, \
         {records} records"
    )?;
    report.faults.iter().try_for_each(|fault| fault_line(fault, out))?;
    if report.faults_omitted > 0 {
        writeln!(out, "       {DIM}and {} more{DIM:#}", report.faults_omitted)?;
    }
    Ok(())
}

/// What is expected and found may come from a payload that somebody has changed.
fn fault_line(fault: &Fault, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "       {}", fault.kind)?;
    if let Some(position) = fault.position {
        write!(out, " at position {position}")?;
    }
    if let Some(aggregate) = &fault.aggregate {
        write!(out, " in {}", printable(aggregate))?;
    }
    writeln!(out, ": expected {}, found {}", printable(&fault.expected), printable(&fault.found))
}
