//! What holds of every document: the same bytes from the same input, and no text that cannot be set.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RENDERER_VERSION, render_report, render_session};
use crate::pdf_attachments::read;

const SESSION: &str = include_str!("../../../tests/vectors/session.jsonl");
const SEAL: &str = include_str!("../../../tests/vectors/session.seal.dsse.json");
const KEYS: &str = include_str!("../../../tests/vectors/jwks.json");

const PINNED: (&str, &str) = (
    "exhibit-pdf/2 (typst 0.15.1)",
    "36b3a2d8ef14e1c054f0d547cdbefd50557810b22be96bea42bb3289cb40c032",
);

/// An export of the sealed session of the vectors.
fn export() -> Value {
    let events: Vec<Value> =
        SESSION.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let envelope: Value = serde_json::from_str(SEAL).unwrap();
    json!({
        "schema": "exhibit-export/1", "exported_at": "2026-03-02T08:30:00.000000Z",
        "exported_by": "key:abcd1234", "purpose": "internal audit",
        "evidence_class": "AUTHORITATIVE_EVIDENCE", "verification": { "status": "PASS" },
        "session": { "session_id": events[0]["session_id"], "agent_id": "refund-agent" },
        "seal": { "present": true, "envelope": envelope }, "events": events,
        "violations": [violation("too much")], "policies": [{
            "name": "refunds", "version": "1.0.0", "content_hash": "sha256:00",
            "document": { "controls": [{ "id": "small", "description": "Small ones only." }] },
        }],
        "tool_access": [{ "sequence_number": 1, "tool_name": "refund", "allowed": false }],
        "chain_of_custody": [{ "action": "export.created", "actor": "key:abcd1234" }],
    })
}

fn violation(text: &str) -> Value {
    json!({
        "sequence_number": 1, "policy": text, "policy_version": text, "policy_hash": "sha256:00",
        "control": "small", "rule": text, "severity": text, "reason": text, "status": text,
        "explanation": { "op": "and", "result": false, "items": [
            { "rule": text, "op": text, "left": text, "result": false, "left_value": text },
        ]},
        "actions": [{ "number": 1, "action": text, "actor": text, "details": { (text): text } }],
    })
}

/// The export with one text in every place that takes one.
fn export_of(text: &str) -> Value {
    let mut export = export();
    for member in ["exported_by", "purpose", "exported_at", "evidence_class"] {
        export[member] = json!(text);
    }
    export["verification"]["status"] = json!(text);
    for member in ["agent_id", "session_id", "environment", "status", "started_at"] {
        export["session"][member] = json!(text);
    }
    export["session"]["tags"] = json!([text, text]);
    export["session"]["pii"] = json!({ "found": { (text): 1 } });
    export["violations"] = json!([violation(text)]);
    export["policies"] = json!([{
        "name": text, "version": text, "content_hash": text, "document": { (text): text },
    }]);
    export["tool_access"] = json!([{
        "timestamp": text, "tool_name": text, "args_summary": text, "status": text,
        "broken": [text], "allowed": false,
    }]);
    export["pii"] = json!({
        "detectors_run": [text], "detectors_not_run": [text],
        "matches": [{ "detector": text, "pointer": text }],
    });
    export["chain_of_custody"] =
        json!([{ "action": text, "actor": text, "at": text, "details": { (text): text } }]);
    for member in ["event_type", "actor_id", "timestamp_wall", "event_hash"] {
        export["events"][1][member] = json!(text);
    }
    export["events"][1]["payload"] = json!({ "tool_name": text, "model": text });
    export
}

fn render(export: &Value) -> Vec<u8> {
    render_session(export.to_string().as_bytes(), KEYS.as_bytes()).unwrap()
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let first = render(&export());
    assert!(first.starts_with(b"%PDF-"));
    assert!(first == render(&export()), "one renderer, one input, one document");
}

/// What the pages say and how they look is the renderer's version: who changes it gives it another
/// number, and notes the new hash here.
#[test]
fn another_document_is_another_version() {
    let pdf = domain::hash::Hash::of(&render(&export())).to_string();
    assert_eq!((RENDERER_VERSION, pdf.as_str()), PINNED);
}

#[test]
fn the_document_names_and_carries_what_it_was_made_of() {
    let text = export().to_string();
    let pdf = render_session(text.as_bytes(), KEYS.as_bytes()).unwrap();
    let attachments = read(&pdf).unwrap();
    assert!(attachments.export == text.as_bytes(), "byte for byte");
    assert_eq!(attachments.keys.as_deref(), Some(KEYS.as_bytes()));
    assert!(attachments.seal.is_some());
    assert_eq!(attachments.renderer.as_deref(), Some(RENDERER_VERSION));
    let computed = domain::hash::Hash::of(text.as_bytes()).to_string();
    assert_eq!(attachments.export_sha256, Some(computed));
    assert_eq!(attachments.others, Vec::<String>::new());
}

#[test]
fn a_report_has_the_same_bytes_each_time_and_no_attachments() {
    let report = json!({
        "title": "Violations of March", "generated_at": "2026-04-01T00:00:00Z", "tenant": "demo",
        "purpose": "review", "filters": { "severity": "high" }, "counts": { "violations": 2 },
        "sections": [
            { "heading": "By severity", "text": "Two.\nBoth high.", "table": {
                "columns": ["Severity", "How many"], "rows": [["high", 2], ["😀", null]],
                "note": "Nothing is left out.",
            }},
        ],
        "disclaimer": "None.",
    });
    let pdf = render_report(&report).unwrap();
    assert!(pdf == render_report(&report).unwrap());
    assert!(read(&pdf).is_err(), "nothing is attached");
    assert!(render_report(&json!({ "title": 1 })).is_err());
}

#[test]
fn characters_of_all_planes_can_be_set() {
    let planes: String = (0..=16_u32)
        .flat_map(|plane| (0..0x1_0000_u32).step_by(509).map(move |low| plane << 16 | low))
        .filter_map(char::from_u32)
        .collect();
    let chars: Vec<char> = planes.chars().collect();
    let rows = chars.chunks(20).map(|part| json!([part.iter().collect::<String>()]));
    let table = json!({ "columns": ["Characters"], "rows": rows.collect::<Vec<_>>() });
    let report = json!({
        "title": "All planes", "generated_at": "2026-04-01T00:00:00Z",
        "sections": [{ "heading": "Planes", "table": table }],
    });
    render_report(&report).unwrap();
}

#[test]
fn scripts_marks_and_markup_can_be_set() {
    for text in [
        "工具 한국어 日本語 العربية עברית हिन्दी ไทย Ελληνικά Русский",
        "e\u{301}\u{327} x\u{20e3} \u{301} a\u{200d}b \u{202e}c\u{2066} \u{feff} \u{0} \u{fffe}",
        "#set page(fill: red) *b* _i_ $x$ @ref <l> \\ `raw` // c /* */ [x] \"q\" -- ---",
        "👨‍👩‍👧‍👦 🇩🇪 1️⃣ ﷺ ﬁ ß ſ Ǆ ",
        "",
    ] {
        render(&export_of(text));
    }
    render(&export_of(&"x".repeat(10_240)));
    render(&export_of(&"_".repeat(500)));
    render(&export_of(&"मा".repeat(100)));
}

#[test]
fn what_is_no_export_is_refused() {
    let keys = KEYS.as_bytes();
    for text in ["", "{}", "[]", "null", r#"{"schema":"exhibit-export/1"}"#, r#"{"events":[]}"#] {
        assert!(render_session(text.as_bytes(), keys).is_err(), "{text}");
    }
    assert!(render_session(export().to_string().as_bytes(), b"no keys").is_err());
}

#[test]
fn the_version_names_the_typesetter() {
    let typst = format!("typst {}", typst::utils::version().raw());
    assert!(RENDERER_VERSION.contains(&typst), "{RENDERER_VERSION} is not {typst}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_can_be_set(text in "\\PC{0,40}|(.|\\s){0,40}") {
        render(&export_of(&text));
    }
}
