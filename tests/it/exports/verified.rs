//! What the server writes, read by the verifier: every filter, folder and zip, and by upload.

use std::path::Path;

use serde_json::{Value, json};
use tests::{TestApp, events, tool_policy};
use uuid::Uuid;

use super::Taken;

/// A session that breaks a policy, one that is sealed, and one that goes on.
async fn some_work(app: &TestApp) -> Uuid {
    app.activate_policy(&tool_policy("1.0.0")).await;
    let session = app.start_session().await;
    let mut call = events::call_of(session, 0, "wire");
    call["actor_id"] = json!("eve");
    let _ = app.append(session, &[call]).await.expect(201);
    let sealed = app.sealed_session().await;
    let _ = app.append(session, &events::tool_calls(session, 1, 2)).await.expect(201);
    app.settle().await;
    sealed
}

fn verify(app: &TestApp, folder: &Path, input: &str) -> (i32, Value) {
    let keys = folder.join("jwks.json").display().to_string();
    let input = folder.join(input).display().to_string();
    let output = app.cli(&["verify", "--format", "json", "--jwks", &keys, &input]);
    let report = serde_json::from_slice(&output.stdout).expect("one JSON document and no more");
    (output.status.code().unwrap(), report)
}

#[tokio::test]
async fn every_evidence_export_verifies_with_the_signature_beside_it() {
    let app = TestApp::start().await;
    let sealed = some_work(&app).await;
    let taken = Taken::from(&app, sealed).await;
    let record: Value =
        serde_json::from_str(taken.read("session.jsonl").lines().next().unwrap()).unwrap();
    let since = &record["received_at"];
    for filter in [
        json!({}),
        json!({ "actor": "eve" }),
        json!({ "type": "TOOL_CALL" }),
        json!({ "session_id": sealed }),
        json!({ "policy": "tool-access" }),
        json!({ "since": since }),
        json!({ "until": since }),
    ] {
        let mut body = filter.clone();
        body["purpose"] = json!("audit");
        let export = app.made("exports", &body).await;
        let lines = String::from_utf8(app.take(&export, ".ndjson").await).unwrap();
        let signature = String::from_utf8(app.take(&export, ".dsse.json").await).unwrap();
        taken.write("export.ndjson", &lines);
        taken.write("export.ndjson.dsse.json", &signature);
        let (exit, report) = verify(&app, taken.folder(), "export.ndjson");
        assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{filter}: {report}");
        assert_eq!(report["axes"]["signer"]["result"], "pass");
        taken.write("export.ndjson", &lines.replacen("\"audit\"", "\"fraud\"", 1));
        let (exit, report) = verify(&app, taken.folder(), "export.ndjson");
        assert_eq!((exit, &report["status"]), (2, &json!("FAIL")), "{filter}: {report}");
    }
}

#[tokio::test]
async fn a_bundle_verifies_as_a_folder_as_a_zip_and_by_upload() {
    let app = TestApp::start().await;
    let sealed = some_work(&app).await;
    let taken = Taken::from(&app, sealed).await;
    let bundle = app.made("bundles", &json!({ "purpose": "board" })).await;
    std::fs::create_dir(taken.path("bundle")).unwrap();
    app.take_all(&bundle, &taken.path("bundle")).await;
    let zip = app.take(&bundle, ".zip").await;
    std::fs::write(taken.path("bundle.zip"), &zip).unwrap();
    for input in ["bundle", "bundle.zip"] {
        let (exit, report) = verify(&app, taken.folder(), input);
        assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{input}: {report}");
        assert_eq!((&report["format"], &report["findings"]), (&json!("bundle"), &json!([])));
        assert_eq!(report["artifact"]["sha256"], bundle["bundle_hash"]);
    }
    let request = app.request(reqwest::Method::POST, "/v1/verify");
    let request = request.header("content-type", "application/zip").body(zip);
    let report = tests::send(request).await.expect(200).body;
    assert_eq!((&report["status"], &report["format"]), (&json!("PASS"), &json!("bundle")));
    std::fs::write(taken.path("bundle/report.txt"), "Nothing to see.").unwrap();
    assert_eq!(verify(&app, taken.folder(), "bundle").0, 4);
}

#[tokio::test]
async fn a_pack_verifies_with_the_evidence_in_it() {
    let app = TestApp::start().await;
    let sealed = some_work(&app).await;
    let taken = Taken::from(&app, sealed).await;
    let body = json!({
        "purpose": "inquiry", "session_id": sealed, "formats": ["json", "jsonl", "pdf"],
        "audience": "REGULATOR",
    });
    let pack = app.made("evidence-packs", &body).await;
    std::fs::write(taken.path("pack.zip"), app.take(&pack, ".zip").await).unwrap();

    let (exit, report) = verify(&app, taken.folder(), "pack.zip");

    assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
    assert_eq!(report["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!(report["session_id"], json!(sealed));
    assert_eq!(report["artifact"]["evidence"].as_array().unwrap().len(), 3, "{report}");
}
