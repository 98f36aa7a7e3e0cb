//! `exhibit verify`: verdicts as exit codes, and a report that programs can read.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::processes::{Ended, exhibit_in, folder, run};

const SESSION: &str = include_str!("../vectors/session.jsonl");
const SEAL: &str = include_str!("../vectors/session.seal.dsse.json");
const KEYS: &str = include_str!("../vectors/jwks.json");

/// A folder with evidence and what goes with it.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { folder: folder() };
        case.file("session.jsonl", SESSION);
        case.file("seal.json", SEAL);
        case.file("jwks.json", KEYS);
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs it beside the files, so that their names are short.
    fn verify(&self, args: &[&str]) -> Ended {
        let mut command = exhibit_in(Path::new("/nonexistent"));
        run(command.arg("verify").args(args).current_dir(self.folder.path()))
    }

    /// The report, which is all of standard output.
    fn report(&self, args: &[&str]) -> (i32, Value) {
        let ended = self.verify(&[args, &["--format", "json"]].concat());
        assert!(ended.stderr.is_empty(), "{ended:?}");
        (ended.code.unwrap(), serde_json::from_str(&ended.stdout).unwrap())
    }
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn whole_sealed_and_signed_evidence_ends_with_0() {
    let case = Case::new();
    let args = ["session.jsonl", "seal.json", "--jwks", "jwks.json"];
    let (code, report) = case.report(&args);
    assert_eq!((code, &report["status"]), (0, &"PASS".into()), "{report}");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["evidence_class"], "AUTHORITATIVE_EVIDENCE");
    assert_eq!(report["axes"]["signer"]["result"], "pass");

    let text = case.verify(&args);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.starts_with("PASS  AUTHORITATIVE_EVIDENCE\n"), "{}", text.stdout);
    assert!(!text.stdout.contains('\u{1b}'), "no colours but on a terminal");
}

#[test]
fn a_key_from_inside_is_not_trusted() {
    let (code, report) = Case::new().report(&["session.jsonl", "seal.json"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["axes"]["signer"]["result"], "not_established", "{report}");
    assert!(codes(&report).contains(&"SIGNER_NOT_ESTABLISHED"), "{report}");
}

#[test]
fn evidence_without_its_seal_ends_with_1() {
    let case = Case::new();
    let mut lines: Vec<&str> = SESSION.lines().collect();
    assert!(lines.pop().unwrap().contains("CHAIN_SEAL"));
    case.file("open.jsonl", &(lines.join("\n") + "\n"));
    let (code, report) = case.report(&["open.jsonl"]);
    assert_eq!((code, &report["status"]), (1, &"DEGRADED".into()), "{report}");
    assert!(codes(&report).contains(&"UNSEALED_SESSION"), "{report}");
}

#[test]
fn changed_content_ends_with_2() {
    let case = Case::new();
    let changed = SESSION.replacen("4711", "4712", 1);
    assert_ne!(changed, SESSION);
    case.file("changed.jsonl", &changed);
    let (code, report) = case.report(&["changed.jsonl", "seal.json", "--jwks", "jwks.json"]);
    assert_eq!((code, &report["status"]), (2, &"FAIL".into()), "{report}");
    assert_eq!(report["evidence_class"], Value::Null);
    assert!(codes(&report).contains(&"PAYLOAD_HASH_MISMATCH"), "{report}");
    case.file("empty.jsonl", "");
    let (code, report) = case.report(&["empty.jsonl"]);
    assert_ne!(code, 0, "empty input is never green: {report}");
    assert_eq!(codes(&report), ["EMPTY_LOG"]);
}

fn forged_seal() -> String {
    let mut seal: Value = serde_json::from_str(SEAL).unwrap();
    let signature = seal["signatures"][0]["sig"].as_str().unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    seal["signatures"][0]["sig"] = format!("{other}{}", &signature[1..]).into();
    seal.to_string()
}

#[test]
fn a_signature_that_does_not_verify_ends_with_3() {
    let case = Case::new();
    case.file("forged.json", &forged_seal());
    let (code, report) = case.report(&["session.jsonl", "forged.json", "--jwks", "jwks.json"]);
    assert_eq!((code, &report["status"]), (3, &"FAIL".into()), "{report}");
    assert!(codes(&report).contains(&"SIGNATURE_INVALID"), "{report}");
}

#[test]
fn the_expected_head_is_compared() {
    let case = Case::new();
    let last: Value = serde_json::from_str(SESSION.lines().last().unwrap()).unwrap();
    let head = last["event_hash"].as_str().unwrap();
    let (code, report) = case.report(&["session.jsonl", "--expect-head", head]);
    assert_eq!(code, 0, "{report}");
    let (code, report) = case.report(&["session.jsonl", "--expect-head", &"ab".repeat(32)]);
    assert_eq!(code, 2, "{report}");
    assert!(codes(&report).contains(&"EXPECTED_HEAD_MISMATCH"), "{report}");
    for args in [
        ["session.jsonl", "--expect-head", "abc"].as_slice(),
        &["session.jsonl", "session.jsonl", "--expect-head", head],
    ] {
        assert_eq!(case.verify(args).code, Some(64), "{args:?}");
    }
}

#[test]
fn of_several_files_the_worst_verdict_is_the_exit_code() {
    let case = Case::new();
    case.file("changed.jsonl", &SESSION.replacen("4711", "4712", 1));
    let files = ["session.jsonl", "seal.json", "changed.jsonl", "--jwks", "jwks.json"];
    let (code, reports) = case.report(&files);
    assert_eq!(code, 2, "{reports}");
    let verdicts: Vec<_> = reports.as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!(verdicts, ["PASS", "FAIL"]);
    let inputs: Vec<_> = reports.as_array().unwrap().iter().map(|r| &r["input"]).collect();
    assert_eq!(inputs, ["session.jsonl", "changed.jsonl"]);
}

#[test]
fn what_cannot_be_read_ends_with_5_and_prints_no_verdict() {
    let case = Case::new();
    case.file("broken.json", "{");
    case.file("signed.jsonl", SESSION);
    case.file("signed.jsonl.dsse.json", "{}");
    for args in [
        ["absent.jsonl"].as_slice(),
        &["signed.jsonl", "--jwks", "jwks.json"],
        &["session.jsonl", "--jwks", "absent.json"],
        &["session.jsonl", "--jwks", "broken.json"],
        &["session.jsonl", "absent.jsonl"],
    ] {
        let ended = case.verify(&[args, &["--format", "json"]].concat());
        assert_eq!(ended.code, Some(5), "{args:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.starts_with("exhibit: "), "{ended:?}");
    }
}

#[test]
fn a_folder_without_a_manifest_ends_with_1() {
    let case = Case::new();
    for folder in [".", "absent/"] {
        let (code, report) = case.report(&[folder]);
        assert_eq!((code, &report["status"]), (1, &"DEGRADED".into()), "{report}");
        assert_eq!(report["axes"]["signer"]["result"], "not_established", "{report}");
    }
}

/// The worst by what it says, not by its number.
#[test]
fn changed_records_weigh_more_than_a_forged_signature() {
    let case = Case::new();
    case.file("changed.jsonl", &SESSION.replacen("4711", "4712", 1));
    case.file("forged.json", &forged_seal());
    let files = ["session.jsonl", "forged.json", "--jwks", "jwks.json"];
    assert_eq!(case.report(&files).0, 3);
    let files = ["session.jsonl", "forged.json", "changed.jsonl", "--jwks", "jwks.json"];
    assert_eq!(case.report(&files).0, 2);
}

#[test]
fn a_log_without_a_signature_says_so_in_its_first_line() {
    let case = Case::new();
    let ended = case.verify(&["session.jsonl", "--jwks", "jwks.json"]);
    let first = ended.stdout.lines().next().unwrap();
    assert_eq!(first, "PASS  AUTHORITATIVE_EVIDENCE, signer not established");
    let ended = case.verify(&["session.jsonl", "seal.json", "--jwks", "jwks.json"]);
    assert_eq!(ended.stdout.lines().next(), Some("PASS  AUTHORITATIVE_EVIDENCE"));
}

fn seal_payload(envelope: &str) -> String {
    let envelope: Value = serde_json::from_str(envelope).unwrap();
    envelope["payload"].as_str().unwrap().to_owned()
}

#[test]
fn wrong_usage_ends_with_64() {
    let case = Case::new();
    // A seal of another session, and evidence that would pass for a signature.
    case.file("other.json", &SEAL.replace(&seal_payload(SEAL), "e30="));
    for args in [
        [].as_slice(),
        &["seal.json"],
        &["session.jsonl", "seal.json", "other.json"],
        &[".", "seal.json"],
        &[".", "--rerender"],
        &["session.jsonl", "--rerender"],
        &["session.jsonl", "--format", "yaml"],
        &["session.jsonl", "--jwks"],
        &["session.jsonl", "--trust-me"],
    ] {
        let ended = case.verify(args);
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
}
