//! The report bundle: tables, a report, a manifest that is signed.

use std::collections::BTreeSet;
use std::io::Read;

use domain::evidence::canonical;
use domain::hash::Hash;
use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};

/// Rows of a table that has no line feeds in its cells.
fn rows(table: &[u8]) -> Vec<String> {
    let text = String::from_utf8(table.to_vec()).unwrap();
    text.split_terminator("\r\n").skip(1).map(str::to_owned).collect()
}

async fn some_violations(app: &TestApp) {
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut calls: Vec<_> = (0..3).map(|n| events::call_of(session, n, "wire")).collect();
    calls[0]["actor_id"] = json!("=cmd|' /C calc'!A0");
    calls[1]["payload"]["args"] = json!({ "to": "ada@example.org" });
    let _ = app.append(session, &calls).await.expect(201);
    app.settle().await;
    let violation = app.violations("").await.remove(0);
    let _ = app.act(&violation, "acknowledge", &json!({ "comment": "@sum(1)" })).await.expect(200);
    app.settle().await;
}

#[tokio::test]
async fn a_bundle_holds_violations_actions_tools_personal_data_and_custody() {
    let app = TestApp::start().await;
    some_violations(&app).await;
    let session = app.sealed_session().await;
    let _ = app.export_lines(session).await;

    let bundle = app.made("bundles", &json!({ "purpose": "board" })).await;

    let counts = json!({
        "custody": 3, "personal_data": 1, "tool_uses": 4, "violation_actions": 4, "violations": 3,
    });
    assert_eq!(bundle["counts"], counts);
    let violations = app.take(&bundle, "violations.csv").await;
    assert_eq!(rows(&violations).len(), 3);
    let text = String::from_utf8(violations).unwrap();
    assert!(text.contains("\"'=cmd|' /C calc'!A0\""), "{text}");
    assert_eq!(rows(&app.take(&bundle, "violation_actions.csv").await).len(), 4);
    assert_eq!(rows(&app.take(&bundle, "tool_access.csv").await).len(), 4);
    let personal_data = rows(&app.take(&bundle, "personal_data.csv").await);
    assert!(personal_data[0].ends_with("email,/args/to,1"), "{personal_data:?}");
    let report = String::from_utf8(app.take(&bundle, "report.txt").await).unwrap();
    for part in ["COMPLIANCE REPORT", "board", "critical  |  3", "EVIDENCE SUPPORT STATEMENT."] {
        assert!(report.contains(part), "{part}: {report}");
    }
    for file in ["violations.csv", "report.txt", "personal_data.csv"] {
        let text = String::from_utf8(app.take(&bundle, file).await).unwrap();
        assert!(!text.contains("ada@example.org"), "{file}");
    }
}

#[tokio::test]
async fn the_manifest_names_every_file_and_the_signature_names_the_manifest() {
    let app = TestApp::start().await;
    some_violations(&app).await;
    let bundle = app.made("bundles", &json!({ "purpose": "board" })).await;
    let folder = tempfile::tempdir().unwrap();
    app.take_all(&bundle, folder.path()).await;

    let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();

    assert_eq!(canonical::canonicalize(&manifest).unwrap(), manifest);
    assert_eq!(bundle["bundle_hash"], json!(Hash::of(&manifest)));
    let signature: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("bundle.sig")).unwrap()).unwrap();
    assert_eq!(signature["payloadType"], "application/vnd.exhibit.bundle+json");
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut named: BTreeSet<String> =
        manifest["files"].as_object().unwrap().keys().cloned().collect();
    for name in &named {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let fact = json!({ "bytes": bytes.len(), "sha256": Hash::of(&bytes) });
        assert_eq!(manifest["files"][name], fact, "{name}");
    }
    named.extend(["manifest.json".to_owned(), "bundle.sig".to_owned()]);
    let there = std::fs::read_dir(folder.path()).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, named);
    let archive = std::io::Cursor::new(app.take(&bundle, ".zip").await);
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    assert_eq!(archive.len(), named.len());
    for name in &named {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, std::fs::read(folder.path().join(name)).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_bundle_of_nothing_is_a_bundle() {
    let app = TestApp::start().await;
    let bundle = app.made("bundles", &json!({ "purpose": "board", "actor": "nobody" })).await;
    assert_eq!(bundle["counts"]["violations"], 0);
    assert!(rows(&app.take(&bundle, "violations.csv").await).is_empty());
}
