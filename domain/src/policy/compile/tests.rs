//! What a compiled policy applies to, and which regexes do not compile.

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

#[test]
fn many_threads_may_share_a_compiled_policy() {
    fn shared<T: Send + Sync>() {}
    shared::<CompiledPolicy>();
}
