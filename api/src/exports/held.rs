//! Of which sessions an export holds something, for their chains of custody.

use std::collections::HashSet;

use application::PortError;
use application::exports::workshop::Job;
use uuid::Uuid;

use crate::state::App;

/// Sessions that are gathered before they are written down.
const GATHERED_MAX: usize = 10_000;

/// Writes sessions down as they come by.
pub(super) struct Held<'a> {
    app: &'a App,
    job: &'a Job,
    gathered: HashSet<Uuid>,
}

impl<'a> Held<'a> {
    pub(super) fn new(app: &'a App, job: &'a Job) -> Self {
        Self { app, job, gathered: HashSet::new() }
    }

    pub(super) async fn note(&mut self, session: Uuid) -> Result<(), PortError> {
        if self.gathered.insert(session) && self.gathered.len() >= GATHERED_MAX {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes down what is left; before the export is whole, so that nobody takes it unnoted.
    pub(super) async fn write(&mut self) -> Result<(), PortError> {
        let sessions: Vec<Uuid> = self.gathered.drain().collect();
        self.app.export_jobs.hold(self.job, &sessions).await
    }
}
