//! Bodies that are of the wrong type, too large, packed, or cut.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, events, send, try_send};

use crate::refusing::{Target, problem, with_text};

const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const EVENT_BYTES_MAX: usize = 256 * 1024;

#[tokio::test]
async fn only_json_in_utf_8_is_a_content_type() {
    let target = Target::new().await;
    let body = target.next().to_string();
    for wrong in [
        "text/plain",
        "application/xml",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/x-ndjson; charset=iso-8859-1",
        "application/jsonp",
        "json",
        "",
    ] {
        let sent = append_as(&target, Some(wrong), &body);
        let refused = target.refuses(sent, 415, "INGEST_CONTENT_TYPE_INVALID").await;
        assert_eq!(refused, json!({ "received": wrong }));
    }
    let sent = append_as(&target, None, &body);
    let refused = target.refuses(sent, 415, "INGEST_CONTENT_TYPE_INVALID").await;
    assert_eq!(refused, json!({ "received": null }));
    target.lives().await;
}

#[tokio::test]
async fn parameters_that_change_nothing_are_fine() {
    let target = Target::new().await;
    let fine = [
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "Application/JSON; profile=\"x\"",
        "application/x-ndjson; charset=utf-8",
    ];
    for (sequence, media_type) in (1..).zip(fine) {
        let body = events::tool_call(target.session, sequence).to_string();
        let _ = append_as(&target, Some(media_type), &body).await.expect(201);
    }
    target.lives().await;
}

#[tokio::test]
async fn two_content_types_are_none() {
    let target = Target::new().await;
    let request = target.app.request(Method::POST, &target.path());
    let request = request
        .header("content-type", "application/json")
        .header("content-type", "text/plain")
        .body(target.next().to_string());

    target.refuses(send(request), 415, "INGEST_CONTENT_TYPE_INVALID").await;

    target.lives().await;
}

#[tokio::test]
async fn a_packed_body_is_not_unpacked() {
    let target = Target::new().await;
    let bomb = gzip("head -c 200000000 /dev/zero");
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let event = gzip(&format!("printf %s '{}'", target.next()));
    for packed in [bomb, event] {
        let request = target.app.request(Method::POST, &target.path());
        let request = request
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(packed);
        let refused = target.refuses(send(request), 415, "INGEST_CONTENT_TYPE_INVALID").await;
        assert_eq!(refused, json!({ "received": "content-encoding: gzip" }));
    }
    target.lives().await;
}

#[tokio::test]
async fn a_body_has_at_most_4_mib() {
    let target = Target::new().await;
    let padded = |bytes: usize| {
        let event = target.next().to_string();
        let spaces = " ".repeat(bytes - event.len());
        event + &spaces
    };

    let sent = target.append_text(padded(BODY_BYTES_MAX + 1));
    let refused = target.refuses(sent, 413, "INGEST_BATCH_TOO_LARGE").await;
    assert_eq!(refused["limit"], BODY_BYTES_MAX);
    assert_eq!(refused["received"], BODY_BYTES_MAX + 1);

    // Much more than that is not read to its end: who still sends may find the connection closed.
    let body = vec![b' '; 3 * BODY_BYTES_MAX];
    let request = target.app.request(Method::POST, &target.path());
    let request = request.header("content-type", "application/json").body(body);
    if let Ok(answer) = try_send(request).await {
        problem(&answer, 413, "INGEST_BATCH_TOO_LARGE");
    }

    let _ = target.append_text(padded(BODY_BYTES_MAX)).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn an_event_has_at_most_256_kib() {
    let target = Target::new().await;
    let of_bytes = |bytes: usize| {
        let mut event = events::tool_call(target.session, 2);
        event["payload"]["pad"] = json!("");
        let pad = bytes - canonical_bytes(&event);
        event["payload"]["pad"] = json!("x".repeat(pad));
        event
    };

    let sent = target.append_amid(of_bytes(EVENT_BYTES_MAX + 1));
    let refused = target.refuses(sent, 413, "INGEST_BATCH_TOO_LARGE").await;
    assert_eq!(refused["limit"], EVENT_BYTES_MAX);
    assert_eq!(refused["received"], EVENT_BYTES_MAX + 1);
    assert_eq!(refused["index"], 1);

    let _ = target.append_amid(of_bytes(EVENT_BYTES_MAX)).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_batch_has_at_most_1000_events_in_either_form() {
    let target = Target::new().await;
    let events = events::tool_calls(target.session, 1, 1001);
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let body = lines.join("\n");

    let sent = append_as(&target, Some("application/x-ndjson"), &body);
    let refused = target.refuses(sent, 413, "INGEST_BATCH_TOO_LARGE").await;

    assert_eq!((&refused["limit"], &refused["received"]), (&json!(1000), &json!(1001)));
    let body = lines[..1000].join("\n");
    let _ = append_as(&target, Some("application/x-ndjson"), &body).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_body_that_was_cut_is_refused_wherever_it_was_cut() {
    let target = Target::new().await;
    let whole = with_text(&target.next(), "source_sdk_ver", r#""ü\u00fc""#);
    assert!(serde_json::from_str::<Value>(&whole).is_ok());
    for end in (1..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let cut = whole.as_bytes()[..end].to_vec();
        let refused = target.refuses(target.append_text(cut), 400, "INGEST_JSON_INVALID").await;
        assert!(refused["line"].is_u64() && refused["column"].is_u64(), "{refused}");
    }
    target.refuses(target.append_text(""), 400, "INGEST_JSON_INVALID").await;
    target.lives().await;
}

#[tokio::test]
async fn lines_that_were_cut_store_none_of_the_others() {
    let target = Target::new().await;
    let body = format!("{}\n{{\"event_id\":", target.next());

    let sent = append_as(&target, Some("application/x-ndjson"), &body);
    let refused = target.refuses(sent, 400, "INGEST_JSON_INVALID").await;

    assert_eq!((&refused["line"], &refused["index"]), (&json!(2), &json!(1)));
    target.lives().await;
}

#[tokio::test]
async fn a_batch_without_events_is_refused() {
    let target = Target::new().await;
    for body in [r#"{"events":[]}"#, r#"{"events":{}}"#, r#"{"events":null}"#, "[]", "null", "7"] {
        target.refuses(target.append_text(body), 400, "INGEST_SCHEMA_INVALID").await;
    }
    let sent = append_as(&target, Some("application/x-ndjson"), "\n \n");
    target.refuses(sent, 400, "INGEST_SCHEMA_INVALID").await;
    target.lives().await;
}

async fn append_as(target: &Target, media_type: Option<&str>, body: &str) -> Answer {
    let request = target.app.request(Method::POST, &target.path()).body(body.to_owned());
    send(match media_type {
        Some(media_type) => request.header("content-type", media_type),
        None => request,
    })
    .await
}

/// Bytes of an event in its canonical form.
fn canonical_bytes(event: &Value) -> usize {
    domain::evidence::canonical::canonicalize(event.to_string().as_bytes()).unwrap().len()
}

/// What a command prints, packed.
fn gzip(command: &str) -> Vec<u8> {
    let packed = format!("{command} | gzip -9");
    let output = Command::new("sh").args(["-c", &packed]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
