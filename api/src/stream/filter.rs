//! Which types of items a reader wants: `violation.*,session.sealed`.

use crate::problem::Problem;

/// Patterns of one request.
const PATTERNS_MAX: usize = 32;
const PATTERN_CHARS_MAX: usize = 64;

/// Any of these; no pattern is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeFilter(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// `violation.` of `violation.*`; empty of `*`.
    Prefix(String),
}

impl TypeFilter {
    /// Reads names and `name.*`, separated by commas.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::default()) };
        let patterns: Option<Vec<Pattern>> =
            text.split(',').take(PATTERNS_MAX + 1).map(pattern).collect();
        match patterns {
            Some(patterns) if patterns.len() <= PATTERNS_MAX => Ok(Self(patterns)),
            _ => Err(Problem::query(format!(
                "types is up to {PATTERNS_MAX} names like session.sealed or violation.*"
            ))),
        }
    }

    pub fn takes(&self, event_type: &str) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|pattern| match pattern {
                Pattern::Exact(name) => name == event_type,
                Pattern::Prefix(prefix) => event_type.starts_with(prefix.as_str()),
            })
    }

    pub fn takes_all(&self) -> bool {
        self.0.is_empty()
    }
}

fn pattern(text: &str) -> Option<Pattern> {
    let text = text.trim();
    let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
    let (name, is_prefix) = match text.strip_suffix('*') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let fits = text.len() <= PATTERN_CHARS_MAX
        && name.bytes().all(known)
        && if is_prefix { name.is_empty() || name.ends_with('.') } else { !name.is_empty() };
    let name = name.to_owned();
    fits.then_some(if is_prefix { Pattern::Prefix(name) } else { Pattern::Exact(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, event_type: &str) -> bool {
        TypeFilter::parse(Some(filter)).unwrap().takes(event_type)
    }

    #[test]
    fn a_filter_takes_the_names_and_the_families_that_it_lists() {
        assert!(takes("violation.*,session.sealed", "session.sealed"));
        assert!(takes("violation.*, session.sealed", "violation.detected"));
        assert!(!takes("violation.*,session.sealed", "session.started"));
        assert!(!takes("session", "session.started"), "a family is asked for by its star");
        assert!(takes("*", "policy.drafted"));
        assert!(TypeFilter::parse(None).unwrap().takes("anything.at_all"));
    }

    #[test]
    fn what_is_no_list_of_types_is_refused() {
        for text in ["", ",", "a,,b", "Session.sealed", "violation*", "a b", "*.sealed"] {
            assert!(TypeFilter::parse(Some(text)).is_err(), "{text:?}");
        }
        assert!(TypeFilter::parse(Some(&"a.b,".repeat(40))).is_err());
    }
}
