//! Who may do what: a walk over every operation of the document that the server itself serves.

mod cases;

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{ALL_SCOPES, Answer, TestApp, events, send};
use uuid::Uuid;

use crate::operations::{OPEN, Operation, operations};
use cases::{Case, Foreign, Names, case};

/// A request without a key.
fn request(app: &TestApp, operation: &Operation, names: Names<'_>) -> RequestBuilder {
    let Case(query, body, _) = case(&operation.id, names);
    let path = operation
        .path
        .replace("{session_id}", &names.session.to_string())
        .replace("{tenant_id}", names.tenant)
        .replace("{key_id}", names.key)
        .replace("{name}", names.policy()["name"].as_str().unwrap())
        .replace("{version}", "1.0.0")
        .replace("{content_hash}", &format!("sha256:{}", names.content_hash))
        .replace("{backtest_id}", &names.backtest.to_string())
        .replace("{violation_id}", &names.violation.to_string())
        .replace("{export_id}", &names.exports[0].to_string())
        .replace("{bundle_id}", &names.exports[1].to_string())
        .replace("{pack_id}", &names.exports[2].to_string())
        .replace("{file_name}", "manifest.json");
    assert!(!path.contains('{'), "the walk cannot fill {path}");
    let request = app.bare_request(operation.method.clone(), &format!("{path}{query}"));
    match body {
        Some(body) => request.json(&body),
        None => request,
    }
}

/// The operations that need a key.
async fn guarded(app: &TestApp) -> Vec<Operation> {
    let document = send(app.bare_request(Method::GET, "/openapi.json")).await.expect(200).body;
    let all = operations(&document).into_iter();
    all.filter(|operation| !OPEN.contains(&operation.id.as_str())).collect()
}

/// The scopes of the document with a key each that the tenant gets.
fn keys(
    app: &TestApp,
    tenant: &str,
    operations: &[Operation],
    scopes: impl Fn(&str) -> String,
) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for operation in operations {
        let scope = operation.scope.clone().expect("a guarded operation names its scope");
        keys.entry(scope.clone()).or_insert_with(|| app.make_key(tenant, &scopes(&scope)));
    }
    keys
}

/// A tenant beside `demo` with a key.
fn other_tenant(app: &TestApp) -> (String, String) {
    let tenant = app.make_tenant("other");
    let key = app.make_key(&tenant, "evidence:read");
    (tenant, key[4..12].to_owned())
}

/// Without what names the resource and the request.
fn anonymous(mut answer: Answer, named: Uuid) -> (u16, Value) {
    let body = answer.body.as_object_mut().unwrap();
    assert!(body.remove("correlation_id").is_some() && body.remove("instance").is_some());
    let text = answer.body.to_string().replace(&named.to_string(), "<id>");
    (answer.status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn no_operation_opens_without_a_valid_key() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let (tenant, key) = other_tenant(&app);
    let names = Names { session, tenant: &tenant, key: &key, ..Names::default() };
    let unknown = format!("exh_aaaaaaaa_{}", "A".repeat(43));
    let forged = format!("{}{}", &app.key[..13], "A".repeat(43));
    for operation in guarded(&app).await {
        let request = || request(&app, &operation, names);
        for request in [
            request(),
            request().bearer_auth("garbage"),
            request().bearer_auth(&unknown),
            request().bearer_auth(&forged),
            request().header("x-api-key", &forged),
            request().header("authorization", format!("Basic {}", app.key)),
            request().header("authorization", app.key.as_str()),
        ] {
            let answer = send(request).await.expect(401);
            assert_eq!(answer.code(), "UNAUTHENTICATED", "{}", operation.id);
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn the_open_operations_open_without_a_key() {
    let app = TestApp::start().await;
    let document = send(app.bare_request(Method::GET, "/openapi.json")).await.expect(200).body;
    let all = operations(&document);
    for id in OPEN {
        let operation = all.iter().find(|operation| operation.id == id).unwrap();
        let _ = send(app.bare_request(operation.method.clone(), &operation.path)).await.expect(200);
    }
}

#[tokio::test]
async fn every_scope_but_the_right_one_does_not_open_an_operation() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let (tenant, key) = other_tenant(&app);
    let names = Names { session, tenant: &tenant, key: &key, ..Names::default() };
    let operations = guarded(&app).await;
    let all: Vec<&str> = ALL_SCOPES.split(',').chain(["admin"]).collect();
    let keys = keys(&app, "demo", &operations, |scope| {
        all.iter().filter(|other| **other != scope).copied().collect::<Vec<_>>().join(",")
    });
    for operation in operations {
        let key = &keys[operation.scope.as_ref().unwrap()];
        let answer = send(request(&app, &operation, names).bearer_auth(key)).await.expect(403);
        assert_eq!(answer.code(), "SCOPE_MISSING", "{}", operation.id);
    }
    assert_eq!(app.session(session).await["event_count"], 0, "nothing was done");
}

/// A policy in force, a backtest of it and a violation: its hash and their ids.
async fn judged(app: &TestApp, names: Names<'_>) -> (String, Uuid, Uuid) {
    let active = app.activate_policy(&names.policy()).await;
    let backtest = app.policy_command(&names.policy(), "backtest", &json!({})).await.expect(202);
    let session = app.start_session().await;
    let _ = app.append(session, &events::tool_calls(session, 0, 1)).await.expect(201);
    let violation = loop {
        let listed = app.get("/v1/violations").await.expect(200).body;
        if let Some(id) = listed["items"][0]["violation_id"].as_str() {
            break id.parse().unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let backtest = backtest.body["backtest_id"].as_str().unwrap().parse().unwrap();
    let content_hash = active["content_hash"].as_str().unwrap();
    (content_hash.trim_start_matches("sha256:").to_owned(), backtest, violation)
}

/// An evidence export, a bundle and a pack, made.
async fn exports(app: &TestApp, session: Uuid) -> [Uuid; 3] {
    let pack = json!({
        "session_id": session, "formats": ["json"], "audience": "PARTNER", "purpose": "walk",
    });
    let asked = [
        ("exports", json!({ "purpose": "walk" })),
        ("bundles", json!({ "purpose": "walk" })),
        ("evidence-packs", pack),
    ];
    let mut ids = [Uuid::nil(); 3];
    for (id, (folder, body)) in ids.iter_mut().zip(asked) {
        *id = app.made(folder, &body).await["export_id"].as_str().unwrap().parse().unwrap();
    }
    ids
}

#[tokio::test]
async fn another_tenants_resource_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let nothing = Uuid::from_u128(session.as_u128() ^ 1);
    let (tenant, key) = other_tenant(&app);
    let names = Names { session, tenant: &tenant, key: &key, ..Names::default() };
    let (content_hash, backtest, violation) = judged(&app, names).await;
    let exports = exports(&app, session).await;
    let names = Names { content_hash: &content_hash, backtest, violation, exports, ..names };
    let unknown = "0".repeat(64);
    let absent = Names { session: nothing, content_hash: &unknown, ..names };
    let absent = Names { backtest: nothing, violation: nothing, exports: [nothing; 3], ..absent };
    let operations = guarded(&app).await;
    let keys = keys(&app, &tenant, &operations, str::to_owned);
    let mut hidden = 0;
    for operation in operations {
        let ask = async |names| {
            let key = &keys[operation.scope.as_ref().unwrap()];
            send(request(&app, &operation, names).bearer_auth(key)).await
        };
        match case(&operation.id, names).2 {
            Foreign::Hidden => {
                let foreign = ask(names).await.expect(404);
                let absent = ask(absent).await.expect(404);
                assert_eq!(foreign.code(), absent.code(), "{}", operation.id);
                assert_eq!(anonymous(foreign, session), anonymous(absent, nothing));
                hidden += 1;
            }
            Foreign::OwnAlone => {
                let answer = ask(names).await;
                assert!(answer.status < 300, "{}: {}", operation.id, answer.text);
                assert!(!answer.text.contains(&session.to_string()), "{}", operation.id);
            }
            Foreign::Everything => assert!(operation.is_admin(), "{}", operation.id),
        }
    }
    assert!(hidden >= 30, "all operations on what is named are walked");
    assert_eq!(app.session(session).await["status"], "sealed", "and it still stands");
}

#[tokio::test]
async fn a_session_id_that_another_tenant_uses_is_free_for_everyone_else() {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let key = app.make_key(&app.make_tenant("other"), ALL_SCOPES);
    let body = json!({ "agent_id": "second", "session_id": session });

    let start = app.bare_request(Method::POST, "/v1/sessions").bearer_auth(&key);
    let _ = send(start.json(&body)).await.expect(201);

    let path = format!("/v1/sessions/{session}");
    let theirs = send(app.bare_request(Method::GET, &path).bearer_auth(&key)).await.expect(200);
    assert_eq!(theirs.body["agent_id"], "second");
    assert_eq!(theirs.body["event_count"], 0);
    assert_eq!(app.session(session).await["agent_id"], "refund-agent");
    let listed = send(app.bare_request(Method::GET, "/v1/sessions").bearer_auth(&key)).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{}", listed.text);
}

#[tokio::test]
async fn the_admin_scope_opens_admin_and_nothing_else() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let (tenant, key) = other_tenant(&app);
    let names = Names { session, tenant: &tenant, key: &key, ..Names::default() };
    let admin = app.make_key("demo", "admin");
    let mut opened = 0;
    for operation in guarded(&app).await {
        let answer = send(request(&app, &operation, names).bearer_auth(&admin)).await;
        if operation.is_admin() {
            assert!((200..300).contains(&answer.status), "{}: {}", operation.id, answer.text);
            assert!(operation.path.starts_with("/admin/"), "{}", operation.path);
            opened += 1;
        } else {
            assert_eq!(answer.expect(403).code(), "SCOPE_MISSING", "{}", operation.id);
        }
    }
    assert!(opened >= 9, "all of /admin is walked");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_in_admin() {
    let app = TestApp::start().await;
    let admin = app.make_key("demo", "admin");
    let nobody = Uuid::nil().to_string();
    let names =
        Names { session: Uuid::nil(), tenant: &nobody, key: "aaaaaaaa", ..Names::default() };
    for operation in guarded(&app).await {
        let names_one = operation.path.contains('{') || operation.id == "createKey";
        if operation.is_admin() && names_one {
            let answer = send(request(&app, &operation, names).bearer_auth(&admin)).await;
            let code = answer.expect(404).code().to_owned();
            assert!(["TENANT_NOT_FOUND", "KEY_NOT_FOUND"].contains(&code.as_str()), "{code}");
        }
    }
}
