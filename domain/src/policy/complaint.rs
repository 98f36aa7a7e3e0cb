//! A complaint of the schema, in words and with the most precise place.

use std::collections::HashSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::fault::{Fault, cut, shorten, step};
use super::limits::{DEPTH_MAX, FAULTS_MAX};
use super::schema;

/// Characters of a key that may stand in a pointer; a longer one is blamed on its object.
const KEY_CHARS_MAX: usize = 256;

/// The faults that one complaint makes: one for each unknown key, else one.
pub(super) fn faults(error: &ValidationError<'_>) -> Vec<Fault> {
    let pointer = error.instance_path().as_str().to_owned();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let unknown = unexpected.iter().take(FAULTS_MAX);
            unknown.map(|key| unknown_key(&pointer, key)).collect()
        }
        Kind::UniqueItems => vec![Fault::new(
            pointer + &second_of_two(error.instance().as_ref()),
            "this stands in the list twice",
        )],
        kind => vec![Fault::new(pointer, message(kind, error.instance().as_ref()))],
    }
}

fn unknown_key(pointer: &str, key: &str) -> Fault {
    let message = format!("unknown key {}", shorten(key));
    if key.chars().count() > KEY_CHARS_MAX {
        return Fault::new(pointer, message);
    }
    Fault::new(format!("{pointer}{}", step(key)), message)
}

/// The step to the first item that stood before; by text, so that a long list costs little.
fn second_of_two(list: &Value) -> String {
    let mut seen = HashSet::new();
    let items = list.as_array().into_iter().flatten();
    let second = items.map(Value::to_string).position(|item| !seen.insert(item));
    second.map(|at| format!("/{at}")).unwrap_or_default()
}

fn message(kind: &Kind, found: &Value) -> String {
    match kind {
        Kind::Required { property } => {
            format!("{} is required", property.as_str().unwrap_or_default())
        }
        Kind::Type { kind: TypeKind::Single(expected) } => {
            format!("expected {expected}, found {}", described(found))
        }
        Kind::Type { kind: TypeKind::Multiple(expected) } => {
            let names: Vec<String> = expected.iter().map(|name| name.to_string()).collect();
            format!("expected {}, found {}", names.join(" or "), described(found))
        }
        Kind::Enum { options } => {
            let names: Vec<&str> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("expected one of {}, found {}", names.join(", "), described(found))
        }
        Kind::Pattern { pattern } => format!("expected {}", in_words(pattern)),
        Kind::MinItems { limit } => format!("expected at least {}", items(*limit)),
        Kind::MaxItems { limit } => format!("expected at most {}", items(*limit)),
        Kind::MinLength { limit } => format!("expected at least {}", characters(*limit)),
        Kind::MaxLength { limit } => format!("expected at most {}", characters(*limit)),
        Kind::Minimum { limit } => format!("expected at least {limit}"),
        Kind::Maximum { limit } => format!("expected at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}"),
        // The one place where the schema allows nothing.
        Kind::FalseSchema => format!(
            "expressions nest at most {DEPTH_MAX} deep: here only {{\"rule\": …}} may stand"
        ),
        // No other keyword stands in the schema.
        kind => format!("does not meet {}", kind.keyword()),
    }
}

fn in_words(pattern: &str) -> &'static str {
    if pattern == schema::NAME {
        "a name: a lower-case letter, then up to 63 lower-case letters, digits and -"
    } else if pattern == schema::ID {
        "an id: a letter or digit, then up to 63 letters, digits and . _ -"
    } else if pattern.contains("SESSION_START") {
        "an event type, or the beginning of one with * behind it"
    } else if pattern.contains('@') {
        "a model as name@version"
    } else {
        "a version as semver.org has it: 1.2.3, 1.2.3-rc.1, without leading zeros"
    }
}

fn items(count: u64) -> String {
    if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
}

fn characters(count: u64) -> String {
    if count == 1 { "1 character".to_owned() } else { format!("{count} characters") }
}

fn described(value: &Value) -> String {
    match value {
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
        Value::String(text) => format!("{:?}", shorten(text)),
        scalar => cut(&scalar.to_string(), 64),
    }
}
