//! What stands beside the chain: times, drops, redactions, unsigned fields.

use super::*;

#[test]
fn a_changed_unsigned_field_shows_in_the_seals_digest() {
    let mut log = Log::of_vectors();
    log.0[3]["actor_id"] = json!("eve@example.org");
    let report = log.verify_knowing_all();
    assert_findings(&report, 2, &["SEAL_DIGEST_MISMATCH", "REDACTION_PRESENT"]);
    assert_eq!(report.axes.inclusion.result, AxisResult::Fail);
}

#[test]
fn an_unknown_field_is_a_warning_and_covered_by_the_digest() {
    let mut log = Log::of_vectors();
    log.0[2]["note"] = json!("x");
    let report = log.verify();
    assert_eq!(codes(&report)[..2], ["UNKNOWN_FIELD", "SEAL_DIGEST_MISMATCH"]);
    log.rechain();
    let report = log.verify();
    assert_findings(&report, 0, &["UNKNOWN_FIELD", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"]);
    assert_eq!(report.findings[0].details["fields"], json!(["note"]));
}

#[test]
fn the_seals_own_record_may_say_nothing_that_the_seal_does_not() {
    let changes: [(&str, Value); 8] = [
        ("received_at", json!("2026-03-01T09:00:04.001000Z")),
        ("received_at", json!("2026-03-01t09:00:04.000000Z")),
        ("actor_id", json!("ada@example.org")),
        ("source_sdk_ver", json!("py-1.0.0")),
        ("timestamp_monotonic", json!(7)),
        ("received_by", json!("x")),
        ("schema_ver", Value::Null),
        ("received_at", json!(4)),
    ];
    for (field, value) in changes {
        let mut log = Log::of_vectors();
        log.0[SEAL][field] = value;
        let report = log.verify_knowing_all();
        assert!(codes(&report).contains(&"METADATA_MISMATCH"), "{field}: {:?}", codes(&report));
        assert_eq!(report.exit_code, 2);
    }
    let mut log = Log::of_vectors();
    log.0[SEAL]["timestamp_wall"] = json!("2026-03-01T09:00:04Z");
    assert_eq!(codes(&log.verify())[0], "EVENT_HASH_MISMATCH");
}

#[test]
fn a_seal_recorded_elsewhere_may_say_more_beside_it() {
    let mut log = Log::of_vectors();
    log.0[SEAL]["received_at"] = json!("2026-03-01T09:00:04.000123Z");
    log.0[SEAL]["source_sdk_ver"] = json!("other-1.0");
    remove(&mut log.0[SEAL], "schema_ver");
    assert_findings(&log.verify(), 0, &["REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"]);
}

#[test]
fn a_redaction_without_its_hash_is_a_violation() {
    let mut log = Log::of_vectors();
    remove(&mut log.0[4]["payload"]["result"], "customer_hash");
    log.0[5]["payload"]["list"] = json!(["[REDACTED]"]);
    log.0[5]["payload"]["a/b"] = json!("[REDACTED]");
    log.0[5]["payload"]["a/b_hash"] = json!("sha256:00");
    log.rechain();
    let report = log.verify();
    let violation = "REDACTION_INTEGRITY_VIOLATION";
    assert_findings(&report, 2, &[violation, violation, violation, "SIGNER_NOT_ESTABLISHED"]);
    let places: Vec<_> = report.findings[..3].iter().map(|f| &f.details["pointer"]).collect();
    assert_eq!(places, ["/payload/result/customer", "/payload/a~1b", "/payload/list/0"]);
    assert_eq!(report.axes.redactions.result, AxisResult::Fail);
    assert_eq!(report.axes.integrity.result, AxisResult::Pass);
}

#[test]
fn drops_are_reported_once_and_make_evidence_partial() {
    let mut log = Log::of_vectors();
    log.0.insert(3, log_drop(&json!(2), &json!(2)));
    log.0.insert(4, log_drop(&json!(3), &json!(5)));
    log.seal()["evidence_class"] = json!("PARTIAL_AUTHORITATIVE_EVIDENCE");
    log.rechain();
    let report = log.verify();
    let anomaly = "TIMESTAMP_ANOMALY";
    assert_eq!(codes(&report)[0], anomaly);
    assert_eq!(
        codes(&report)[1..],
        ["LOG_DROP_PRESENT", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"]
    );
    assert_eq!((report.total_drops, report.exit_code, report.complete), (5, 1, false));
    assert_eq!(report.partial_reasons[0].as_str(), "LOG_DROP_PRESENT");
    assert_eq!(report.axes.completeness.result, AxisResult::Fail);
}

#[test]
fn impossible_and_excessive_drop_counts_are_named() {
    let wrong = [
        (json!(0), json!(1)),
        (json!(2), json!(1)),
        (json!(1.5), json!(2)),
        (json!("1"), json!(1)),
        (json!(1), Value::Null),
    ];
    for (dropped, cumulative) in wrong {
        let mut log = Log::of_vectors();
        log.0.truncate(6);
        log.0.push(log_drop(&dropped, &cumulative));
        log.rechain();
        assert_eq!(codes(&log.verify())[0], "INVALID_DROP_COUNT", "{dropped} {cumulative}");
    }
    for (cumulative, excessive) in [(10_000, false), (10_001, true)] {
        let mut log = Log::of_vectors();
        log.0.truncate(6);
        log.0.push(log_drop(&json!(1), &json!(cumulative)));
        log.rechain();
        let report = log.verify();
        assert_eq!(codes(&report).contains(&"EXCESSIVE_CUMULATIVE_DROPS"), excessive);
    }
}

#[test]
fn times_that_contradict_each_other_are_warnings() {
    let anomalies: [(&str, Value); 5] = [
        ("timestamp_wall", json!("2026-03-01T09:00:02.4")),
        ("timestamp_wall", json!("2026-03-01T09:00:01+00:00")),
        ("timestamp_wall", json!("2026-03-01T09:05:03.1Z")),
        ("timestamp_monotonic", json!(1.0)),
        ("received_at", json!("yesterday")),
    ];
    for (field, value) in anomalies {
        let mut log = Log::of_vectors();
        log.0.truncate(6);
        log.0[5][field] = value;
        log.rechain();
        let report = log.verify();
        assert_eq!(codes(&report)[0], "TIMESTAMP_ANOMALY", "{field}");
        assert_eq!(report.exit_code, 1);
    }
}
