//! What differs between two policy documents, member by member.

use domain::evidence::canonical;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Changes of one answer; who has more has written another policy.
pub const CHANGES_MAX: usize = 1_000;

/// How a place has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Added,
    Removed,
    Changed,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One place that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change {
    /// A JSON pointer (RFC 6901) into either document.
    pub pointer: String,
    pub change: Kind,
    /// What stood there; absent when it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub from: Option<Value>,
    /// What stands there; absent when it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub to: Option<Value>,
}

/// All changes up to the bound, in the order of the members, and whether there are more.
pub fn diff(from: &Value, to: &Value) -> (Vec<Change>, bool) {
    let mut changes = Vec::new();
    compare(&canonical(from), &canonical(to), &mut String::new(), &mut changes);
    let more = changes.len() > CHANGES_MAX;
    changes.truncate(CHANGES_MAX);
    (changes, more)
}

/// With numbers in one form: 24.0 is 24.
fn canonical(document: &Value) -> Value {
    let text = canonical::of_serde(document).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_else(|| document.clone())
}

fn compare(from: &Value, to: &Value, pointer: &mut String, changes: &mut Vec<Change>) {
    if from == to || changes.len() > CHANGES_MAX {
        return;
    }
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            for (key, old) in from {
                step(key, pointer, |pointer| place(Some(old), to.get(key), pointer, changes));
            }
            for (key, new) in to.iter().filter(|(key, _)| !from.contains_key(*key)) {
                step(key, pointer, |pointer| place(None, Some(new), pointer, changes));
            }
        }
        (Value::Array(from), Value::Array(to)) => {
            for at in 0..from.len().max(to.len()) {
                step(&at.to_string(), pointer, |pointer| {
                    place(from.get(at), to.get(at), pointer, changes);
                });
            }
        }
        (from, to) => changes.push(Change {
            pointer: pointer.clone(),
            change: Kind::Changed,
            from: Some(from.clone()),
            to: Some(to.clone()),
        }),
    }
}

fn place(from: Option<&Value>, to: Option<&Value>, pointer: &mut String, out: &mut Vec<Change>) {
    let change = match (from, to) {
        (Some(from), Some(to)) => return compare(from, to, pointer, out),
        (Some(_), None) => Kind::Removed,
        (None, Some(_)) => Kind::Added,
        (None, None) => return,
    };
    out.push(Change { pointer: pointer.clone(), change, from: from.cloned(), to: to.cloned() });
}

/// Goes one step down, and back up.
fn step(key: &str, pointer: &mut String, work: impl FnOnce(&mut String)) {
    let before = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    work(pointer);
    pointer.truncate(before);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_that_differs_is_named_once() {
        let from = json!({ "a": 1, "b": { "c/d": [1, 2, 3], "e": null }, "f": true });
        let to = json!({ "a": 1.0, "b": { "c/d": [1, 5], "e": {} }, "g": "x" });
        let (changes, more) = diff(&from, &to);
        let named: Vec<_> = changes.iter().map(|c| (c.pointer.as_str(), c.change)).collect();
        assert_eq!(
            named,
            [
                ("/b/c~1d/1", Kind::Changed),
                ("/b/c~1d/2", Kind::Removed),
                ("/b/e", Kind::Changed),
                ("/f", Kind::Removed),
                ("/g", Kind::Added),
            ]
        );
        assert!(!more);
        assert_eq!(diff(&from, &from), (vec![], false));
    }

    #[test]
    fn no_more_are_listed_than_can_be_read() {
        let many: Vec<usize> = (0..2 * CHANGES_MAX).collect();
        let (changes, more) = diff(&json!([]), &json!(many));
        assert_eq!((changes.len(), more), (CHANGES_MAX, true));
    }
}
