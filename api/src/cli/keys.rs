//! `exhibit keys`: the keys that sign seals and events.

use clap::{Args, Subcommand, ValueEnum};
use infrastructure::keyring::{EvidenceKeys, LocalSigner, public_keys};

use super::{Outcome, with_tools};
use crate::config::StoreArgs;
use crate::store::TenantTools;

#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    /// Print the public seal keys as a JWK set
    Show {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Retire the current key and let a new one sign; what was signed stays valid
    Rotate {
        /// Which key
        #[arg(long, env = "EXHIBIT_PURPOSE", default_value = "seal")]
        purpose: Purpose,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Purpose {
    /// Ed25519: signs seals
    Seal,
    /// HMAC: signs events
    Evidence,
}

pub(super) fn run(args: KeysArgs) -> Outcome {
    match args.verb {
        KeysVerb::Show { store } => with_tools(&store, async |tools: TenantTools| {
            let keys = public_keys(&tools.database.server).await?;
            println!("{}", serde_json::to_string_pretty(&keys)?);
            Ok(())
        }),
        KeysVerb::Rotate { purpose, store } => {
            with_tools(&store, async move |tools: TenantTools| rotate(tools, purpose).await)
        }
    }
}

async fn rotate(tools: TenantTools, purpose: Purpose) -> Outcome {
    let (folder, pool) = (tools.key_folder.clone(), tools.database.server.clone());
    let clock = tools.tenants.clock.clone();
    let kid = match purpose {
        Purpose::Seal => LocalSigner::new(folder, pool, clock).rotate().await?,
        Purpose::Evidence => EvidenceKeys::new(folder, pool, clock).rotate().await?,
    };
    println!("{kid}");
    Ok(())
}
