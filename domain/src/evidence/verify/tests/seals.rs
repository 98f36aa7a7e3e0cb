//! The seal against the records.

use super::*;

#[test]
fn a_stripped_seal_leaves_partial_evidence_and_contradicts_its_envelope() {
    let mut log = Log::of_vectors();
    log.0.pop();
    let report = log.verify();
    assert_findings(&report, 1, &["UNSEALED_SESSION", "REDACTION_PRESENT"]);
    assert_eq!(report.evidence_class.unwrap().as_str(), "PARTIAL_AUTHORITATIVE_EVIDENCE");

    let envelope = envelope();
    let report = verify(log.jsonl(), &Options { seal: Some(&envelope), ..Options::default() });
    assert_findings(&report, 2, &["UNSEALED_SESSION", "REDACTION_PRESENT", "INVALID_SEAL"]);
    assert_eq!(report.axes.signer.result, AxisResult::Fail);
}

#[test]
fn a_seal_without_a_required_key_is_invalid() {
    for key in ["ingestion_service_id", "seal_timestamp", "session_digest"] {
        let mut log = Log::of_vectors();
        remove(log.seal(), key);
        log.rechain();
        let report = log.verify();
        assert_eq!(codes(&report)[0], "INVALID_SEAL", "{key}");
        assert_eq!(report.findings[0].details["missing"], json!([key]));
        assert!(!report.sealed);
    }
}

#[test]
fn counts_of_a_seal_are_compared() {
    for key in ["event_count", "total_drops"] {
        let mut log = Log::of_vectors();
        log.seal()[key] = json!(6);
        rehash(&mut log.0[SEAL]);
        let report = log.verify();
        let expected = ["SEAL_COUNT_MISMATCH", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"];
        assert_findings(&report, 2, &expected);
        assert_eq!(report.findings[0].details["field"], key);
    }
}

#[test]
fn hashes_of_a_seal_are_compared() {
    let zeros = "0".repeat(64);
    let claims =
        [("final_event_hash", zeros.clone()), ("session_digest", format!("sha256:{zeros}"))];
    for (key, value) in claims {
        let mut log = Log::of_vectors();
        log.seal()[key] = json!(value);
        rehash(&mut log.0[SEAL]);
        let report = log.verify();
        let expected = ["SEAL_DIGEST_MISMATCH", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"];
        assert_findings(&report, 2, &expected);
        assert_eq!(report.findings[0].details["field"], key);
    }
}

#[test]
fn a_class_that_a_seal_claims_is_not_believed() {
    let mut log = Log::of_vectors();
    log.0.remove(6);
    log.rechain();
    let report = log.verify();
    assert_findings(
        &report,
        2,
        &[
            "METADATA_MISMATCH",
            "MISSING_SESSION_END",
            "REDACTION_PRESENT",
            "SIGNER_NOT_ESTABLISHED",
        ],
    );
    log.seal()["evidence_class"] = json!("PARTIAL_AUTHORITATIVE_EVIDENCE");
    log.rechain();
    let report = log.verify();
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.partial_reasons[0].as_str(), "MISSING_SESSION_END");
}

#[test]
fn records_behind_the_seal_are_found() {
    let mut log = Log::of_vectors();
    let mut late = log.0[5].clone();
    late["timestamp_wall"] = json!("2026-03-01T09:00:05Z");
    log.0.push(late);
    log.rechain();
    let report = log.verify();
    let expected = ["SEAL_NOT_LAST", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"];
    assert_findings(&report, 2, &expected);
    assert!(!report.sealed);
    assert_eq!(report.axes.inclusion.result, AxisResult::Fail);
}

#[test]
fn a_second_seal_is_invalid() {
    let mut log = Log::of_vectors();
    log.0.push(log.0[SEAL].clone());
    log.rechain();
    let report = log.verify();
    assert_eq!(codes(&report)[..2], ["INVALID_SEAL", "SEAL_NOT_LAST"]);
}

#[test]
fn a_seal_over_nothing_is_invalid() {
    let mut log = Log(vec![Log::of_vectors().0[SEAL].clone()]);
    log.rechain();
    assert_eq!(codes(&log.verify())[0], "INVALID_SEAL");
}

#[test]
fn a_minimal_seal_made_elsewhere_is_valid_and_says_what_it_leaves_out() {
    let mut log = Log::of_vectors();
    *log.seal() = json!({
        "ingestion_service_id": "elsewhere", "seal_timestamp": "2026-03-01T09:00:04Z",
        "session_digest": "v1:opaque",
    });
    // What a full seal would not allow in its own record.
    log.0[SEAL]["actor_id"] = json!("svc");
    log.rechain();
    let report = log.verify();
    let expected = ["OPAQUE_SEAL", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"];
    assert_findings(&report, 0, &expected);
    assert_eq!(
        report.findings[0].details["not_checked"],
        json!(["session_digest", "final_event_hash", "event_count", "total_drops"])
    );
    assert_eq!(report.axes.inclusion.result, AxisResult::NotEstablished);

    log.seal()["final_event_hash"] = json!("00");
    rehash(&mut log.0[SEAL]);
    assert_eq!(codes(&log.verify())[0], "SEAL_DIGEST_MISMATCH");
}
