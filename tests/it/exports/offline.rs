//! Verified without the server: by `exhibit verify`, and by forty lines of Python.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::{TestApp, events};

use super::Taken;

#[tokio::test]
async fn an_export_verifies_offline() {
    let (app, taken) = taken().await;

    let (exit, report) = verify(&app, &taken, &["export.json", "--jwks", "jwks.json"]);

    assert_eq!(exit, 0);
    assert_eq!((&report["status"], &report["exit_code"]), (&json!("PASS"), &json!(0)));
    assert_eq!((&report["format"], &report["event_count"]), (&json!("export-json"), &json!(5)));
    assert_eq!(report["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!((&report["sealed"], &report["complete"]), (&json!(true), &json!(true)));
    for axis in ["integrity", "signer", "inclusion", "completeness"] {
        assert_eq!(report["axes"][axis]["result"], "pass", "{axis}");
    }
}

#[tokio::test]
async fn lines_verify_with_the_seal_beside_them() {
    let (app, taken) = taken().await;
    for seal in ["seal.json", "certificate.json"] {
        let args = ["session.jsonl", seal, "--jwks", "jwks.json"];
        let (exit, report) = verify(&app, &taken, &args);
        assert_eq!((exit, &report["format"]), (0, &json!("jsonl")), "{report}");
        assert_eq!(report["axes"]["signer"]["result"], "pass");
    }
    // Without the signature, everything but the signer is established.
    let (exit, report) = verify(&app, &taken, &["session.jsonl", "--jwks", "jwks.json"]);
    assert_eq!(exit, 0);
    assert_eq!(report["axes"]["signer"]["result"], "not_established");
    let (exit, report) = verify(&app, &taken, &["export.json"]);
    assert_eq!(exit, 0);
    assert_eq!(report["axes"]["signer"]["result"], "not_established");
}

#[tokio::test]
async fn the_exit_code_says_what_is_wrong() {
    let (app, taken) = taken().await;
    let text = taken.read("export.json");
    taken.write("changed.json", &text.replacen("look_up_order", "look_up_nothing", 1));
    let mut forged = taken.json("export.json");
    let signature = forged["seal"]["envelope"]["signatures"][0]["sig"].as_str().unwrap();
    let flipped = if &signature[..1] == "A" { "B" } else { "A" };
    forged["seal"]["envelope"]["signatures"][0]["sig"] =
        json!(format!("{flipped}{}", &signature[1..]));
    taken.write("forged.json", &forged.to_string());
    taken.write("nobody.json", r#"{"keys":[]}"#);
    taken.write("empty.jsonl", "");
    taken.write("noise.json", "%PDF-1.7 no");
    let head = app.session(session_of(&taken)).await["final_hash"].as_str().unwrap().to_owned();
    let other = "0".repeat(64);
    for (expected, args) in [
        (0, vec!["export.json", "--jwks", "jwks.json", "--expect-head", &head]),
        (2, vec!["changed.json", "--jwks", "jwks.json"]),
        (2, vec!["export.json", "--jwks", "jwks.json", "--expect-head", &other]),
        (3, vec!["forged.json", "--jwks", "jwks.json"]),
        (3, vec!["export.json", "--jwks", "nobody.json"]),
        (5, vec!["noise.json"]),
    ] {
        let (exit, report) = verify(&app, &taken, &args);
        assert_eq!(exit, expected, "{args:?}: {report}");
        assert_eq!(report["exit_code"], expected);
    }
    let (exit, report) = verify(&app, &taken, &["empty.jsonl"]);
    assert!(exit != 0 && report["status"] == "FAIL", "{report}");
    for (expected, args) in [
        (5, vec!["missing.json"]),
        (5, vec!["export.json", "--jwks", "missing.json"]),
        (64, vec![]),
        (64, vec!["seal.json"]),
        (64, vec!["export.json", "--expect-head", "7"]),
        (64, vec!["export.json", "--frobnicate"]),
    ] {
        assert_eq!(run(&app, &taken, &args).status.code(), Some(expected), "{args:?}");
    }
}

#[tokio::test]
async fn what_is_not_sealed_is_degraded() {
    let app = TestApp::start().await;
    let session = app.start_session().await;
    let _ = app.append(session, &events::whole_session(session)).await.expect(201);
    let taken = Taken::from(&app, session).await;
    for file in ["export.json", "session.jsonl"] {
        let (exit, report) = verify(&app, &taken, &[file, "--jwks", "jwks.json"]);
        assert_eq!((exit, &report["status"]), (1, &json!("DEGRADED")));
        assert_eq!(report["partial_reasons"], json!(["UNSEALED_SESSION"]));
    }
}

#[tokio::test]
async fn the_seal_of_another_session_does_not_fit() {
    let (app, taken) = taken().await;
    let other = Taken::from(&app, app.sealed_session().await).await;
    taken.write("other.json", &other.read("seal.json"));

    let (exit, report) =
        verify(&app, &taken, &["session.jsonl", "other.json", "--jwks", "jwks.json"]);

    assert_eq!((exit, &report["status"]), (2, &json!("FAIL")), "{report}");
}

#[tokio::test]
async fn the_server_verifies_what_is_uploaded_like_anyone_else() {
    let (app, taken) = taken().await;
    for (file, media_type, signer) in [
        ("export.json", "application/json", "pass"),
        ("session.jsonl", "application/x-ndjson", "not_established"),
    ] {
        let request = app.request(reqwest::Method::POST, "/v1/verify");
        let request = request.header("content-type", media_type).body(taken.read(file));
        let report = tests::send(request).await.expect(200).body;
        assert_eq!((&report["status"], &report["exit_code"]), (&json!("PASS"), &json!(0)));
        assert_eq!(report["axes"]["signer"]["result"], signer);
    }
    let changed = taken.read("export.json").replacen("look_up_order", "look_up_nothing", 1);
    let request = app.request(reqwest::Method::POST, "/v1/verify");
    let request = request.header("content-type", "application/json").body(changed);
    assert_eq!(tests::send(request).await.expect(200).body["status"], "FAIL");
}

#[tokio::test]
async fn forty_lines_of_python_agree() {
    let (_, taken) = taken().await;
    let sets = [vec!["export.json", "jwks.json"], vec!["session.jsonl", "seal.json", "jwks.json"]];
    for files in &sets {
        let told = python(&taken, files).expect("the evidence is accepted");
        assert!(told.starts_with("VERIFIED 5 events"), "{told}");
    }
    for file in ["export.json", "session.jsonl"] {
        let text = taken.read(file);
        for (from, to) in [
            ("look_up_order", "look_up_nothing"),
            ("\"amount\":1.5", "\"amount\":1.6"),
            ("10:00:00.120+01:00", "10:00:00.121+01:00"),
            ("\"schema_ver\":\"v0.6\"", "\"schema_ver\":\"v0.5\""),
        ] {
            assert!(text.contains(from), "{from}");
            taken.write(file, &text.replacen(from, to, 1));
            let files = sets.iter().find(|files| files[0] == file).unwrap();
            let told = python(&taken, files).expect_err("a change is found");
            assert!(told.starts_with("FAILED"), "{told}");
        }
        taken.write(file, &text);
    }
}

async fn taken() -> (TestApp, Taken) {
    let app = TestApp::start().await;
    let session = app.sealed_session().await;
    let taken = Taken::from(&app, session).await;
    (app, taken)
}

fn session_of(taken: &Taken) -> uuid::Uuid {
    taken.json("export.json")["session"]["session_id"].as_str().unwrap().parse().unwrap()
}

fn run(app: &TestApp, taken: &Taken, args: &[&str]) -> std::process::Output {
    let is_file = |arg: &str| taken.path(arg).exists() || arg.starts_with("missing");
    let full = |arg: &&str| {
        if is_file(arg) { taken.path(arg).display().to_string() } else { (*arg).to_owned() }
    };
    let args: Vec<String> = args.iter().map(full).collect();
    let mut all = vec!["verify", "--format", "json"];
    all.extend(args.iter().map(String::as_str));
    app.cli(&all)
}

/// Exit code and report of `exhibit verify`.
fn verify(app: &TestApp, taken: &Taken, args: &[&str]) -> (i32, Value) {
    let output = run(app, taken, args);
    let report = serde_json::from_slice(&output.stdout).expect("one JSON document and no more");
    (output.status.code().unwrap(), report)
}

/// What `docs/verify.py` says: good on standard output, bad on standard error.
fn python(taken: &Taken, files: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify.py");
    let output = Command::new("python3")
        .arg(script)
        .args(files)
        .current_dir(taken.folder())
        .output()
        .expect("python3 is installed");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
