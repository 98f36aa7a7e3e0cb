//! Redactions: a value that was taken out must leave its hash behind.

use std::borrow::Cow;

use serde_json::json;

use super::finding::{Code, Findings, Place};
use crate::evidence::json::{Json, utf16_order};
use crate::hash::Hash;

/// What stands where a value was taken out.
const REDACTED: &str = "[REDACTED]";
/// A pointer is cut after so many bytes, as keys may be long.
const POINTER_BYTES_MAX: usize = 512;

/// The way from the payload to a value, kept on the stack while the walk goes down.
#[derive(Clone, Copy)]
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

/// Notes redactions without a hash; returns how many have one.
pub(super) fn check(payload: &Json<'_>, at: Place<'_>, findings: &mut Findings) -> u64 {
    let mut walk = Walk { at, findings, proper: 0 };
    walk.value(payload, &Path { above: None, step: Step::Key("payload") });
    walk.proper
}

struct Walk<'w> {
    at: Place<'w>,
    findings: &'w mut Findings,
    proper: u64,
}

impl Walk<'_> {
    fn value(&mut self, value: &Json<'_>, path: &Path<'_>) {
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let path = Path { above: Some(path), step: Step::Key(key) };
                    match member {
                        Json::String(text) if text == REDACTED => {
                            if has_hash(members, key) {
                                self.proper += 1;
                            } else {
                                self.violation(&path);
                            }
                        }
                        _ => self.value(member, &path),
                    }
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &Path { above: Some(path), step: Step::Index(index) });
                }
            }
            // Only what stands in an array comes here: it has no sibling that could hold a hash.
            Json::String(text) if text == REDACTED => self.violation(path),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn violation(&mut self, path: &Path<'_>) {
        self.findings.note(Code::RedactionIntegrityViolation, self.at, || {
            let message = "A redacted value has left no hash behind.".to_owned();
            (message, json!({ "pointer": pointer(path) }))
        });
    }
}

/// Members are sorted by the reader, so that an object full of redactions is no trap.
fn has_hash(members: &[(Cow<'_, str>, Json<'_>)], key: &str) -> bool {
    let sibling = format!("{key}_hash");
    let found = members.binary_search_by(|(name, _)| utf16_order(name, &sibling));
    let text = found.ok().and_then(|at| members[at].1.as_str());
    text.is_some_and(|text| Hash::from_hex(text.strip_prefix("sha256:").unwrap_or(text)).is_some())
}

fn pointer(path: &Path<'_>) -> String {
    let mut steps = vec![path.step];
    let mut above = path.above;
    while let Some(path) = above {
        steps.push(path.step);
        above = path.above;
    }
    let mut pointer = String::new();
    for step in steps.iter().rev() {
        pointer.push('/');
        match step {
            Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => pointer.push_str(&index.to_string()),
        }
        if pointer.len() > POINTER_BYTES_MAX {
            pointer.truncate(pointer.floor_char_boundary(POINTER_BYTES_MAX));
            pointer.push('…');
            break;
        }
    }
    pointer
}
