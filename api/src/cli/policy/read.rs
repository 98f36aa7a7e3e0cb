//! `exhibit policy list` and `show`.

use clap::Args;
use projections::policies::{PolicyFilter, PolicyMark, PolicyVersion};
use serde_json::Value;

use super::super::{Fault, Outcome};
use super::tools::{At, Named, PolicyTools, with_policies};

/// Versions that are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Which one
    #[arg(value_name = "NAME@VERSION")]
    version: Named,
    #[command(flatten)]
    at: At,
}

pub(super) fn list(at: &At) -> Outcome {
    with_policies(at, async |tools: PolicyTools| {
        let mut after: Option<PolicyMark> = None;
        let all = PolicyFilter::default();
        loop {
            let page =
                tools.reads.policy_versions(tools.tenant, &all, after.as_ref(), PAGE).await?;
            for PolicyVersion { name, version, status, author, content_hash, .. } in &page {
                println!("{name}@{version}  {status:7}  {author}  {content_hash}");
            }
            after = page.last().map(PolicyVersion::mark);
            if after.is_none() {
                return Ok(());
            }
        }
    })
}

pub(super) fn show(args: &ShowArgs) -> Outcome {
    with_policies(&args.at, async |tools: PolicyTools| {
        let (version, document) = find(&tools, &args.version).await?;
        let mut shown = serde_json::to_value(version)?;
        shown["document"] = document;
        println!("{}", serde_json::to_string_pretty(&shown)?);
        Ok(())
    })
}

/// A stored version with its text.
pub(super) async fn find(
    tools: &PolicyTools,
    Named { name, version }: &Named,
) -> Result<(PolicyVersion, Value), Fault> {
    let absent = || format!("there is no policy {name}@{version}: exhibit policy list");
    let row = tools.reads.policy_version(tools.tenant, name, version).await?;
    let row = row.ok_or_else(absent)?;
    let document = tools.reads.policy_document(tools.tenant, &row.content_hash).await?;
    Ok((row, document.ok_or_else(absent)?))
}
