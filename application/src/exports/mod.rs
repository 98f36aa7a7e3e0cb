//! Everything that leaves is written down: before it goes, and when it is whole.
//!
//! What takes long is made behind the client's back: see [`workshop`].

pub mod workshop;

use std::sync::Arc;

use domain::export::{
    Export, ExportAction, ExportCommand, ExportError, ExportEvent, FileFact, Made, Order, Verdict,
};
use domain::ids::TenantId;
use uuid::Uuid;

use crate::ports::{AggregateId, Clock, CommandError, Commands, Ids, Metadata, PortError};

/// How often a command is decided again when others do something with the same export meanwhile.
const ROUNDS_MAX: usize = 16;

/// The write side of exports.
#[derive(Clone)]
pub struct Exports {
    /// The write door.
    pub commands: Arc<dyn Commands<Export>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Of new exports.
    pub ids: Arc<dyn Ids>,
}

/// An export that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// Its id.
    pub id: Uuid,
    /// Of the request in the tenant's log.
    pub position: u64,
}

type Outcome<T> = Result<T, CommandError<ExportError>>;

impl Exports {
    /// Writes down who asks for what, before anything of it leaves.
    pub async fn request(
        &self,
        tenant: TenantId,
        order: Order,
        by: &Metadata,
    ) -> Outcome<Requested> {
        let id = self.ids.uuid();
        let (_, position) = self.execute(tenant, id, ExportAction::Request(order), by).await?;
        let position = position
            .ok_or_else(|| PortError::new("writing down an export", "the event has no position"))?;
        Ok(Requested { id, position })
    }

    /// Writes down what was made.
    pub async fn complete(
        &self,
        tenant: TenantId,
        id: Uuid,
        made: Made,
        by: &Metadata,
    ) -> Outcome<()> {
        self.execute(tenant, id, ExportAction::Complete(made), by).await.map(|_| ())
    }

    /// Writes down that it cannot be made.
    pub async fn fail(
        &self,
        tenant: TenantId,
        id: Uuid,
        reason: &str,
        by: &Metadata,
    ) -> Outcome<()> {
        let action = ExportAction::Fail { reason: reason.to_owned() };
        self.execute(tenant, id, action, by).await.map(|_| ())
    }

    /// Writes down that a file is taken away, before its first byte goes. Which file it is.
    pub async fn download(
        &self,
        tenant: TenantId,
        id: Uuid,
        file: String,
        purpose: Option<String>,
        by: &Metadata,
    ) -> Outcome<FileFact> {
        let action = ExportAction::Download { file, purpose };
        let (events, _) = self.execute(tenant, id, action, by).await?;
        let taken = events.into_iter().find_map(|event| match event {
            ExportEvent::Downloaded { file, .. } => Some(file),
            _ => None,
        });
        taken.ok_or(CommandError::Refused(ExportError::NoSuchFile))
    }

    /// Writes down that the files are removed.
    pub async fn expire(&self, tenant: TenantId, id: Uuid, by: &Metadata) -> Outcome<()> {
        self.execute(tenant, id, ExportAction::Expire, by).await.map(|_| ())
    }

    /// Writes down that evidence was checked, and how it came out.
    pub async fn verified(&self, tenant: TenantId, verdict: Verdict, by: &Metadata) -> Outcome<()> {
        let id = self.ids.uuid();
        self.execute(tenant, id, ExportAction::Verify(verdict), by).await.map(|_| ())
    }

    async fn execute(
        &self,
        tenant: TenantId,
        id: Uuid,
        what: ExportAction,
        by: &Metadata,
    ) -> Outcome<(Vec<ExportEvent>, Option<u64>)> {
        let id = AggregateId { tenant, id };
        let mut rounds = 0;
        loop {
            let at = self.clock.now();
            let command = ExportCommand { what: what.clone(), by: by.actor.clone(), at };
            match self.commands.execute(&id, command, by).await {
                // Downloads of one export at once write to the same aggregate.
                Err(CommandError::Conflict) if rounds < ROUNDS_MAX => rounds += 1,
                outcome => return outcome.map(|done| (done.events, done.position)),
            }
        }
    }
}
