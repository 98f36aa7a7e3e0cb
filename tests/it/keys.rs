//! The life of an API key: how it is shown, what ends it, what is refused when it is made.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::hash::Hash;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, send};

use crate::processes::eventually;

/// A revocation or suspension is in force everywhere after so long.
const NOTICED_SECONDS_MAX: u64 = 2;

/// Lists sessions with a key.
async fn list(app: &TestApp, key: &str) -> Answer {
    send(app.bare_request(Method::GET, "/v1/sessions").bearer_auth(key)).await
}

/// A command of `/admin`.
async fn admin(app: &TestApp, method: Method, path: &str, body: &Value) -> Answer {
    let key = app.make_key("demo", "admin");
    send(app.bare_request(method, path).bearer_auth(key).json(body)).await
}

/// A key by `exhibit key add` with further arguments.
fn key_with(app: &TestApp, args: &[&str]) -> String {
    let base = ["key", "add", "--tenant", "demo", "--scopes", "evidence:read"];
    let made = app.cli(&[base.as_slice(), args].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn id(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn a_key_is_taken_as_bearer_in_any_case_and_as_x_api_key() {
    let app = TestApp::start().await;
    let request = || app.bare_request(Method::GET, "/v1/sessions");
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let header = format!("{scheme} {}", app.key);
        let _ = send(request().header("authorization", header)).await.expect(200);
    }
    let _ = send(request().header("x-api-key", &app.key)).await.expect(200);
    let _ = send(request().header("X-API-KEY", &app.key)).await.expect(200);
    let both = request().header("x-api-key", &app.key).bearer_auth("garbage");
    let _ = send(both).await.expect(401);
    let in_query = app.bare_request(Method::GET, &format!("/v1/sessions?key={}", app.key));
    let _ = send(in_query).await.expect(401);
}

#[tokio::test]
async fn a_suspended_tenant_is_told_so_until_it_is_resumed() {
    let app = TestApp::start().await;
    let tenant = app.make_tenant("late-payer");
    let key = app.make_key(&tenant, "evidence:read");
    let _ = list(&app, &key).await.expect(200);

    let path = |verb: &str| format!("/admin/tenants/{tenant}/{verb}");
    let suspended = admin(&app, Method::POST, &path("suspend"), &json!({})).await.expect(200);
    assert_eq!(suspended.body["suspended"], true);
    eventually("the suspension is noticed", NOTICED_SECONDS_MAX, async || {
        list(&app, &key).await.status == 403
    })
    .await;
    assert_eq!(list(&app, &key).await.code(), "TENANT_SUSPENDED");
    let _ = list(&app, &app.key).await.expect(200);

    let resumed = admin(&app, Method::POST, &path("resume"), &json!({})).await.expect(200);
    assert_eq!(resumed.body["suspended"], false);
    eventually("the resumption is noticed", NOTICED_SECONDS_MAX, async || {
        list(&app, &key).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_stops_within_two_seconds() {
    let app = TestApp::start().await;
    let (over_http, by_command) = (key_with(&app, &[]), key_with(&app, &[]));
    let _ = list(&app, &over_http).await.expect(200);
    let path = format!("/admin/keys/{}", id(&over_http));
    let revoked = admin(&app, Method::DELETE, &path, &json!({})).await.expect(200);
    assert!(revoked.body["revoked_at"].is_string(), "{}", revoked.text);
    ends(&app, &over_http).await;

    let _ = list(&app, &by_command).await.expect(200);
    assert!(app.cli(&["key", "revoke", id(&by_command)]).status.success());
    ends(&app, &by_command).await;

    assert_eq!(list(&app, &over_http).await.code(), "UNAUTHENTICATED");
    let _ = list(&app, &app.key).await.expect(200);
}

async fn ends(app: &TestApp, key: &str) {
    eventually("the key has ended", NOTICED_SECONDS_MAX, async || {
        list(app, key).await.status == 401
    })
    .await;
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let app = TestApp::start().await;
    let made = Instant::now();
    let key = key_with(&app, &["--expires", "3s"]);
    let opened = list(&app, &key).await.status;
    assert!(opened == 200 || made.elapsed() > Duration::from_secs(3), "{opened}");
    eventually("the key has expired", 4, async || list(&app, &key).await.status == 401).await;
    assert!(made.elapsed() >= Duration::from_secs(3), "not before its time");
}

#[tokio::test]
async fn a_key_works_from_its_addresses_alone() {
    let app = TestApp::start().await;
    let elsewhere = key_with(&app, &["--ip-allow", "10.0.0.0/8"]);
    assert_eq!(list(&app, &elsewhere).await.expect(401).code(), "UNAUTHENTICATED");
    let proxied = app.bare_request(Method::GET, "/v1/sessions").bearer_auth(&elsewhere);
    let _ = send(proxied.header("x-forwarded-for", "10.0.0.1")).await.expect(401);
    let here = key_with(&app, &["--ip-allow", "10.0.0.0/8,127.0.0.0/8"]);
    let _ = list(&app, &here).await.expect(200);
}

#[tokio::test]
async fn what_is_malformed_makes_no_key() {
    let app = TestApp::start().await;
    let tenant = app.make_tenant("other");
    let key = |name: &str, value: Value| {
        let mut key = json!({ "tenant": tenant, "label": "x", "scopes": ["evidence:read"] });
        key[name] = value;
        key
    };
    for body in [
        key("ip_allow", json!(["10.0.0.0/33"])),
        key("ip_allow", json!(["10.0.0.0"])),
        key("ip_allow", json!(["10.0.0.0/8", "everywhere"])),
        key("scopes", json!(["evidence:burn"])),
        key("scopes", json!(["Evidence:Read"])),
        key("scopes", json!([])),
        key("expires_at", json!("2020-01-01T00:00:00Z")),
        key("expires_at", json!("soon")),
        key("label", json!("x".repeat(129))),
        key("secret", json!("mine")),
    ] {
        let refused = admin(&app, Method::POST, "/admin/keys", &body).await.expect(400);
        assert_eq!(refused.code(), "REQUEST_INVALID", "{body}");
    }
    for args in [
        ["--scopes", "evidence:read", "--ip-allow", "10.0.0.0/33"],
        ["--scopes", "evidence:read", "--ip-allow", "everywhere"],
        ["--scopes", "evidence:burn", "--label", "x"],
        ["--scopes", "", "--label", "x"],
        ["--scopes", "evidence:read", "--expires", "soon"],
        ["--scopes", "evidence:read", "--expires", "-1d"],
    ] {
        let refused = app.cli(&[["key", "add", "--tenant", &tenant].as_slice(), &args].concat());
        assert_eq!(refused.status.code(), Some(64), "{args:?}");
        assert!(refused.stdout.is_empty(), "{args:?}");
    }
    let path = format!("/admin/keys?tenant={tenant}");
    let listed = admin(&app, Method::GET, &path, &json!({})).await.expect(200);
    assert_eq!(listed.body["items"], json!([]));
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let app = TestApp::start_with(&[("EXHIBIT_LOG", "trace")]).await;
    let order = json!({ "tenant": app.make_tenant("other"), "scopes": ["evidence:read"] });
    let made = admin(&app, Method::POST, "/admin/keys", &order).await.expect(201);
    let made = made.body["key"].as_str().unwrap().to_owned();
    let keys = [app.key.clone(), made, app.make_key("demo", "admin,evidence:read")];
    for key in &keys {
        let _ = list(&app, key).await.expect(200);
        let none = app.bare_request(Method::GET, "/none").bearer_auth(key);
        let _ = send(none.header("x-correlation-id", id(key))).await.expect(404);
    }
    eventually("all is logged", 5, async || app.log().contains(id(&keys[2]))).await;

    let shown = admin(&app, Method::GET, "/admin/keys", &json!({})).await.expect(200).text;
    let path = format!("/admin/keys/{}", id(&keys[1]));
    let one = admin(&app, Method::GET, &path, &json!({})).await.expect(200).text;
    let printed = String::from_utf8(app.cli(&["key", "list"]).stdout).unwrap();
    let stored = everything_stored(&app).await;
    for key in &keys {
        let secret = key.splitn(3, '_').nth(2).unwrap();
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(secret).unwrap().try_into().unwrap();
        let (raw, base64) = (Hash(bytes).to_string(), hex(secret));
        for (place, text) in [
            ("the log", &app.log()),
            ("the list", &shown),
            ("the key itself", &one),
            ("the command line", &printed),
            ("the database", &stored),
        ] {
            assert!(text.contains(id(key)) || place == "the key itself", "{place} is searched");
            for form in [secret, &raw, &base64] {
                assert!(!text.contains(form), "{place} holds the secret");
            }
        }
    }
}

/// As a column of bytes shows text.
fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// All rows of all tables as text.
async fn everything_stored(app: &TestApp) -> String {
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let tables: Vec<String> =
        sqlx::query_scalar("select format('%I.%I', schemaname, relname) from pg_stat_user_tables")
            .fetch_all(&owner)
            .await
            .unwrap();
    assert!(tables.iter().any(|table| table == "public.api_keys"), "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(&format!("select row::text from {table} row"))
            .fetch_all(&owner)
            .await
            .unwrap();
        all.push_str(&rows.join("\n"));
    }
    all
}
