//! The rolling window of one threshold: how many failures there were, and when they became many.
//!
//! Instants are those of receipt, pushed in the order of the log. A window's clock is the latest
//! instant it has seen, so it never runs backwards: an event that comes with an earlier instant
//! than one before it is counted where it belongs, if that still lies in the window. State is a
//! value that can be stored between any two pushes and goes on as if it had not been.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::document::{Threshold, ThresholdKind};

/// Instants of a `percent` window. Up to here it is exact; beyond, instants that lie within one
/// cell, a 512th of the window, become one, the latest of them: an event may then leave the window
/// late by up to a cell. At most 514 remain, so that the work is spread over many pushes.
const INSTANTS_MAX: usize = 1_024;
const CELLS: i64 = 512;

/// The state of one threshold for one key: a control, or with `percent` a control and an actor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Window {
    /// The latest instant seen.
    now: Option<i64>,
    /// Whether the threshold is reached and has not been left since.
    crossed: bool,
    /// By instant, each instant once.
    instants: VecDeque<Instant>,
    failures: u64,
    events: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instant {
    at: i64,
    failures: u64,
    events: u64,
}

/// A threshold was reached that was not reached before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// When the first failure in the window was received.
    pub window_start_micros: i64,
    pub failures: u64,
    /// With `percent`, the events in the window; else the same as `failures`.
    pub events: u64,
}

impl Window {
    /// Takes one event: `failed` says whether the control failed on it. `percent` needs every event
    /// that the policy applied to; the others need the failures, and take more without harm.
    ///
    /// The threshold is looked at before the event, when others have left, and after it: a crossing
    /// is returned once, and again only after the window has fallen below the threshold. A rate
    /// also rises when events that did not fail leave: then an event that did not fail crosses.
    pub fn push(
        &mut self,
        threshold: &Threshold,
        at_micros: i64,
        failed: bool,
    ) -> Option<Crossing> {
        let now = self.now.map_or(at_micros, |now| now.max(at_micros));
        self.now = Some(now);
        let first = first_instant(threshold, now);
        self.drop_before(first);
        self.crossed &= self.is_reached(threshold);
        let counts = failed || threshold.kind == ThresholdKind::Percent;
        if counts && at_micros >= first {
            self.insert(at_micros, failed);
            self.bound(threshold);
        }
        let was_crossed = self.crossed;
        self.crossed = self.is_reached(threshold);
        (self.crossed && !was_crossed).then(|| self.crossing(now))
    }

    fn is_reached(&self, threshold: &Threshold) -> bool {
        match threshold.kind {
            ThresholdKind::Percent => {
                let percentage = 100.0 * self.failures as f64;
                self.events > 0 && percentage >= threshold.value * self.events as f64
            }
            ThresholdKind::Count | ThresholdKind::TimeWindow => {
                self.failures > 0 && self.failures as f64 >= threshold.value
            }
        }
    }

    fn crossing(&self, now: i64) -> Crossing {
        let first = self.instants.iter().find(|instant| instant.failures > 0);
        Crossing {
            window_start_micros: first.map_or(now, |instant| instant.at),
            failures: self.failures,
            events: self.events,
        }
    }

    fn drop_before(&mut self, first: i64) {
        while let Some(oldest) = self.instants.front().filter(|oldest| oldest.at < first) {
            self.failures -= oldest.failures;
            self.events -= oldest.events;
            self.instants.pop_front();
        }
    }

    fn insert(&mut self, at: i64, failed: bool) {
        let failures = u64::from(failed);
        // Nearly always behind the last one.
        let place = self.instants.partition_point(|instant| instant.at < at);
        match self.instants.get_mut(place).filter(|instant| instant.at == at) {
            Some(instant) => {
                instant.failures += failures;
                instant.events += 1;
            }
            None => self.instants.insert(place, Instant { at, failures, events: 1 }),
        }
        self.failures += failures;
        self.events += 1;
    }

    fn bound(&mut self, threshold: &Threshold) {
        match threshold.kind {
            ThresholdKind::Percent => {
                if self.instants.len() > INSTANTS_MAX {
                    self.coalesce(threshold);
                }
            }
            // Whether there are `value` of them shows in the latest `value` alone.
            ThresholdKind::Count | ThresholdKind::TimeWindow => {
                while self.failures as f64 > threshold.value && self.failures > 1 {
                    self.drop_oldest_failure();
                }
            }
        }
    }

    fn drop_oldest_failure(&mut self) {
        let Some(oldest) = self.instants.front_mut() else { return };
        oldest.failures -= 1;
        oldest.events -= 1;
        self.failures -= 1;
        self.events -= 1;
        if oldest.events == 0 {
            self.instants.pop_front();
        }
    }

    fn coalesce(&mut self, threshold: &Threshold) {
        let cell = (window_micros(threshold) / CELLS).max(1);
        let mut merged: VecDeque<Instant> = VecDeque::new();
        for instant in self.instants.drain(..) {
            match merged.back_mut() {
                Some(last) if last.at.div_euclid(cell) == instant.at.div_euclid(cell) => {
                    last.at = instant.at;
                    last.failures += instant.failures;
                    last.events += instant.events;
                }
                _ => merged.push_back(instant),
            }
        }
        self.instants = merged;
    }
}

fn window_micros(threshold: &Threshold) -> i64 {
    i64::from(threshold.window_seconds) * 1_000_000
}

/// The earliest instant in the window that ends now. A `time_window` holds both its ends: first
/// and last may be exactly `window_seconds` apart. The others are open at the far end.
fn first_instant(threshold: &Threshold, now: i64) -> i64 {
    let far_end = now.saturating_sub(window_micros(threshold));
    match threshold.kind {
        ThresholdKind::TimeWindow => far_end,
        ThresholdKind::Count | ThresholdKind::Percent => far_end.saturating_add(1),
    }
}

/// What is kept: `[distance to the one before, failures, events]` for each instant, flat.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    now: Option<i64>,
    #[serde(rename = "c")]
    crossed: bool,
    #[serde(rename = "i")]
    instants: Vec<i64>,
}

impl From<Window> for Stored {
    fn from(window: Window) -> Self {
        let mut before = 0;
        let mut instants = Vec::with_capacity(window.instants.len() * 3);
        for Instant { at, failures, events } in window.instants {
            instants.extend([at.wrapping_sub(before), failures as i64, events as i64]);
            before = at;
        }
        Self { now: window.now, crossed: window.crossed, instants }
    }
}

impl TryFrom<Stored> for Window {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let (triples, []) = stored.instants.as_chunks::<3>() else {
            return Err("a window's instants come in threes");
        };
        let mut window = Self { now: stored.now, crossed: stored.crossed, ..Self::default() };
        let mut before = 0_i64;
        for &[distance, failures, events] in triples {
            let at = before.wrapping_add(distance);
            let counts = u64::try_from(failures).ok().zip(u64::try_from(events).ok());
            let (failures, events) =
                counts.filter(|(f, e)| f <= e && *e > 0).ok_or("a window counts wrongly")?;
            if window.instants.back().is_some_and(|last| last.at >= at) || window.now < Some(at) {
                return Err("a window's instants are out of order");
            }
            window.instants.push_back(Instant { at, failures, events });
            let sums = window.failures.checked_add(failures).zip(window.events.checked_add(events));
            (window.failures, window.events) = sums.ok_or("a window counts wrongly")?;
            before = at;
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests;
