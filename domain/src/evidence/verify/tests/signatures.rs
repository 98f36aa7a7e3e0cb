//! Envelopes and keys: a chain proves nothing against someone who can write a new one.

use super::*;

fn forged() -> Log {
    let mut log = Log::of_vectors();
    log.0[3]["payload"]["args"]["amount"] = json!(180);
    log.rechain();
    log
}

#[test]
fn without_keys_or_envelope_the_signer_is_not_established() {
    let (keys, envelope) = (keys(), envelope());
    for options in [
        Options::default(),
        Options { seal: Some(&envelope), ..Options::default() },
        Options { keys: Some(&keys), ..Options::default() },
    ] {
        let report = verify(SESSION, &options);
        assert_findings(&report, 0, &["REDACTION_PRESENT", "SIGNER_NOT_ESTABLISHED"]);
        assert_eq!(report.axes.signer.result, AxisResult::NotEstablished);
    }
}

#[test]
fn a_rewritten_chain_is_not_what_was_signed() {
    let report = forged().verify();
    assert_eq!(report.exit_code, 0, "nothing but the signature can tell");

    let (keys, envelope) = (keys(), envelope());
    let options = Options { keys: Some(&keys), seal: Some(&envelope), ..Options::default() };
    let report = verify(forged().jsonl(), &options);
    assert_findings(&report, 2, &["REDACTION_PRESENT", "INVALID_SEAL"]);
    assert_eq!(report.findings[1].details["differs"], "seal_event_hash");
    assert_eq!(report.axes.signer.result, AxisResult::Fail);
    assert!(!report.sealed);
}

#[test]
fn a_rewritten_chain_signed_by_another_key_has_no_valid_signature() {
    let log = forged();
    let envelope = log.envelope_signed_by(&attacker());
    let keys = keys();
    let options = Options { keys: Some(&keys), seal: Some(&envelope), ..Options::default() };
    let report = verify(log.jsonl(), &options);
    assert_findings(&report, 3, &["REDACTION_PRESENT", "SIGNATURE_INVALID"]);
    assert_eq!(report.evidence_class, None);

    // The attacker claims the trusted key's name.
    let mut renamed = envelope.clone();
    renamed.signatures[0].keyid.clone_from(&keys.keys[0].kid);
    let options = Options { seal: Some(&renamed), ..options };
    let report = verify(log.jsonl(), &options);
    assert_findings(&report, 3, &["REDACTION_PRESENT", "SIGNATURE_INVALID"]);
}

#[test]
fn a_key_counts_only_within_its_window() {
    let sealed_at = 1_772_355_604;
    let log = Log::of_vectors();
    let envelope = log.envelope_signed_by(&attacker());
    let windows = [
        (None, None, 0),
        (Some(sealed_at), Some(sealed_at), 0),
        (Some(sealed_at + 1), None, 3),
        (None, Some(sealed_at - 1), 3),
    ];
    for (nbf, exp, exit_code) in windows {
        let keys = JwkSet { keys: vec![jwk(&attacker(), nbf, exp)] };
        let options = Options { keys: Some(&keys), seal: Some(&envelope), ..Options::default() };
        let report = verify(SESSION, &options);
        assert_eq!(report.exit_code, exit_code, "{nbf:?} {exp:?}");
        assert_eq!(codes(&report).contains(&"KEY_OUTSIDE_VALIDITY"), exit_code == 3);
    }
}

#[test]
fn an_envelope_about_something_else_is_named() {
    let base = Log::of_vectors().envelope_signed_by(&attacker());
    let statement = base.payload_bytes().unwrap();
    let text = String::from_utf8(statement).unwrap();
    let changed = |from: &str, to: &str| {
        let payload = text.replace(from, to);
        assert_ne!(payload, text);
        Envelope::new(SEAL_PAYLOAD_TYPE, payload.as_bytes(), String::new(), &[])
    };
    let mut other_type = base.clone();
    other_type.payload_type = "application/json".to_owned();
    let cases = [
        (other_type, "payloadType"),
        (changed("-5d2f6e7a8b90", "-5d2f6e7a8b91"), "session_id"),
        (changed("\"server\"", "\"sdk\""), "chain_authority"),
        (changed("\"event_count\":7", "\"event_count\":8"), "seal"),
        (changed("\"tenant_id\"", "\"tenant\""), "tenant_id"),
        (changed("\"tenant_id\"", " \"tenant_id\""), "canonical form"),
        (changed("{\"chain", "chain"), "payload"),
    ];
    for (envelope, member) in cases {
        let options = Options { seal: Some(&envelope), ..Options::default() };
        let report = verify(SESSION, &options);
        assert_eq!(codes(&report)[1], "INVALID_SEAL", "{member}");
        assert_eq!(report.findings[1].details["differs"], member);
        assert_eq!(report.exit_code, 2);
    }
}

#[test]
fn an_envelope_is_found_alone_and_in_a_certificate() {
    let certificate = format!("{{\"session_id\":\"x\",\"envelope\":{ENVELOPE}}}");
    assert_eq!(parse_envelope(certificate.as_bytes()), Some(envelope()));
    for other in [SESSION, KEYS, "", "{}", "[]", "{\"envelope\":null}"] {
        assert_eq!(parse_envelope(other.as_bytes()), None);
    }
}
