//! Records and their chain.

use super::*;

#[test]
fn the_vectors_pass_as_authoritative_evidence() {
    let report = verify_knowing_all(SESSION);
    assert_findings(&report, 0, &["REDACTION_PRESENT"]);
    assert_eq!(report.status, Status::Pass);
    assert_eq!(report.evidence_class.unwrap().as_str(), "AUTHORITATIVE_EVIDENCE");
    assert!(report.sealed && report.complete && report.partial_reasons.is_empty());
    assert_eq!((report.event_count, report.total_drops), (8, 0));
    assert_eq!(report.final_event_hash, Hash::from_hex(HEAD));
    let established = report.axes.named().map(|(name, axis)| (name, axis.result.as_str()));
    let expected = [
        ("integrity", "pass"),
        ("signer", "pass"),
        ("inclusion", "pass"),
        ("consistency", "pass"),
        ("time", "not_established"),
        ("witnesses", "not_established"),
        ("completeness", "pass"),
        ("policy", "not_established"),
        ("redactions", "pass"),
    ];
    assert_eq!(established, expected);
    assert!(report.axes.signer.reason.contains("p92lbPiajHr8xY8_PuAIPpAa0CCbhkEog5QgauZrgwY"));
}

#[test]
fn the_report_has_the_members_of_the_contract() {
    let report = serde_json::to_value(verify_knowing_all(SESSION)).unwrap();
    let names = [
        "verifier_version",
        "input",
        "format",
        "session_id",
        "status",
        "evidence_class",
        "partial_reasons",
        "sealed",
        "complete",
        "chain_authority",
        "event_count",
        "total_drops",
        "first_event_hash",
        "final_event_hash",
        "axes",
        "findings",
        "exit_code",
    ];
    assert!(names.iter().all(|name| report.get(name).is_some()), "{report}");
    assert_eq!(report["status"], "PASS");
    assert_eq!(report["findings"][0]["severity"], "INFO");
    assert_eq!(report["axes"]["time"]["result"], "not_established");
}

#[test]
fn a_changed_payload_shows_in_both_hashes_and_in_the_next_link() {
    let mut log = Log::of_vectors();
    log.0[3]["payload"]["args"]["amount"] = json!(18);
    let report = log.verify_knowing_all();
    let expected =
        ["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN", "REDACTION_PRESENT"];
    assert_findings(&report, 2, &expected);
    assert_eq!(report.status, Status::Fail);
    assert_eq!(report.evidence_class, None);
    assert_eq!(report.findings[0].sequence_number, Some(3));
    assert_eq!(
        report.findings[0].event_id.as_deref(),
        Some("0190c1d2-7a13-7000-8000-000000000003")
    );
}

#[test]
fn a_changed_payload_with_its_hash_shows_in_the_event_hash() {
    let mut log = Log::of_vectors();
    log.0[5]["payload"]["method"] = json!("password");
    log.0[5]["payload_hash"] = json!(Hash::of(&canonical::of_serde(&log.0[5]["payload"]).unwrap()));
    let expected =
        ["EVENT_HASH_MISMATCH", "CHAIN_BROKEN", "SEAL_DIGEST_MISMATCH", "REDACTION_PRESENT"];
    assert_findings(&log.verify(), 2, &[&expected[..], &["SIGNER_NOT_ESTABLISHED"]].concat());
}

#[test]
fn a_deleted_event_is_one_gap_and_one_broken_link() {
    let mut log = Log::of_vectors();
    log.0.remove(2);
    let expected = [
        "SEQUENCE_GAP",
        "CHAIN_BROKEN",
        "SEAL_DIGEST_MISMATCH",
        "SEAL_COUNT_MISMATCH",
        "REDACTION_PRESENT",
    ];
    assert_findings(&log.verify_knowing_all(), 2, &expected);
}

#[test]
fn events_in_another_order_are_found() {
    let mut log = Log::of_vectors();
    log.0.swap(1, 2);
    let report = log.verify();
    assert_eq!(
        codes(&report)[..6],
        [
            "SEQUENCE_GAP",
            "CHAIN_BROKEN",
            "TIMESTAMP_ANOMALY",
            "SEQUENCE_ORDER",
            "CHAIN_BROKEN",
            "SEQUENCE_GAP"
        ]
    );
    assert_eq!(report.exit_code, 2);
}

#[test]
fn an_event_that_stands_twice_is_a_duplicate() {
    let mut log = Log::of_vectors();
    log.0.insert(3, log.0[2].clone());
    let report = log.verify_knowing_all();
    assert_eq!(codes(&report)[..2], ["SEQUENCE_DUPLICATE", "CHAIN_BROKEN"]);
    assert_eq!(report.exit_code, 2);
}

#[test]
fn a_cut_tail_degrades_and_with_the_head_known_it_fails() {
    let mut log = Log::of_vectors();
    log.0.truncate(5);
    let report = log.verify();
    assert_findings(&report, 1, &["UNSEALED_SESSION", "MISSING_SESSION_END", "REDACTION_PRESENT"]);
    assert_eq!(report.status, Status::Degraded);
    assert_eq!(report.partial_reasons.len(), 2);

    let expected_head = Hash::from_hex(HEAD);
    let report = verify(log.jsonl(), &Options { expected_head, ..Options::default() });
    assert_findings(
        &report,
        2,
        &["UNSEALED_SESSION", "MISSING_SESSION_END", "REDACTION_PRESENT", "EXPECTED_HEAD_MISMATCH"],
    );
    assert_eq!(report.axes.consistency.result, AxisResult::Fail);
}

#[test]
fn a_cut_beginning_is_no_genesis() {
    let mut log = Log::of_vectors();
    log.0.remove(0);
    let report = log.verify_knowing_all();
    assert_findings(
        &report,
        2,
        &["INVALID_GENESIS", "SEAL_DIGEST_MISMATCH", "SEAL_COUNT_MISMATCH", "REDACTION_PRESENT"],
    );
}

#[test]
fn a_renumbered_event_is_found_by_its_hash() {
    let mut log = Log::of_vectors();
    log.0[6]["sequence_number"] = json!(9);
    let report = log.verify();
    assert_eq!(
        codes(&report)[..4],
        ["SEQUENCE_GAP", "EVENT_HASH_MISMATCH", "SEQUENCE_ORDER", "CHAIN_BROKEN"]
    );
}

#[test]
fn a_missing_field_and_a_wrong_type_are_named() {
    let mut log = Log::of_vectors();
    remove(&mut log.0[1], "event_hash");
    log.0[2]["sequence_number"] = json!("2");
    let report = log.verify_knowing_all();
    assert_eq!(codes(&report)[..2], ["MISSING_FIELD", "MISSING_FIELD"]);
    assert_eq!(report.findings[0].details["missing"], json!(["event_hash"]));
    assert_eq!(report.findings[1].details["received"], "2");
    // The number could not be read, so the chain goes on behind a record without a hash.
    assert!(!codes(&report).contains(&"CHAIN_BROKEN"));
}

#[test]
fn foreign_sessions_and_authorities_do_not_mix() {
    let mut log = Log::of_vectors();
    log.0[6]["session_id"] = json!("0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b91");
    log.0[6]["chain_authority"] = json!("sdk");
    log.rechain();
    let report = log.verify();
    assert_findings(
        &report,
        2,
        &["SESSION_MISMATCH", "MIXED_AUTHORITY", "REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"],
    );
}

#[test]
fn an_unknown_authority_has_no_class() {
    let mut log = Log::of_vectors();
    log.0.truncate(1);
    log.0[0]["chain_authority"] = json!("cloud");
    let report = log.verify();
    assert_findings(&report, 2, &["AUTHORITY_UNKNOWN", "UNSEALED_SESSION", "MISSING_SESSION_END"]);
    assert_eq!(report.evidence_class, None);
}

#[test]
fn both_versions_are_read_side_by_side_and_no_other() {
    let mut log = Log::of_vectors();
    log.0.truncate(4);
    for record in &mut log.0 {
        record["schema_ver"] = json!("v0.5");
        remove(record, "received_at");
    }
    assert_findings(&log.verify(), 1, &["UNSEALED_SESSION", "MISSING_SESSION_END"]);
    log.0[2]["schema_ver"] = json!("v0.6");
    log.0[3]["schema_ver"] = json!("v0.7");
    let expected = ["SCHEMA_VERSION_MISMATCH", "UNSEALED_SESSION", "MISSING_SESSION_END"];
    assert_findings(&log.verify(), 2, &expected);
}

#[test]
fn a_log_of_an_sdk_is_not_authoritative() {
    // Its seal was made before a server received the records, so its digest does not cover when.
    let mut log = Log::of_vectors();
    log.0.iter_mut().for_each(|record| record["chain_authority"] = json!("sdk"));
    log.seal()["evidence_class"] = json!("NON_AUTHORITATIVE_EVIDENCE");
    log.rechain();
    let report = log.verify();
    assert_findings(&report, 1, &["REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"]);
    assert_eq!(report.evidence_class.unwrap().as_str(), "NON_AUTHORITATIVE_EVIDENCE");
    assert!(report.sealed);
}
