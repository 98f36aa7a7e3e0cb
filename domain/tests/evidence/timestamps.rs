//! `timestamp_wall`: RFC 3339 with an offset, byte for byte as it was sent.

use serde_json::json;

use crate::wire::{batch, event, refused, taken, with};

#[test]
fn a_time_with_an_offset_is_kept_as_it_was_sent() {
    let times = [
        "2026-03-01T09:00:00Z",
        "2026-03-01T09:00:00.5Z",
        "2026-03-01T09:00:00.123456789123Z",
        "2026-03-01T10:00:00.120+01:00",
        "2026-03-01T09:00:00-00:00",
        "2026-03-01T09:00:00+23:59",
        "2024-02-29T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        // RFC 3339 knows leap seconds, and allows both letters in lower case (section 5.6).
        "2016-12-31T23:59:60Z",
        "2026-03-01t09:00:00z",
    ];
    for time in times {
        assert_eq!(taken(with("timestamp_wall", time)).body.timestamp_wall, time);
    }
}

#[test]
fn what_is_no_rfc_3339_time_with_an_offset_is_refused() {
    let times = [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T09:00:00",
        "2026-03-01T09:00:00.000",
        "2026-03-01 09:00:00Z",
        "2026-03-01_09:00:00Z",
        "2026-03-01T09:00:00 Z",
        " 2026-03-01T09:00:00Z",
        "2026-03-01T09:00:00Z ",
        "2026-03-01T09:00:00Z\n",
        "2026-03-01T09:00Z",
        "2026-03-01T09:00:00.Z",
        "2026-03-01T09:00:00,5Z",
        "2026-03-01T09:00:00+01",
        "2026-03-01T09:00:00+0100",
        "2026-03-01T09:00:00+24:00",
        "2026-03-01T09:00:00+01:60",
        "2026-03-01T09:00:00\u{2212}01:00",
        "2026-03-01T09:00:00UTC",
        "2026-02-29T09:00:00Z",
        "2026-13-01T09:00:00Z",
        "2026-00-01T09:00:00Z",
        "2026-03-00T09:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T09:60:00Z",
        "2026-03-01T09:00:61Z",
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "+2026-03-01T09:00:00Z",
        "12026-03-01T09:00:00Z",
        "2026-3-1T09:00:00.000Z",
        "2026-W09-7T09:00:00Z",
        "20260301T090000.0000Z",
        "1772355600",
        "٢٠٢٦-03-01T09:00:00Z",
    ];
    for time in times {
        let details = json!({ "received": time, "index": 1 });
        let answer = refused(batch([event(), with("timestamp_wall", time)]));
        assert_eq!(answer, ("INGEST_TIMESTAMP_INVALID", details));
    }
}

#[test]
fn a_time_without_end_is_refused_and_not_repeated_whole() {
    let long = format!("2026-03-01T09:00:00.{}Z", "1".repeat(100));
    let (code, details) = refused(with("timestamp_wall", long));
    assert_eq!(code, "INGEST_TIMESTAMP_INVALID");
    assert_eq!(details["received"].as_str().unwrap().chars().count(), 65);
}

#[test]
fn a_time_that_is_no_string_is_a_matter_of_shape() {
    assert_eq!(refused(with("timestamp_wall", 1_772_355_600)).0, "INGEST_SCHEMA_INVALID");
}
