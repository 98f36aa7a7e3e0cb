//! Arrows point inward. `cargo metadata` is asked, so that no one has to remember.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each layer with those inside it; `tests` stands outside and may see all.
const LAYERS: [(&str, &[&str]); 5] = [
    ("domain", &[]),
    ("application", &["domain"]),
    ("infrastructure", &["application", "domain"]),
    ("projections", &["application", "domain"]),
    ("api", &["application", "domain", "infrastructure", "projections"]),
];

/// What the inner layers do without, because they know no database, no network and no process.
const OUTSIDE: [&str; 12] = [
    "sqlx",
    "postgres-es",
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "tokio",
    "utoipa",
    "clap",
    "tracing",
    "getrandom",
    "nix",
];

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names of what a package needs; with or without what only its tests need.
fn dependencies(metadata: &Value, name: &str, with_tests: bool) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name).expect(name);
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let needed = dependencies.filter(|d| with_tests || d["kind"] != "dev");
    needed.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_layer_depends_only_on_those_inside_it() {
    let metadata = metadata();
    for (layer, inner) in LAYERS {
        for name in dependencies(&metadata, layer, true) {
            let is_layer = LAYERS.iter().any(|(layer, _)| *layer == name) || name == "tests";
            assert!(
                !is_layer || inner.contains(&name.as_str()),
                "{layer} must not depend on {name}"
            );
        }
    }
}

#[test]
fn every_crate_is_a_layer_or_the_tests() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let mut names: Vec<_> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = LAYERS.iter().map(|(layer, _)| *layer).chain(["tests"]).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected, "a new crate has its place among the layers");
}

#[test]
fn the_inner_layers_know_no_database_no_network_and_no_process() {
    let metadata = metadata();
    for layer in ["domain", "application"] {
        for name in dependencies(&metadata, layer, false) {
            // Process managers wait, and say what failed.
            let waits = layer == "application" && ["tokio", "tracing"].contains(&name.as_str());
            let fits = waits || !OUTSIDE.contains(&name.as_str());
            assert!(fits, "{layer} must not depend on {name}");
        }
    }
    let packages = metadata["packages"].as_array().unwrap();
    let application = packages.iter().find(|p| p["name"] == "application").unwrap();
    let all = application["dependencies"].as_array().unwrap();
    let tokio = all.iter().find(|d| d["name"] == "tokio").unwrap();
    assert_eq!(tokio["features"], serde_json::json!(["macros", "rt", "sync", "time"]), "no I/O");
    for name in dependencies(&metadata, "projections", false) {
        let is_edge = ["axum", "hyper", "reqwest", "clap", "postgres-es"].contains(&name.as_str());
        assert!(!is_edge, "projections must not depend on {name}");
    }
}

#[test]
fn time_and_randomness_come_in_through_the_ports() {
    let settings = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    let (_, disallowed) = settings.split_once("disallowed-methods = [").unwrap();
    let disallowed = disallowed.split_once("\n]").unwrap().0;
    for method in
        ["chrono::Utc::now", "std::time::SystemTime::now", "uuid::Uuid::now_v7", "getrandom::fill"]
    {
        let line = disallowed.lines().find(|line| line.contains(&format!("path = \"{method}\"")));
        let reason = line.expect(method).split_once("reason = \"").expect(method).1;
        assert!(reason.len() > 10, "{method} is disallowed without a reason");
    }
    // A lint that is not an error is no rule.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("all = { level = \"deny\""), "clippy's `all` is denied");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    for (layer, _) in LAYERS.into_iter().chain([("tests", &[] as &[&str])]) {
        let manifest = std::fs::read_to_string(root().join(layer).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{layer}");
    }
}
