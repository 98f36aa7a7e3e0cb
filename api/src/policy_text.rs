//! Policy documents as text: JSON or YAML, read into the one model without loss.

use domain::evidence::json::{self, DEPTH_MAX};
use domain::policy::fault::Fault;
use serde_json::Value;

/// What aliases may expand to, in nodes: a document has at most 256 KiB.
const ALIASED_NODES_MAX: usize = 20_000;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
}

impl Form {
    /// What a text looks like: JSON documents begin with a brace.
    pub fn of(text: &[u8]) -> Self {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') { Self::Json } else { Self::Yaml }
    }

    /// What a media type names, if it is one that policies come in.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json" => Some(Self::Json),
            "application/yaml" | "application/x-yaml" | "text/yaml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Reads a text; whether it is a policy is another question.
///
/// # Errors
/// With the places of what cannot be read, or not exactly.
pub fn read(text: &[u8], form: Form) -> Result<Value, Vec<Fault>> {
    match form {
        Form::Json => read_json(text),
        Form::Yaml => read_yaml(text),
    }
}

fn fault(pointer: String, message: String) -> Vec<Fault> {
    vec![Fault { pointer, message }]
}

fn read_json(text: &[u8]) -> Result<Value, Vec<Fault>> {
    // Twice: the strict reader finds what serde would round, merge or drop.
    let document = json::parse(text, DEPTH_MAX)
        .map_err(|error| fault(String::new(), format!("the document is not JSON: {error}")))?;
    if !document.flaws.is_empty() {
        let inexact = document.flaws.iter().map(|flaw| Fault {
            pointer: flaw.pointer().clone(),
            message: format!("this cannot be carried faithfully: {}", flaw.kind.reason()),
        });
        return Err(inexact.collect());
    }
    serde_json::from_slice(text).map_err(|error| fault(String::new(), error.to_string()))
}

fn read_yaml(text: &[u8]) -> Result<Value, Vec<Fault>> {
    let mut aliases = serde_saphyr::options::AliasLimits::default();
    aliases.max_total_replayed_events = ALIASED_NODES_MAX;
    // Duplicate keys and numbers that are none are refused by default.
    let options = serde_saphyr::options! {
        alias_limits: aliases,
        strict_booleans: true,
        reject_unsupported_tags: true,
    };
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| {
        let place =
            error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        let message = error.without_snippet().to_string();
        let first = message.lines().next().unwrap_or_default().to_owned();
        fault(
            String::new(),
            format!("the document is not YAML: {first}{}", place.unwrap_or_default()),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Value, Vec<Fault>> {
        read(text.as_bytes(), Form::Yaml)
    }

    #[test]
    fn yaml_and_json_are_one_model() {
        let text =
            "name: a\nversion: 1.2.0\nflag: no\nn: 3\nx: 0.5\nnone: null\nlist: [a, \"1\"]\n";
        let expected = json!({
            "name": "a", "version": "1.2.0", "flag": "no", "n": 3, "x": 0.5, "none": null,
            "list": ["a", "1"],
        });
        assert_eq!(yaml(text), Ok(expected.clone()));
        assert_eq!(read(expected.to_string().as_bytes(), Form::Json), Ok(expected));
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        for text in ["a: 1\na: 2\n", "a: .nan\n", "a: !!set {b}\n", "a: [1\n", "a: 1\n---\nb: 2\n"]
        {
            let faults = yaml(text).expect_err(text);
            assert!(faults[0].message.starts_with("the document is not YAML"), "{faults:?}");
        }
        let twice = read(br#"{"a": {"b": 1, "b": 2}}"#, Form::Json).expect_err("twice");
        assert_eq!(twice[0].pointer, "/a/b");
    }

    #[test]
    fn aliases_are_taken_and_do_not_grow_without_bound() {
        assert_eq!(yaml("a: &x [1]\nb: *x\n"), Ok(json!({ "a": [1], "b": [1] })));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let last = format!("*a{}", n - 1);
            bomb = format!("{bomb}a{n}: &a{n} [{}]\n", vec![last; 10].join(", "));
        }
        assert!(yaml(&bomb).is_err());
    }

    #[test]
    fn the_form_shows_in_the_first_character() {
        assert_eq!(Form::of(b"\n {\"a\": 1}"), Form::Json);
        assert_eq!(Form::of(b"name: a"), Form::Yaml);
    }
}
