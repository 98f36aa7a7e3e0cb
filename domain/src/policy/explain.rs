//! Why an outcome is what it is: the tree of the contract, the same for the same event and version.
//!
//! What stands in an event may be personal data and an explanation is kept, so of an event's values
//! it shows names, through the caller's mask, small numbers and truth values; of others their kind.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compile::{CompiledPolicy, Node};
use super::context::{Context, Left};
use super::document::{Connective, Control, Operator, present};
use super::fault::cut;
use super::reason::Reason;

/// Bytes of a name in an event that is shown, and digits in it: longer ones are numbers of something.
const NAME_BYTES_MAX: usize = 64;
const NAME_DIGITS_MAX: usize = 4;
/// Numbers up to here are shown.
const NUMBER_MAX: f64 = 999_999.0;
/// Characters of a text to the right that are shown.
const TEXT_CHARS_MAX: usize = 256;
/// Items of a list to the right that are shown, and characters of each.
const LIST_ITEMS_MAX: usize = 8;
const LIST_ITEM_CHARS_MAX: usize = 64;

/// Takes personal data out of a text.
pub type Mask<'m> = &'m dyn for<'t> Fn(&'t str) -> Cow<'t, str>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Explanation {
    Rule(RuleExplanation),
    Expression(ExpressionExplanation),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpressionExplanation {
    pub op: Connective,
    pub result: bool,
    pub items: Vec<Explanation>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleExplanation {
    pub rule: String,
    pub op: Operator,
    /// The path.
    pub left: String,
    pub result: bool,
    /// What stood there, if it is null, a truth value, a small number or a name, which is masked;
    /// else its kind and, of texts and arrays, its length. Absent when not known.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub left_value: Option<Value>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub right: Option<Value>,
    /// There when the result is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl Explanation {
    pub fn result(&self) -> bool {
        match self {
            Self::Rule(rule) => rule.result,
            Self::Expression(expression) => expression.result,
        }
    }
}

impl CompiledPolicy {
    /// Why a control, or one rule of a control without an expression, is true or false of an
    /// event. Unlike [`Self::failures`] this asks every rule that the expression names. Positions
    /// that the document does not have are explained by an empty `and`.
    pub fn explain(
        &self,
        control: usize,
        rule: Option<usize>,
        context: &Context<'_>,
        mask: Mask<'_>,
    ) -> Explanation {
        let places = self.document().controls.get(control).zip(self.controls.get(control));
        let Some((written, compiled)) = places else {
            return join(Connective::And, Vec::new());
        };
        let explainer = Explainer { written, rules: &compiled.rules, context, mask };
        match (&compiled.expression, rule) {
            (Some(expression), _) => explainer.node(expression),
            (None, Some(number)) if number < written.rules.len() => explainer.rule(number),
            (None, _) => {
                let items = (0..written.rules.len()).map(|number| explainer.rule(number));
                join(Connective::And, items.collect())
            }
        }
    }
}

struct Explainer<'e> {
    written: &'e Control,
    rules: &'e [super::compile::CompiledRule],
    context: &'e Context<'e>,
    mask: Mask<'e>,
}

impl Explainer<'_> {
    fn node(&self, node: &Node) -> Explanation {
        match node {
            Node::Rule(number) => self.rule(*number),
            Node::Join(op, items) => join(*op, items.iter().map(|item| self.node(item)).collect()),
        }
    }

    fn rule(&self, number: usize) -> Explanation {
        let (written, compiled) = (&self.written.rules[number], &self.rules[number]);
        let left = self.context.resolve(&compiled.path);
        let verdict = compiled.test.judge(left);
        Explanation::Rule(RuleExplanation {
            rule: written.id.clone(),
            op: written.op,
            left: written.left.clone(),
            result: verdict.is_ok(),
            left_value: shown(left, self.mask),
            right: written.right.as_ref().map(shown_right),
            reason: verdict.err(),
        })
    }
}

fn join(op: Connective, items: Vec<Explanation>) -> Explanation {
    let result = match op {
        Connective::And => items.iter().all(Explanation::result),
        Connective::Or => items.iter().any(Explanation::result),
        Connective::Not => !items.iter().all(Explanation::result),
    };
    Explanation::Expression(ExpressionExplanation { op, result, items })
}

/// Whether a text names something: a tool, a status, a type. Anything else may be somebody's data,
/// in whatever spelling, and stays in the event that the violation names.
fn is_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(known)
        && digits <= NAME_DIGITS_MAX
}

fn shown(left: Left<'_>, mask: Mask<'_>) -> Option<Value> {
    Some(match left {
        Left::Missing | Left::Redacted | Left::BelowRedacted => return None,
        Left::Null => Value::Null,
        Left::Bool(value) => value.into(),
        Left::Number(number) => shown_number(number),
        Left::Text(text) if is_name(text) => mask(text).into(),
        Left::Text(text) => format!("text of {} characters", text.chars().count()).into(),
        Left::Array(items) => array(items.len()),
        Left::Tags(items) => array(items.len()),
        Left::PiiTypes(items) => array(items.len()),
        Left::Object => "object".into(),
    })
}

/// A whole number without its `.0`, as the event wrote it. Large ones are numbers of something.
fn shown_number(number: f64) -> Value {
    if number.abs() > NUMBER_MAX {
        return "number".into();
    }
    if number.fract() == 0.0 { (number as i64).into() } else { number.into() }
}

fn shown_right(right: &Value) -> Value {
    match right {
        Value::String(text) => cut(text, TEXT_CHARS_MAX).into(),
        Value::Array(items) if items.len() > LIST_ITEMS_MAX => array(items.len()),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => cut(text, LIST_ITEM_CHARS_MAX).into(),
                item => item.clone(),
            })
            .collect(),
        right => right.clone(),
    }
}

fn array(items: usize) -> Value {
    format!("array of {items}").into()
}
