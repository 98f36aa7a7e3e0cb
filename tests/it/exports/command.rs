//! `exhibit export` and `exhibit bundle`: with a server beside them, and without one.

use serde_json::json;
use tests::{TestApp, events, tool_policy};

use super::{jwks, verified};

async fn some_violations(app: &TestApp) {
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut events = vec![events::session_start(session)];
    events.extend(events::tool_calls(session, 1, 5));
    events.push(events::call_of(session, 6, "wire"));
    let _ = app.append(session, &events).await.expect(201);
    app.settle().await;
}

fn taken(app: &TestApp, args: &[&str]) -> String {
    let ended = app.cli(args);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

#[tokio::test]
async fn an_export_is_written_signed_verified_and_in_the_audit() {
    let app = TestApp::start().await;
    some_violations(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let keys = jwks(&app, folder.path()).await;
    let out = folder.path().join("calls.ndjson");
    let path = out.display().to_string();
    let args = ["export", "--type", "TOOL_CALL", "--purpose", "audit", "--out", &path];

    let told = taken(&app, &args);

    assert!(told.contains("events 6, violations 1"), "{told}");
    let (exit, report) = verified(&out, &["--jwks", &keys]);
    assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
    assert_eq!(report["format"], "ndjson");
    assert_eq!(report["axes"]["signer"]["result"], "pass");
    let acts = app.acts("").await;
    let types: Vec<_> = acts.iter().map(|act| act["type"].as_str().unwrap()).collect();
    let downloaded = "export.downloaded";
    assert_eq!(types, [downloaded, downloaded, "export.created", "export.requested"]);
    assert!(acts.iter().all(|act| act["actor"].as_str().unwrap().starts_with("cli:")), "{acts:?}");
    let again = app.cli(&args);
    assert!(!again.status.success(), "a file that is there is not written over");
}

#[tokio::test]
async fn a_bundle_is_written_as_a_folder_or_an_archive_without_a_server() {
    let mut app = TestApp::start().await;
    some_violations(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let keys = jwks(&app, folder.path()).await;
    app.stop();
    for name in ["bundle", "bundle.zip"] {
        let out = folder.path().join(name);
        let path = out.display().to_string();

        let told = taken(&app, &["bundle", "--purpose", "board", "--out", &path]);

        assert!(told.contains("violations 1"), "{told}");
        let (exit, report) = verified(&out, &["--jwks", &keys]);
        assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
        assert_eq!(report["format"], "bundle");
    }
    let (exit, report) = verified(&folder.path().join("bundle"), &[]);
    assert_eq!((exit, &report["axes"]["signer"]["result"]), (0, &json!("not_established")));
    let table = folder.path().join("bundle/violations.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace("critical", "low")).unwrap();
    assert_eq!(verified(&folder.path().join("bundle"), &["--jwks", &keys]).0, 4);
}

#[tokio::test]
async fn without_a_purpose_the_command_is_wrong() {
    let app = TestApp::start().await;
    let ended = app.cli(&["export", "--out", "/tmp/never.ndjson"]);
    assert_eq!(ended.status.code(), Some(64));
    let ended = app.cli(&["export", "--out", "/tmp/never.ndjson", "--purpose", " "]);
    assert!(!ended.status.success() && !std::path::Path::new("/tmp/never.ndjson").exists());
    let times = ["--since", "2027-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"];
    let args = ["export", "--out", "/tmp/never.ndjson", "--purpose", "audit"];
    let ended = app.cli(&[args.as_slice(), &times].concat());
    assert!(!ended.status.success() && !std::path::Path::new("/tmp/never.ndjson").exists());
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("since must be before until"), "{told}");
}
