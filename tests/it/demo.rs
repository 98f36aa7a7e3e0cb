//! `exhibit demo`: a newcomer's first minute.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A line of the demo's table.
#[derive(Debug)]
struct Named {
    number: usize,
    verdict: String,
    exit: i32,
    finding: String,
}

#[test]
fn the_demo_names_all_ten_tamperings_and_leaves_evidence_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");

    let played = exhibit(&["demo", "--out", &out.display().to_string()]);

    let screen = String::from_utf8(played.stdout).unwrap();
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{screen}\n{errors}");
    assert!(!screen.contains('\u{1b}'), "colours belong on a terminal");
    assert!(screen.contains("All ten are named"), "{screen}");
    for line in [
        "its author may not approve it: refused",
        "tool-allow-list 1.0.0 is ACTIVE",
        "critical reviewed-tools    Only reviewed tools (payload.tool_name: not_in_list)",
        "2  acknowledged  by key:",
        "3  resolved      by key:",
        "the export holds 27 events, 3 violations with 5 actions, 5 uses of tools",
    ] {
        assert!(screen.contains(line), "{line}: {screen}");
    }
    let widest = screen.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(120), "{widest:?}");
    let tamperings = table(&screen);
    let numbers: Vec<usize> = tamperings.iter().map(|named| named.number).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>(), "{screen}");

    assert_eq!(verify(&out, &out.join("export.json")).status.code(), Some(0));
    for named in tamperings {
        let copy = tampered(&out, named.number);
        let report = verify(&out, &copy);
        let told = String::from_utf8(report.stdout).unwrap();
        assert_eq!(report.status.code(), Some(named.exit), "{named:?}");
        assert_ne!(named.exit, 0, "{named:?}");
        assert!(told.contains(&format!("\"{}\"", named.finding)), "{named:?}: {told}");
        assert!(told.contains(&format!("\"status\": \"{}\"", named.verdict)), "{named:?}: {told}");
    }
}

#[test]
fn a_demo_against_a_server_that_is_not_there_fails_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let url = "http://127.0.0.1:1";

    let played = exhibit(&["demo", "--out", &out, "--url", url, "--key", "exh_a_b"]);

    assert_eq!(played.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&played.stderr).starts_with("exhibit: "), "{played:?}");
}

/// The rows `number  what  verdict exit finding +others`.
fn table(screen: &str) -> Vec<Named> {
    let rows = screen.lines().filter_map(|line| {
        let (number, rest) = line.trim_start().split_once("  ")?;
        let (_, judged) = rest.split_once("  ")?;
        let mut words = judged.split_whitespace();
        Some(Named {
            number: number.parse().ok()?,
            verdict: words.next().filter(|word| ["FAIL", "DEGRADED"].contains(word))?.to_owned(),
            exit: words.next()?.parse().ok()?,
            finding: words.next()?.to_owned(),
        })
    });
    rows.collect()
}

fn tampered(out: &Path, number: usize) -> PathBuf {
    let prefix = format!("{number:02}-");
    let files = std::fs::read_dir(out.join("tampered")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    files.into_iter().find(named).expect("a tampered copy")
}

fn verify(out: &Path, file: &Path) -> Output {
    let jwks = out.join("jwks.json").display().to_string();
    exhibit(&["verify", &file.display().to_string(), "--jwks", &jwks, "--format", "json"])
}

fn exhibit(args: &[&str]) -> Output {
    let mut command = Command::new(tests::exhibit());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EXHIBIT_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").args(args).output().unwrap()
}
