//! `exhibit policy`: write, review, compare and try out policies.

mod backtest;
mod diff;
mod files;
mod move_on;
mod read;
mod tools;
mod write;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Outcome;

#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
enum PolicyVerb {
    /// Check policy documents offline, JSON or YAML: no server, no database
    ///
    /// Exit codes: 0 all are valid, 1 one is not, with the JSON pointers of what is wrong on standard
    /// error, 64 wrong usage.
    Validate(files::ValidateArgs),
    /// Print the JSON Schema of policy documents
    Schema,
    /// Draft what is new, revise what is a draft, leave alone what is so already
    Apply(write::ApplyArgs),
    /// Print all versions: name and version, status, author, hash
    List(tools::At),
    /// Print one version with its document, as JSON
    Show(read::ShowArgs),
    /// Compare two documents, each a file or NAME@VERSION; offline when both are files
    ///
    /// Exit codes: 0 they are the same, 1 they differ, 2 they could not be compared, 64 wrong usage.
    Diff(diff::DiffArgs),
    /// Hand a draft in for review
    Submit(move_on::SubmitArgs),
    /// Put a version in review in force
    Activate(move_on::ActivateArgs),
    /// Give a version in review back to its authors
    Reject(move_on::ReasonArgs),
    /// Take the active version out of force, for good
    Retire(move_on::ReasonArgs),
    /// Try a version, or a file that is stored nowhere, on stored history beside the active version
    ///
    /// The report goes to standard output as JSON. Ctrl-C cancels.
    Backtest(backtest::BacktestArgs),
}

pub(super) fn run(args: PolicyArgs) -> ExitCode {
    let outcome: Outcome = match args.verb {
        PolicyVerb::Validate(args) => return files::validate(&args),
        PolicyVerb::Diff(args) => return diff::run(&args),
        PolicyVerb::Schema => {
            print!("{}", domain::policy::validate::schema());
            Ok(())
        }
        PolicyVerb::Apply(args) => write::apply(&args),
        PolicyVerb::List(at) => read::list(&at),
        PolicyVerb::Show(args) => read::show(&args),
        PolicyVerb::Submit(args) => move_on::submit(&args),
        PolicyVerb::Activate(args) => move_on::activate(&args),
        PolicyVerb::Reject(args) => move_on::reject(&args),
        PolicyVerb::Retire(args) => move_on::retire(&args),
        PolicyVerb::Backtest(args) => backtest::run(&args),
    };
    outcome.map_or_else(|error| super::failed(&error), |()| ExitCode::SUCCESS)
}
