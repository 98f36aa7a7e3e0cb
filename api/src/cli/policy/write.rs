//! `exhibit policy apply`: makes what is stored as the files say.

use std::path::PathBuf;

use application::policies::{Applied, Moved};
use clap::Args;
use clap::builder::BoolishValueParser;
use domain::policy::lifecycle::Status;

use super::super::Outcome;
use super::files;
use super::tools::{At, PolicyTools, refusal, told, with_policies};

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Policy documents, JSON or YAML
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Hand them in for review as well
    #[arg(long, env = "EXHIBIT_POLICY_SUBMIT", value_parser = BoolishValueParser::new())]
    submit: bool,
    #[command(flatten)]
    at: At,
}

pub(super) fn apply(args: &ApplyArgs) -> Outcome {
    let mut documents = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let name = file.display().to_string();
        let document = files::read(file).map_err(|faults| told(&name, &faults))?;
        documents.push((name, document));
    }
    with_policies(&args.at, async |tools: PolicyTools| {
        for (file, document) in &documents {
            let applied = tools.policies.apply(&tools.call(), document).await;
            let (applied, moved) = applied.map_err(|error| refusal(file, error))?;
            let Moved { name, version, content_hash, .. } = &moved;
            println!("{name}@{version}  {}  {content_hash}", said(applied));
            if args.submit && moved.status == Status::Draft {
                tools.policies.submit(&tools.call(), name, version, None).await?;
                println!("{name}@{version}  submitted  {content_hash}");
            }
        }
        Ok(())
    })
}

fn said(applied: Applied) -> &'static str {
    match applied {
        Applied::Drafted => "drafted",
        Applied::Revised => "revised",
        Applied::Unchanged => "unchanged",
    }
}
