//! A policy made ready to judge events: paths read, expressions resolved, regexes compiled, once
//! per version.

use std::collections::HashMap;

use regex::RegexBuilder;
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

    pub fn document(&self) -> &Document {
        &self.document
    }

    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }
}

/// Compiles all controls, or says what in them cannot be.
pub(super) fn compile(document: &Document) -> Result<Vec<CompiledControl>, Vec<Fault>> {
    let mut compiler = Compiler { faults: Vec::new(), regexes: 0 };
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
    /// How many regular expressions the policy has so far.
    regexes: usize,
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
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            let message = format!("a policy has at most {REGEXES_MAX} regular expressions");
            return self.refuse(pointer, message);
        }
        if pattern.chars().count() > REGEX_CHARS_MAX {
            let message = format!("a regular expression has at most {REGEX_CHARS_MAX} characters");
            return self.refuse(pointer, message);
        }
        let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
        match built {
            Ok(regex) => Some(Test::Regex(regex)),
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
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(applies_to: &Value, op: &str, right: &Value) -> Result<CompiledPolicy, Vec<Fault>> {
        let rule = json!({"id": "r", "left": "payload.a", "op": op, "right": right});
        let document = json!({
            "name": "a",
            "version": "1.0.0",
            "applies_to": applies_to,
            "controls": [{"id": "c", "severity": "low", "rules": [rule]}],
        });
        CompiledPolicy::new(&Policy::read(&document)?)
    }

    #[test]
    fn a_policy_applies_to_its_types_and_what_begins_like_them() {
        let compiled = policy(&json!(["TOOL_*", "auth.*", "quiz.done"]), "==", &json!(1));
        let compiled = compiled.expect("a policy");
        for name in ["TOOL_CALL", "TOOL_RESULT", "auth.login", "quiz.done"] {
            assert!(compiled.applies_to(name), "{name}");
        }
        for name in ["ERROR", "authority.x", "quiz.done.late", "quiz"] {
            assert!(!compiled.applies_to(name), "{name}");
        }
    }

    #[test]
    fn regexes_that_are_not_linear_or_too_large_are_refused_at_their_place() {
        for (pattern, word) in [
            ("(?=a)b", "look-around"),
            ("(?<!a)b", "look-around"),
            (r"(a)\1", "backreference"),
            ("(a", "unclosed"),
            (r"(\w{200}){200}", "bytes when compiled"),
        ] {
            let faults = policy(&json!(["*"]), "regex", &json!(pattern)).expect_err(pattern);
            assert_eq!(faults[0].pointer, "/controls/0/rules/0/right");
            assert!(faults[0].message.contains(word), "{}", faults[0].message);
        }
        let fair = policy(&json!(["*"]), "regex", &json!(r"\w+@[a-z0-9-]{1,64}\.\d{2}(?i:x)"));
        assert_eq!(fair.err(), None);
    }
}
