//! The read models: each folds the log into rows, and says how they are read.

pub mod agents;
pub mod event_counts;
pub mod sessions;
pub mod tool_usage;
pub mod violations;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::session::SessionEvent;

use crate::keys::KeysProjection;
use crate::runner::Projection;

/// Every projection; `migrations/` has a row in `projections` for each.
pub(crate) const ALL: [&dyn Projection; 6] = [
    &KeysProjection,
    &sessions::SessionsProjection,
    &agents::AgentsProjection,
    &event_counts::EventCountsProjection,
    &tool_usage::ToolUsageProjection,
    &violations::ViolationsProjection,
];

pub(crate) fn find(name: &str) -> Option<&'static dyn Projection> {
    ALL.into_iter().find(|projection| projection.name() == name)
}

/// The hour that an instant falls in. Hours of UTC are whole: this fails for no time that
/// PostgreSQL can hold.
fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

/// When the server took the event in.
fn accepted_at(event: &SessionEvent) -> DateTime<Utc> {
    match event {
        SessionEvent::Started(started) => started.started_at,
        SessionEvent::Appended(appended) => appended.at,
        SessionEvent::Sealed(sealed) => sealed.at,
    }
}
