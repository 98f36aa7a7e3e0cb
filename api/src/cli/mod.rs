//! The command line: one verb, one file.

mod bench;
mod demo;
mod explain;
mod export;
mod inputs;
mod key;
mod keys;
mod log;
mod policy;
mod projections;
pub mod report;
mod serve;
mod tamper;
mod tenant;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use infrastructure::database::Database;
use nix::unistd::{Uid, User};

use crate::config::StoreArgs;
use crate::store::{Opener, Store, TenantTools};

/// Evidence that proves itself.
///
/// Takes in what AI agents, people and services do as an append-only chain of events, seals it so
/// that anyone can check it, and hands it out in forms that need no trust in the server.
#[derive(Debug, Parser)]
#[command(name = "exhibit", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the server, with a private PostgreSQL unless a database URL is given
    Serve(crate::config::ServeArgs),
    /// Bring the database's schema up to date and exit
    Migrate(MigrateArgs),
    /// Check evidence offline: no server, no network
    ///
    /// Reads JSONL, a JSON array, a JSON export, a PDF that carries its export, an NDJSON export with
    /// its signature, and a bundle or an evidence pack as a folder or a zip. A DSSE seal (or the
    /// answer of /v1/certificates/{id}) given as a further FILE is held against the log of its
    /// session; FILE.dsse.json is found by itself.
    ///
    /// Exit codes: 0 PASS, 1 degraded or incomplete, 2 content does not match its hashes, 3 a
    /// signature does not verify, 4 a file of a bundle does not match, is missing or is extra, 5 the
    /// input cannot be read, 64 wrong usage.
    Verify(verify::VerifyArgs),
    /// Take events by filter away, with what was found in them, signed
    Export(export::ExportArgs),
    /// Take violations and what belongs to them away, as tables and as a report, signed
    Bundle(export::BundleArgs),
    /// Make and list tenants
    Tenant(tenant::TenantArgs),
    /// Make and revoke API keys
    Key(key::KeyArgs),
    /// Look at and rotate the keys that sign seals and events
    Keys(keys::KeysArgs),
    /// Look at read models, and rebuild one while it serves
    Projections(projections::ProjectionsArgs),
    /// Check that what a database holds is whole, beside a running server
    Log(log::LogArgs),
    /// Check, write, review, activate, compare and try out policies
    Policy(policy::PolicyArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Play a recorded agent session against a server, verify it, then tamper with it in ten ways
    Demo(demo::DemoArgs),
    /// Load a running server with events and report its rate
    Bench(bench::BenchArgs),
    /// Print the table of settings as Markdown
    #[command(hide = true)]
    Settings,
}

#[derive(Debug, clap::Args)]
struct MigrateArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Wrong usage (BSD's `EX_USAGE`, evidence.md section 6).
const EXIT_USAGE: u8 = 64;

/// Runs a command line; `args[0]` is the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match cli.verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Migrate(args) => migrate(&args.store),
        Verb::Verify(args) => return verify::run(&args),
        Verb::Export(args) => export::export(&args),
        Verb::Bundle(args) => export::bundle(&args),
        Verb::Tenant(args) => tenant::run(args),
        Verb::Key(args) => key::run(args),
        Verb::Keys(args) => keys::run(args),
        Verb::Projections(args) => projections::run(args),
        Verb::Log(args) => return log::run(&args),
        Verb::Policy(args) => return policy::run(args),
        Verb::Openapi => openapi(),
        Verb::Demo(args) => demo::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Settings => {
            print!("{}", crate::config::table());
            Ok(())
        }
    };
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// The last line of a command that did not do what it was asked.
fn failed(error: &Fault) -> ExitCode {
    anstream::eprintln!("exhibit: {error}");
    ExitCode::FAILURE
}

/// What ends a command, for its last line.
type Fault = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<(), Fault>;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Opens the store for a command, works with it, closes it.
fn with_tools<F>(args: &StoreArgs, work: impl FnOnce(TenantTools) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    with_store(args, async |store: &Store| {
        let tools = TenantTools::open(store, args).await?;
        let database = tools.database.clone();
        let outcome = work(tools).await;
        close(&database).await;
        outcome
    })
}

/// Works on PostgreSQL as it is found, or on a private one that is started for this command.
fn with_store<T>(
    args: &StoreArgs,
    work: impl AsyncFnOnce(&Store) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut store = Store::open(args, Opener::Command)?;
    let result = runtime()?.block_on(work(&store));
    if let Some(postgres) = store.postgres.take() {
        postgres.stop();
    }
    result
}

/// `cli:<os user name>`.
fn actor() -> String {
    let uid = Uid::current();
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    format!("cli:{name}")
}

async fn close(database: &Database) {
    let _ = tokio::time::timeout(crate::store::CLOSE_WAIT, database.close()).await;
}

fn migrate(args: &StoreArgs) -> Outcome {
    with_store(args, async |store: &Store| Ok(store.migrate().await?))?;
    println!("the schema is up to date");
    Ok(())
}

fn openapi() -> Outcome {
    println!("{}", crate::routes::document().to_pretty_json()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    fn assert_variables(command: &Command) {
        for arg in command.get_arguments() {
            let Some(flag) = arg.get_long().filter(|f| !["help", "version"].contains(f)) else {
                continue;
            };
            let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            let named = variable.starts_with("EXHIBIT_");
            assert!(named, "{} --{flag} has no variable", command.get_name());
        }
        command.get_subcommands().for_each(assert_variables);
    }

    #[test]
    fn every_flag_has_a_variable() {
        assert_variables(&Cli::command());
    }

    #[test]
    fn the_command_line_is_one_that_clap_takes() {
        Cli::command().debug_assert();
    }
}
