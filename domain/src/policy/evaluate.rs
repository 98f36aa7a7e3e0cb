//! Judging one event: which outcomes of a policy are false.
//!
//! Pure and bounded: no clock, no I/O, no recursion beyond the ten levels of an expression, each
//! rule asked at most once per event. A rule that is false is just false to the expression around
//! it, whatever the reason: inside `not`, missing, redacted and mistyped values negate to true.

use super::compile::{CompiledControl, CompiledPolicy, CompiledRule, Node};
use super::context::Context;
use super::document::Connective;

/// One outcome that is false, by position in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub control: usize,
    /// The rule that is false; with an expression, the only rule that it names, or none.
    pub rule: Option<usize>,
}

impl CompiledPolicy {
    /// Appends the outcomes that are false, in document order: each false rule of a control
    /// without an expression, one failure for a false expression. Nothing means that all is
    /// allowed. The caller has asked [`Self::applies_to`].
    pub fn failures(&self, context: &Context<'_>, out: &mut Vec<Failure>) {
        for (number, control) in self.controls.iter().enumerate() {
            if let Some(expression) = &control.expression {
                let mut outcomes = Outcomes { control, context, known: 0, holds: 0 };
                if !outcomes.of(expression) {
                    out.push(Failure { control: number, rule: control.only_rule });
                }
                continue;
            }
            for (at, rule) in control.rules.iter().enumerate() {
                if !rule.holds(context) {
                    out.push(Failure { control: number, rule: Some(at) });
                }
            }
        }
    }
}

impl CompiledRule {
    fn holds(&self, context: &Context<'_>) -> bool {
        self.test.judge(context.resolve(&self.path)).is_ok()
    }
}

/// What the rules of one control say of one event, a bit each, asked when first needed.
struct Outcomes<'e> {
    control: &'e CompiledControl,
    context: &'e Context<'e>,
    known: u64,
    holds: u64,
}

impl Outcomes<'_> {
    fn of(&mut self, node: &Node) -> bool {
        match node {
            Node::Rule(number) => self.of_rule(*number),
            Node::Join(Connective::And, items) => items.iter().all(|item| self.of(item)),
            Node::Join(Connective::Or, items) => items.iter().any(|item| self.of(item)),
            Node::Join(Connective::Not, items) => !items.iter().all(|item| self.of(item)),
        }
    }

    fn of_rule(&mut self, number: usize) -> bool {
        let bit = 1 << number;
        if self.known & bit == 0 {
            self.known |= bit;
            if self.control.rules[number].holds(self.context) {
                self.holds |= bit;
            }
        }
        self.holds & bit != 0
    }
}
