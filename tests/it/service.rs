//! What the service says about itself: health, readiness, documentation, public keys.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;
use tests::{Answer, TestApp, send};

use crate::processes::{children, eventually, state};

/// Asks without a key.
async fn ask(app: &TestApp, path: &str) -> Answer {
    send(app.bare_request(Method::GET, path)).await
}

/// Whether a part is ready, as `/ready` has it.
fn part<'a>(readiness: &'a Value, name: &str) -> &'a Value {
    let checks = readiness["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn a_server_that_serves_is_healthy_and_ready() {
    let app = TestApp::start().await;
    let health = ask(&app, "/health").await.expect(200);
    assert_eq!(health.body, json!({ "status": "ok", "version": "0.1.0" }));
    let ready = ask(&app, "/ready").await.expect(200).body;
    let expected = json!(
        ["database", "signer", "projections"].map(|name| json!({ "name": name, "ready": true }))
    );
    assert_eq!(ready, json!({ "ready": true, "checks": expected }));
}

#[tokio::test]
async fn a_server_without_its_database_is_not_ready_but_healthy_and_comes_back() {
    let app = TestApp::start().await;
    let database = app.database.as_ref().unwrap();
    let name = database.url.split(['/', '?']).nth(3).unwrap().to_owned();
    let elsewhere = tests::TestDatabase::create().await.as_owner().await;
    let set = async |allowed: bool| {
        let statement = format!("alter database {name} allow_connections {allowed}");
        elsewhere.execute(statement.as_str()).await.unwrap();
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(&name)
            .execute(&elsewhere)
            .await
            .unwrap();
    };

    set(false).await;
    let away = ask(&app, "/ready").await.expect(503).body;
    assert_eq!(away["ready"], false);
    let reason = part(&away, "database")["reason"].as_str().unwrap();
    assert!(!reason.contains(&name), "causes are for the log: {reason}");
    let _ = ask(&app, "/health").await.expect(200);
    let failed = app.get("/v1/sessions").await.expect(500);
    assert_eq!(failed.code(), "INTERNAL_ERROR");
    assert!(failed.body["details"].is_null(), "{}", failed.text);

    set(true).await;
    eventually("it is ready again", 10, async || ask(&app, "/ready").await.status == 200).await;
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn a_database_that_hangs_does_not_make_the_probe_hang() {
    let app = TestApp::start_private(&[]);
    let postmaster = children(app.pid(), "postgres");
    let signal = |pids: &[u32], signal| {
        for pid in pids {
            kill(Pid::from_raw(i32::try_from(*pid).unwrap()), signal).unwrap();
        }
    };
    // Its parent first: it would start another process for a connection that is made meanwhile.
    signal(&postmaster, Signal::SIGSTOP);
    eventually("it has stopped", 5, async || state(postmaster[0]) == Some('T')).await;
    let backends = children(postmaster[0], "postgres");
    signal(&backends, Signal::SIGSTOP);
    let begun = std::time::Instant::now();
    let ready = ask(&app, "/ready").await;
    let waited = begun.elapsed().as_secs();
    signal(&backends, Signal::SIGCONT);
    signal(&postmaster, Signal::SIGCONT);
    let ready = ready.expect(503).body;
    assert_eq!(part(&ready, "database")["ready"], false);
    assert!(waited < 5, "{waited} s");
    eventually("it is ready again", 10, async || ask(&app, "/ready").await.status == 200).await;
}

#[tokio::test]
async fn a_server_that_cannot_sign_is_not_ready() {
    let mut app = TestApp::start().await;
    app.stop();
    for entry in std::fs::read_dir(app.data().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            std::fs::remove_file(path).unwrap();
        }
    }
    app.resume();
    let ready = ask(&app, "/ready").await.expect(503).body;
    assert_eq!(part(&ready, "signer")["ready"], false, "{ready}");
    assert_eq!(part(&ready, "database")["ready"], true, "{ready}");
}

#[tokio::test]
async fn the_documentation_works_without_the_internet() {
    let app = TestApp::start().await;
    for path in ["/", "/docs", "/docs/"] {
        assert!(ask(&app, path).await.expect(200).text.contains("swagger-ui"), "{path}");
    }
    let page = ask(&app, "/docs/").await.text;
    let mut assets = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            let asset = rest.split('"').next().unwrap();
            assert!(!asset.contains("//"), "another host: {asset}");
            let path = format!("/docs/{}", asset.trim_start_matches("./"));
            assert!(!ask(&app, &path).await.expect(200).text.is_empty(), "{path}");
            assets += 1;
        }
    }
    assert!(assets >= 5, "styles and scripts: {page}");
    let start = ask(&app, "/docs/swagger-initializer.js").await.text;
    assert!(start.contains("\"url\": \"/openapi.json\""), "{start}");
    // Otherwise the page has the document checked by a service on the internet.
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(![page, start].concat().contains("://"), "no address of another host");
    assert_eq!(ask(&app, "/docs/nonsense.js").await.expect(404).code(), "NOT_FOUND");
}

#[tokio::test]
async fn the_public_keys_are_served_to_everyone_without_their_private_halves() {
    let app = TestApp::start().await;
    let answer = ask(&app, "/.well-known/jwks.json").await.expect(200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=60");
    let [key] = answer.body["keys"].as_array().unwrap().as_slice() else { panic!("{answer:?}") };
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!("EdDSA")));
    assert!(key["nbf"].is_i64() && key["kid"].is_string() && key["x"].is_string(), "{key}");
    assert!(key.get("d").is_none(), "the private half");
    assert_eq!(app.get("/v1/keys").await.expect(200).body, answer.body);
}
