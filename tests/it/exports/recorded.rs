//! What leaves is an event in the log: before it goes, and when it is whole.

use domain::hash::Hash;
use futures::StreamExt;
use serde_json::{Value, json};
use tests::{TestApp, events};

use super::export;
use crate::processes::eventually;

#[tokio::test]
async fn an_export_is_in_the_audit_with_who_what_why_how_many_and_its_hash() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;

    let text = export(&app, session).await;

    let acts = app.acts(&format!("?session_id={session}")).await;
    let [created, requested] = acts.as_slice() else { panic!("{acts:?}") };
    assert_eq!(requested["type"], "export.requested");
    assert_eq!(created["type"], "export.created");
    assert_eq!(created["export_id"], requested["export_id"]);
    assert_eq!(created["actor"], format!("key:{}", &app.key[4..12]));
    let details = &created["details"];
    assert_eq!(details["purpose"], "internal audit");
    assert_eq!((&details["kind"], &details["formats"]), (&json!("session"), &json!(["json"])));
    assert_eq!(details["counts"]["events"], 5);
    let file = json!({
        "name": format!("session_{session}.json"), "bytes": text.len(),
        "sha256": Hash::of(text.as_bytes()),
    });
    assert_eq!(details["files"], json!([file]));
}

#[tokio::test]
async fn what_left_before_stands_in_the_custody_of_what_leaves_later() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let first = app.export_lines(session).await;
    let _ = app.verify(session).await;
    // Of another session alone: it has nothing to do with this one.
    let other = app.sealed_session().await;
    let _ = app.export_lines(other).await;
    let selection = app.made("exports", &json!({ "purpose": "everything" })).await;

    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();

    let custody = document["chain_of_custody"].as_array().unwrap();
    let actions: Vec<_> = custody.iter().map(|e| e["action"].as_str().unwrap()).collect();
    let expected = [
        "session.started",
        "session.events_appended",
        "session.sealed",
        "export.requested",
        "export.created",
        "export.verified",
        "export.requested",
        "export.created",
        "export.requested",
    ];
    assert_eq!(actions, expected);
    let sha256 = Hash::of(first.as_bytes()).to_string();
    assert_eq!(custody[4]["details"]["files"][0]["sha256"], sha256);
    assert_eq!(custody[5]["details"]["status"], "PASS");
    assert_eq!(custody[7]["details"]["export_id"], selection["export_id"]);
    assert_eq!(custody[8]["details"]["purpose"], "internal audit", "this export's own request");
    assert!(!document["chain_of_custody"].to_string().contains(&other.to_string()));
}

#[tokio::test]
async fn custody_names_selections_that_held_something_of_the_session_and_no_others() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let mut call = events::tool_calls(session, 0, 1);
    call[0]["actor_id"] = json!("ada");
    let _ = app.append(session, &call).await.expect(201);
    app.made("exports", &json!({ "purpose": "about mary", "actor": "mary" })).await;
    app.made("bundles", &json!({ "purpose": "about bob", "actor": "bob" })).await;
    app.made("exports", &json!({ "purpose": "about ada", "actor": "ada" })).await;
    app.made("bundles", &json!({ "purpose": "all tools" })).await;

    let document: Value = serde_json::from_str(&export(&app, session).await).unwrap();

    let custody = document["chain_of_custody"].to_string();
    assert!(!custody.contains("about mary") && !custody.contains("about bob"), "{custody}");
    assert!(custody.contains("about ada") && custody.contains("all tools"), "{custody}");
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_a_trace() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let long = "x".repeat(200_000);
    for number in 0..100 {
        let event = events::event(session, number, "note.long", json!({ "text": long }));
        let _ = app.append(session, &[event]).await.expect(201);
    }
    let path = format!("/v1/sessions/{session}/export?format=jsonl&purpose=cut");
    let answer = app.request(reqwest::Method::GET, &path).send().await.unwrap();
    let mut body = answer.bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);

    eventually("the log says that it was cut short", 10, async || {
        app.acts("?type=export.failed").await.len() == 1
    })
    .await;
    let failed = app.acts("?type=export.failed").await.remove(0);
    assert!(failed["details"]["reason"].as_str().unwrap().contains("cut short"), "{failed}");
    assert!(app.acts("?type=export.created").await.is_empty());
}

#[tokio::test]
async fn without_a_purpose_nothing_leaves_and_nothing_is_written_down() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    for purpose in ["", "%20", "%E2%80%8B", "a%0Ab", &"x".repeat(257)] {
        let path = format!("/v1/sessions/{session}/export?format=json&purpose={purpose}");
        assert_eq!(app.get(&path).await.expect(400).code(), "QUERY_INVALID", "{purpose:?}");
    }
    for folder in ["exports", "bundles"] {
        for body in [json!({}), json!({ "purpose": "" }), json!({ "purpose": "a\tb" })] {
            let refused = app.post(&format!("/v1/{folder}"), &body).await.expect(400);
            assert_eq!(refused.code(), "REQUEST_INVALID", "{body}");
        }
    }
    assert!(app.acts("").await.is_empty());
}

#[tokio::test]
async fn what_was_uploaded_and_checked_is_an_act_with_its_hash_and_verdict() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let lines = app.export_lines(session).await;
    let cut = lines.rsplit_once("\n{").unwrap().0.to_owned() + "\n";
    let request = app.request(reqwest::Method::POST, "/v1/verify");
    let request = request.header("content-type", "application/x-ndjson").body(cut.clone());
    let _ = tests::send(request).await.expect(200);

    let act = app.acts("?type=export.verified").await.remove(0);
    let verdict = json!({
        "session_id": null, "sha256": Hash::of(cut.as_bytes()), "format": "jsonl",
        "status": "DEGRADED", "evidence_class": "PARTIAL_AUTHORITATIVE_EVIDENCE", "exit_code": 1,
    });
    assert_eq!(act["details"]["sha256"], verdict["sha256"]);
    for member in ["session_id", "format", "status", "evidence_class", "exit_code"] {
        assert_eq!(act["details"][member], verdict[member], "{member}");
    }
}

#[tokio::test]
async fn the_audit_is_paged_filtered_streamed_and_its_tenants_own() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let mut stream = app.stream("").await;
    stream.expect("ready").await;
    for _ in 0..3 {
        let _ = app.export_lines(session).await;
    }
    let all = app.acts("").await;
    assert_eq!(all.len(), 6);
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/v1/export-audit?limit=4{cursor}")).await.expect(200).body;
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let at = all[2]["at"].as_str().unwrap();
    assert_eq!(app.acts(&format!("?since={at}")).await.len(), 3);
    assert_eq!(app.acts(&format!("?until={at}")).await.len(), 3);
    assert_eq!(app.acts("?type=export.created").await.len(), 3);
    let of_one = format!("?export_id={}", all[0]["export_id"].as_str().unwrap());
    assert_eq!(app.acts(&of_one).await.len(), 2);
    assert!(app.acts("?actor=key:aaaaaaaa").await.is_empty());
    let key = app.make_key(&app.make_tenant("other"), tests::ALL_SCOPES);
    let theirs = app.as_key(&key).get("/v1/export-audit").await.expect(200).body;
    assert_eq!(theirs["items"], json!([]));
    let mut seen = 0;
    while seen < 6 {
        let item = stream.item().await;
        if item.get("type").as_str().is_some_and(|kind| kind.starts_with("export.")) {
            assert_eq!(item.get("data")["purpose"], "test");
            seen += 1;
        }
    }
}
