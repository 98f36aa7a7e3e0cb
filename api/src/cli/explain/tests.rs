//! The explanation as a lawyer reads it, held to files. `WRITE_GOLDEN=1` writes them anew.

use std::path::Path;

use domain::evidence::canonical::of_serde;
use domain::evidence::dsse::{Envelope, pae};
use domain::evidence::jwk::{Jwk, JwkSet};
use domain::evidence::verify::{
    BundleVerifier, Found, Options, Report, parse_envelope, verify_reader,
};
use domain::hash::Hash;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

const SESSION: &str = include_str!("../../../../tests/vectors/session.jsonl");
const ENVELOPE: &str = include_str!("../../../../tests/vectors/session.seal.dsse.json");
const KEYS: &str = include_str!("../../../../tests/vectors/jwks.json");

fn session(text: &str, keys: bool, sealed: bool) -> Report {
    let set: JwkSet = serde_json::from_str(KEYS).unwrap();
    let envelope = parse_envelope(ENVELOPE.as_bytes()).filter(|_| sealed);
    let keys = Some(&set).filter(|_| keys);
    let options = Options { keys, seal: envelope.as_ref(), ..Options::default() };
    verify_reader(&mut text.as_bytes(), "session.jsonl", &options, &mut |_| {})
}

/// A bundle of one file, whole but for what was written into it.
fn bundle(written: &str) -> Report {
    let key = SigningKey::from_bytes(&[3; 32]);
    let public = Jwk::of_ed25519(&key.verifying_key().to_bytes(), None, None);
    let text = b"Two violations of one policy.\n";
    let filters: Value = ["actor", "policy", "session_id", "since", "type", "until"]
        .map(|name| (name, json!(if name == "policy" { Some("refunds") } else { None })))
        .into_iter()
        .collect();
    let manifest = json!({
        "bundle_id": "0190c1d2-0000-7000-8000-0000000000b1", "filters": filters,
        "counts": {
            "custody": 1, "personal_data": 0, "tool_uses": 3, "violation_actions": 1, "violations": 2,
        },
        "files": { "report.txt": { "bytes": text.len(), "sha256": Hash::of(text) } },
        "generated_at": "2026-03-02T00:00:00.000000Z", "generated_by": "key:ada", "position": 40,
        "purpose": "internal audit", "schema": "exhibit-bundle/1",
        "tenant_id": "0190c1d2-0000-7000-8000-00000000000a",
    });
    let manifest = of_serde(&manifest).unwrap();
    let statement = of_serde(&json!({
        "algorithm": "Ed25519", "manifest_sha256": Hash::of(&manifest),
        "timestamp": "2026-03-02T00:00:01.000Z",
    }))
    .unwrap();
    let payload_type = "application/vnd.exhibit.bundle+json";
    let signature = key.sign(&pae(payload_type, &statement)).to_bytes();
    let envelope = Envelope::new(payload_type, &statement, public.kid.clone(), &signature);
    let keys = JwkSet { keys: vec![public] };
    let options = Options { keys: Some(&keys), ..Options::default() };
    let signature = serde_json::to_vec(&envelope).unwrap();
    let mut verifier = BundleVerifier::new(&options, Some(&manifest), Some(signature));
    let (bytes, sha256) = (written.len() as u64, Hash::of(written.as_bytes()));
    verifier.push("report.txt", Found::Whole { bytes, sha256 });
    verifier.finish("bundle.zip")
}

fn hold(name: &str, report: &Report) {
    let mut out = Vec::new();
    super::render(report, &mut anstream::StripStream::new(&mut out)).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/explain/golden").join(name);
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    // The version changes with every release, and says nothing here.
    assert_eq!(
        text.replace(env!("CARGO_PKG_VERSION"), "0"),
        golden.replace(env!("CARGO_PKG_VERSION"), "0")
    );
}

#[test]
fn what_passes_is_explained_with_its_limits() {
    hold("pass.txt", &session(SESSION, true, true));
}

#[test]
fn what_is_not_sealed_is_explained_as_incomplete() {
    let mut lines: Vec<&str> = SESSION.lines().collect();
    lines.pop();
    hold("degraded.txt", &session(&lines.join("\n"), false, false));
}

#[test]
fn what_was_changed_is_explained_as_contradicted() {
    hold("fail.txt", &session(&SESSION.replacen("4711", "4712", 1), true, true));
}

#[test]
fn a_bundle_is_explained_as_a_report_and_not_as_evidence() {
    hold("bundle.txt", &bundle("Two violations of one policy.\n"));
}

#[test]
fn a_changed_file_of_a_bundle_is_explained_by_its_name() {
    hold("changed_bundle.txt", &bundle("No violation.\n"));
}
