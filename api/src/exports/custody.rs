//! Who had it before: the acts that stand in the log before an export.

use application::PortError;
use application::exports::workshop::Job;
use futures::Stream;
use projections::custody::CustodyEntry;

use super::PIECE_ROWS;
use crate::state::App;

/// Acts of export, download and verification up to the job's own request, oldest first.
pub(super) fn entries<'a>(
    app: &'a App,
    job: &'a Job,
) -> impl Stream<Item = Result<CustodyEntry, PortError>> + Send + 'a {
    async_stream::try_stream! {
        let session = job.order.filters.session_id.or(job.order.session_id);
        let mut after = 0;
        loop {
            let acts = app.reads
                .custody_acts(job.tenant, session, after, job.position, PIECE_ROWS)
                .await
                .map_err(|e| PortError::new("reading the chain of custody", e))?;
            let is_last = (acts.len() as i64) < PIECE_ROWS;
            for act in acts {
                after = act.position;
                yield CustodyEntry::of(act);
            }
            if is_last {
                break;
            }
        }
    }
}
