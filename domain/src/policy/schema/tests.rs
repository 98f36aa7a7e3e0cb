//! That the published schema is the one that the code means.

use super::*;
use crate::evidence::event_type::EventType;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/policy.schema.json");

#[test]
fn the_published_schema_is_the_one_that_the_code_makes() {
    let published: Value = serde_json::from_str(TEXT).expect("JSON");
    assert!(published == generate(), "regenerate: cargo test -p domain write_schema -- --ignored");
}

#[test]
#[ignore = "writes the file that the test above compares"]
fn write_schema() {
    let text = serde_json::to_string_pretty(&generate()).expect("JSON");
    std::fs::write(FILE, text + "\n").expect("a writable folder");
}

#[test]
fn the_published_schema_is_a_valid_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&generate()));
}

#[test]
fn every_agent_type_that_can_be_named_is_an_event_type() {
    assert!(AGENT_TYPES.iter().all(|name| EventType::parse(name).is_some()));
}

#[test]
fn every_object_is_closed() {
    fn check(schema: &Value) {
        if schema["type"] == "object" && schema.get("properties").is_some() {
            assert_eq!(schema["additionalProperties"], false, "{schema}");
        }
        match schema {
            Value::Object(members) => members.values().for_each(check),
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    check(&generate());
}
