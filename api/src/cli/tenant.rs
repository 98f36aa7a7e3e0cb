//! `exhibit tenant`: make and list tenants.

use application::Metadata;
use clap::{Args, Subcommand};
use domain::ids::TenantId;

use super::{Fault, Outcome, with_tools};
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

/// The tenant of a name or an id; when none is named, the only one.
pub(super) async fn find(tools: &TenantTools, asked: Option<&str>) -> Result<TenantId, Fault> {
    let Some(asked) = asked else {
        return match tools.keys.tenants(None, 2).await?.as_slice() {
            [] => Err("there is no tenant; make one with: exhibit tenant add NAME".into()),
            [row] => Ok(TenantId(row.tenant_id)),
            _ => Err("there are several tenants; say which with --tenant NAME".into()),
        };
    };
    match TenantId::parse(asked) {
        Some(id) => Ok(id),
        None => named(tools, asked).await,
    }
}

async fn named(tools: &TenantTools, name: &str) -> Result<TenantId, Fault> {
    match tools.keys.tenants_named(name).await?.as_slice() {
        [] => {
            Err(format!("there is no tenant {name}; make it with: exhibit tenant add {name}")
                .into())
        }
        [row] => Ok(TenantId(row.tenant_id)),
        _ => {
            Err(format!("several tenants are named {name}; give the id: exhibit tenant list")
                .into())
        }
    }
}
