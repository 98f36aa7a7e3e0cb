//! Trying a version of a policy on stored evidence, beside the version that is in force.
//!
//! Pure, and bounded: evidence comes piece by piece in the order of the log, and nothing of it is
//! kept but what the next piece needs: windows, calls that wait for results, and the violations of
//! windows that the other version may still find.
//!
//! Source: contract/policy.md, section 3.

mod report;
mod side;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use report::{Comparison, Example, Examples, Report, Tried};

use crate::evidence::event_type::EventType;
use crate::ids::{SessionId, TenantId};
use crate::judgement::{OpenCall, Records, Rulings};
use crate::policy::compile::CompiledPolicy;
use side::Side;
use tally::Tally;

/// Which evidence is tried, by the time of its receipt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub since: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
}

impl Span {
    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn is_everything(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }
}

/// Why a piece could not be tried: something stored is not what was stored.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrialError(String);

/// A trial under way.
#[derive(Debug)]
pub struct Trial {
    tenant: TenantId,
    span: Span,
    candidate: Side,
    active: Option<Side>,
    /// Calls of sessions that have not ended.
    open_calls: HashMap<SessionId, Vec<OpenCall>>,
    tally: Tally,
    /// Records that were looked at.
    seen: u64,
    /// Records that were tried.
    events: u64,
    /// The latest receipt, in microseconds.
    latest: i64,
}

impl Trial {
    pub fn new(
        tenant: TenantId,
        span: Span,
        candidate: Arc<CompiledPolicy>,
        active: Option<Arc<CompiledPolicy>>,
    ) -> Self {
        let (candidate, active) = (Side::new(candidate), active.map(Side::new));
        let sides = [Some(&candidate), active.as_ref()];
        let window_seconds = sides.into_iter().flatten().map(Side::window_seconds_max).max();
        let tally = Tally::new(window_seconds.unwrap_or_default());
        Self {
            tenant,
            span,
            candidate,
            active,
            open_calls: HashMap::new(),
            tally,
            seen: 0,
            events: 0,
            latest: i64::MIN,
        }
    }

    /// Records that were looked at so far, within the span or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Tries the next piece of the log.
    ///
    /// # Errors
    /// When a stored payload is not the JSON that was stored.
    pub fn take(&mut self, mut piece: Vec<Records>) -> Result<(), TrialError> {
        let count = |piece: &[Records]| piece.iter().map(|r| r.records.len() as u64).sum::<u64>();
        self.seen += count(&piece);
        if !self.span.is_everything() {
            for records in &mut piece {
                records.records.retain(|record| self.span.holds(record.received_at));
            }
            piece.retain(|records| !records.records.is_empty());
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.events += count(&piece);
        let piece: Vec<Arc<Records>> = piece.into_iter().map(Arc::new).collect();
        let instants = piece.iter().flat_map(|r| &r.records).map(|r| r.received_at);
        let latest = instants.max().map_or(self.latest, |at| at.timestamp_micros());
        self.latest = self.latest.max(latest);
        let ended = ended(&piece);
        let open = self.open_calls_of(&piece);
        let by_active = match &mut self.active {
            None => Rulings::default(),
            Some(active) => active.judge(self.tenant, &piece, open.clone(), self.latest)?,
        };
        let by_candidate = self.candidate.judge(self.tenant, &piece, open, self.latest)?;
        // Who joins calls finds the same, whichever policy it is; one that does not finds nothing.
        let joined = if self.candidate.joins_calls() { &by_candidate } else { &by_active };
        self.carry_calls(joined, &ended);
        let (candidate, active) = (&mut self.candidate, self.active.as_mut());
        let by_active = by_active.violations;
        self.tally.take((candidate, by_candidate.violations), (active, by_active), self.latest);
        Ok(())
    }

    /// What came of it; the positions are those of the log that was tried.
    pub fn finish(self, from_position: u64, to_position: u64) -> Report {
        let Self { candidate, active, tally, events, .. } = self;
        let (controls, examples) = tally.finish();
        let totals = controls.values().fold(Comparison::default(), Comparison::and);
        Report {
            events,
            from_position,
            to_position,
            candidate: candidate.tried(),
            active: active.map(Side::tried),
            controls,
            totals,
            examples,
        }
    }

    fn open_calls_of(&self, piece: &[Arc<Records>]) -> HashMap<SessionId, Vec<OpenCall>> {
        let sessions: HashSet<SessionId> = piece.iter().map(|records| records.session.id).collect();
        let open = |id: SessionId| Some((id, self.open_calls.get(&id)?.clone()));
        sessions.into_iter().filter_map(open).collect()
    }

    fn carry_calls(&mut self, rulings: &Rulings, ended: &HashSet<SessionId>) {
        for result in &rulings.results {
            if let Some(open) = self.open_calls.get_mut(&result.session) {
                open.retain(|call| call.sequence_number != result.sequence_number);
            }
        }
        for call in rulings.uses.iter().filter(|call| call.outcome.is_none()) {
            let sequence_number = call.sequence_number;
            let open = OpenCall { sequence_number, join_hash: call.join_hash };
            self.open_calls.entry(call.session).or_default().push(open);
        }
        self.open_calls.retain(|id, open| !open.is_empty() && !ended.contains(id));
    }
}

/// Sessions that end in a piece: nothing comes after that but a seal, which asks for nothing then.
fn ended(piece: &[Arc<Records>]) -> HashSet<SessionId> {
    let ends = [EventType::SESSION_END, EventType::CHAIN_SEAL];
    let ended =
        |records: &&Arc<Records>| records.records.iter().any(|r| ends.contains(&r.event_type));
    piece.iter().filter(ended).map(|records| records.session.id).collect()
}
