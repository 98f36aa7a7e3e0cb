//! `exhibit policy`: the verbs, beside a running server and without any.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::TestApp;

use super::tools;
use crate::processes::{Ended, exhibit_in, folder, run};

/// A document in a file.
fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs a verb without a database.
fn offline(args: &[&str]) -> Ended {
    run(exhibit_in(Path::new("/nonexistent")).arg("policy").args(args))
}

/// Runs a verb beside the server; exit code, standard output, standard error.
fn policy(app: &TestApp, args: &[&str]) -> (i32, String, String) {
    let output = app.cli(&[&["policy"], args].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn done(app: &TestApp, args: &[&str]) -> String {
    let (code, stdout, stderr) = policy(app, args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    stdout
}

#[test]
fn documents_are_validated_offline_with_the_places_of_faults() {
    let folder = folder();
    let good = tools("1.0.0", &["search"]);
    let json_file = file(folder.path(), "good.json", &good.to_string());
    let yaml = "name: other\nversion: 1.0.0\ncontrols: []\n";
    let yaml_file = file(folder.path(), "good.yaml", yaml);
    let mut bad = good.clone();
    bad["controls"][0]["severity"] = json!("grave");
    bad["colour"] = json!("red");
    let bad_file = file(folder.path(), "bad", &bad.to_string());
    let [good, yaml, bad] =
        [&json_file, &yaml_file, &bad_file].map(|path| path.to_str().unwrap().to_owned());

    let valid = offline(&["validate", &good, &yaml]);
    assert_eq!(valid.code, Some(0), "{valid:?}");
    assert!(valid.stdout.contains("tool-access@1.0.0 is valid, sha256:"), "{}", valid.stdout);
    let invalid = offline(&["validate", &good, &bad]);
    assert_eq!(invalid.code, Some(1), "{invalid:?}");
    for pointer in ["/controls/0/severity", "/colour"] {
        assert!(invalid.stderr.contains(&format!("{bad}: {pointer}: ")), "{}", invalid.stderr);
    }
    let as_json = offline(&["validate", &good, &bad, "--format", "json"]);
    assert_eq!(as_json.code, Some(1));
    let document: Value = serde_json::from_str(&as_json.stdout).unwrap();
    assert_eq!(document["valid"], false);
    assert_eq!(document["files"][0]["valid"], true);
    assert_eq!(document["files"][0]["name"], "tool-access");
    assert_eq!(document["files"][1]["errors"].as_array().unwrap().len(), 2);
    assert_eq!(offline(&["validate", "/nonexistent"]).code, Some(1));
    assert_eq!(offline(&["validate"]).code, Some(64));
}

#[test]
fn files_are_compared_offline() {
    let folder = folder();
    let first = file(folder.path(), "a.json", &tools("1.0.0", &["search"]).to_string());
    let second = file(folder.path(), "b.json", &tools("1.1.0", &["search"]).to_string());
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let same = offline(&["diff", first, first]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), ""), "{same:?}");
    let differ = offline(&["diff", first, second]);
    assert_eq!(differ.code, Some(1), "{differ:?}");
    assert_eq!(differ.stdout, "changed  /version  \"1.0.0\" → \"1.1.0\"\n");
    assert_eq!(offline(&["diff", first, "/nonexistent"]).code, Some(64));
}

#[tokio::test]
async fn a_policy_lives_its_life_on_the_command_line() {
    let app = TestApp::start().await;
    let folder = folder();
    let (first, second) = (tools("1.0.0", &["search"]), tools("1.1.0", &["look_up_order"]));
    let path = file(folder.path(), "policy.json", &first.to_string());
    let path = path.to_str().unwrap();
    let name = "tool-access@1.0.0";

    assert!(done(&app, &["apply", path]).starts_with("tool-access@1.0.0  drafted  sha256:"));
    assert!(done(&app, &["apply", path]).contains("  unchanged  "));
    let revised = tools("1.0.0", &["search", "pay"]);
    file(folder.path(), "policy.json", &revised.to_string());
    let applied = done(&app, &["apply", path, "--submit"]);
    assert!(applied.contains("  revised  ") && applied.contains("  submitted  "), "{applied}");
    assert_eq!(done(&app, &["reject", name, "--reason", "not yet"]), format!("{name}  DRAFT\n"));
    assert_eq!(done(&app, &["submit", name]), format!("{name}  REVIEW\n"));

    let (code, _, stderr) = policy(&app, &["activate", name]);
    assert_eq!(code, 1);
    assert!(stderr.contains("cannot approve it"), "{stderr}");
    let production = ["activate", name, "--allow-self-approval", "--env", "production"];
    assert_eq!(policy(&app, &production).0, 1);
    let activated = done(&app, &["activate", name, "--allow-self-approval"]);
    assert_eq!(activated, format!("{name}  ACTIVE\n"));
    let shown = app.policy_version(&first).await;
    assert!(shown["author"].as_str().unwrap().starts_with("cli:"), "{shown}");
    let printed: Value = serde_json::from_str(&done(&app, &["show", name])).unwrap();
    assert_eq!(printed, shown);

    let (next, other) = ("tool-access@1.1.0", app.approver());
    let _ = other.post("/v1/policies", &second).await.expect(201);
    let listed = done(&app, &["list"]);
    assert!(listed.lines().any(|l| l.starts_with(name) && l.contains("ACTIVE")), "{listed}");
    assert!(listed.lines().any(|l| l.starts_with(next) && l.contains("DRAFT")), "{listed}");
    let (code, stdout, _) = policy(&app, &["diff", name, next]);
    assert_eq!(code, 1);
    assert!(stdout.contains("/controls/0/rules/0/right"), "{stdout}");
    assert_eq!(policy(&app, &["diff", name, path]).0, 0);
    assert_eq!(policy(&app, &["diff", name, "tool-access@9.0.0"]).0, 2);
    done(&app, &["submit", next]);
    let (code, _, stderr) = policy(&app, &["activate", next]);
    assert!(code == 1 && stderr.contains("1.0.0 is active"), "{stderr}");
    assert_eq!(done(&app, &["activate", next, "--supersede"]), format!("{next}  ACTIVE\n"));
    assert_eq!(app.policy_version(&first).await["status"], "RETIRED");
    let retired = done(&app, &["retire", next, "--reason", "no agents left"]);
    assert_eq!(retired, format!("{next}  RETIRED\n"));
    assert_eq!(policy(&app, &["retire", next, "--reason", "again"]).0, 1);
}

#[tokio::test]
async fn a_backtest_prints_its_report_and_a_file_is_stored_nowhere() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &tests::events::tool_calls(session, 0, 5)).await.expect(201);
    app.activate_policy(&tools("1.0.0", &["look_up_order"])).await;
    let candidate = tools("2.0.0", &["search"]);
    let folder = folder();
    let path = file(folder.path(), "candidate.json", &candidate.to_string());
    let report = done(&app, &["backtest", path.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["totals"], json!({ "added": 5, "removed": 0, "same": 0 }));
    assert_eq!(report["active"]["version"], "1.0.0");
    let _ = app.get(&app.version_path(&candidate)).await.expect(404);
    let owner = app.database.as_ref().unwrap().as_owner().await;
    let rows = sqlx::query_scalar::<_, i64>("select count(*) from backtests");
    assert_eq!(rows.fetch_one(&owner).await.unwrap(), 0);

    let _ = app.draft_policy(&candidate).await.expect(201);
    let (code, stdout, stderr) = policy(&app, &["backtest", "tool-access@2.0.0"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["totals"], report["totals"]);
    let listed = app.get(&format!("{}/backtests", app.version_path(&candidate))).await;
    assert_eq!(listed.expect(200).body["items"][0]["status"], "completed");
    assert_eq!(policy(&app, &["backtest", "tool-access@3.0.0"]).0, 1);
}

#[tokio::test]
async fn the_tenant_may_be_left_out_while_there_is_one() {
    let app = TestApp::start().await;
    let _ = app.draft_policy(&tools("1.0.0", &["search"])).await.expect(201);
    assert_eq!(done(&app, &["list"]).lines().count(), 1);
    app.make_tenant("other");
    let (code, _, stderr) = policy(&app, &["list"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("--tenant"), "{stderr}");
    assert_eq!(done(&app, &["list", "--tenant", "other"]), "");
    assert_eq!(done(&app, &["list", "--tenant", "demo"]).lines().count(), 1);
}
