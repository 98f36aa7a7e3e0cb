//! The way through a payload's tree, and the findings that it gathers.

use std::borrow::Cow;

use super::detect::card;
use super::detect::phone::Checks;
use super::detector::Detector;
use super::pointer::{self, Pointer};
use super::prefilter::Suspects;
use super::spans;
use super::{FINDINGS_MAX, Finding};
use crate::evidence::json::Json;

/// What the tree holds of the suspected kinds, sorted by pointer, then detector.
pub(super) fn findings(tree: &Json<'_>, suspects: Suspects) -> Vec<Finding> {
    let mut walk = Walk {
        suspects,
        checks: Checks::default(),
        pointer: Pointer::default(),
        findings: Vec::new(),
        matched: Vec::new(),
    };
    walk.value(tree);
    let mut findings = walk.findings;
    for finding in &mut findings {
        for &(detector, matched) in &walk.matched {
            if let Cow::Owned(pointer) = pointer::without(&finding.pointer, detector, matched) {
                finding.pointer = pointer;
            }
        }
    }
    findings.sort_by(|a, b| (&a.pointer, a.detector).cmp(&(&b.pointer, b.detector)));
    findings.dedup_by(|later, kept| {
        let is_same = (&later.pointer, later.detector) == (&kept.pointer, kept.detector);
        if is_same {
            kept.count = kept.count.saturating_add(later.count);
        }
        is_same
    });
    findings
}

struct Walk<'t> {
    suspects: Suspects,
    checks: Checks,
    pointer: Pointer,
    findings: Vec<Finding>,
    /// What was matched, the first of it, so that no pointer holds it in the end.
    matched: Vec<(Detector, &'t str)>,
}

impl<'t> Walk<'t> {
    /// Recurses as deep as the tree does, which the reader bounds.
    fn value(&mut self, value: &'t Json<'_>) {
        match value {
            Json::Null | Json::Bool(_) => {}
            Json::Number(number) => {
                if self.suspects.contains(Detector::CreditCard) && card::is_card(number.literal) {
                    self.note(Detector::CreditCard, number.literal);
                }
            }
            Json::String(text) => self.text(text),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let mark = self.pointer.enter_item(index);
                    self.value(item);
                    self.pointer.leave(&mark);
                }
            }
            Json::Object(members) => {
                for (key, value) in members {
                    let found = spans::find(key, self.suspects, &mut self.checks);
                    let shown = spans::mask(key, &found, self.suspects, &mut self.checks);
                    let mark = self.pointer.enter_member(&shown);
                    for (detector, span) in found {
                        self.note(detector, &key[span]);
                    }
                    self.value(value);
                    self.pointer.leave(&mark);
                }
            }
        }
    }

    fn text(&mut self, text: &'t str) {
        for (detector, span) in spans::find(text, self.suspects, &mut self.checks) {
            self.note(detector, &text[span]);
        }
    }

    /// Counts one match of a kind where the walk stands.
    fn note(&mut self, detector: Detector, matched: &'t str) {
        let is_known = self.matched.iter().any(|&(_, known)| known == matched);
        if !is_known && self.matched.len() < FINDINGS_MAX {
            self.matched.push((detector, matched));
        }
        let pointer = self.pointer.shown(detector, matched);
        let here = |f: &&mut Finding| f.detector == detector && f.pointer == pointer;
        if let Some(finding) = self.findings.iter_mut().rev().find(here) {
            finding.count = finding.count.saturating_add(1);
            return;
        }
        // Kinds that were not seen yet have a place reserved.
        let is_seen = |d: Detector| self.findings.iter().any(|f| f.detector == d);
        let unseen = Detector::ALL.into_iter().filter(|&d| d != detector && !is_seen(d)).count();
        if self.findings.len() + unseen < FINDINGS_MAX {
            self.findings.push(Finding { detector, pointer, count: 1 });
            return;
        }
        if let Some(last) = self.findings.iter_mut().rev().find(|f| f.detector == detector) {
            last.count = last.count.saturating_add(1);
        }
    }
}
