//! Personal data is found by kind and place, flags its session, and is never repeated.

use serde_json::{Value, json};
use tests::{TestApp, events};
use uuid::Uuid;

const EMAIL: &str = "grace.hopper@navy.example.org";
const CARD: &str = "4111 1111 1111 1111";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn secrets() -> [&'static str; 3] {
    [EMAIL, CARD, KEY]
}

async fn leaking_session(app: &TestApp) -> Uuid {
    let session = app.start_session().await;
    let args = json!({ "to": EMAIL, EMAIL: "x", "note": format!("card {CARD}\nkey {KEY}") });
    let call = json!({ "tool_name": format!("mail {EMAIL}"), "args": args });
    let batch = [
        events::session_start(session),
        events::event(session, 1, "TOOL_CALL", call),
        events::event(
            session,
            2,
            "ANNOTATION",
            json!({
                "annotator_id": EMAIL, "annotation_type": "flag", "content": {},
            }),
        ),
    ];
    let _ = app.append(session, &batch).await.expect(201);
    session
}

fn policy() -> Value {
    json!({
        "name": "personal-data", "version": "1.0.0",
        "pii": { "detectors": ["email", "credit_card"], "severity": "high" },
        "controls": [{
            "id": "no-mail", "severity": "low", "rules": [
                { "id": "none", "left": "pii.count", "op": "==", "right": 0 },
                { "id": "to", "left": "payload.args.to", "op": "!=", "right": EMAIL },
                { "id": "kinds", "left": "pii.types", "op": "contains", "right": "email" },
            ],
            "expression": { "op": "or", "items": [{ "rule": "none" },
                { "op": "and", "items": [{ "rule": "to" }, { "rule": "kinds" }] }] },
        }],
    })
}

#[tokio::test]
async fn findings_say_kind_and_place_and_flag_the_session() {
    let app = TestApp::start().await;
    let session = leaking_session(&app).await;
    let view = app.session(session).await;
    assert_eq!(view["pii"]["flagged"], true);
    assert_eq!(
        view["pii"]["found"],
        json!({ "aws_access_key_id": 1, "credit_card": 1, "email": 4 })
    );
    assert_eq!(view["pii"]["detectors_run"].as_array().unwrap().len(), 10);
    assert_eq!(view["pii"]["detectors_not_run"], json!([]));
    let path = format!("/v1/sessions/{session}/personal-data");
    let page = app.get(&path).await.expect(200).body;
    let places: Vec<(u64, &str, &str)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            let text = |member: &str| f[member].as_str().unwrap();
            (f["sequence_number"].as_u64().unwrap(), text("detector"), text("pointer"))
        })
        .collect();
    for place in [
        (1, "aws_access_key_id", "/args/note"),
        (1, "credit_card", "/args/note"),
        (1, "email", "/args/to"),
        (1, "email", "/args/[email]"),
        (1, "email", "/tool_name"),
        (2, "email", "/annotator_id"),
    ] {
        assert!(places.contains(&place), "{place:?} in {places:?}");
    }
    let clean = app.sealed_session().await;
    assert_eq!(app.session(clean).await["pii"]["flagged"], false);
}

#[tokio::test]
async fn a_policy_on_personal_data_is_broken_by_the_kinds_that_it_names() {
    let app = TestApp::start().await;
    app.activate_policy(&policy()).await;
    leaking_session(&app).await;
    let found = app.violations("&control=pii").await;
    assert_eq!(found.len(), 2, "one for each event");
    let call = found.iter().find(|v| v["sequence_number"] == 1).unwrap();
    assert_eq!(call["reason"], "personal data: credit_card, email");
    assert_eq!(call["severity"], "high");
    let ruled = app.violations("&control=no-mail").await;
    assert_eq!(ruled.len(), 2, "and the rules see what was found: {ruled:?}");
}

#[tokio::test]
async fn the_text_that_matched_stands_in_the_payload_and_nowhere_else() {
    let app = TestApp::start().await;
    app.activate_policy(&json!({
        "name": "tools", "version": "1.0.0", "applies_to": ["TOOL_CALL"],
        "controls": [{ "id": "c", "severity": "low", "rules": [
            { "id": "to", "left": "payload.args.to", "op": "==", "right": "nobody" },
            { "id": "note", "left": "payload.args.note", "op": "starts_with", "right": "ok" },
            { "id": "tool", "left": "payload.tool_name", "op": "regex", "right": "^look" } ] }],
    }))
    .await;
    let session = leaking_session(&app).await;
    assert_eq!(app.violations("").await.len(), 3);
    for path in [
        "/v1/violations".to_owned(),
        "/v1/tool-access".to_owned(),
        "/v1/events/history".to_owned(),
        "/v1/dashboards/compliance".to_owned(),
        "/v1/aggregations/tools".to_owned(),
        format!("/v1/sessions/{session}"),
        format!("/v1/sessions/{session}/tool-access"),
        format!("/v1/sessions/{session}/personal-data"),
    ] {
        let text = app.get(&path).await.expect(200).text;
        for secret in secrets() {
            assert!(!text.contains(secret), "{path} repeats {secret}: {text}");
        }
    }
    let export = format!("/v1/sessions/{session}/export?format=json&purpose=test");
    let export = app.get(&export).await.expect(200).body;
    for member in ["pii", "tool_access", "violations", "session"] {
        let text = export[member].to_string();
        assert!(secrets().iter().all(|secret| !text.contains(secret)), "{member}: {text}");
    }
    assert_eq!(export["events"][1]["payload"]["args"]["to"], EMAIL, "the evidence is what it was");
    assert_eq!(app.verify(session).await["status"], "DEGRADED", "and its chain is whole");
    // Every table but the evidence itself, whoever reads it; and the log.
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
         where table_schema = 'public' and table_type = 'BASE TABLE'
           and table_name <> 'evidence_events'",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        for secret in secrets() {
            let count = format!("select count(*) from {table} t where t::text like $1");
            let hits: i64 = sqlx::query_scalar(&count)
                .bind(format!("%{secret}%"))
                .fetch_one(&owner)
                .await
                .unwrap();
            assert_eq!(hits, 0, "{table} repeats {secret}");
        }
    }
    assert!(secrets().iter().all(|secret| !app.log().contains(secret)));
}
