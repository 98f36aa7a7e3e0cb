//! `exhibit export` and `exhibit bundle`: the same as over HTTP, into files of the caller's.
//!
//! The export is asked for and written down like any other. This process and a server beside it
//! both look for exports to make: whoever is first makes it.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use application::{Ids, Metadata};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, FromArgMatches};
use domain::evidence::event_type::EventType;
use domain::export::{FileFact, Filters, Kind, Order};
use domain::ids::{SessionId, TenantId};
use infrastructure::database::PoolSizes;
use infrastructure::hints::HintChannel;
use infrastructure::system::SystemIds;
use projections::exports::ExportRow;
use tokio::sync::watch;
use uuid::Uuid;

use super::report::printable;
use super::{Fault, Outcome, actor, close, serve, tenant, with_store};
use crate::config::{ServeArgs, StoreArgs};
use crate::state::App;
use crate::store::{Store, TenantTools};
use crate::verification::hashing::Hashing;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    selection: Selection,
    /// File to write; its signature goes beside it, with `.dsse.json` at its end
    #[arg(long, env = "EXHIBIT_OUT", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    #[command(flatten)]
    selection: Selection,
    /// Folder to make, or a file that ends with .zip
    #[arg(long, env = "EXHIBIT_OUT", value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Whose events, which, and why.
#[derive(Debug, Args)]
struct Selection {
    /// The tenant's name or id; may be left out when there is exactly one
    #[arg(long, env = "EXHIBIT_TENANT", value_name = "NAME")]
    tenant: Option<String>,
    /// Why the evidence leaves: stands in it and in the audit
    #[arg(long, env = "EXHIBIT_PURPOSE", value_name = "TEXT")]
    purpose: String,
    /// Received at or after (RFC 3339)
    #[arg(long, env = "EXHIBIT_SINCE", value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Received before (RFC 3339)
    #[arg(long, env = "EXHIBIT_UNTIL", value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Of this event type
    #[arg(long = "type", env = "EXHIBIT_TYPE", value_name = "NAME", value_parser = event_type)]
    event_type: Option<String>,
    /// Of this actor
    #[arg(long, env = "EXHIBIT_ACTOR", value_name = "NAME")]
    actor: Option<String>,
    /// Those that broke this policy
    #[arg(long, env = "EXHIBIT_POLICY", value_name = "NAME")]
    policy: Option<String>,
    /// In this session
    #[arg(long, env = "EXHIBIT_SESSION", value_name = "ID")]
    session: Option<Uuid>,
}

fn event_type(text: &str) -> Result<String, &'static str> {
    EventType::parse(text).map(|_| text.to_owned()).ok_or("not a type of event")
}

/// Between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn export(args: &ExportArgs) -> Outcome {
    refuse_existing(&args.out)?;
    let signature = PathBuf::from(format!("{}.dsse.json", args.out.display()));
    refuse_existing(&signature)?;
    with_export(&args.store, &args.selection, Kind::Evidence, async |taken: Taken| {
        taken.copy(|name| name.ends_with(".ndjson"), &args.out).await?;
        taken.copy(|name| name.ends_with(".dsse.json"), &signature).await?;
        println!("{}  {}", args.out.display(), taken.counted());
        println!("check it: exhibit verify {} --jwks JWKS", args.out.display());
        Ok(())
    })
}

pub(super) fn bundle(args: &BundleArgs) -> Outcome {
    refuse_existing(&args.out)?;
    with_export(&args.store, &args.selection, Kind::Bundle, async |taken: Taken| {
        if is_archive(&args.out) {
            taken.copy(|name| is_archive(Path::new(name)), &args.out).await?;
        } else {
            std::fs::create_dir(&args.out).map_err(|e| at(&args.out, &e))?;
            for name in taken.names().filter(|name| !is_archive(Path::new(name))) {
                taken.copy(|other| other == name, &args.out.join(name)).await?;
            }
        }
        println!("{}  {}", args.out.display(), taken.counted());
        println!("check it: exhibit verify {} --jwks JWKS", args.out.display());
        Ok(())
    })
}

/// Copies a file, and holds it to what was written down of it when it was made.
fn copy_whole(from: impl Read, to: &mut impl Write, fact: &FileFact) -> io::Result<()> {
    let mut from = Hashing::new(from);
    io::copy(&mut from, to)?;
    let (_, sha256) = from.finish()?;
    if sha256 == fact.sha256 {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not the one that was made"))
    }
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip"))
}

fn refuse_existing(path: &Path) -> Outcome {
    if path.exists() { Err(format!("{} exists already", path.display()).into()) } else { Ok(()) }
}

fn at(path: &Path, error: &std::io::Error) -> Fault {
    format!("{}: {error}", path.display()).into()
}

/// An export that is made, and the way to its files.
struct Taken {
    app: App,
    tenant: TenantId,
    row: ExportRow,
    by: Metadata,
}

impl Taken {
    fn names(&self) -> impl Iterator<Item = &str> {
        let files = self.row.made.iter().flat_map(|made| &made.0.files);
        files.map(|file| file.name.as_str())
    }

    fn counted(&self) -> String {
        let counts = self.row.made.iter().flat_map(|made| &made.0.counts);
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        counts.join(", ")
    }

    /// Takes a file away: it is written down, as over HTTP.
    async fn copy(&self, wanted: impl Fn(&str) -> bool, to: &Path) -> Outcome {
        let mut files = self.row.made.iter().flat_map(|made| &made.0.files);
        let file = files.find(|file| wanted(&file.name)).ok_or("the export has no such file")?;
        let export = self.row.export_id;
        let from = self.app.export_files.path(export, file);
        if !from.exists() {
            let reason = "another server has made it, in a data folder of its own";
            return Err(format!("{} is not here: {reason}", file.name).into());
        }
        // First the copy: what could not be written has not left.
        let copied = std::fs::File::create_new(to)
            .and_then(|mut to| copy_whole(std::fs::File::open(&from)?, &mut to, file));
        if let Err(error) = copied {
            if error.kind() != std::io::ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(to);
            }
            return Err(at(to, &error));
        }
        let name = file.name.clone();
        let taken = self.app.exports.download(self.tenant, export, name, None, &self.by).await;
        if let Err(error) = taken {
            let _ = std::fs::remove_file(to);
            return Err(error.into());
        }
        Ok(())
    }
}

/// Asks for an export, sees that it is made, and hands it over.
fn with_export(
    store: &StoreArgs,
    selection: &Selection,
    kind: Kind,
    hand_over: impl AsyncFnOnce(Taken) -> Outcome,
) -> Outcome {
    with_store(store, async |opened: &Store| {
        let tools = TenantTools::open(opened, store).await?;
        let tenant = tenant::find(&tools, selection.tenant.as_deref()).await?;
        let database = opened.connect(PoolSizes { server: 6, reader: 4 });
        let hints = HintChannel::new(SystemIds.uuid());
        let (app, _) = serve::build(&server_with(store)?, &database, &hints).await?;
        let (end, ends) = watch::channel(false);
        // Removing what is old is a server's work.
        let keep = TimeDelta::days(36_500);
        let follower = tokio::spawn(serve::follow(app.clone(), hints, keep, ends));
        let made = make(&app, tenant, selection, kind).await;
        let outcome = match made {
            Ok(taken) => hand_over(taken).await,
            Err(error) => Err(error),
        };
        let _ = end.send(true);
        let _ = follower.await;
        close(&database).await;
        close(&tools.database).await;
        outcome
    })
}

/// The settings of a server on the same store.
fn server_with(store: &StoreArgs) -> Result<ServeArgs, Fault> {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let matches = command.try_get_matches_from(["serve"])?;
    let mut args = ServeArgs::from_arg_matches(&matches)?;
    args.store = store.clone();
    Ok(args)
}

async fn make(
    app: &App,
    tenant: TenantId,
    selection: &Selection,
    kind: Kind,
) -> Result<Taken, Fault> {
    let order = Order {
        kind,
        formats: vec![if kind == Kind::Bundle { "bundle" } else { "ndjson" }.to_owned()],
        session_id: None,
        filters: Filters {
            actor: selection.actor.clone(),
            policy: selection.policy.clone(),
            session_id: selection.session.map(SessionId),
            since: selection.since,
            event_type: selection.event_type.clone(),
            until: selection.until,
        },
        audience: None,
        purpose: selection.purpose.clone(),
    };
    let by = Metadata { actor: actor(), correlation_id: String::new() };
    let requested = app.exports.request(tenant, order, &by).await?;
    loop {
        let row = app.reads.export(tenant, kind.as_str(), requested.id).await?;
        let row = row.ok_or("the export is not there")?;
        match row.status.as_str() {
            "completed" => return Ok(Taken { app: app.clone(), tenant, row, by }),
            "queued" | "running" => tokio::time::sleep(PAUSE).await,
            other => {
                let reason = row.reason.as_deref().unwrap_or_default();
                return Err(format!("the export is {other}: {}", printable(reason)).into());
            }
        }
    }
}
