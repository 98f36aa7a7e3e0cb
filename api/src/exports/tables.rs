//! What the judge has found in the selected records, row by row.

use std::collections::HashMap;

use application::PortError;
use application::exports::workshop::Job;
use futures::Stream;
use projections::judgement::ToolUseRow;
use projections::selection::{FoundRow, FoundViolation};
use uuid::Uuid;

use super::PIECE_ROWS;
use crate::state::App;

/// Sessions whose length is kept at hand.
const LENGTHS_MAX: usize = 100_000;

/// How many records each session had at a position: what came later is not exported.
struct Lengths<'a> {
    app: &'a App,
    job: &'a Job,
    known: HashMap<Uuid, i64>,
}

impl<'a> Lengths<'a> {
    fn new(app: &'a App, job: &'a Job) -> Self {
        Self { app, job, known: HashMap::new() }
    }

    async fn learn(&mut self, sessions: impl Iterator<Item = Uuid>) -> Result<(), PortError> {
        let mut unknown: Vec<Uuid> = sessions.filter(|s| !self.known.contains_key(s)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.known.len() > LENGTHS_MAX {
            self.known.clear();
        }
        let learnt = self.app.reads.records_until(self.job.tenant, &unknown, self.job.position);
        let learnt =
            learnt.await.map_err(|e| PortError::new("reading how long sessions are", e))?;
        self.known.extend(learnt);
        Ok(())
    }

    fn holds(&self, session: Uuid, number: i64) -> bool {
        self.known.get(&session).is_some_and(|length| number < *length)
    }
}

/// Violations with their action logs, in the order in which they were found.
pub(super) fn violations<'a>(
    app: &'a App,
    job: &'a Job,
) -> impl Stream<Item = Result<FoundViolation, PortError>> + Send + 'a {
    async_stream::try_stream! {
        let mut lengths = Lengths::new(app, job);
        let mut after = 0;
        loop {
            let found = app.reads
                .selected_violations(job.tenant, &job.order.filters, after, PIECE_ROWS)
                .await
                .map_err(|e| PortError::new("reading violations", e))?;
            lengths.learn(found.iter().map(|found| found.view.session_id)).await?;
            let is_last = (found.len() as i64) < PIECE_ROWS;
            for found in found {
                after = found.view.detected_position;
                if lengths.holds(found.view.session_id, found.view.sequence_number) {
                    yield found;
                }
            }
            if is_last {
                break;
            }
        }
    }
}

/// Uses of tools, in the order of the log.
pub(super) fn uses<'a>(
    app: &'a App,
    job: &'a Job,
) -> impl Stream<Item = Result<ToolUseRow, PortError>> + Send + 'a {
    async_stream::try_stream! {
        let (filters, until) = (&job.order.filters, job.position);
        let mut after = 0;
        while let Some((rows, reached)) = app.reads
            .selected_uses(job.tenant, filters, after, until, PIECE_ROWS)
            .await
            .map_err(|e| PortError::new("reading the use of tools", e))?
        {
            after = reached;
            for row in rows {
                yield row;
            }
        }
    }
}

/// Personal data by kind and place, by session.
pub(super) fn personal_data<'a>(
    app: &'a App,
    job: &'a Job,
) -> impl Stream<Item = Result<FoundRow, PortError>> + Send + 'a {
    async_stream::try_stream! {
        let mut lengths = Lengths::new(app, job);
        let mut last: Option<FoundRow> = None;
        loop {
            let rows = app.reads
                .selected_personal_data(job.tenant, &job.order.filters, last.as_ref(), PIECE_ROWS)
                .await
                .map_err(|e| PortError::new("reading personal data", e))?;
            lengths.learn(rows.iter().map(|row| row.session_id)).await?;
            let is_last = (rows.len() as i64) < PIECE_ROWS;
            last = rows.last().cloned();
            for row in rows {
                if lengths.holds(row.session_id, row.sequence_number) {
                    yield row;
                }
            }
            if is_last {
                break;
            }
        }
    }
}
