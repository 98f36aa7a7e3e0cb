//! One change to good evidence, and what `exhibit verify` must say of it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::good::{Files, session};

/// A bomb must not be waited for.
const SECONDS_MAX: u64 = 30;

/// What lies in a folder, and what the verifier is told of it.
#[derive(Clone, PartialEq)]
pub struct Evidence {
    /// By path.
    pub files: Files,
    /// Symbolic links, and where each leads.
    pub links: Vec<(&'static str, &'static str)>,
    /// Beside `--jwks jwks.json`.
    pub inputs: Vec<&'static str>,
}

/// A change, named in a sentence.
pub struct Case {
    what: &'static str,
    exit: i32,
    /// Of the findings, each once.
    codes: &'static [&'static str],
    change: fn(&mut Evidence),
}

/// One line of a table.
pub const fn case(
    what: &'static str,
    exit: i32,
    codes: &'static [&'static str],
    change: fn(&mut Evidence),
) -> Case {
    Case { what, exit, codes, change }
}

impl Evidence {
    pub fn new(
        inputs: &[&'static str],
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        let mut files: Files = files.into_iter().collect();
        files.insert("jwks.json".to_owned(), session::trusted_keys());
        Self { files, links: Vec::new(), inputs: inputs.to_vec() }
    }

    pub fn file(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.get_mut(name).unwrap()
    }

    pub fn set(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), bytes.into());
    }

    pub fn remove(&mut self, name: &str) -> Vec<u8> {
        self.files.remove(name).unwrap()
    }

    /// Changes the first place where a text stands.
    pub fn replace(&mut self, name: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.file(name).clone()).unwrap();
        assert!(text.contains(from), "{from} is not in {name}");
        self.set(name, text.replacen(from, to, 1));
    }

    /// Changes a file that is JSON; it is written in canonical form again.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(self.file(name)).unwrap();
        change(&mut value);
        self.set(name, crate::good::jcs(&value));
    }

    /// Changes the lines of a file, each with its end.
    pub fn lines(&mut self, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let text = self.file(name);
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        change(&mut lines);
        *text = lines.concat();
    }
}

/// Whether the good evidence passes and each change of it is found as its line says.
pub fn check(good: &Evidence, cases: &[Case]) {
    let (exit, codes, report) = verify(good);
    assert_eq!((exit, &report["status"]), (0, &"PASS".into()), "untampered: {report}");
    assert!(codes.is_empty(), "untampered: {report}");
    let mut wrong = Vec::new();
    for case in cases {
        let mut changed = good.clone();
        (case.change)(&mut changed);
        assert!(changed != *good, "{}: nothing was changed", case.what);
        let (exit, codes, report) = verify(&changed);
        let expected: BTreeSet<String> = case.codes.iter().map(|code| (*code).to_owned()).collect();
        let status = match exit {
            0 => "PASS",
            1 => "DEGRADED",
            _ => "FAIL",
        };
        if exit != case.exit || codes != expected || report["status"] != status {
            wrong.push(format!(
                "{}: {exit} {codes:?}, expected {} {expected:?}",
                case.what, case.exit
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Exit code, codes of the findings and report of the real binary.
fn verify(evidence: &Evidence) -> (i32, BTreeSet<String>, Value) {
    let folder = tempfile::Builder::new().prefix("exhibit-tamper-").tempdir().unwrap();
    for (name, bytes) in &evidence.files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    for (name, target) in &evidence.links {
        symlink(target, folder.path().join(name)).unwrap();
    }
    let mut command = Command::new(tests::exhibit());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EXHIBIT_")) {
        command.env_remove(name);
    }
    command.args(["verify", "--format", "json", "--jwks", "jwks.json"]).args(&evidence.inputs);
    let begun = Instant::now();
    let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(SECONDS_MAX), "{:?}", begun.elapsed());
    let exit = output.status.code().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["exit_code"], exit);
    let findings = report["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    // The good session holds a proper redaction, which is no fault.
    let codes = codes.filter(|code| code != "REDACTION_PRESENT").collect();
    (exit, codes, report)
}
