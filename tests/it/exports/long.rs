//! A session that is longer than any page or chunk.

use domain::evidence::canonical;
use serde_json::Value;
use tests::{TestApp, events};

use super::Taken;

#[tokio::test]
async fn a_session_of_3000_events_is_exported_and_verified_whole() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
    for first in [1, 1000, 2000] {
        let count = if first == 1 { 999 } else { 1000 };
        let _ = app.append(session, &events::tool_calls(session, first, count)).await.expect(201);
    }
    let _ = app.append(session, &[events::session_end(session, 3000)]).await.expect(201);
    let sealed = app.seal(session).await.expect(201).body;
    assert_eq!(sealed["seal"]["event_count"], 3001);

    let taken = Taken::from(&app, session).await;

    let text = taken.read("export.json");
    assert_eq!(canonical::canonicalize(text.as_bytes()).unwrap(), text.as_bytes());
    let document = taken.json("export.json");
    assert_eq!(document["events"].as_array().map(Vec::len), Some(3002));
    assert_eq!(document["tool_access"].as_array().map(Vec::len), Some(2999));
    assert_eq!(document["verification"]["status"], "PASS");
    assert_eq!(taken.read("session.jsonl").lines().count(), 3002);
    let jwks = taken.path("jwks.json").display().to_string();
    for files in [vec!["export.json"], vec!["session.jsonl", "seal.json"]] {
        let files: Vec<String> =
            files.iter().map(|file| taken.path(file).display().to_string()).collect();
        let mut args = vec!["verify", "--format", "json", "--jwks", &jwks];
        args.extend(files.iter().map(String::as_str));
        let output = app.cli(&args);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["status"]), (Some(0), &"PASS".into()));
        assert_eq!(report["event_count"], 3002);
        assert_eq!(report["axes"]["signer"]["result"], "pass");
    }
    let report = app.verify(session).await;
    assert_eq!((&report["status"], &report["event_count"]), (&"PASS".into(), &3002.into()));
}
