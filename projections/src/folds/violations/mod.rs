//! Violations as they stand, and what they add up to.
//!
//! Each violation contributes numbers to the counts: to the hour of its detection, to its actor's
//! day, to its state, to the hour in which it is due. An event takes out what the violation
//! contributed before and puts in what it contributes now, so the counts are right whatever order
//! people work in.

mod counts;
mod view;

use std::collections::BTreeMap;

use domain::violation::ViolationEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::runner::{Batch, FoldError, Projection};
use counts::Counts;
pub use view::{COLUMNS, View};

/// One violation as its events say, without the rows that may be behind them.
pub(crate) fn of_events(events: impl IntoIterator<Item = (i64, ViolationEvent)>) -> Option<View> {
    let mut view: Option<View> = None;
    for (position, event) in events {
        match (event, &mut view) {
            (ViolationEvent::Detected(detected), _) => {
                view = Some(View::detected(*detected, position));
            }
            (ViolationEvent::Done { at, action, .. }, Some(view)) => {
                view.take(&action, at, position);
            }
            (ViolationEvent::Done { .. }, None) => {}
        }
    }
    view
}

/// Folds into `violation_views` and the counts beside it.
pub struct ViolationsProjection;

/// Its row in `projections`.
pub const NAME: &str = "violations";

#[async_trait::async_trait]
impl Projection for ViolationsProjection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        &[
            "violation_views",
            "violation_hours",
            "violation_days",
            "violation_actor_days",
            "violation_states",
            "violation_due",
        ]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        let mut events = Vec::new();
        for entry in batch.violations() {
            events.push(entry?);
        }
        if events.is_empty() {
            return Ok(());
        }
        let known = events.iter().filter_map(|(_, id, event)| match event {
            ViolationEvent::Detected(_) => None,
            ViolationEvent::Done { .. } => Some(*id),
        });
        let known: Vec<Uuid> = known.collect();
        let mut views: BTreeMap<Uuid, View> =
            view::read(connection, batch.tenant, generation, known).await?;
        let mut counts = Counts::default();
        for (logged, id, event) in events {
            let position = logged.position as i64;
            match event {
                ViolationEvent::Detected(detected) => {
                    let view = View::detected(*detected, position);
                    counts.add(&view);
                    views.insert(id, view);
                }
                ViolationEvent::Done { at, action, .. } => {
                    let view = views.get_mut(&id).ok_or_else(|| {
                        FoldError::Poison(format!("the violation {id} was never detected"))
                    })?;
                    counts.take_out(view);
                    view.take(&action, at, position);
                    counts.add(view);
                }
            }
        }
        view::write(connection, batch.tenant, generation, &views).await?;
        counts.write(connection, batch.tenant, generation).await?;
        Ok(())
    }
}
