//! `EXHIBIT_ENV=production`: what it refuses to start with, and what it does not make by itself.

use std::path::Path;
use std::process::Command;

use reqwest::{Client, Method};
use sqlx::Executor;
use tests::{TestDatabase, send};

use crate::processes::{Ended, Serving, exhibit_in, folder, run, serve_in};

const SECRET: &str = "8f1d0c7be2a94356f0e1d2c3b4a5968778695a4b3c2d1e0f61e4b7a09d35c82f";

/// What each reason's line holds.
const REASONS: [&str; 4] = [
    "EXHIBIT_MASTER_SECRET is not set",
    "EXHIBIT_ALLOW_LOCAL_KEYS",
    "EXHIBIT_TLS_TERMINATED_BY_PROXY",
    "the database login may update or delete events",
];

/// The reasons of a refusal to start.
fn reasons(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stdout.contains("listening"), "{ended:?}");
    assert!(ended.stderr.contains("exhibit: production refuses to start:\n"), "{ended:?}");
    ended.stderr.lines().filter_map(|line| line.strip_prefix("  - ")).collect()
}

/// A production server, with all that it asks for but a login.
fn production(data: &Path, url: &str) -> Command {
    let mut command = serve_in(data);
    mend(command.env("EXHIBIT_DATABASE_URL", url));
    command
}

fn mend(command: &mut Command) -> &mut Command {
    command.envs([
        ("EXHIBIT_ENV", "production"),
        ("EXHIBIT_MASTER_SECRET", SECRET),
        ("EXHIBIT_ALLOW_LOCAL_KEYS", "true"),
        ("EXHIBIT_TLS_TERMINATED_BY_PROXY", "true"),
        ("EXHIBIT_NO_MIGRATE", "true"),
    ])
}

/// A database with a login of these attributes and memberships; its URL.
async fn with_login(attributes: &str, memberships: &str) -> String {
    login_to(&TestDatabase::create().await, attributes, memberships).await
}

/// Makes a login; the URL that it opens the database with.
pub async fn login_to(database: &TestDatabase, attributes: &str, memberships: &str) -> String {
    let owner = database.as_owner().await;
    let (name, user): (String, String) =
        sqlx::query_as("select current_database()::text, current_user::text")
            .fetch_one(&owner)
            .await
            .unwrap();
    // Logins are the cluster's, which tests share.
    let login = name.replace("t_", "login_");
    let statement =
        format!("create role {login} login {attributes}; grant {memberships} to {login}");
    owner.execute(statement.as_str()).await.unwrap();
    database.url.replace(&format!("{user}@"), &format!("{login}@"))
}

#[tokio::test]
async fn every_reason_is_listed_at_once() {
    let (data, database) = (folder(), TestDatabase::create().await);
    let mut serve = serve_in(data.path());
    serve.env("EXHIBIT_ENV", "production").env("EXHIBIT_DATABASE_URL", &database.url);
    let refused = run(&mut serve);
    let found = reasons(&refused);
    assert_eq!(found.len(), REASONS.len(), "{found:?}");
    for (found, expected) in found.iter().zip(REASONS) {
        assert!(found.contains(expected), "{found}");
    }
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "no key was made");
    let tenants: i64 = sqlx::query_scalar("select count(*) from tenants")
        .fetch_one(&database.as_owner().await)
        .await
        .unwrap();
    assert_eq!(tenants, 0, "no tenant was made");
}

#[tokio::test]
async fn each_reason_is_enough_to_refuse() {
    let url = with_login("noinherit", "exhibit_server, exhibit_reader").await;
    for (variable, reason) in [
        ("EXHIBIT_MASTER_SECRET", REASONS[0]),
        ("EXHIBIT_ALLOW_LOCAL_KEYS", REASONS[1]),
        ("EXHIBIT_TLS_TERMINATED_BY_PROXY", REASONS[2]),
    ] {
        let data = folder();
        let refused = run(production(data.path(), &url).env_remove(variable));
        let [only] = reasons(&refused)[..] else { panic!("{refused:?}") };
        assert!(only.contains(reason), "{only}");
    }
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_proxy_before_the_server() {
    let database = TestDatabase::create().await;
    let url = login_to(&database, "noinherit", "exhibit_server, exhibit_reader").await;
    let data = folder();
    let (cert, key) = crate::tls::certificate(data.path());
    let mut command = production(data.path(), &url);
    command.env_remove("EXHIBIT_TLS_TERMINATED_BY_PROXY");
    let server = Serving::start(command.env("EXHIBIT_TLS_CERT", cert).env("EXHIBIT_TLS_KEY", key));
    assert!(server.url.starts_with("https://"), "{}", server.url);
    server.stop();
}

#[tokio::test]
async fn a_default_secret_is_refused_and_not_repeated() {
    let url = with_login("noinherit", "exhibit_server, exhibit_reader").await;
    for weak in ["0".repeat(64), "deadbeef".repeat(8), "changeme".to_owned(), "f".repeat(63)] {
        let data = folder();
        let refused = run(production(data.path(), &url).env("EXHIBIT_MASTER_SECRET", &weak));
        let [only] = reasons(&refused)[..] else { panic!("{refused:?}") };
        assert!(only.contains("EXHIBIT_MASTER_SECRET is a default"), "{only}");
        assert!(!refused.stderr.contains(&weak), "{only}");
    }
}

#[tokio::test]
async fn a_login_that_may_change_evidence_or_become_one_that_may_is_refused() {
    let owner = TestDatabase::create().await.url;
    let roles = "exhibit_server, exhibit_reader";
    for url in [
        owner,
        with_login("superuser", roles).await,
        with_login("inherit", &format!("{roles}, pg_write_all_data")).await,
        with_login("noinherit", &format!("{roles}, pg_write_all_data")).await,
    ] {
        let data = folder();
        let refused = run(&mut production(data.path(), &url));
        let [only] = reasons(&refused)[..] else { panic!("{refused:?}") };
        assert!(only.contains(REASONS[3]), "{only}");
    }
}

#[tokio::test]
async fn with_all_mended_it_starts_and_makes_no_tenant_and_no_key() {
    let (data, url) = (folder(), with_login("noinherit", "exhibit_server, exhibit_reader").await);
    let server = Serving::start(&mut production(data.path(), &url));
    assert_eq!(server.printed.len(), 1, "the address alone: {:?}", server.printed);
    let command = |args: &[&str]| {
        let mut command = exhibit_in(data.path());
        let ended = run(mend(command.args(args).env("EXHIBIT_DATABASE_URL", &url)));
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        ended.stdout.trim().to_owned()
    };
    assert_eq!(command(&["tenant", "list"]), "");
    assert_eq!(command(&["key", "list"]), "");

    let tenant = command(&["tenant", "add", "acme"]);
    let key = command(&["key", "add", "--tenant", &tenant, "--scopes", "evidence:read"]);
    let list = || Client::new().request(Method::GET, format!("{}/v1/sessions", server.url));
    let _ = send(list()).await.expect(401);
    let _ = send(list().bearer_auth(&key)).await.expect(200);
    assert!(!data.path().join("keys/master.secret").exists(), "the given secret is not written");
    server.stop();
}
