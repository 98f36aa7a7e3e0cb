//! The private PostgreSQL as its user meets it: found, made, started, watched and stopped.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;
use sqlx::{ConnectOptions, Executor};
use tests::{TestApp, TestDatabase};

use crate::processes::{
    Ended, Serving, children, eventually, exhibit_in, folder, is_alive, kill_9, run, serve_in,
};

/// A uid that no passwd file knows.
const STRANGER: u32 = 12345;

/// The postmaster and everything below it.
fn postgres_of(app: &TestApp) -> Vec<u32> {
    let postmasters = children(app.pid(), "postgres");
    assert_eq!(postmasters.len(), 1, "one postmaster: {postmasters:?}");
    let backends = children(postmasters[0], "postgres");
    assert!(!backends.is_empty(), "a postmaster has processes of its own");
    [postmasters, backends].concat()
}

async fn all_end(processes: &[u32]) {
    eventually("no process of PostgreSQL is left", 20, async || {
        !processes.iter().any(|pid| is_alive(*pid))
    })
    .await;
}

/// The one line of a refusal; everything else on standard error is a log in JSON.
fn one_line(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    let [line] = lines.as_slice() else { panic!("one line, not {lines:?}") };
    line.strip_prefix("exhibit: ").expect("it says who speaks")
}

#[tokio::test]
async fn the_first_start_prints_a_key_that_opens_the_server() {
    let app = TestApp::start_private(&[]);
    assert!(app.key.starts_with("exh_"), "{}", app.key);
    let session = app.sealed_session().await;
    assert_eq!(app.verify(session).await["status"], "PASS");
    assert!(app.data().join("postgres/PG_VERSION").is_file());
    assert!(!postgres_of(&app).is_empty());
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_by_its_name() {
    let app = TestApp::start_private(&[]);
    let refused = run(&mut serve_in(app.data()));
    let line = one_line(&refused);
    assert!(line.contains(app.data().to_str().unwrap()), "{line}");
    assert!(line.contains(&app.pid().to_string()), "it names the process: {line}");
    assert!(refused.stdout.is_empty(), "{refused:?}");
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn kill_9_of_exhibit_ends_its_postgresql_and_the_next_start_has_everything() {
    let mut app = TestApp::start_private(&[]);
    let session = app.sealed_session().await;
    let before = app.export_lines(session).await;
    let processes = postgres_of(&app);
    app.kill();
    all_end(&processes).await;
    app.resume();
    assert_eq!(app.export_lines(session).await, before);
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn kill_9_of_its_postgresql_ends_exhibit_and_the_next_start_has_everything() {
    let mut app = TestApp::start_private(&[]);
    let session = app.sealed_session().await;
    let before = app.export_lines(session).await;
    let processes = postgres_of(&app);
    let exhibit = app.pid();
    kill_9(processes[0]);
    eventually("exhibit ends", 30, async || !is_alive(exhibit)).await;
    assert_eq!(app.ended().code(), Some(1));
    let log = app.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("exhibit: ") && last.contains("PostgreSQL has ended"), "{log}");
    app.resume();
    assert_eq!(app.export_lines(session).await, before);
    let _ = app.sealed_session().await;
    assert!(!processes.iter().any(|pid| is_alive(*pid)));
}

#[tokio::test]
async fn a_stop_leaves_no_process_behind() {
    let mut app = TestApp::start_private(&[]);
    let processes = postgres_of(&app);
    app.stop();
    assert!(!processes.iter().any(|pid| is_alive(*pid)), "stopped before exhibit ended");
    app.resume();
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn with_a_database_url_no_private_one_is_made() {
    for variable in ["EXHIBIT_DATABASE_URL", "DATABASE_URL"] {
        let app = TestApp::start_private(&[(variable, &TestDatabase::create().await.url)]);
        let _ = app.sealed_session().await;
        assert!(!app.data().join("postgres").exists(), "{variable}");
        assert!(children(app.pid(), "postgres").is_empty(), "{variable}");
    }
    let database = TestDatabase::create().await;
    let settings = [("EXHIBIT_DATABASE_URL", database.url.as_str()), ("DATABASE_URL", "nonsense")];
    let app = TestApp::start_private(&settings);
    let _ = app.sealed_session().await;
}

#[tokio::test]
async fn a_database_url_that_cannot_be_read_is_refused_without_repeating_it() {
    let data = folder();
    let refused = run(serve_in(data.path()).env("DATABASE_URL", "mysql://root:hunter2@localhost"));
    assert!(one_line(&refused).contains("database URL"), "{refused:?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
}

#[tokio::test]
async fn no_migrate_refuses_to_start_on_an_empty_database() {
    let template = TestDatabase::create().await;
    let owner = template.as_owner().await;
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&owner).await.unwrap();
    owner.execute(format!("create database {name}_empty").as_str()).await.unwrap();
    let url = template.url.replace(&name, &format!("{name}_empty"));
    let data = folder();
    let mut serve = serve_in(data.path());
    let refused = run(serve.arg("--no-migrate").env("EXHIBIT_DATABASE_URL", &url));
    assert!(one_line(&refused).contains("exhibit migrate"), "{refused:?}");

    let empty: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_stat_user_tables")
        .fetch_one(&mut empty.connect().await.unwrap())
        .await
        .unwrap();
    assert_eq!(tables, 0, "and it has made nothing");

    let migrated = run(exhibit_in(data.path()).arg("migrate").env("EXHIBIT_DATABASE_URL", &url));
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    let settings = [("EXHIBIT_DATABASE_URL", url.as_str()), ("EXHIBIT_NO_MIGRATE", "true")];
    let _ = TestApp::start_private(&settings).sealed_session().await;
}

#[tokio::test]
async fn no_migrate_refuses_to_start_with_an_empty_private_database() {
    let data = folder();
    let refused = run(serve_in(data.path()).arg("--no-migrate"));
    assert!(one_line(&refused).contains("exhibit migrate"), "{refused:?}");
}

/// Containers run as numbers that have no name.
#[tokio::test]
async fn it_runs_as_a_user_without_a_passwd_entry() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root becomes somebody else");
        return;
    }
    let data = folder();
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The target folder may be closed to others.
    let binary = data.path().join("exhibit");
    std::fs::copy(tests::exhibit(), &binary).unwrap();
    let own = data.path().join("data");
    std::fs::create_dir(&own).unwrap();
    chown(&own, Some(STRANGER), Some(STRANGER)).unwrap();
    for round in 0..2 {
        let server = Serving::start(&mut serve_as_stranger(&binary, &own));
        let shows_key = server.printed.iter().any(|line| line.contains("exh_"));
        assert_eq!(shows_key, round == 0, "{:?}", server.printed);
        server.stop();
    }
    let owner = std::os::unix::fs::MetadataExt::uid(&own.join("postgres").metadata().unwrap());
    assert_eq!(owner, STRANGER);
}

fn serve_as_stranger(binary: &Path, data: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &STRANGER.to_string(), "--regid", &STRANGER.to_string()])
        .args(["--clear-groups", "--"])
        .arg(binary)
        .args(serve_in(data).get_args())
        .env_clear()
        .envs([("EXHIBIT_DATA", data.as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())])
        .current_dir("/");
    command
}
