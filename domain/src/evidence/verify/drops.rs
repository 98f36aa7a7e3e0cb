//! `LOG_DROP`: what a recorder admits to have lost.

use serde_json::json;

use super::finding::{Code, Findings, Place};
use crate::evidence::json::Json;

/// Dropped events beyond which a session is hardly evidence (evidence.md, section 3).
const CUMULATIVE_DROPS_MAX: u64 = 10_000;

/// What the `LOG_DROP`s of a log add up to.
#[derive(Debug, Default)]
pub(super) struct Drops {
    pub(super) events: u64,
    /// Sum of `dropped_count`.
    pub(super) total: u64,
    highest_cumulative: u64,
    first_sequence: Option<u64>,
}

impl Drops {
    pub(super) fn push(
        &mut self,
        payload: Option<&Json<'_>>,
        at: Place<'_>,
        findings: &mut Findings,
    ) {
        let member = |key| payload.and_then(|payload| payload.get(key));
        let dropped = member("dropped_count").and_then(Json::as_integer);
        let cumulative = member("cumulative_drops").and_then(Json::as_integer);
        let valid = match (dropped, cumulative) {
            (Some(dropped), Some(cumulative)) => dropped >= 1 && cumulative >= dropped,
            _ => false,
        };
        if !valid {
            findings.note(Code::InvalidDropCount, at, || {
                let text = |key| member(key).map(Json::describe);
                let message = "The counts of a LOG_DROP are no counts of dropped events.";
                let details = json!({
                    "dropped_count": text("dropped_count"),
                    "cumulative_drops": text("cumulative_drops"),
                });
                (message.to_owned(), details)
            });
        }
        self.events += 1;
        self.first_sequence = self.first_sequence.or(at.sequence_number);
        self.total = self.total.saturating_add(dropped.unwrap_or_default());
        self.highest_cumulative = self.highest_cumulative.max(cumulative.unwrap_or_default());
    }

    /// One finding for the log, not one an event.
    pub(super) fn conclude(&self, findings: &mut Findings) {
        if self.events == 0 {
            return;
        }
        let at = Place { sequence_number: self.first_sequence, event_id: None };
        let (events, total) = (self.events, self.total);
        findings.note(Code::LogDropPresent, at, || {
            let message = format!("The recorder reports {total} dropped events.");
            (message, json!({ "log_drop_events": events, "total_drops": total }))
        });
        let worst = total.max(self.highest_cumulative);
        if worst > CUMULATIVE_DROPS_MAX {
            findings.note(Code::ExcessiveCumulativeDrops, at, || {
                let message = format!("More than {CUMULATIVE_DROPS_MAX} events were dropped.");
                (message, json!({ "limit": CUMULATIVE_DROPS_MAX, "received": worst }))
            });
        }
    }
}
