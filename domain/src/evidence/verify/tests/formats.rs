//! The forms of input, and input that is none.

use super::*;

fn export() -> Value {
    json!({
        "schema": "exhibit-export/1",
        "exported_at": "2026-03-02T09:00:00.000Z",
        "exported_by": "auditor",
        "purpose": "test",
        "evidence_class": "AUTHORITATIVE_EVIDENCE",
        "verification": { "status": "DEGRADED" },
        "session": {
            "session_id": "0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90", "status": "sealed",
            "chain_authority": "server", "event_count": 8, "final_hash": HEAD,
        },
        "seal": { "present": true, "envelope": serde_json::from_str::<Value>(ENVELOPE).unwrap() },
        "events": Log::of_vectors().0,
        "counts": { "events": 8, "total_drops": 0 },
    })
}

fn verify_export(export: &Value) -> Report {
    let keys = keys();
    verify(export.to_string(), &Options { keys: Some(&keys), ..Options::default() })
}

#[test]
fn all_forms_of_one_log_have_one_verdict() {
    let array = Value::Array(Log::of_vectors().0);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let forms = [
        (SESSION.to_owned(), "jsonl"),
        (SESSION.replace('\n', "\r\n\n"), "jsonl"),
        (format!("\n\n{SESSION}"), "jsonl"),
        (array.to_string(), "json"),
        (pretty(&array), "json"),
        (export().to_string(), "export-json"),
        (pretty(&export()), "export-json"),
    ];
    for (text, format) in forms {
        let report = verify_knowing_all(text);
        assert_eq!(report.format.as_str(), format);
        assert_findings(&report, 0, &["REDACTION_PRESENT"]);
        assert_eq!(report.final_event_hash, Hash::from_hex(HEAD));
    }
}

#[test]
fn empty_input_is_never_green() {
    let mut export = export();
    export["events"] = json!([]);
    for text in ["", "\n \n", "[]", " [ ] "] {
        assert_findings(&verify(text, &Options::default()), 2, &["EMPTY_LOG"]);
    }
    let report = verify_export(&export);
    assert_eq!(codes(&report)[0], "EMPTY_LOG");
    assert_eq!(report.exit_code, 2);
}

#[test]
fn a_truncated_last_line_makes_the_input_unreadable() {
    let report = verify(&SESSION[..SESSION.len() - 20], &Options::default());
    let expected = ["INVALID_CANONICAL_FORM", "UNSEALED_SESSION", "REDACTION_PRESENT"];
    assert_findings(&report, 5, &expected);
    assert_eq!(report.findings[0].details["line"], 8);
    assert_eq!(report.status, Status::Fail);
}

#[test]
fn texts_that_jcs_cannot_carry_are_refused_not_rounded() {
    let deep = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    let cases = [
        ("\"order\": 4711", "\"order\": 4711, \"order\": 4711", "duplicate key"),
        ("\"Euro\"", "\"\\ud800\"", "lone surrogate"),
        ("4711, \"amount\"", "9007199254740993, \"amount\"", "integer that a double cannot carry"),
        ("\"amount\": 1.8", "\"amount\": 1e999", "overflow"),
        ("\"amount\": 1.8", &format!("\"amount\": {deep}"), "depth"),
    ];
    for (from, to, reason) in cases {
        assert!(SESSION.contains(from), "{from}");
        let lines = SESSION.replace(from, to);
        let array = format!("[{}]", lines.trim().replace('\n', ","));
        for text in [lines, array] {
            let report = verify_knowing_all(text);
            assert_findings(&report, 2, &["INVALID_CANONICAL_FORM", "REDACTION_PRESENT"]);
            assert_eq!(report.findings[0].details["reason"], reason);
            assert_eq!(report.findings[0].sequence_number, Some(3));
        }
    }
}

#[test]
fn what_is_not_json_is_unreadable() {
    for text in [&b"\xff\xfe"[..], b"hello", b"[1,", b"{", b"{\"schema\":\"exhibit-export/1\","] {
        let report = verify(text, &Options::default());
        assert_eq!(report.exit_code, 5);
        assert_eq!(codes(&report)[0], "INVALID_CANONICAL_FORM");
    }
    assert_eq!(verify("42\n[]\n", &Options::default()).exit_code, 2);
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let long = format!("{{\"event_id\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX as usize * 2));
    let mut lines: Vec<&str> = SESSION.lines().collect();
    lines[3] = &long;
    let mut told = Vec::new();
    let text = lines.join("\n");
    let mut reader = text.as_bytes();
    let report = verify_reader(&mut reader, "x", &Options::default(), &mut |at| told.push(at));
    assert_eq!(codes(&report)[..2], ["INVALID_CANONICAL_FORM", "SEAL_DIGEST_MISMATCH"]);
    assert_eq!((report.exit_code, report.event_count), (5, 8));
    assert_eq!(told.last(), Some(&(text.len() as u64)));
    assert!(told.is_sorted() && told.len() > 2);
}

#[test]
fn claims_of_an_export_are_compared() {
    let claims = [
        ("/evidence_class", json!("NON_AUTHORITATIVE_EVIDENCE")),
        ("/seal/present", json!(false)),
        ("/session/session_id", json!("x")),
        ("/session/status", json!("open")),
        ("/session/chain_authority", json!("sdk")),
        ("/session/event_count", json!(7)),
        ("/session/final_hash", json!("0".repeat(64))),
        ("/counts/events", json!("8")),
        ("/counts/total_drops", json!(1)),
    ];
    for (pointer, value) in claims {
        let mut export = export();
        *export.pointer_mut(pointer).unwrap() = value;
        let report = verify_export(&export);
        assert_findings(&report, 2, &["REDACTION_PRESENT", "METADATA_MISMATCH"]);
        let field = pointer[1..].replace('/', ".");
        assert_eq!(report.findings[1].details["field"], field);
        *export.pointer_mut(pointer).unwrap() = Value::Null;
        assert_eq!(verify_export(&export).exit_code, 0, "null claims nothing");
    }
}

#[test]
fn an_export_stripped_of_its_seal_contradicts_itself() {
    let mut export = export();
    export["events"].as_array_mut().unwrap().pop();
    let report = verify_export(&export);
    assert!(codes(&report).contains(&"INVALID_SEAL"));
    assert!(codes(&report).contains(&"METADATA_MISMATCH"));
    export["seal"]["envelope"] = json!({ "payloadType": 1 });
    assert!(codes(&verify_export(&export)).contains(&"INVALID_SEAL"));
}

#[test]
fn an_export_without_events_or_of_another_schema_is_refused() {
    let mut no_events = export();
    remove(&mut no_events, "events");
    let report = verify_export(&no_events);
    assert_eq!(codes(&report)[..2], ["MISSING_FIELD", "EMPTY_LOG"]);
    let mut later = export();
    later["schema"] = json!("exhibit-export/2");
    assert_findings(&verify_export(&later), 5, &["SCHEMA_VERSION_MISMATCH"]);
}

#[test]
fn a_flood_of_warnings_neither_fills_the_report_nor_hides_a_contradiction() {
    let mut log = Log::of_vectors();
    log.0.truncate(1);
    log.0.extend(vec![Log::of_vectors().0[2].clone(); 1_500]);
    log.0.iter_mut().for_each(|record| record["extra"] = json!(1));
    log.rechain();
    log.0[1_400]["payload"]["content"] = json!("changed");
    let report = log.verify();
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    let kept = |code| codes(&report).contains(&code);
    assert!(kept("PAYLOAD_HASH_MISMATCH") && kept("EVENT_HASH_MISMATCH") && kept("CHAIN_BROKEN"));
    let unknown = report.findings.iter().filter(|f| f.code == Code::UnknownField).count() as u64;
    assert_eq!(unknown + report.findings_omitted[&Code::UnknownField], 1_501);
}

/// Verifies with the document read value by value, however small it is.
fn streamed(text: &str) -> Report {
    let (keys, seal) = (keys(), parse_envelope(ENVELOPE.as_bytes()));
    let expected_head = Hash::from_hex(HEAD);
    let options = Options { keys: Some(&keys), expected_head, seal: seal.as_ref() };
    // Small pieces show what falls between two of them.
    let mut reader = std::io::BufReader::with_capacity(7, text.as_bytes());
    super::super::reader::verify_holding(0, &mut reader, "test", &options, &mut |_| {})
}

#[test]
fn a_large_document_has_the_verdict_of_a_small_one() {
    let array = Value::Array(Log::of_vectors().0);
    let mut other_schema = export();
    other_schema["schema"] = json!("exhibit-export/9");
    let mut claims = export();
    claims["counts"]["events"] = json!(7);
    let mut headless = export();
    headless.as_object_mut().unwrap().remove("events");
    let mut tampered = export();
    tampered["events"][2]["payload"]["more"] = json!(1);
    let mut listless = export();
    listless["counts"]["violations"] = json!(1);
    let mut listed = listless.clone();
    listed["violations"] = json!([{ "policy": "refunds" }]);
    for value in [array, export(), claims, headless, tampered, listless, listed] {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let (whole, pieces) = (verify_knowing_all(text.clone()), streamed(&text));
            assert_eq!(codes(&whole), codes(&pieces));
            assert_eq!((whole.axes, whole.exit_code), (pieces.axes, pieces.exit_code));
            assert_eq!(whole.format, pieces.format);
        }
    }
    assert_eq!(streamed(&other_schema.to_string()).exit_code, 5);
    let text = export().to_string();
    let twice = text.replacen("\"counts\":", "\"counts\":{\"events\":7},\"counts\":", 1);
    let (whole, pieces) = (verify_knowing_all(twice.clone()), streamed(&twice));
    assert!(codes(&pieces).contains(&"METADATA_MISMATCH"), "of equal names the first counts");
    assert_eq!(codes(&whole), codes(&pieces));
}

#[test]
fn a_large_document_that_is_broken_cannot_be_read() {
    let text = export().to_string();
    let doubled = text.replacen("\"purpose\":\"test\"", "\"purpose\":1,\"purpose\":\"test\"", 1);
    assert!(codes(&streamed(&doubled)).contains(&"INVALID_CANONICAL_FORM"));
    assert_eq!(streamed(&doubled).exit_code, 2);
    for broken in [
        format!("{text}}}"),
        text[..text.len() - 1].to_owned(),
        text[..text.len() / 2].to_owned(),
        text.replacen(':', ";", 1),
        text.replacen("\"events\":[", "\"events\":[,", 1),
        text.replacen("\"events\":[", "\"events\":[]", 1),
        format!(
            "{{{}{}",
            (0..1_000).map(|n| format!("\"{n}\":0,")).collect::<Vec<_>>().concat(),
            &text[1..]
        ),
        "[1".to_owned(),
        "[1 2]".to_owned(),
    ] {
        assert_eq!(streamed(&broken).exit_code, 5, "{broken}");
    }
}
