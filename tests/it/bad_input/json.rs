//! JSON that is none, and JSON that no canonical form can carry.

use serde_json::json;
use tests::{Answer, events, send};

use crate::refusing::{Target, with_text};

/// Payloads that are JSON but not exact: text, place, reason.
const INEXACT: [(&str, &str, &str); 11] = [
    (r#"{"tool_name":"t","args":{"a":1,"a":2}}"#, "/payload/args/a", "duplicate key"),
    (r#"{"tool_name":"t","args":{"a":1,"\u0061":1}}"#, "/payload/args/a", "duplicate key"),
    (r#"{"tool_name":"t","args":{"a":"\ud800"}}"#, "/payload/args/a", "lone surrogate"),
    (r#"{"tool_name":"t","args":{"a":"\udc00\ud800"}}"#, "/payload/args/a", "lone surrogate"),
    (r#"{"tool_name":"t","args":{"a":["\u0000"]}}"#, "/payload/args/a/0", "NUL character"),
    (r#"{"tool_name":"t","args":{"a":1e400}}"#, "/payload/args/a", "overflow"),
    (r#"{"tool_name":"t","args":{"a":-1e400}}"#, "/payload/args/a", "overflow"),
    (
        r#"{"tool_name":"t","args":{"a/b~":9007199254740993}}"#,
        "/payload/args/a~1b~0",
        "integer that a double cannot carry",
    ),
    (
        r#"{"tool_name":"t","args":{"a":-9007199254740993}}"#,
        "/payload/args/a",
        "integer that a double cannot carry",
    ),
    (
        r#"{"tool_name":"t","args":{"a":18446744073709551617}}"#,
        "/payload/args/a",
        "integer that a double cannot carry",
    ),
    (r#"{"tool_name":"t","args":{"a":1},"args":{}}"#, "/payload/args", "duplicate key"),
];

#[tokio::test]
async fn what_would_be_rounded_merged_or_dropped_is_refused() {
    let target = Target::new().await;
    for (payload, pointer, reason) in INEXACT {
        let bad = with_text(&events::tool_call(target.session, 2), "payload", payload);
        for (body, index, media_type) in [
            (bad.clone(), 0, "application/json"),
            (format!("{{\"events\":[{},{bad}]}}", target.next()), 1, "application/json"),
            (format!("{}\n{bad}\n", target.next()), 1, "application/x-ndjson"),
        ] {
            let sent = append_as(&target, media_type, body.into());
            let refused = target.refuses(sent, 400, "INGEST_JCS_INVALID").await;
            let named = json!({ "pointer": pointer, "reason": reason, "index": index });
            assert_eq!(refused, named, "{payload}");
        }
    }
    target.lives().await;
}

#[tokio::test]
async fn fields_beside_the_payload_are_exact_too() {
    let target = Target::new().await;
    for (member, text, reason) in [
        ("actor_id", r#""\ud83d""#, "lone surrogate"),
        ("actor_id", r#""a\u0000b""#, "NUL character"),
        ("actor_id", r#""a","actor_id":"b""#, "duplicate key"),
        ("sequence_number", r#"1,"sequence_number":2"#, "duplicate key"),
        ("timestamp_monotonic", "1e309", "overflow"),
    ] {
        let body = with_text(&target.next(), member, text);
        let refused = target.refuses(target.append_text(body), 400, "INGEST_JCS_INVALID").await;
        assert_eq!(refused["pointer"], format!("/{member}"));
        assert_eq!(refused["reason"], reason);
    }
    target.lives().await;
}

#[tokio::test]
async fn a_payload_nests_at_most_64_deep() {
    let target = Target::new().await;
    let nested = |sequence: u64, depth: usize| {
        // The payload and its args are the first two levels.
        let arrays = depth - 2;
        let args = format!("{{\"a\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays));
        let payload = format!("{{\"tool_name\":\"t\",\"args\":{args}}}");
        with_text(&events::tool_call(target.session, sequence), "payload", &payload)
    };
    for depth in [65, 66, 67, 68, 1000, 100_000] {
        let bad = nested(2, depth);
        for (body, media_type) in [
            (bad.clone(), "application/json"),
            (format!("{{\"events\":[{},{bad}]}}", target.next()), "application/json"),
            (format!("{}\n{bad}", target.next()), "application/x-ndjson"),
        ] {
            let sent = append_as(&target, media_type, body.into());
            let refused = target.refuses(sent, 400, "INGEST_JCS_INVALID").await;
            assert_eq!(refused["reason"], "depth", "{depth}");
        }
    }
    let _ = append_as(&target, "application/json", nested(1, 64).into()).await.expect(201);
    let batch = format!("{{\"events\":[{}]}}", nested(2, 64));
    let _ = append_as(&target, "application/json", batch.into()).await.expect(201);
    let _ = append_as(&target, "application/x-ndjson", nested(3, 64).into()).await.expect(201);

    let _ = target.append(&[events::session_end(target.session, 4)]).await.expect(201);
    let _ = target.app.seal(target.session).await.expect(201);
    assert_eq!(target.app.verify(target.session).await["status"], "PASS");
}

#[tokio::test]
async fn numbers_at_the_edge_of_what_a_double_carries_are_taken() {
    let target = Target::new().await;
    let args = r#"{"a":9007199254740991,"b":-9007199254740991,"c":1e308,"d":5e-324,"e":-0,
        "f":100000000000000000000,"g":2.0,"h":1e-7,"i":0.1}"#;
    let payload = format!("{{\"tool_name\":\"t\",\"args\":{args}}}");

    let body = with_text(&target.next(), "payload", &payload);
    let _ = target.append_text(body).await.expect(201);

    let stored = target.app.export_lines(target.session).await;
    let canonical = r#"{"a":9007199254740991,"b":-9007199254740991,"c":1e+308,"d":5e-324,"e":0,"f":100000000000000000000,"g":2,"h":1e-7,"i":0.1}"#;
    assert!(stored.contains(canonical), "{stored}");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let target = Target::new().await;
    let payload = |text: &str| {
        let payload = format!("{{\"tool_name\":\"t\",\"args\":{{\"a\":{text}}}}}");
        with_text(&target.next(), "payload", &payload).into_bytes()
    };
    let replaced = |from: &[u8], to: &[u8]| {
        let text = payload("\"here\"");
        let at = text.windows(from.len()).position(|w| w == from).unwrap();
        [&text[..at], to, &text[at + from.len()..]].concat()
    };
    let wrong = [
        payload("NaN"),
        payload("Infinity"),
        payload("-Infinity"),
        payload("01"),
        payload(".5"),
        payload("'a'"),
        payload("[1,]"),
        payload("undefined"),
        payload("1 // one"),
        payload("\"\\x41\""),
        payload("\"a\nb\""),
        payload("\"a\u{0}b\""),
        replaced(b"here", b"\xff"),
        replaced(b"here", b"\xc3"),
        replaced(b"here", b"\xc0\xaf"),
        replaced(b"here", b"\xed\xa0\x80"),
        replaced(b"here", b"\xf4\x90\x80\x80"),
        replaced(b"{", b"\xef\xbb\xbf{"),
        [payload("1"), b"x".to_vec()].concat(),
        [payload("1"), payload("2")].concat(),
        vec![0xff, 0xfe, b'{', 0, b'}', 0],
    ];
    for body in wrong {
        let shown = String::from_utf8_lossy(&body).into_owned();
        for media_type in ["application/json", "application/x-ndjson"] {
            let sent = append_as(&target, media_type, body.clone());
            let refused = target.refuses(sent, 400, "INGEST_JSON_INVALID").await;
            assert!(refused["line"].is_u64() && refused["column"].is_u64(), "{shown}: {refused}");
        }
    }
    target.lives().await;
}

#[tokio::test]
async fn requests_that_are_no_events_are_exact_too() {
    let target = Target::new().await;
    for (body, code) in [
        (r#"{"agent_id":"a","agent_id":"b"}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"a\u0000"}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"\ud800"}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"a","metadata":{"n":1e400}}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"a","metadata":{"n":9007199254740993}}"#.to_owned(), "REQUEST_INVALID"),
        (
            format!(
                r#"{{"agent_id":"a","metadata":{{"n":{}{}}}}}"#,
                "[".repeat(64),
                "]".repeat(64)
            ),
            "REQUEST_INVALID",
        ),
        (r#"{"agent_id":"a","colour":"blue"}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":7}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":""}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"a","mode":"lenient"}"#.to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"a","session_id":"7"}"#.to_owned(), "REQUEST_INVALID"),
        ("{}".to_owned(), "REQUEST_INVALID"),
        ("[]".to_owned(), "REQUEST_INVALID"),
        (r#"{"agent_id":"#.to_owned(), "JSON_INVALID"),
        (r#"{"agent_id":NaN}"#.to_owned(), "JSON_INVALID"),
        (String::new(), "JSON_INVALID"),
    ] {
        let request = target.app.request(reqwest::Method::POST, "/v1/sessions");
        let request = request.header("content-type", "application/json").body(body);
        target.refuses(send(request), 400, code).await;
    }
    let sessions = target.app.get("/v1/sessions").await.expect(200);
    assert_eq!(sessions.body["items"].as_array().map(Vec::len), Some(1));
    target.lives().await;
}

async fn append_as(target: &Target, media_type: &str, body: Vec<u8>) -> Answer {
    let request = target.app.request(reqwest::Method::POST, &target.path());
    send(request.header("content-type", media_type).body(body)).await
}
