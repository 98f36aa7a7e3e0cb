//! The few shapes that the schema is put together from.

use serde_json::{Map, Value, json};

/// An object with these members and no others.
pub(super) fn object(members: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut object =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// What holds when the member `name` is there and is as `value` says.
pub(super) fn case(name: &str, value: &Value, then: &Value) -> Value {
    json!({"if": {"properties": {name: value}, "required": [name]}, "then": then})
}

pub(super) fn all_of(schema: &Value, more: Value) -> Value {
    let mut all = more;
    for (key, value) in schema.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    all
}

pub(super) fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/$defs/{definition}")})
}

pub(super) fn array(items: &Value, min: usize, max: usize) -> Value {
    let mut array = json!({"type": "array", "items": items, "maxItems": max});
    if min > 0 {
        array["minItems"] = json!(min);
    }
    array
}

pub(super) fn text(chars_max: usize) -> Value {
    json!({"type": "string", "maxLength": chars_max})
}

pub(super) fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

pub(super) fn integer(min: u64, max: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max})
}
