//! `exhibit tenant`: make and list tenants.

use application::Metadata;
use clap::{Args, Subcommand};

use super::{Outcome, with_tools};
use crate::config::StoreArgs;
use crate::store::TenantTools;

#[derive(Debug, Args)]
pub(super) struct TenantArgs {
    #[command(subcommand)]
    verb: TenantVerb,
}

#[derive(Debug, Subcommand)]
enum TenantVerb {
    /// Make a tenant and print its id
    Add {
        /// For people; several tenants may share one
        name: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print all tenants: id, state, name
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Who the log says it was.
pub(super) fn by_command_line() -> Metadata {
    Metadata { actor: "cli".to_owned(), correlation_id: String::new() }
}

pub(super) fn run(args: TenantArgs) -> Outcome {
    match args.verb {
        TenantVerb::Add { name, store } => with_tools(&store, async |tools: TenantTools| {
            let (tenant, _) = tools.tenants.create(&name, &by_command_line()).await?;
            println!("{tenant}");
            Ok(())
        }),
        TenantVerb::List { store } => with_tools(&store, async |tools: TenantTools| {
            let mut after = None;
            loop {
                let page = tools.keys.tenants(after, 500).await?;
                for row in &page {
                    let state = if row.suspended { "suspended" } else { "active" };
                    println!("{}  {state:9}  {}", row.tenant_id, row.name);
                }
                after = page.last().map(|row| row.tenant_id);
                if after.is_none() {
                    return Ok(());
                }
            }
        }),
    }
}
