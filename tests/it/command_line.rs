//! The command line: what scripts rely on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tests::{TestApp, TestDatabase};

use crate::processes::{Ended, eventually, exhibit_in, folder, run, serve_in};

/// Runs a verb on a folder with a private PostgreSQL.
fn exhibit(data: &Path, args: &[&str]) -> Ended {
    run(exhibit_in(data).args(args))
}

/// What a command prints that succeeds.
fn printed(ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn by(app: &TestApp, args: &[&str]) -> String {
    let output = app.cli(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Tenants and keys, by commands alone.
fn makes_lists_and_revokes(data: &Path, tenant: &str) -> String {
    let id = printed(exhibit(data, &["tenant", "add", tenant]));
    let id = id.trim();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "the id alone: {id}");
    let listed = printed(exhibit(data, &["tenant", "list"]));
    let line = listed.lines().find(|line| line.ends_with(tenant)).unwrap();
    assert!(line.starts_with(id) && line.contains("active"), "{line}");

    let add = ["key", "add", "--tenant", tenant, "--scopes", "evidence:read", "--label", "mine"];
    let key = printed(exhibit(data, &add));
    assert!(key.starts_with("exh_") && key.lines().count() == 1, "the key alone: {key}");
    let key_id = &key[4..12];
    let state = || {
        let listed = printed(exhibit(data, &["key", "list"]));
        listed.lines().find(|line| line.starts_with(key_id)).unwrap().to_owned()
    };
    assert!(state().contains("live") && state().ends_with("mine"), "{}", state());
    let revoked = exhibit(data, &["key", "revoke", key_id]);
    assert!(revoked.stderr.contains(key_id) && printed(revoked).is_empty());
    assert!(state().contains("revoked"), "{}", state());
    let checked = printed(exhibit(data, &["log", "check", "--tenant", id]));
    assert_eq!(checked, format!("OK     {id}  3 events, 0 sessions, 0 records\n"));
    id.to_owned()
}

#[tokio::test]
async fn tenants_and_keys_are_managed_without_a_server_and_beside_one() {
    let mut app = TestApp::start_private(&[]);
    let beside = makes_lists_and_revokes(app.data(), "beside");
    app.stop();
    let without = makes_lists_and_revokes(app.data(), "without");
    app.resume();
    let listed = by(&app, &["tenant", "list"]);
    assert!([beside, without].iter().all(|id| listed.contains(id.as_str())), "{listed}");
    let _ = app.get("/v1/sessions").await.expect(200);
}

#[test]
fn the_first_command_on_an_empty_folder_makes_what_it_needs() {
    let data = folder();
    assert_eq!(printed(exhibit(data.path(), &["migrate"])), "the schema is up to date\n");
    assert_eq!(printed(exhibit(data.path(), &["migrate"])), "the schema is up to date\n");
    assert_eq!(printed(exhibit(data.path(), &["tenant", "list"])), "");
    let keys: Value =
        serde_json::from_str(&printed(exhibit(data.path(), &["keys", "show"]))).unwrap();
    assert_eq!(keys, json!({ "keys": [] }), "seal keys come with the first server");
    let elsewhere = folder();
    let first = exhibit(elsewhere.path(), &["tenant", "list"]);
    assert!(first.stderr.contains("is a new data folder"), "{first:?}");
    let second = exhibit(elsewhere.path(), &["tenant", "list"]);
    assert_eq!(second.stderr, "", "said once");
}

#[tokio::test]
async fn what_does_not_exist_is_an_error_of_one_line() {
    let app = TestApp::start().await;
    let _ = (app.make_tenant("twin"), app.make_tenant("twin"));
    let scopes = ["--scopes", "evidence:read"];
    for (args, part) in [
        ([["key", "add", "--tenant", "nobody"].as_slice(), &scopes].concat(), "nobody"),
        ([["key", "add", "--tenant", "twin"].as_slice(), &scopes].concat(), "several"),
        (vec!["key", "revoke", "aaaaaaaa"], "aaaaaaaa"),
        (vec!["tenant", "add", ""], "name"),
    ] {
        let failed = app.cli(&args);
        let error = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.starts_with("exhibit: ") && error.lines().count() == 1, "{error}");
        assert!(error.contains(part) && failed.stdout.is_empty(), "{error}");
    }
}

#[tokio::test]
async fn a_rotated_seal_key_signs_from_then_on_and_old_seals_stay_valid() {
    let app = TestApp::start().await;
    let seal_kid = async |session: uuid::Uuid| {
        let sealed = app.seal(session).await;
        sealed.body["envelope"]["signatures"][0]["keyid"].as_str().unwrap().to_owned()
    };
    let old = app.sealed_session().await;
    let old_kid = seal_kid(old).await;
    let new_kid = by(&app, &["keys", "rotate"]).trim().to_owned();
    assert_ne!(new_kid, old_kid);

    let new = app.sealed_session().await;
    assert_eq!(seal_kid(new).await, new_kid);
    assert_eq!(seal_kid(old).await, old_kid, "sealing again changes nothing");
    for session in [old, new] {
        assert_eq!(app.verify(session).await["axes"]["signer"]["result"], "pass");
    }
    let shown: Value = serde_json::from_str(&by(&app, &["keys", "show"])).unwrap();
    let served = app.get("/.well-known/jwks.json").await.expect(200).body;
    assert_eq!(shown, served);
    let key = |kid: &str| {
        let keys = shown["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == kid).unwrap().clone()
    };
    assert!(key(&old_kid)["exp"].is_i64() && key(&new_kid)["exp"].is_null(), "{shown}");
}

#[tokio::test]
async fn a_rotated_evidence_key_is_taken_up_by_the_running_server() {
    let app = TestApp::start().await;
    let new_kid = by(&app, &["keys", "rotate", "--purpose", "evidence"]).trim().to_owned();
    eventually("events are signed with the new key", 6, async || {
        let session = app.start_session().await;
        let _ = app.append(session, &[tests::events::session_start(session)]).await.expect(201);
        app.export_lines(session).await.contains(&format!("hmac-sha256:{new_kid}:"))
    })
    .await;
}

#[tokio::test]
async fn keys_lie_in_files_that_only_their_owner_reads() {
    let app = TestApp::start().await;
    let _ = (by(&app, &["keys", "rotate"]), by(&app, &["keys", "rotate", "--purpose", "evidence"]));
    let keys = app.data().join("keys");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&keys), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&keys).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(
        (of("master."), of("seal-"), of("evidence-"), names.len()),
        (1, 2, 2, 5),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let app = TestApp::start().await;
    let address = app.url.strip_prefix("http://").unwrap();
    let (data, database) = (folder(), TestDatabase::create().await);
    let refused = run(exhibit_in(data.path())
        .args(["serve", "--listen", address])
        .env("EXHIBIT_DATABASE_URL", &database.url));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.contains(&format!("cannot listen on {address}")), "{last}");
    assert!(!refused.stdout.contains("listening"), "{refused:?}");
}

#[test]
fn a_database_that_is_away_is_an_error_at_once_and_without_its_password() {
    let data = folder();
    let url = "postgres://exhibit:hunter2@127.0.0.1:1/exhibit";
    let begun = std::time::Instant::now();
    let refused = run(serve_in(data.path()).args(["--database-url", url]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("refused") && !refused.stderr.contains("hunter2"),
        "{refused:?}"
    );
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

/// Asks a verb for its help, and then all verbs below it.
fn helps(verbs: &mut Vec<String>, path: &[String]) {
    let data = folder();
    let shown = run(exhibit_in(data.path()).args(path).arg("--help"));
    assert_eq!(shown.code, Some(0), "{path:?}: {shown:?}");
    assert!(shown.stdout.contains("Usage: exhibit") && shown.stderr.is_empty(), "{shown:?}");
    verbs.push(path.join(" "));
    let commands = shown.stdout.split("\nCommands:\n").nth(1).unwrap_or_default();
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        // A description that goes on is indented further.
        let name = line.strip_prefix("  ").unwrap_or_default();
        if !name.starts_with(' ') && !name.starts_with("help ") {
            let name = name.split_whitespace().next().unwrap().to_owned();
            helps(verbs, &[path, &[name]].concat());
        }
    }
}

#[test]
fn every_verb_has_help() {
    let mut verbs = Vec::new();
    helps(&mut verbs, &[]);
    for verb in ["serve", "migrate", "verify", "tenant add", "tenant list", "key add", "key list"] {
        assert!(verbs.iter().any(|known| known == verb), "{verb}: {verbs:?}");
    }
    for verb in ["key revoke", "keys show", "keys rotate", "log check", "openapi", "demo", "bench"]
    {
        assert!(verbs.iter().any(|known| known == verb), "{verb}: {verbs:?}");
    }
}

#[test]
fn wrong_usage_ends_with_64_and_prints_nothing_to_standard_output() {
    let data = folder();
    for args in [
        [].as_slice(),
        &["nonsense"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--writers", "0"],
        &["serve", "--environment", "staging"],
        &["tenant"],
        &["tenant", "add"],
        &["key", "add"],
        &["key", "revoke"],
        &["keys", "rotate", "--purpose", "both"],
        &["log"],
        &["log", "check", "--tenant", "demo"],
        &["log", "check", "--format", "xml"],
        &["openapi", "--nonsense"],
        &["verify"],
    ] {
        let refused = exhibit(data.path(), args);
        assert_eq!(refused.code, Some(64), "{args:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{args:?}: {refused:?}");
    }
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "and nothing was begun");
}
