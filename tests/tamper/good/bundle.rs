//! A report bundle and an evidence pack: their files, manifest and signature.

use serde_json::{Value, json};

use super::keys::{BUNDLE, sign, signer};
use super::selection::filters;
use super::session::{SESSION, TENANT, envelope, export, jsonl, sealed_session, trusted_keys};
use super::{Files, jcs, sha256};

/// The files of a bundle, without manifest and signature.
pub fn report_files() -> Files {
    let texts = [
        (
            "violations.csv",
            "violation_id,policy,reason\r\nf1,refunds,'=1+1\r\nf2,refunds,\"a,b\"\r\n",
        ),
        ("violation_actions.csv", "violation_id,action,by\r\nf1,acknowledged,key:ada\r\n"),
        ("tool_access.csv", "session_id,tool_name,allowed\r\ns1,refund,false\r\n"),
        ("personal_data.csv", "session_id,detector,place,count\r\ns1,email,/args,1\r\n"),
        ("chain_of_custody.csv", "action,actor,at\r\nsession.started,key:ada,2026-03-01\r\n"),
        ("report.txt", "Two violations of one policy.\n"),
        ("report.pdf", "%PDF-1.7 pages of it"),
    ];
    texts.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// What the manifest of a bundle says beside its files.
pub fn about_bundle() -> Value {
    json!({
        "bundle_id": "0190c1d2-0000-7000-8000-0000000000b1",
        "counts": {
            "custody": 1, "personal_data": 1, "tool_uses": 1, "violation_actions": 1, "violations": 2,
        },
        "filters": filters(), "generated_at": "2026-03-02T00:00:00.000000Z",
        "generated_by": "key:ada", "position": 40, "purpose": "audit",
        "schema": "exhibit-bundle/1", "tenant_id": TENANT,
    })
}

pub fn pack_files() -> Files {
    let records = sealed_session(SESSION);
    [
        (format!("session_{SESSION}.json"), jcs(&export(&records))),
        (format!("session_{SESSION}.jsonl"), jsonl(&records)),
        ("seal.dsse.json".to_owned(), envelope(&records)),
        ("jwks.json".to_owned(), trusted_keys()),
    ]
    .into()
}

pub fn about_pack() -> Value {
    json!({
        "audience": "PARTNER", "counts": { "events": 6, "violations": 0 },
        "formats": ["json", "jsonl"], "generated_at": "2026-03-02T00:00:00.000000Z",
        "generated_by": "key:ada", "pack_id": "0190c1d2-0000-7000-8000-0000000000c1",
        "position": 40, "purpose": "audit", "schema": "exhibit-pack/1", "session_id": SESSION,
        "tenant_id": TENANT,
    })
}

/// The manifest of files: what it says of itself, and of each of them.
pub fn manifest(mut about: Value, files: &Files) -> Value {
    let entry = |bytes: &Vec<u8>| json!({ "bytes": bytes.len(), "sha256": sha256(bytes) });
    about["files"] = files.iter().map(|(name, bytes)| (name.clone(), entry(bytes))).collect();
    about
}

pub fn statement(manifest: &[u8]) -> Vec<u8> {
    jcs(&json!({
        "algorithm": "Ed25519", "manifest_sha256": sha256(manifest),
        "timestamp": "2026-03-02T00:00:01.000Z",
    }))
}

/// Adds manifest and signature.
pub fn signed(about: Value, files: Files) -> Files {
    let manifest = manifest(about, &files);
    with_manifest(&manifest, files)
}

/// Adds any manifest and a signature over it.
pub fn with_manifest(manifest: &Value, mut files: Files) -> Files {
    let manifest = jcs(manifest);
    files.insert("bundle.sig".to_owned(), sign(&signer(), BUNDLE, &statement(&manifest)));
    files.insert("manifest.json".to_owned(), manifest);
    files
}

pub fn report_bundle() -> Files {
    signed(about_bundle(), report_files())
}

pub fn evidence_pack() -> Files {
    signed(about_pack(), pack_files())
}
