//! One event, a batch, lines: what counts as which, and how much of it is too much.

use serde_json::json;

use crate::wire::{
    BATCH_EVENTS_MAX, EVENT_BYTES_MAX, assert_field_refused, batch, event, read, read_lines,
    refused, verdict, with,
};

#[test]
fn a_lone_event_a_batch_of_one_and_a_line_are_the_same() {
    let lone = read(&event().to_string()).unwrap();
    assert_eq!(lone, read(&batch([event()])).unwrap());
    assert_eq!(lone, read_lines(&event().to_string()).unwrap());
    assert_eq!(lone.len(), 1);
}

#[test]
fn a_batch_keeps_the_order_in_which_it_came() {
    let numbers = [5, 3, 4];
    let events = read(&batch(numbers.map(|n| with("sequence_number", n)))).unwrap();
    assert_eq!(events.iter().map(|e| e.body.sequence_number).collect::<Vec<_>>(), numbers);
}

#[test]
fn a_full_batch_is_taken_and_one_event_more_is_not() {
    let full = vec![event(); BATCH_EVENTS_MAX];
    assert_eq!(read(&batch(&full)).unwrap().len(), BATCH_EVENTS_MAX);
    let details = json!({ "what": "batch in events", "limit": 1000, "received": 1001 });
    let over = [full, vec![event()]].concat();
    assert_eq!(refused(batch(&over)), ("INGEST_BATCH_TOO_LARGE", details.clone()));
    let lines: Vec<_> = over.iter().map(ToString::to_string).collect();
    let answer = verdict(read_lines(&lines.join("\n")));
    assert_eq!(answer, ("INGEST_BATCH_TOO_LARGE", details));
}

#[test]
fn too_many_lines_are_counted_before_any_is_read() {
    let answer = verdict(read_lines(&"not JSON\n".repeat(1500)));
    let details = json!({ "what": "batch in events", "limit": 1000, "received": 1500 });
    assert_eq!(answer, ("INGEST_BATCH_TOO_LARGE", details));
}

#[test]
fn an_event_over_its_limit_is_refused_by_its_index() {
    let bare = with("payload", json!({ "a": "" })).to_string().len();
    let sized = |bytes: usize| with("payload", json!({ "a": "x".repeat(bytes - bare) }));
    assert!(read(&sized(EVENT_BYTES_MAX).to_string()).is_ok());
    assert!(read(&batch([sized(EVENT_BYTES_MAX), event()])).is_ok());
    let (limit, received) = (EVENT_BYTES_MAX, EVENT_BYTES_MAX + 1);
    let details = |index| json!({ "what": "event in bytes", "limit": limit, "received": received, "index": index });
    let over = sized(received);
    assert_eq!(refused(&over), ("INGEST_BATCH_TOO_LARGE", details(0)));
    let leak = with("signature", "mine");
    assert_eq!(refused(batch([leak, over])), ("INGEST_BATCH_TOO_LARGE", details(1)));
}

#[test]
fn a_body_without_an_event_is_refused() {
    for (body, received) in [(r#"{"events":[]}"#, "empty array"), (r#"{"events":7}"#, "7")] {
        let (code, details) = refused(body);
        assert_eq!(code, "INGEST_SCHEMA_INVALID");
        let expected = json!({
            "field": "events", "expected": "array of events", "received": received,
        });
        assert_eq!(details, expected);
    }
    for blank in ["", "\n", " \r\n\t\n"] {
        let (code, details) = verdict(read_lines(blank));
        assert_eq!((code, &details["received"]), ("INGEST_SCHEMA_INVALID", &json!("empty body")));
    }
    assert_eq!(refused("").0, "INGEST_JSON_INVALID");
}

#[test]
fn an_event_that_is_no_object_is_refused() {
    for (wrong, received) in [("[]", "array"), ("null", "null"), ("7", "7"), ("\"e\"", "e")] {
        assert_field_refused(wrong, "event", received);
        assert_field_refused(batch([wrong]), "event", received);
    }
}

#[test]
fn a_batch_has_no_other_members() {
    let body = format!(r#"{{"events":[{}],"sync":true}}"#, event());
    let details = json!({ "missing_fields": [], "unexpected_fields": ["sync"] });
    assert_eq!(refused(body), ("INGEST_SCHEMA_INVALID", details));
}

#[test]
fn blank_lines_between_events_are_passed_over_but_counted() {
    let (first, second) = (event(), with("sequence_number", 1));
    let body = format!("\n{first}\r\n\n  \n{second}\n\n");
    let numbers: Vec<_> =
        read_lines(&body).unwrap().iter().map(|e| e.body.sequence_number).collect();
    assert_eq!(numbers, [0, 1]);
    let broken = verdict(read_lines(&format!("{body}{{\"a\":?}}\n")));
    let details = json!({ "line": 7, "column": 6, "index": 2 });
    assert_eq!(broken, ("INGEST_JSON_INVALID", details));
}

#[test]
fn an_event_does_not_go_on_in_the_next_line() {
    let (code, details) = verdict(read_lines("{\"event_id\":\n1}"));
    assert_eq!((code, &details["line"]), ("INGEST_JSON_INVALID", &json!(1)));
    let two = verdict(read_lines(&format!("{}{}", event(), event())));
    assert_eq!(two.0, "INGEST_JSON_INVALID");
}

#[test]
fn a_refused_line_is_named_by_the_index_of_its_event() {
    let body = format!("{}\n\n\n{}", event(), with("colour", "red"));
    let details = json!({ "missing_fields": [], "unexpected_fields": ["colour"], "index": 1 });
    assert_eq!(verdict(read_lines(&body)), ("INGEST_SCHEMA_INVALID", details));
}
