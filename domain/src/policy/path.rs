//! A path into the context: a root, then names and `[n]`, read once when the policy is compiled.
//!
//! What stands below `event`, `session`, `pii` and `risk` is known, so a misspelt name there is
//! refused when the policy is saved. A payload may hold anything. A key that itself holds a dot or
//! a bracket cannot be named.

use super::limits::{PATH_CHARS_MAX, PATH_STEPS_MAX};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Path {
    Field(Field),
    /// One item of a field that is an array.
    Item(Field, usize),
    Payload(Box<[Step]>),
}

/// What can be asked of an event beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    EventId,
    EventType,
    SequenceNumber,
    Timestamp,
    ActorId,
    SessionId,
    AgentId,
    Environment,
    EventCount,
    StartedAt,
    Tags,
    PiiTypes,
    PiiCount,
    /// Known, and missing until a scorer has judged the event.
    RiskScore,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Key {
        name: Box<str>,
        /// The sibling that makes `[REDACTED]` a mark: `<name>_hash`.
        hash_name: Box<str>,
    },
    Index(usize),
}

const FIELDS: [(&str, &str, Field); 14] = [
    ("event", "id", Field::EventId),
    ("event", "type", Field::EventType),
    ("event", "sequence_number", Field::SequenceNumber),
    ("event", "timestamp", Field::Timestamp),
    ("event", "actor_id", Field::ActorId),
    ("event", "session_id", Field::SessionId),
    ("session", "agent_id", Field::AgentId),
    ("session", "environment", Field::Environment),
    ("session", "event_count", Field::EventCount),
    ("session", "started_at", Field::StartedAt),
    ("session", "tags", Field::Tags),
    ("pii", "types", Field::PiiTypes),
    ("pii", "count", Field::PiiCount),
    ("risk", "score", Field::RiskScore),
];

impl Path {
    /// Reads a path; the error says what is wrong with it, without repeating it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > PATH_CHARS_MAX {
            return Err(format!("a path has at most {PATH_CHARS_MAX} characters"));
        }
        let (root, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
        if root != "payload" && !FIELDS.iter().any(|(known, ..)| *known == root) {
            return Err("a path begins with event, payload, session, pii or risk".to_owned());
        }
        let steps = steps(rest)?;
        match (root, steps.first()) {
            (_, None) => Err("a path names something below its root".to_owned()),
            (_, Some(Step::Index(_))) => {
                Err("the root of a path is an object, not an array".to_owned())
            }
            ("payload", _) => Ok(Self::Payload(steps.into())),
            (root, Some(Step::Key { name, .. })) => field(root, name, &steps[1..]),
        }
    }
}

fn field(root: &str, name: &str, below: &[Step]) -> Result<Path, String> {
    let Some((.., field)) = FIELDS.iter().find(|(r, n, _)| *r == root && *n == name) else {
        let known: Vec<&str> =
            FIELDS.iter().filter(|(r, ..)| *r == root).map(|(_, n, _)| *n).collect();
        return Err(format!("{root} has only {}", known.join(", ")));
    };
    match (field, below) {
        (_, []) => Ok(Path::Field(*field)),
        (Field::Tags | Field::PiiTypes, [Step::Index(index)]) => Ok(Path::Item(*field, *index)),
        (Field::Tags | Field::PiiTypes, _) => {
            Err(format!("{root}.{name} is an array of strings: only [n] may follow"))
        }
        _ => Err(format!("{root}.{name} is not an object or array: nothing can follow")),
    }
}

/// Reads what follows a root: `.name` and `[n]`, in any order.
fn steps(mut rest: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == PATH_STEPS_MAX {
            return Err(format!("a path has at most {PATH_STEPS_MAX} steps"));
        }
        if let Some(after) = rest.strip_prefix('[') {
            let (digits, after) = after.split_once(']').ok_or("a path has a [ without its ]")?;
            steps.push(Step::Index(index(digits)?));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
            if name.is_empty() {
                return Err("a path has an empty name between its dots".to_owned());
            }
            if name.contains(|c: char| c == ']' || c.is_control()) {
                return Err("a name in a path holds a ] or a control character".to_owned());
            }
            let hash_name = format!("{name}_hash").into();
            steps.push(Step::Key { name: name.into(), hash_name });
            rest = after;
        } else {
            return Err("after ] a path goes on with . or [".to_owned());
        }
    }
    Ok(steps)
}

fn index(digits: &str) -> Result<usize, String> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let shortest = digits == "0" || !digits.starts_with('0');
    // Nine digits fit every usize; no event has that many items.
    if plain && shortest && (1..=9).contains(&digits.len()) {
        return digits.parse().map_err(|_| "an index is too large".to_owned());
    }
    Err("an index is a number from 0, without leading zeros, of at most 9 digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key { name: name.into(), hash_name: format!("{name}_hash").into() }
    }

    #[test]
    fn names_and_indexes_may_follow_each_other_in_any_order() {
        let path = |text| Path::parse(text).expect("a path");
        assert_eq!(
            path("payload.items[0].name"),
            Path::Payload([key("items"), Step::Index(0), key("name")].into())
        );
        assert_eq!(
            path("payload.m[1][20]"),
            Path::Payload([key("m"), Step::Index(1), Step::Index(20)].into())
        );
        assert_eq!(path("payload.Grüße an"), Path::Payload([key("Grüße an")].into()));
    }

    #[test]
    fn every_field_beside_the_payload_is_known_by_name() {
        for (root, name, field) in FIELDS {
            assert_eq!(Path::parse(&format!("{root}.{name}")), Ok(Path::Field(field)));
        }
        assert_eq!(Path::parse("session.tags[3]"), Ok(Path::Item(Field::Tags, 3)));
        assert_eq!(Path::parse("pii.types[0]"), Ok(Path::Item(Field::PiiTypes, 0)));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "payload",
            "event",
            "payload.",
            "payload..a",
            ".payload",
            "payload[0]",
            "payload.a[",
            "payload.a[]",
            "payload.a[01]",
            "payload.a[-1]",
            "payload.a[+1]",
            "payload.a[1234567890]",
            "payload.a[0]b",
            "payload.a]b",
            "payload.a\u{0}",
            "Payload.a",
            "user.name",
            "payloads.a",
            "event.payload",
            "event.id.x",
            "event.id[0]",
            "session.tags.x",
            "session.tags[0][0]",
            "session.risk",
            "pii.values",
            "risk",
            "risk.factors",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_as_long_as_its_limits_and_no_longer() {
        let steps = |n| format!("payload{}", ".a".repeat(n));
        assert!(Path::parse(&steps(PATH_STEPS_MAX)).is_ok());
        assert!(Path::parse(&steps(PATH_STEPS_MAX + 1)).is_err());
        let chars = |n: usize| format!("payload.{}", "ä".repeat(n - 8));
        assert!(Path::parse(&chars(PATH_CHARS_MAX)).is_ok());
        assert!(Path::parse(&chars(PATH_CHARS_MAX + 1)).is_err());
    }
}
