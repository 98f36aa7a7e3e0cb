//! Who has found what: the candidate, the active version, or both.

use std::collections::{BTreeMap, HashMap};

use super::side::{SKEW_MICROS, Side};
use super::{Comparison, Example, Examples};
use crate::hash::Hash;
use crate::judgement::Ruling;
use crate::violation::Detected;

/// Examples of one control and one kind.
const EXAMPLES_MAX: usize = 10;

/// What was compared so far.
#[derive(Debug)]
pub(super) struct Tally {
    controls: BTreeMap<String, Comparison>,
    examples: BTreeMap<String, Examples>,
    /// Violations of windows, by key: the other version may find one in a later piece, and the
    /// same version finds it again when the window is crossed twice from one start.
    pending: HashMap<Hash, Pending>,
    /// After so long nobody finds a window's violation any more.
    kept_micros: i64,
}

/// A window's violation.
#[derive(Debug)]
struct Pending {
    by_candidate: bool,
    by_active: bool,
    /// The latest receipt when it was found.
    at: i64,
    example: Example,
}

impl Tally {
    pub(super) fn new(window_seconds_max: u32) -> Self {
        let kept_micros = i64::from(window_seconds_max) * 1_000_000 + SKEW_MICROS;
        Self {
            controls: BTreeMap::new(),
            examples: BTreeMap::new(),
            pending: HashMap::new(),
            kept_micros,
        }
    }

    /// Takes what the two have found in the same piece.
    pub(super) fn take(
        &mut self,
        (candidate, by_candidate): (&mut Side, Vec<Ruling>),
        (active, by_active): (Option<&mut Side>, Vec<Ruling>),
        latest: i64,
    ) {
        // An event is in one piece, and so is what both say of it.
        let mut removed: HashMap<Hash, (usize, Detected)> = HashMap::new();
        if let Some(active) = active {
            for (number, Ruling { detected, .. }) in by_active.into_iter().enumerate() {
                if active.counts(&detected.control) {
                    active.violations += u64::from(self.window(detected, false, latest));
                } else {
                    active.violations += 1;
                    removed.insert(detected.dedup_key, (number, detected));
                }
            }
        }
        for Ruling { detected, .. } in by_candidate {
            if candidate.counts(&detected.control) {
                candidate.violations += u64::from(self.window(detected, true, latest));
                continue;
            }
            candidate.violations += 1;
            match removed.remove(&detected.dedup_key) {
                Some(_) => self.comparison(&detected.control).same += 1,
                None => self.decide(Example::of(detected), true),
            }
        }
        let mut removed: Vec<(usize, Detected)> = removed.into_values().collect();
        removed.sort_unstable_by_key(|(number, _)| *number);
        for (_, detected) in removed {
            self.decide(Example::of(detected), false);
        }
        self.settle(latest.saturating_sub(self.kept_micros));
    }

    pub(super) fn finish(mut self) -> (BTreeMap<String, Comparison>, BTreeMap<String, Examples>) {
        self.settle(i64::MAX);
        (self.controls, self.examples)
    }

    /// Whether the version had not found it before.
    fn window(&mut self, detected: Detected, by_candidate: bool, at: i64) -> bool {
        let pending = self.pending.entry(detected.dedup_key).or_insert_with(|| Pending {
            by_candidate: false,
            by_active: false,
            at,
            example: Example::of(detected),
        });
        let found = if by_candidate { &mut pending.by_candidate } else { &mut pending.by_active };
        !std::mem::replace(found, true)
    }

    /// Decides on the windows that were found before an instant.
    fn settle(&mut self, before: i64) {
        let old = |_: &Hash, pending: &mut Pending| pending.at < before;
        let mut settled: Vec<Pending> = self.pending.extract_if(old).map(|(_, p)| p).collect();
        settled.sort_unstable_by_key(|p| (p.at, p.example.session_id, p.example.sequence_number));
        for Pending { by_candidate, by_active, example, .. } in settled {
            if by_candidate && by_active {
                self.comparison(&example.control).same += 1;
            } else {
                self.decide(example, by_candidate);
            }
        }
    }

    /// Counts what one version alone has found.
    fn decide(&mut self, example: Example, added: bool) {
        let comparison = self.comparison(&example.control);
        let count = if added { &mut comparison.added } else { &mut comparison.removed };
        *count += 1;
        if *count > EXAMPLES_MAX as u64 {
            return;
        }
        let examples = self.examples.entry(example.control.clone()).or_default();
        if added { examples.added.push(example) } else { examples.removed.push(example) }
    }

    fn comparison(&mut self, control: &str) -> &mut Comparison {
        self.controls.entry(control.to_owned()).or_default()
    }
}
