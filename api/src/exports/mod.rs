//! Makes what leaves in files: selections, bundles, packs. The files are written while the rows go
//! by, so memory does not grow with them.

mod bundle;
mod custody;
mod evidence;
mod held;
mod manifest;
mod pack;
mod report;
mod tables;

use std::time::Duration;

use application::PortError;
use application::exports::workshop::{Job, MakeError, Maker};
use async_trait::async_trait;
use domain::export::{Kind, Made};
use domain::ids::TenantId;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::Caller;
use crate::min_position::Source;
use crate::state::App;

/// Bytes that are gathered before they are written to a file.
const CHUNK_BYTES: usize = 256 * 1024;
/// Rows that are read at a time.
const PIECE_ROWS: i64 = 1_000;
/// An export waits so long for the judge: what it says of violations must be whole.
const JUDGE_WAIT_MAX: Duration = Duration::from_mins(2);

/// On whose behalf evidence is read: a caller's, or that of who asked for what is made later.
#[derive(Debug, Clone)]
pub struct OnBehalf {
    pub tenant: TenantId,
    /// `key:<id>` or `cli:<user>`.
    pub actor: String,
}

impl OnBehalf {
    pub fn of(caller: &Caller) -> Self {
        Self { tenant: caller.tenant, actor: caller.actor() }
    }
}

/// Makes exports with what the server has.
pub struct AppMaker(pub App);

#[async_trait]
impl Maker for AppMaker {
    async fn make(&self, job: &Job) -> Result<Made, MakeError> {
        judged(&self.0, job).await?;
        match job.order.kind {
            Kind::Evidence => evidence::make(&self.0, job).await,
            Kind::Bundle => bundle::make(&self.0, job).await,
            Kind::Pack => pack::make(&self.0, job).await,
            Kind::Session => {
                Err(MakeError::Impossible("it is not made in the background".to_owned()))
            }
        }
    }

    async fn remove(&self, _: TenantId, id: Uuid) -> Result<(), PortError> {
        self.0.export_files.remove(id).await
    }
}

/// Waits until everything before the request is judged.
async fn judged(app: &App, job: &Job) -> Result<(), PortError> {
    let end = Instant::now() + JUDGE_WAIT_MAX;
    loop {
        let reached = Source::Judged.reach(app, job.tenant, job.position).await;
        let reached =
            reached.map_err(|e| PortError::new("asking how far the judge has come", e))?;
        if reached >= job.position {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(PortError::new("waiting for the judge", "it has not come so far"));
        }
    }
}

/// What does not become canonical JSON.
fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::new("writing an export", error)
}
