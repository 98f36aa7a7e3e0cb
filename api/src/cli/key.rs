//! `exhibit key`: make, list and revoke API keys.

use application::tenants::KeyOrder;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use domain::ids::TenantId;
use domain::scope::Scope;
use ipnet::IpNet;

use super::tenant::{self, by_command_line};
use super::{Outcome, with_tools};
use crate::config::StoreArgs;
use crate::store::TenantTools;

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// Make a key and print it, this once, alone on standard output
    Add(AddArgs),
    /// Print keys without their secrets: id, state, tenant, label, scopes
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Revoke a key for good
    Revoke {
        /// The 8 characters between exh_ and the secret
        id: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The tenant's name or id
    #[arg(long, env = "EXHIBIT_TENANT")]
    tenant: String,
    /// What the key may do, e.g. ingest:write,evidence:read
    #[arg(long, env = "EXHIBIT_SCOPES", value_delimiter = ',', required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    /// For people
    #[arg(long, env = "EXHIBIT_LABEL", default_value = "")]
    label: String,
    /// How long it is good for, e.g. 90d, 12h, 30m, 45s; for ever when absent
    #[arg(long, env = "EXHIBIT_EXPIRES", value_parser = duration)]
    expires: Option<TimeDelta>,
    /// CIDR blocks that it may be shown from
    #[arg(long, env = "EXHIBIT_IP_ALLOW", value_delimiter = ',')]
    ip_allow: Vec<IpNet>,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: KeyArgs) -> Outcome {
    match args.verb {
        KeyVerb::Add(args) => {
            let store = args.store.clone();
            with_tools(&store, async move |tools: TenantTools| add(tools, args).await)
        }
        KeyVerb::List { store } => with_tools(&store, list),
        KeyVerb::Revoke { id, store } => with_tools(&store, async move |tools: TenantTools| {
            let key = tools.keys.key(&id).await?.ok_or_else(|| format!("there is no key {id}"))?;
            let tenant = TenantId(key.tenant_id);
            tools.tenants.revoke_key(tenant, &id, &by_command_line()).await?;
            eprintln!("key {id} is revoked");
            Ok(())
        }),
    }
}

async fn add(tools: TenantTools, args: AddArgs) -> Outcome {
    let tenant = tenant::find(&tools, Some(&args.tenant)).await?;
    let now: DateTime<Utc> = tools.tenants.clock.now();
    let mut scopes = args.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let order = KeyOrder {
        tenant,
        label: args.label,
        scopes,
        expires_at: args.expires.map(|expires| now + expires),
        ip_allow: args.ip_allow,
    };
    let made = tools.tenants.add_key(order, &by_command_line()).await?;
    println!("{}", made.key);
    Ok(())
}

async fn list(tools: TenantTools) -> Outcome {
    let mut after: Option<String> = None;
    loop {
        let page = tools.keys.keys(None, after.as_deref(), 500).await?;
        for row in &page {
            let state = if row.revoked_at.is_some() { "revoked" } else { "live" };
            let (id, tenant, label) = (&row.key_id, row.tenant_id, &row.label);
            println!("{id}  {state:7}  {tenant}  {}  {label}", row.scopes.join(","));
        }
        after = page.last().map(|row| row.key_id.clone());
        if after.is_none() {
            return Ok(());
        }
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("unknown scope; known are {}", known.join(", "))
    })
}

/// `90d`, `12h`, `30m`, `45s`.
fn duration(text: &str) -> Result<TimeDelta, String> {
    let expected = || "expected a number and d, h, m or s, e.g. 90d".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| expected())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    // A hundred years are as good as for ever.
    let fits = (1..=100 * 366 * 86_400).contains(&number.saturating_mul(seconds));
    if fits { Ok(TimeDelta::seconds(number * seconds)) } else { Err(expected()) }
}
