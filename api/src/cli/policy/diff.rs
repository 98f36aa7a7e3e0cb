//! `exhibit policy diff`: what differs between two documents.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use serde_json::Value;

use super::super::report::printable;
use super::super::{Fault, Format, failed};
use super::files;
use super::read::find;
use super::tools::{At, Named, PolicyTools, told, with_policies};
use crate::policy_diff::{CHANGES_MAX, Change, diff};

/// As diff(1) has it.
const EXIT_TROUBLE: u8 = 2;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The document before: a file or NAME@VERSION
    #[arg(value_name = "A")]
    from: Source,
    /// The document after: a file or NAME@VERSION
    #[arg(value_name = "B")]
    to: Source,
    /// text for people, json for programs: one document on standard output
    #[arg(long, env = "EXHIBIT_FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// Where a document is found.
#[derive(Debug, Clone)]
pub(super) enum Source {
    File(PathBuf),
    Stored(Named),
}

impl FromStr for Source {
    type Err = &'static str;

    /// A file that is there is meant before a version of the same name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let file = PathBuf::from(text);
        if file.exists() {
            return Ok(Self::File(file));
        }
        text.parse()
            .map(Self::Stored)
            .map_err(|_| "there is no such file, and it is no NAME@VERSION")
    }
}

pub(super) fn run(args: &DiffArgs) -> ExitCode {
    let printed = documents(args).and_then(|(from, to)| {
        let (changes, more) = diff(&from, &to);
        print(&changes, more, args.format)?;
        Ok(changes.is_empty())
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            failed(&error);
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

fn documents(args: &DiffArgs) -> Result<(Value, Value), Fault> {
    if let (Source::File(_), Source::File(_)) = (&args.from, &args.to) {
        return Ok((in_file(&args.from)?, in_file(&args.to)?));
    }
    with_policies(&args.at, async |tools: PolicyTools| {
        Ok((document(&tools, &args.from).await?, document(&tools, &args.to).await?))
    })
}

async fn document(tools: &PolicyTools, source: &Source) -> Result<Value, Fault> {
    match source {
        Source::File(_) => in_file(source),
        Source::Stored(named) => find(tools, named).await.map(|(_, document)| document),
    }
}

fn in_file(source: &Source) -> Result<Value, Fault> {
    match source {
        Source::File(file) => {
            files::read(file).map_err(|faults| told(&file.display().to_string(), &faults).into())
        }
        Source::Stored(Named { name, version }) => {
            Err(format!("{name}@{version} is not a file").into())
        }
    }
}

fn print(changes: &[Change], more: bool, format: Format) -> Result<(), Fault> {
    if format == Format::Json {
        let document = serde_json::json!({ "changes": changes, "truncated": more });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    for Change { pointer, change, from, to } in changes {
        let place = if pointer.is_empty() { "/" } else { pointer };
        let values: Vec<String> =
            [from, to].into_iter().flatten().map(|v| printable(&v.to_string())).collect();
        println!("{:8} {}  {}", change.as_str(), printable(place), values.join(" → "));
    }
    if more {
        println!("and more: no more than {CHANGES_MAX} are listed");
    }
    Ok(())
}
