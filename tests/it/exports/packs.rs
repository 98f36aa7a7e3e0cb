//! Evidence packs: one session for another party, by links that expire.

use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

use super::{jwks, verified};

fn order(session: Uuid, formats: &[&str]) -> Value {
    json!({
        "session_id": session, "formats": formats, "audience": "PARTNER", "purpose": "inquiry",
    })
}

#[tokio::test]
async fn a_pack_is_a_folder_that_verifies_by_itself() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let asked = app.ask_for("evidence-packs", &order(session, &["json", "jsonl", "pdf"])).await;
    assert_eq!((&asked["kind"], &asked["audience"]), (&json!("pack"), &json!("PARTNER")));

    let pack = app.until_made(&asked).await;

    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("pack");
    std::fs::create_dir(&inside).unwrap();
    app.take_all(&pack, &inside).await;
    let keys = jwks(&app, folder.path()).await;
    let (exit, report) = verified(&inside, &["--jwks", &keys]);
    assert_eq!((exit, &report["status"]), (0, &json!("PASS")), "{report}");
    assert_eq!(report["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    let name = format!("session_{session}.jsonl");
    let lines = std::fs::read_to_string(inside.join(&name)).unwrap();
    assert_eq!(lines, app.export_lines(session).await);
    let manifest = std::fs::read(inside.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["audience"], "PARTNER");
    assert_eq!(manifest["formats"], json!(["json", "jsonl", "pdf"]));
    assert_eq!(manifest["counts"], json!({ "events": 5, "violations": 0 }));
    std::fs::write(inside.join(&name), lines.replacen("look_up_order", "look_up_nobody", 1))
        .unwrap();
    let (exit, report) = verified(&inside, &["--jwks", &keys]);
    assert_eq!((exit, &report["status"]), (4, &json!("FAIL")), "{report}");
}

#[tokio::test]
async fn a_pack_has_what_was_asked_for_and_nothing_else() {
    let app = TestApp::start().await;
    let open = app.start_session().await;
    let _ = app.append(open, &[events::session_start(open)]).await.expect(201);
    let pack = app.made("evidence-packs", &order(open, &["jsonl"])).await;
    let files = pack["files"].as_array().unwrap();
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    let id = pack["export_id"].as_str().unwrap();
    let expected = [
        &format!("session_{open}.jsonl"),
        "jwks.json",
        "manifest.json",
        "bundle.sig",
        &format!("pack_{id}.zip"),
    ];
    assert_eq!(names, expected, "an open session has no seal");
}

#[tokio::test]
async fn a_pack_of_an_empty_session_says_that_there_is_nothing_and_no_more() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let pack = app.made("evidence-packs", &order(session, &["json", "jsonl"])).await;
    let folder = tempfile::tempdir().unwrap();
    app.take_all(&pack, folder.path()).await;

    let (exit, report) = verified(folder.path(), &[]);

    let findings = report["findings"].as_array().unwrap();
    let fatal: Vec<_> = findings.iter().filter(|f| f["severity"] == "FATAL").collect();
    assert_eq!(exit, 2, "{report}");
    assert!(fatal.iter().all(|finding| finding["code"] == "EMPTY_LOG"), "{findings:?}");
}

#[tokio::test]
async fn formats_and_audiences_that_are_not_known_are_refused() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    for (formats, audience) in [
        (json!([]), "PARTNER"),
        (json!(["docx"]), "PARTNER"),
        (json!(["json", "docx"]), "PARTNER"),
        (json!(["json", "json"]), "PARTNER"),
        (json!(["JSON"]), "PARTNER"),
        (json!("json"), "PARTNER"),
        (json!(["json"]), "PRESS"),
    ] {
        let mut body = order(session, &[]);
        (body["formats"], body["audience"]) = (formats, json!(audience));
        let refused = app.post("/v1/evidence-packs", &body).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{body}");
    }
    let nobody = order(Uuid::nil(), &["json"]);
    let refused = app.post("/v1/evidence-packs", &nobody).await.expect(404);
    assert_eq!(refused.code(), "SESSION_NOT_FOUND");
    assert!(app.acts("").await.is_empty());
}

#[tokio::test]
async fn links_expire_and_belong_to_one_file_of_one_pack() {
    let app = TestApp::start_with_clock().await;
    let session = app.sealed_session().await;
    let pack = app.made("evidence-packs", &order(session, &["json"])).await;
    let other = app.made("evidence-packs", &order(session, &["json"])).await;
    let href = |pack: &Value, at: usize| pack["files"][at]["href"].as_str().unwrap().to_owned();
    let link = |href: &str| href.split_once("?link=").unwrap().1.to_owned();
    let path = |href: &str| href.split_once('?').unwrap().0.to_owned();
    let first = href(&pack, 0);
    let _ = app.get(&first).await.expect(200);
    let mut changed = link(&first);
    changed.replace_range(..1, if changed.starts_with('A') { "B" } else { "A" });
    for wrong in [link(&href(&pack, 1)), link(&href(&other, 0)), changed, "AAAA".to_owned()] {
        let refused = app.get(&format!("{}?link={wrong}", path(&first))).await.expect(403);
        assert_eq!(refused.code(), "LINK_EXPIRED");
    }
    assert_eq!(app.get(&path(&first)).await.expect(400).code(), "QUERY_INVALID");
    app.travel_to(3_599);
    let _ = app.get(&first).await.expect(200);
    app.travel_to(3_660);
    assert_eq!(app.get(&first).await.expect(403).code(), "LINK_EXPIRED");
    let renewed = app.get(pack["links"]["self"].as_str().unwrap()).await.expect(200).body;
    let _ = app.get(&href(&renewed, 0)).await.expect(200);
    assert_eq!(app.acts("?type=export.downloaded").await.len(), 3, "refusals are no downloads");
}

#[tokio::test]
async fn a_link_opens_nothing_without_the_key_that_may_take_evidence_away() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let pack = app.made("evidence-packs", &order(session, &["json"])).await;
    let href = pack["files"][0]["href"].as_str().unwrap();
    let bare = app.bare_request(reqwest::Method::GET, href);
    assert_eq!(tests::send(bare).await.expect(401).code(), "UNAUTHENTICATED");
    let others: Vec<&str> =
        tests::ALL_SCOPES.split(',').filter(|scope| *scope != "evidence:export").collect();
    let key = app.make_key("demo", &others.join(","));
    assert_eq!(app.as_key(&key).get(href).await.expect(403).code(), "SCOPE_MISSING");
    let theirs = app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES);
    assert_eq!(app.as_key(&theirs).get(href).await.expect(404).code(), "EXPORT_NOT_FOUND");
}
