//! What is said of a breach, for people: names, kinds and reasons, and personal data masked.

use std::borrow::Cow;

use serde_json::Value;

use crate::personal_data::{self, Finding};
use crate::policy::document::Control;
use crate::policy::explain::Explanation;

/// Rules that a reason names.
const RULES_NAMED_MAX: usize = 3;

/// The reason in words: which control, which paths, and how their rules came out; never a value.
pub(super) fn said(control: &Control, explanation: &Explanation) -> String {
    let what = control.description.as_deref().unwrap_or(&control.id).trim_end_matches('.');
    let mut rules = Vec::new();
    false_rules(explanation, &mut rules);
    rules.truncate(RULES_NAMED_MAX);
    match rules.as_slice() {
        [] => format!("{what} (the expression is false)"),
        rules => format!("{what} ({})", rules.join(", ")),
    }
}

/// The kinds of findings, each once, by name.
pub(super) fn kinds<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = findings.map(|found| found.detector.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

pub(super) fn masked(text: &str) -> Cow<'_, str> {
    personal_data::mask(text)
}

/// Rules that made it false: those that are false where nothing around them asked for that.
fn false_rules(explanation: &Explanation, out: &mut Vec<String>) {
    match explanation {
        Explanation::Rule(rule) => {
            let reason = rule.reason.and_then(|reason| serde_json::to_value(reason).ok());
            if let Some(reason) = reason.as_ref().and_then(Value::as_str) {
                out.push(format!("{}: {reason}", rule.left));
            }
        }
        Explanation::Expression(expression) if expression.result => {}
        Explanation::Expression(expression) => {
            expression.items.iter().for_each(|item| false_rules(item, out));
        }
    }
}
