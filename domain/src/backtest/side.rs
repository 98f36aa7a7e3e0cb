//! One version on trial, with the windows of its thresholds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::DateTime;

use super::{TrialError, Tried};
use crate::ids::{SessionId, TenantId};
use crate::judgement::{Entry, Matter, OpenCall, Records, Rulings, WindowKey, judge};
use crate::policy::compile::CompiledPolicy;
use crate::policy::document::{Control, ThresholdKind};
use crate::policy::window::Window;

/// From so many windows on, those that everything has left are looked for and dropped.
const WINDOWS_KEPT: usize = 20_000;
/// How far instants of receipt of several servers may lie apart.
pub(super) const SKEW_MICROS: i64 = 3_600_000_000;

/// A version, and what it remembers from one piece of the log to the next.
#[derive(Debug)]
pub(super) struct Side {
    policy: Arc<CompiledPolicy>,
    /// With the instant at which each was last looked at.
    windows: HashMap<WindowKey, (i64, Window)>,
    sweep_at: usize,
    /// Violations, each key once.
    pub(super) violations: u64,
}

impl Side {
    pub(super) fn new(policy: Arc<CompiledPolicy>) -> Self {
        Self { policy, windows: HashMap::new(), sweep_at: WINDOWS_KEPT, violations: 0 }
    }

    /// The longest window of its thresholds.
    pub(super) fn window_seconds_max(&self) -> u32 {
        let thresholds = self.controls().iter().filter_map(|control| control.threshold.as_ref());
        thresholds.map(|threshold| threshold.window_seconds).max().unwrap_or_default()
    }

    /// Whether it must know which calls were answered, and so finds that out.
    pub(super) fn joins_calls(&self) -> bool {
        self.policy.demands_tool_results()
    }

    /// Whether what breaks a control is a window, not an event.
    pub(super) fn counts(&self, control: &str) -> bool {
        let mut controls = self.controls().iter();
        controls.any(|known| known.id == control && known.threshold.is_some())
    }

    pub(super) fn judge(
        &mut self,
        tenant: TenantId,
        piece: &[Arc<Records>],
        open_calls: HashMap<SessionId, Vec<OpenCall>>,
        latest: i64,
    ) -> Result<Rulings, TrialError> {
        let matter = Matter {
            tenant,
            active: vec![self.policy.clone()],
            windows: self.windows_of(piece),
            entries: piece.iter().cloned().map(Entry::Records).collect(),
            open_calls,
            violations_alone: true,
        };
        // When a violation would be detected is nothing that a report says.
        let mut rulings =
            judge(matter, DateTime::UNIX_EPOCH).map_err(|error| TrialError(error.to_string()))?;
        let moved = std::mem::take(&mut rulings.windows);
        self.windows.extend(moved.into_iter().map(|(key, window)| (key, (latest, window))));
        self.sweep(latest);
        Ok(rulings)
    }

    pub(super) fn tried(self) -> Tried {
        Tried {
            version: self.policy.document().version.clone(),
            hash: self.policy.content_hash().to_owned(),
            violations: self.violations,
        }
    }

    fn controls(&self) -> &[Control] {
        &self.policy.document().controls
    }

    /// The windows that the actors of a piece may move.
    fn windows_of(&self, piece: &[Arc<Records>]) -> HashMap<WindowKey, Window> {
        let mut windows = HashMap::new();
        if self.windows.is_empty() {
            return windows;
        }
        let records = piece.iter().flat_map(|records| &records.records);
        let named = records.filter_map(|record| record.actor_id.as_deref());
        let actors: BTreeSet<&str> = named.chain([""]).collect();
        let document = self.policy.document();
        for control in self.controls() {
            let Some(threshold) = &control.threshold else { continue };
            let by_actor = threshold.kind == ThresholdKind::Percent;
            for actor in actors.iter().filter(|actor| by_actor || actor.is_empty()) {
                let key = WindowKey {
                    policy: document.name.clone(),
                    version: document.version.clone(),
                    control: control.id.clone(),
                    actor: (*actor).to_owned(),
                };
                if let Some((_, window)) = self.windows.get(&key) {
                    windows.insert(key, window.clone());
                }
            }
        }
        windows
    }

    /// Drops windows that everything has left: one that is begun anew counts the same.
    fn sweep(&mut self, latest: i64) {
        if self.windows.len() < self.sweep_at {
            return;
        }
        let longest = i64::from(self.window_seconds_max()) * 1_000_000;
        let first = latest.saturating_sub(longest + SKEW_MICROS);
        self.windows.retain(|_, (touched, _)| *touched >= first);
        self.sweep_at = WINDOWS_KEPT.max(2 * self.windows.len());
    }
}
