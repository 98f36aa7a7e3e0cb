//! What handlers share.

use std::sync::Arc;

use application::Clock;
use application::backtests::Backtests;
use application::exports::Exports;
use application::judging::Judge;
use application::policies::Policies;
use application::sessions::Sessions;
use application::tenants::Tenants;
use application::violations::Violations;
use infrastructure::database::Database;
use infrastructure::export_files::ExportFolder;
use infrastructure::export_jobs::PgExportJobs;
use infrastructure::keyring::LocalSigner;
use infrastructure::tickets::Tickets;
use projections::TenantReads;
use projections::keys::Keys;
use projections::runner::Runner;

use crate::auth::Authenticator;
use crate::config::Limits;
use crate::cursor::Cursors;
use crate::stream::Streams;

/// Cheap to clone: every member is a handle.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The members of [`App`].
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub sessions: Sessions,
    pub tenants: Tenants,
    pub policies: Policies,
    pub backtests: Backtests,
    pub violations: Violations,
    pub exports: Exports,
    pub export_files: ExportFolder,
    pub export_jobs: PgExportJobs,
    /// Seconds for which the links of a pack work.
    pub pack_link_seconds: u32,
    pub judge: Judge,
    pub reads: TenantReads,
    pub keys: Keys,
    pub auth: Authenticator,
    pub cursors: Cursors,
    pub signer: Arc<LocalSigner>,
    pub database: Database,
    pub limits: Limits,
    pub streams: Arc<Streams>,
    pub tickets: Tickets,
    pub runner: Runner,
    #[cfg(feature = "pdf")]
    pub renderer: infrastructure::pdf::Renderer,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
