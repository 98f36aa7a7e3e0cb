//! A policy made ready to judge events: paths read, expressions resolved, regexes compiled, once
//! per version.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::document::{Connective, Control, Document, Expression, Item, Operator, Rule};
use super::fault::{Fault, shorten};
use super::limits::{
    DEPTH_MAX, FAULTS_MAX, NODES_MAX, REGEX_BYTES_MAX, REGEX_CHARS_MAX, REGEXES_MAX, RULES_MAX,
};
use super::operators::Test;
use super::path::Path;
use super::validate::Policy;

/// One version of a policy, ready to judge; see [`super::evaluate`] for what it answers.
#[derive(Debug, Clone)]
pub struct CompiledPolicy {
    document: Document,
    content_hash: String,
    applies_to: Option<Vec<TypePattern>>,
    pub(super) controls: Vec<CompiledControl>,
}

#[derive(Debug, Clone)]
pub(super) struct CompiledControl {
    pub(super) rules: Vec<CompiledRule>,
    pub(super) expression: Option<Node>,
    /// The one rule that the expression names, if it names no other.
    pub(super) only_rule: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct CompiledRule {
    pub(super) path: Path,
    pub(super) test: Test,
}

/// An expression with its rules by number.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Rule(usize),
    Join(Connective, Vec<Node>),
}

#[derive(Debug, Clone)]
enum TypePattern {
    Exact(Box<str>),
    Prefix(Box<str>),
}

impl CompiledPolicy {
    pub fn new(policy: &Policy) -> Result<Self, Vec<Fault>> {
        let controls = compile(&policy.document)?;
        let pattern = |text: &String| match text.strip_suffix('*') {
            Some(prefix) => TypePattern::Prefix(prefix.into()),
            None => TypePattern::Exact(text.as_str().into()),
        };
        let applies_to = policy.document.applies_to.as_ref();
        Ok(Self {
            applies_to: applies_to.map(|types| types.iter().map(pattern).collect()),
            document: policy.document.clone(),
            content_hash: policy.content_hash.clone(),
            controls,
        })
    }

    pub fn applies_to(&self, event_type: &str) -> bool {
        let Some(patterns) = &self.applies_to else { return true };
        patterns.iter().any(|pattern| match pattern {
            TypePattern::Exact(name) => **name == *event_type,
            TypePattern::Prefix(prefix) => event_type.starts_with(&**prefix),
        })
    }

    /// Whether a session that ends with an unanswered call breaks it.
    pub fn demands_tool_results(&self) -> bool {
        self.document.limits.as_ref().is_some_and(|limits| limits.require_tool_results)
    }

    /// Whether it asks for personal data, in a clause or in a rule.
    pub fn asks_for_personal_data(&self) -> bool {
        let mut rules = self.document.controls.iter().flat_map(|control| &control.rules);
        self.document.pii.is_some() || rules.any(|rule| rule.left.starts_with("pii"))
    }

    pub fn document(&self) -> &Document {
        &self.document
    }

    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }
}

/// Compiles all controls, or says what in them cannot be.
pub(super) fn compile(document: &Document) -> Result<Vec<CompiledControl>, Vec<Fault>> {
    let mut compiler = Compiler { faults: Vec::new(), regexes: HashMap::new() };
    let mut controls = Vec::with_capacity(document.controls.len());
    for (at, control) in document.controls.iter().enumerate() {
        controls.extend(compiler.control(control, &format!("/controls/{at}")));
        if compiler.faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if compiler.faults.is_empty() { Ok(controls) } else { Err(compiler.faults) }
}

struct Compiler {
    faults: Vec<Fault>,
    /// By pattern: rules that look for the same share one, with its memory.
    regexes: HashMap<String, Arc<Regex>>,
}

impl Compiler {
    fn control(&mut self, control: &Control, pointer: &str) -> Option<CompiledControl> {
        if control.rules.len() > RULES_MAX {
            let message = format!("a control has at most {RULES_MAX} rules");
            return self.refuse(format!("{pointer}/rules"), message);
        }
        let mut rules = Vec::with_capacity(control.rules.len());
        let mut numbers = HashMap::new();
        for (at, rule) in control.rules.iter().enumerate() {
            numbers.entry(rule.id.as_str()).or_insert(at);
            rules.extend(self.rule(rule, &format!("{pointer}/rules/{at}")));
        }
        let mut expression = None;
        let mut only_rule = None;
        if let Some(written) = &control.expression {
            let mut names = Names { numbers, nodes: 0, used: 0 };
            let pointer = format!("{pointer}/expression");
            expression = Some(self.expression(written, &pointer, 1, &mut names)?);
            if names.nodes > NODES_MAX {
                let message = format!("an expression has at most {NODES_MAX} nodes");
                return self.refuse(pointer, message);
            }
            let single = names.used.is_power_of_two();
            only_rule = single.then(|| names.used.trailing_zeros() as usize);
        }
        (rules.len() == control.rules.len()).then_some(CompiledControl {
            rules,
            expression,
            only_rule,
        })
    }

    fn rule(&mut self, rule: &Rule, pointer: &str) -> Option<CompiledRule> {
        let path = match Path::parse(&rule.left) {
            Ok(path) => Some(path),
            Err(message) => self.refuse(format!("{pointer}/left"), message),
        };
        let test = match (rule.op, &rule.right) {
            (Operator::Regex, Some(Value::String(pattern))) => self.regex(pattern, pointer),
            (op, right) => Test::new(op, right.as_ref()).or_else(|| {
                let message = format!("{} does not take this right side", op.as_str());
                self.refuse(format!("{pointer}/right"), message)
            }),
        };
        Some(CompiledRule { path: path?, test: test? })
    }

    fn regex(&mut self, pattern: &str, pointer: &str) -> Option<Test> {
        let pointer = format!("{pointer}/right");
        if let Some(regex) = self.regexes.get(pattern) {
            return Some(Test::Regex(Arc::clone(regex)));
        }
        if self.regexes.len() >= REGEXES_MAX {
            let message =
                format!("a policy has at most {REGEXES_MAX} different regular expressions");
            return self.refuse(pointer, message);
        }
        if pattern.chars().count() > REGEX_CHARS_MAX {
            let message = format!("a regular expression has at most {REGEX_CHARS_MAX} characters");
            return self.refuse(pointer, message);
        }
        let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
        match built {
            Ok(regex) => {
                let regex = Arc::new(regex);
                self.regexes.insert(pattern.to_owned(), Arc::clone(&regex));
                Some(Test::Regex(regex))
            }
            Err(error) => self.refuse(pointer, why_not(&error)),
        }
    }

    fn expression(
        &mut self,
        written: &Expression,
        pointer: &str,
        depth: usize,
        names: &mut Names<'_>,
    ) -> Option<Node> {
        names.nodes += 1;
        if depth > DEPTH_MAX {
            return self.refuse(pointer, format!("expressions nest at most {DEPTH_MAX} deep"));
        }
        let wrong = match (written.op, written.items.len()) {
            (_, 0) => Some("an expression has at least one item"),
            (Connective::Not, 2..) => Some("not takes exactly one item"),
            _ => None,
        };
        if let Some(message) = wrong {
            return self.refuse(format!("{pointer}/items"), message);
        }
        let mut nodes = Vec::with_capacity(written.items.len());
        for (at, item) in written.items.iter().enumerate() {
            let pointer = format!("{pointer}/items/{at}");
            nodes.extend(match item {
                Item::Expression(inner) => self.expression(inner, &pointer, depth + 1, names),
                Item::Rule(reference) => match names.number(&reference.rule) {
                    Some(number) => Some(Node::Rule(number)),
                    None => {
                        let name = shorten(&reference.rule);
                        let message = format!("this control has no rule {name}");
                        self.refuse(format!("{pointer}/rule"), message)
                    }
                },
            });
        }
        (nodes.len() == written.items.len()).then_some(Node::Join(written.op, nodes))
    }

    fn refuse<T>(&mut self, pointer: impl Into<String>, message: impl Into<String>) -> Option<T> {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault::new(pointer, message));
        }
        None
    }
}

/// The rules of a control by name, and what its expression has used of them.
struct Names<'d> {
    numbers: HashMap<&'d str, usize>,
    nodes: usize,
    /// A bit for each rule: there are at most 50.
    used: u64,
}

impl Names<'_> {
    fn number(&mut self, name: &str) -> Option<usize> {
        self.nodes += 1;
        let number = *self.numbers.get(name)?;
        self.used |= 1 << number;
        Some(number)
    }
}

/// The last line of the regex crate's complaint: the ones before it repeat the pattern.
fn why_not(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            format!(
                "this regular expression takes more than {REGEX_BYTES_MAX} bytes when compiled; \
                 counted classes such as \\w{{1,64}} are large, [A-Za-z0-9_]{{1,64}} is not"
            )
        }
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let last = last.strip_prefix("error: ").unwrap_or(last);
            format!(
                "not a regular expression that runs in linear time: {}",
                super::fault::cut(last, 128)
            )
        }
    }
}

#[cfg(test)]
mod tests;
