//! `exhibit policy validate`, and documents in files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use domain::policy::fault::Fault as DocumentFault;
use domain::policy::validate::Policy;
use serde::Serialize;
use serde_json::Value;

use super::super::{Format, failed};
use super::tools::told;
use crate::policy_text::{self, Form};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Policy documents, JSON or YAML
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// text for people, json for programs: one document on standard output
    #[arg(long, env = "EXHIBIT_FORMAT", default_value = "text")]
    format: Format,
}

/// What the JSON document holds.
#[derive(Serialize)]
struct Document {
    valid: bool,
    files: Vec<Checked>,
}

/// One file.
#[derive(Serialize)]
struct Checked {
    file: String,
    valid: bool,
    #[serde(flatten)]
    policy: Option<Known>,
    errors: Vec<DocumentFault>,
}

/// What a valid one is.
#[derive(Serialize)]
struct Known {
    name: String,
    version: String,
    content_hash: String,
}

pub(super) fn validate(args: &ValidateArgs) -> ExitCode {
    let files: Vec<Checked> = args.files.iter().map(|file| check(file)).collect();
    let document = Document { valid: files.iter().all(|checked| checked.valid), files };
    match args.format {
        Format::Text => print(&document.files),
        Format::Json => match serde_json::to_string_pretty(&document) {
            Ok(text) => println!("{text}"),
            Err(error) => return failed(&error.into()),
        },
    }
    if document.valid { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(files: &[Checked]) {
    for checked in files {
        match &checked.policy {
            Some(Known { name, version, content_hash }) => {
                println!("{}: {name}@{version} is valid, {content_hash}", checked.file);
            }
            None => anstream::eprintln!("{}", told(&checked.file, &checked.errors)),
        }
    }
}

fn check(file: &Path) -> Checked {
    let name = file.display().to_string();
    match read(file).and_then(|document| Policy::read(&document)) {
        Ok(Policy { document, content_hash, .. }) => Checked {
            file: name,
            valid: true,
            policy: Some(Known { name: document.name, version: document.version, content_hash }),
            errors: Vec::new(),
        },
        Err(errors) => Checked { file: name, valid: false, policy: None, errors },
    }
}

/// The document in a file, policy or not.
pub(super) fn read(file: &Path) -> Result<Value, Vec<DocumentFault>> {
    let text = std::fs::read(file).map_err(|error| {
        vec![DocumentFault { pointer: String::new(), message: format!("cannot be read: {error}") }]
    })?;
    policy_text::read(&text, Form::of(&text))
}
