//! `exhibit serve`: wires everything together and serves until it is told to stop.

use std::io::BufWriter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use application::backtests::Backtests;
use application::exports::Exports;
use application::exports::workshop::{self, Workshop};
use application::judging::{self, Judge};
use application::policies::Policies;
use application::rounds::Rounds;
use application::sessions::{SessionSettings, Sessions};
use application::tenants::KeyOrder;
use application::violations::Violations;
use application::{Clock, Hints, Ids, Metadata};
use chrono::TimeDelta;
use domain::scope::Scope;
use infrastructure::backtests::PgBacktests;
use infrastructure::database::{Database, PoolSizes};
use infrastructure::docket::{PgDocket, PolicyBook};
use infrastructure::export_files::ExportFolder;
use infrastructure::export_jobs::PgExportJobs;
use infrastructure::hints::HintChannel;
use infrastructure::keyring::{EvidenceKeys, KeyFolder, LocalSigner};
use infrastructure::policies_in_force::PgPoliciesInForce;
use infrastructure::quiet_store::QuietStore;
use infrastructure::session_store::SessionStore;
use infrastructure::system::{ShiftedClock, SystemClock, SystemIds};
use infrastructure::tickets::Tickets;
use infrastructure::violation_store::ViolationStore;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use projections::TenantReads;
use projections::runner::{self, Runner};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::{Fault, Outcome};
use crate::auth::Authenticator;
use crate::config::{Environment, ServeArgs};
use crate::cursor::Cursors;
use crate::exports::AppMaker;
use crate::state::{App, Parts};
use crate::store::{Opener, Store, TenantTools, master_secret, production_faults};
use crate::stream::Streams;
use crate::{routes, server, tls};

/// How often another process's changes (rotated keys, new tenants) are looked for.
const LOOK_AROUND: Duration = Duration::from_secs(2);
/// What requests get to end in when there is no database left to end them well.
const GRACE_WITHOUT_DATABASE: Duration = Duration::from_millis(500);
/// Log lines that are written at once, when many wait.
const LOG_BUFFER_BYTES: usize = 64 * 1024;
/// Readers who come back all at once after a restart must not wait for their packets to be sent again.
const BACKLOG: u32 = 4_096;
/// How often the private PostgreSQL is looked after.
const WATCH: Duration = Duration::from_millis(250);

pub(super) fn run(args: ServeArgs) -> Outcome {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log)?;
    // A request waits for its events, not for its log line; the guard writes what is left at the end.
    let (log, _written) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(BufWriter::with_capacity(LOG_BUFFER_BYTES, std::io::stderr()));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(log)
        .init();
    let mut store = Store::open(&args.store, Opener::Server)?;
    prepare_for_streams();
    let runtime = super::runtime()?;
    let (gone, postgres_gone) = oneshot::channel();
    let postgres = store.postgres.take();
    // The private server must stay the main thread's child, so the main thread watches it while
    // the runtime's threads serve.
    let served = runtime.spawn(serve(args, store, postgres_gone));
    let Some(mut postgres) = postgres else { return runtime.block_on(served)? };
    let mut gone = Some(gone);
    while !served.is_finished() {
        if postgres.has_exited().is_some()
            && let Some(gone) = gone.take()
        {
            let _ = gone.send(());
        }
        std::thread::park_timeout(WATCH);
    }
    let result = runtime.block_on(served);
    runtime.shutdown_timeout(Duration::from_secs(1));
    postgres.stop();
    result?
}

/// What this process is to have when thousands of streams are open. PostgreSQL, which is to have what
/// it finds, was started before.
fn prepare_for_streams() {
    // A stream is an open file.
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(cause = %error, "the limit of open files was not raised");
    }
    // The buffers of an idle connection are mostly never touched; with huge pages they would be
    // there all the same, half as much memory again.
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::warn!(cause = %error, "huge pages stay in use");
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(
    args: ServeArgs,
    store: Store,
    postgres_gone: oneshot::Receiver<()>,
) -> Result<(), Fault> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    let sizes =
        PoolSizes { server: args.server_connections_max, reader: args.reader_connections_max };
    store.make_ready(args.store.no_migrate).await?;
    let database = store.connect(sizes);
    database.check().await?;
    let may_change = database.login_may_change_evidence().await?;
    let faults = production_faults(&args, may_change);
    if !faults.is_empty() {
        return Err(format!("production refuses to start:\n  - {}", faults.join("\n  - ")).into());
    }
    let hints = HintChannel::new(SystemIds.uuid());
    let (app, evidence_keys) = build(&args, &database, &hints).await?;
    let new_key = match args.store.environment {
        Environment::Development => first_key(&app).await?,
        Environment::Production => None,
    };
    let listener =
        listen(args.listen).map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    let address = listener.local_addr()?;
    let (end_following, following_ends) = watch::channel(false);
    let keep = TimeDelta::hours(i64::from(args.export_hours_kept));
    let follower = (!args.no_followers)
        .then(|| tokio::spawn(follow(app.clone(), hints.clone(), keep, following_ends)));
    let others = tokio::spawn(look_after(app.clone(), database.clone(), hints, evidence_keys));
    // Before the address is told: who reads it may stop the server at once.
    let (terminate, interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let scheme = if tls.is_some() { "https" } else { "http" };
    announce(&format!("{scheme}://{address}"), new_key.as_deref());
    let (told, mut end) = oneshot::channel();
    let grace = Duration::from_secs(args.shutdown_seconds_max);
    let (streams, backtests) = (app.streams.clone(), app.backtests.clone());
    let stop = async move {
        let why = stopped(terminate, interrupt, postgres_gone).await;
        // Before requests are waited for: a stream is a request that does not end.
        streams.close();
        let grace = if why == End::DatabaseGone { GRACE_WITHOUT_DATABASE } else { grace };
        let _ = told.send(why);
        grace
    };
    let stall_max = Duration::from_secs(u64::from(args.streams.write_stall_seconds_max));
    server::run(listener, routes::router(&app), tls, stall_max, stop).await;
    end_following.send_replace(true);
    let _ = tokio::time::timeout(crate::store::CLOSE_WAIT, backtests.close()).await;
    if let Some(follower) = follower {
        let _ = tokio::time::timeout(crate::store::CLOSE_WAIT, follower).await;
    }
    others.abort();
    if end.try_recv() == Ok(End::DatabaseGone) {
        return Err("the private PostgreSQL has ended; start again to recover".into());
    }
    let _ = tokio::time::timeout(crate::store::CLOSE_WAIT, database.close()).await;
    Ok(())
}

/// Why a server ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Asked,
    DatabaseGone,
}

/// Resolves when a signal asks to stop, or when there is no database left to serve from.
async fn stopped(
    mut terminate: Signal,
    mut interrupt: Signal,
    postgres_gone: oneshot::Receiver<()>,
) -> End {
    tokio::select! {
        _ = terminate.recv() => End::Asked,
        _ = interrupt.recv() => End::Asked,
        Ok(()) = postgres_gone => {
            tracing::error!("the private PostgreSQL has ended");
            End::DatabaseGone
        }
    }
}

/// Standard output is for people and scripts; logs go to standard error.
fn announce(url: &str, new_key: Option<&str>) {
    if let Some(key) = new_key {
        println!("tenant demo, key (shown this once): {key}");
        println!("try: curl -H 'Authorization: Bearer {key}' {url}/v1/sessions");
        println!("docs: {url}/docs");
    }
    println!("listening on {url}");
}

pub(super) async fn build(
    args: &ServeArgs,
    database: &Database,
    hints: &HintChannel,
) -> Result<(App, Arc<EvidenceKeys>), Fault> {
    let clock: Arc<dyn Clock> = match &args.clock_offset_file {
        None => Arc::new(SystemClock),
        Some(file) => Arc::new(ShiftedClock::new(file.clone())),
    };
    let folder = KeyFolder::open(&args.store.data)?;
    let secret = master_secret(&args.store, &folder)?;
    let pool = database.server.clone();
    let signer = Arc::new(LocalSigner::new(folder.clone(), pool.clone(), clock.clone()));
    signer.ensure_key().await?;
    let evidence_keys = Arc::new(EvidenceKeys::new(folder.clone(), pool.clone(), clock.clone()));
    evidence_keys.ensure_key().await?;
    let reads = TenantReads::new(database.reader.clone());
    let hints: Arc<dyn Hints> = Arc::new(hints.clone());
    let writers = args.writers as usize;
    let store = SessionStore::new(pool.clone(), evidence_keys.clone(), hints.clone(), writers);
    let ingestion_service_id = match &args.service_id {
        Some(name) => name.clone(),
        None => infrastructure::database::service_identity(&pool).await?,
    };
    let in_force = Arc::new(PgPoliciesInForce::new(pool.clone()));
    let book = PolicyBook::default();
    let backtests = Backtests::new(
        Arc::new(PgBacktests::new(pool.clone(), book.clone())),
        clock.clone(),
        Arc::new(SystemIds),
    );
    let judge = Judge {
        docket: Arc::new(PgDocket::new(pool.clone(), book, hints.clone())),
        clock: clock.clone(),
    };
    let policies = Policies {
        commands: Arc::new(QuietStore::new(pool.clone(), hints.clone())),
        in_force: in_force.clone(),
        clock: clock.clone(),
        allow_self_approval: args.allow_self_approval,
    };
    let violation_store = Arc::new(ViolationStore::new(pool.clone(), hints.clone()));
    let violations = Violations {
        commands: violation_store.clone(),
        overdue: violation_store,
        clock: clock.clone(),
    };
    let exports = Exports {
        commands: Arc::new(QuietStore::new(pool.clone(), hints.clone())),
        clock: clock.clone(),
        ids: Arc::new(SystemIds),
    };
    let idle = args.session_idle_seconds_max;
    let sessions = Sessions {
        commands: Arc::new(store),
        evidence: Arc::new(reads.clone()),
        signer: signer.clone(),
        clock: clock.clone(),
        ids: Arc::new(SystemIds),
        policies: in_force,
        settings: SessionSettings {
            ingestion_service_id,
            batch_events_max: args.limits.batch_events_max,
            event_bytes_max: args.limits.event_bytes_max,
            idle_max: (idle > 0).then(|| TimeDelta::seconds(i64::from(idle))),
        },
    };
    let tools = TenantTools::new(database.clone(), folder, secret.clone(), clock.clone(), hints);
    tools.keys.catch_up_all().await?;
    let app = App::new(Parts {
        clock,
        sessions,
        tenants: tools.tenants,
        policies,
        backtests,
        violations,
        exports,
        export_files: ExportFolder::new(&args.store.data),
        export_jobs: PgExportJobs::new(pool.clone()),
        pack_link_seconds: args.pack_link_seconds,
        judge,
        streams: Streams::new(reads.clone(), tools.keys.clone(), args.streams.clone()),
        tickets: Tickets::new(pool.clone()),
        runner: Runner::new(pool),
        reads,
        auth: Authenticator::new(tools.keys.clone(), secret.clone()),
        keys: tools.keys,
        cursors: Cursors::new(secret),
        signer,
        database: database.clone(),
        limits: args.limits.clone(),
        #[cfg(feature = "pdf")]
        renderer: infrastructure::pdf::Renderer::default(),
    });
    Ok((app, evidence_keys))
}

/// In development the first start makes a tenant `demo` and a key that opens all but `/admin`.
async fn first_key(app: &App) -> Result<Option<String>, Fault> {
    if !app.keys.tenants(None, 1).await?.is_empty() {
        return Ok(None);
    }
    let metadata = Metadata { actor: "first-start".to_owned(), correlation_id: String::new() };
    let (tenant, _) = app.tenants.create("demo", &metadata).await?;
    let order = KeyOrder {
        tenant,
        label: "first start".to_owned(),
        scopes: Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect(),
        expires_at: None,
        ip_allow: Vec::new(),
    };
    Ok(Some(app.tenants.add_key(order, &metadata).await?.key))
}

/// Keeps the read models up to date, judges what comes in, watches the clock and makes exports, until
/// it is told to end, each between two pieces. Files of exports are kept for so long.
pub(super) async fn follow(
    app: App,
    hints: HintChannel,
    keep: TimeDelta,
    end: watch::Receiver<bool>,
) {
    let workshop = Workshop {
        exports: app.exports.clone(),
        jobs: Arc::new(app.export_jobs.clone()),
        maker: Arc::new(AppMaker(app.clone())),
        keep,
    };
    let rounds = |pause| Rounds::new(hints.listen().into_stream(), end.clone(), pause);
    tokio::join!(
        app.runner.run(rounds(runner::ROUND)),
        app.judge.run(rounds(judging::ROUND)),
        app.violations.watch_the_clock(end.clone()),
        workshop.run(rounds(workshop::ROUND)),
    );
}

/// What runs beside the requests, until the server ends.
async fn look_after(
    app: App,
    database: Database,
    hints: HintChannel,
    evidence_keys: Arc<EvidenceKeys>,
) {
    tokio::join!(
        app.streams.hear(hints.listen().into_stream()),
        app.streams.admission.watch(app.clock.clone()),
        hints.relay(database.hints.clone()),
        look_around(&app, &evidence_keys),
    );
}

/// Notices what other processes have changed.
async fn look_around(app: &App, evidence_keys: &EvidenceKeys) {
    loop {
        tokio::time::sleep(LOOK_AROUND).await;
        for result in [evidence_keys.refresh().await, app.keys.catch_up_all().await] {
            if let Err(error) = result {
                tracing::warn!(cause = %error, "looking around failed");
            }
        }
    }
}
