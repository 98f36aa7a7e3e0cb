//! Checked with other people's programs alone: `docs/check-files.sh`, on what the server has just made.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::{TestApp, events, tool_policy};

use super::jwks;

/// Whether the script is content, and what it says.
fn checked(files: &Path, keys: &str) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/check-files.sh");
    let output = Command::new("sh").arg(script).arg(files).arg(keys).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

#[tokio::test]
async fn bundles_and_selections_are_checked_with_sha256sum_and_openssl() {
    let app = TestApp::start().await;
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::call_of(session, 0, "wire")]).await.expect(201);
    app.settle().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = jwks(&app, folder.path()).await;
    let bundle = folder.path().join("bundle");
    std::fs::create_dir(&bundle).unwrap();
    let made = app.made("bundles", &json!({ "purpose": "board" })).await;
    app.take_all(&made, &bundle).await;
    let selection = folder.path().join("calls.ndjson");
    let made = app.made("exports", &json!({ "purpose": "audit" })).await;
    std::fs::write(&selection, app.take(&made, ".ndjson").await).unwrap();
    let signature = app.take(&made, ".dsse.json").await;
    std::fs::write(folder.path().join("calls.ndjson.dsse.json"), signature).unwrap();

    for files in [&bundle, &selection] {
        let (content, told) = checked(files, &keys);
        assert!(content && told.contains("VERIFIED"), "{told}");
    }

    let lines = std::fs::read_to_string(&selection).unwrap();
    std::fs::write(&selection, lines.replacen("wire", "wise", 1)).unwrap();
    assert!(checked(&selection, &keys).1.contains("over something else"));
    let table = bundle.join("violations.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replacen("wire", "wise", 1).replace("critical", "low")).unwrap();
    assert!(checked(&bundle, &keys).1.contains("is not the one"));
    std::fs::write(&table, text).unwrap();
    std::fs::write(bundle.join("more.txt"), "more").unwrap();
    assert!(checked(&bundle, &keys).1.contains("other files"));
    std::fs::remove_file(bundle.join("more.txt")).unwrap();
    std::fs::write(&keys, r#"{"keys":[]}"#).unwrap();
    assert!(checked(&bundle, &keys).1.contains("is not in"));
}
