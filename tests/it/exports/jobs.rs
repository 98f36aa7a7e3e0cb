//! What is made in the background: it survives its server, waits its turn, and is removed.

use serde_json::json;
use tests::{TestApp, events};

/// Enough that making it takes a while.
async fn much_work(app: &TestApp) {
    let session = app.start_session().await;
    for batch in 0..20 {
        let calls = events::tool_calls(session, batch * 1_000, 1_000);
        let _ = app.append(session, &calls).await.expect(201);
    }
    app.settle().await;
}

#[tokio::test]
async fn an_export_survives_its_server() {
    let mut app = TestApp::start().await;
    much_work(&app).await;
    let mut asked = Vec::new();
    for _ in 0..6 {
        asked.push(app.ask_for("exports", &json!({ "purpose": "audit" })).await);
    }
    // Two are being made, four wait.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    app.kill();
    app.resume();

    for export in &asked {
        let made = app.until_made(export).await;
        assert_eq!(made["status"], "completed", "{made}");
        assert_eq!(made["counts"]["events"], 20_000);
        let text = app.take(&made, ".ndjson").await;
        let lines = text.split(|byte| *byte == b'\n').count() - 1;
        assert!(lines >= 20_002, "{lines}");
    }
    let created = app.acts("?type=export.created").await;
    assert_eq!(created.len(), 6, "each is made once");
}

#[tokio::test]
async fn a_server_that_stops_gives_back_what_it_was_making() {
    let mut app = TestApp::start().await;
    much_work(&app).await;
    let asked = app.ask_for("exports", &json!({ "purpose": "audit" })).await;
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    app.restart();

    let made = app.until_made(&asked).await;

    assert_eq!(made["status"], "completed", "{made}");
}

#[tokio::test]
async fn nobody_waits_for_all_that_another_tenant_has_asked_for() {
    let app = TestApp::start().await;
    much_work(&app).await;
    let other = app.make_tenant("other");
    let key = app.make_key(&other, "evidence:write,evidence:export,evidence:read");
    let purpose = json!({ "purpose": "audit" });
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(app.ask_for("exports", &purpose).await);
    }

    let theirs = app.as_key(&key).post("/v1/exports", &purpose).await.expect(202).body;
    let this = theirs["links"]["self"].as_str().unwrap();
    crate::processes::eventually("theirs is made", 30, async || {
        app.as_key(&key).get(this).await.expect(200).body["status"] == "completed"
    })
    .await;

    let last = app.get(asked[9]["links"]["self"].as_str().unwrap()).await.expect(200).body;
    assert_eq!(last["status"], "queued", "{last}");
    for export in &asked {
        assert_eq!(app.until_made(export).await["status"], "completed");
    }
}

#[tokio::test]
async fn what_is_not_made_yet_cannot_be_taken_and_others_things_are_not_there() {
    let app = TestApp::start_with(&[("EXHIBIT_NO_FOLLOWERS", "true")]).await;
    let export = app.ask_for("exports", &json!({ "purpose": "audit" })).await;
    let this = export["links"]["self"].as_str().unwrap();
    let path = format!("{this}/files/export_{}.ndjson", export["export_id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(409).code(), "EXPORT_STATE");
    let as_bundle = this.replace("exports", "bundles");
    assert_eq!(app.get(&as_bundle).await.expect(404).code(), "EXPORT_NOT_FOUND");
    let key = app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES);
    for path in [this, path.as_str()] {
        let theirs = app.as_key(&key).get(path).await.expect(404);
        assert_eq!(theirs.code(), "EXPORT_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_tenant_has_so_many_unfinished_exports_and_no_more() {
    let app = TestApp::start_with(&[("EXHIBIT_NO_FOLLOWERS", "true")]).await;
    for _ in 0..100 {
        app.ask_for("exports", &json!({ "purpose": "audit" })).await;
    }
    let refused = app.post("/v1/bundles", &json!({ "purpose": "audit" })).await.expect(429);
    assert_eq!(refused.code(), "EXPORTS_UNFINISHED");
}

#[tokio::test]
async fn asking_for_the_head_of_a_file_is_no_download() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let export = app.made("exports", &json!({ "purpose": "audit" })).await;
    let file = export["files"][0]["href"].as_str().unwrap().to_owned();
    let acts = app.acts("").await.len();
    for path in [file, format!("/v1/sessions/{session}/export?format=json&purpose=audit")] {
        let answer = app.request(reqwest::Method::HEAD, &path).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
    }
    assert_eq!(app.acts("").await.len(), acts);
}

#[tokio::test]
async fn others_of_the_machine_cannot_read_what_was_exported() {
    use std::os::unix::fs::PermissionsExt;
    let app = TestApp::start().await;
    let export = app.made("exports", &json!({ "purpose": "audit" })).await;
    let folder = app.data().join("exports").join(export["export_id"].as_str().unwrap());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(folder.parent().unwrap()), mode(&folder)), (0o700, 0o700));
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn files_are_removed_at_the_end_of_their_time() {
    let app = TestApp::start_with_clock().await;
    let export = app.made("exports", &json!({ "purpose": "audit" })).await;
    let file = export["files"][0]["href"].as_str().unwrap();
    let _ = app.get(file).await.expect(200);
    let id = export["export_id"].as_str().unwrap();
    let folder = app.data().join("exports").join(id);
    assert!(folder.is_dir());

    app.travel_to(168 * 3600 + 60);
    crate::processes::eventually("the files are removed", 20, async || !folder.exists()).await;

    assert_eq!(app.get(file).await.expect(410).code(), "EXPORT_EXPIRED");
    let this = app.get(export["links"]["self"].as_str().unwrap()).await.expect(200).body;
    assert_eq!((&this["status"], &this["files"]), (&json!("expired"), &json!([])));
    assert_eq!(app.acts("?type=export.expired").await.len(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_made_does_not_leave_and_is_no_act() {
    let app = TestApp::start().await;
    let export = app.made("exports", &json!({ "purpose": "audit" })).await;
    let file = &export["files"][0];
    let path = app
        .data()
        .join("exports")
        .join(export["export_id"].as_str().unwrap())
        .join(file["sha256"].as_str().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let refused = app.get(file["href"].as_str().unwrap()).await.expect(500);

    assert_eq!(refused.code(), "INTERNAL_ERROR");
    assert!(app.acts("?type=export.downloaded").await.is_empty());
}

#[tokio::test]
async fn a_file_in_the_folder_of_another_server_is_not_there_and_no_act() {
    let app = TestApp::start().await;
    let export = app.made("exports", &json!({ "purpose": "audit" })).await;
    let other = app.sibling();

    let refused = other.get(export["files"][0]["href"].as_str().unwrap()).await.expect(503);

    assert_eq!(refused.code(), "EXPORT_FILE_ELSEWHERE");
    assert!(app.acts("?type=export.downloaded").await.is_empty());
}
