//! Fields of an event that are not what they must be.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, events, send};
use uuid::Uuid;

use crate::refusing::{Target, with_text};

#[tokio::test]
async fn a_sequence_number_is_written_in_digits_and_nothing_else() {
    let target = Target::new().await;
    let wrong = [
        "true",
        "false",
        "null",
        "1.0",
        "1.5",
        "1e0",
        "-1",
        "-0",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551616",
        "1e400",
        "\"1\"",
        "[1]",
        "{}",
    ];
    for number in wrong {
        let body = with_text(&target.next(), "sequence_number", number);
        let refused = target.refuses(target.append_text(body), 400, "INGEST_SCHEMA_INVALID").await;
        assert_eq!(refused["field"], "sequence_number", "{number}");
        assert_eq!(refused["index"], 0);
    }
    for number in ["NaN", "Infinity", "-Infinity", "01", "+1", "0x1", "1."] {
        let body = with_text(&target.next(), "sequence_number", number);
        target.refuses(target.append_text(body), 400, "INGEST_JSON_INVALID").await;
    }
    target.lives().await;
}

#[tokio::test]
async fn the_largest_sequence_number_is_a_gap_like_any_other() {
    for mode in ["strict", "permissive"] {
        let target = Target::with(json!({ "mode": mode })).await;
        let code = if mode == "strict" { "INGEST_LOG_GAP" } else { "INGEST_POLICY_LIMIT" };
        let mut event = target.next();
        event["sequence_number"] = json!((1_u64 << 53) - 1);
        target.refuses(target.append(&[event]), 409, code).await;
        target.lives().await;
    }
}

#[tokio::test]
async fn a_timestamp_is_a_real_moment_with_an_offset() {
    let target = Target::new().await;
    for wrong in [
        "2026-03-01T10:00:00",
        "2026-03-01",
        "2026-03-01 10:00:00Z",
        "0000-01-01T00:00:00Z",
        "0000-12-31T23:59:59+01:00",
        "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:60:00Z",
        "2026-03-01T10:00Z",
        "2026-03-01T10:00:00.Z",
        "2026-03-01T10:00:00+0100",
        "2026-03-01T10:00:00+01",
        "2026-03-01T10:00:00+24:00",
        "2026-03-01T10:00:00\u{2212}01:00",
        "+12026-03-01T10:00:00Z",
        "-0001-03-01T10:00:00Z",
        " 2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00Z ",
        "1772355600",
        "yesterday",
        "",
    ] {
        let mut event = target.next();
        event["timestamp_wall"] = json!(wrong);
        let refused =
            target.refuses(target.append(&[event]), 400, "INGEST_TIMESTAMP_INVALID").await;
        assert_eq!(refused, json!({ "received": wrong, "index": 0 }));
    }
    let mut event = target.next();
    event["timestamp_wall"] = json!(1_772_355_600);
    let refused = target.refuses(target.append(&[event]), 400, "INGEST_SCHEMA_INVALID").await;
    assert_eq!(refused["field"], "timestamp_wall");
    target.lives().await;
}

#[tokio::test]
async fn a_timestamp_is_kept_byte_for_byte() {
    let target = Target::new().await;
    let sent = [
        "2026-03-01T10:00:00.120+01:00",
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.123456789-11:30",
        "2026-03-01t10:00:00z",
        "0001-01-01T00:00:00-00:00",
    ];
    let events: Vec<Value> = (1..)
        .zip(sent)
        .map(|(sequence, wall)| {
            let mut event = events::tool_call(target.session, sequence);
            event["timestamp_wall"] = json!(wall);
            event
        })
        .collect();

    let _ = target.append(&events).await.expect(201);

    let lines = target.app.export_lines(target.session).await;
    for (line, wall) in lines.lines().skip(1).zip(sent) {
        assert!(line.contains(&format!("\"timestamp_wall\":\"{wall}\"")), "{line}");
    }
    assert_eq!(lines.lines().count(), 6);
}

#[tokio::test]
async fn every_other_field_has_its_type_too() {
    let target = Target::new().await;
    let wrong = [
        ("event_id", json!("0190C1D2-7A10-7000-8000-000000000000")),
        ("event_id", json!("0190c1d27a1070008000000000000000")),
        ("event_id", json!("{0190c1d2-7a10-7000-8000-000000000000}")),
        ("event_id", json!(7)),
        ("event_type", json!("TOOLCALL")),
        ("event_type", json!("tool_call")),
        ("event_type", json!("Quiz.submitted")),
        ("event_type", json!("quiz..submitted")),
        ("event_type", json!(format!("quiz.{}", "a".repeat(64)))),
        ("payload", json!("text")),
        ("payload", json!([])),
        ("payload", Value::Null),
        ("payload_hash", json!("abc")),
        ("payload_hash", Value::Null),
        ("timestamp_monotonic", json!(true)),
        ("timestamp_monotonic", json!("1.5")),
        ("source_sdk_ver", json!("v".repeat(65))),
        ("schema_ver", json!("v0.7")),
        ("actor_id", json!("a".repeat(257))),
        ("actor_id", Value::Null),
    ];
    for (field, value) in wrong {
        let mut bad = events::tool_call(target.session, 2);
        bad[field] = value;
        let refused = target.refuses(target.append_amid(bad), 400, "INGEST_SCHEMA_INVALID").await;
        assert_eq!((&refused["field"], &refused["index"]), (&json!(field), &json!(1)));
    }
    target.lives().await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_its_name() {
    let target = Target::new().await;
    let mut event = target.next();
    event["Payload"] = json!({});
    event["sequence_Number"] = json!(1);
    let refused = target.refuses(target.append(&[event]), 400, "INGEST_SCHEMA_INVALID").await;
    assert_eq!(refused["unexpected_fields"], json!(["Payload", "sequence_Number"]));

    let batch = json!({ "events": [target.next()], "atomic": true });
    let sent = target.append_text(batch.to_string());
    let refused = target.refuses(sent, 400, "INGEST_SCHEMA_INVALID").await;
    assert_eq!(refused["unexpected_fields"], json!(["atomic"]));
    target.lives().await;
}

#[tokio::test]
async fn a_session_of_another_tenant_does_not_exist() {
    let target = Target::new().await;
    target.app.make_tenant("rival");
    let key = target.app.make_key("rival", tests::ALL_SCOPES);
    let as_rival = |session: Uuid| {
        let path = format!("/v1/sessions/{session}/events");
        let request = target.app.bare_request(Method::POST, &path).header("x-api-key", &key);
        send(request.json(&events::tool_call(session, 1)))
    };

    let foreign = as_rival(target.session).await;
    let refused = target.refuses(as_rival(target.session), 404, "INGEST_SESSION_NOT_FOUND").await;
    assert_eq!(refused, json!({ "session_id": target.session }));

    // Word for word what a session gets that nobody has started.
    let unborn = as_rival(Uuid::nil()).await;
    let anonymous = |answer: &Answer, session: Uuid| {
        let id = answer.body["correlation_id"].as_str().unwrap();
        answer.text.replace(id, "").replace(&session.to_string(), "")
    };
    assert_eq!(anonymous(&foreign, target.session), anonymous(&unborn, Uuid::nil()));
    for (method, rest) in [
        (Method::GET, ""),
        (Method::GET, "/events"),
        (Method::POST, "/seal"),
        (Method::GET, "/export?format=json&purpose=curiosity"),
    ] {
        let path = format!("/v1/sessions/{}{rest}", target.session);
        let request = target.app.bare_request(method, &path).header("x-api-key", &key);
        target.refuses(send(request), 404, "SESSION_NOT_FOUND").await;
    }
    target.lives().await;
}
