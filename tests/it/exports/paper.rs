//! A PDF as somebody holds it, beside keys that came another way.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::TestApp;
use uuid::Uuid;

pub struct Paper {
    folder: TempDir,
    pub bytes: Vec<u8>,
}

impl Paper {
    /// Exports `session.pdf`, and takes `jwks.json` from its own address.
    pub async fn of(app: &TestApp, session: Uuid) -> Self {
        let path = format!("/v1/sessions/{session}/export?format=pdf&purpose=internal%20audit");
        let answer = app.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/pdf");
        let name = format!("attachment; filename=\"session_{session}.pdf\"");
        assert_eq!(answer.headers()["content-disposition"], name.as_str());
        let bytes = answer.bytes().await.unwrap().to_vec();
        let keys = app.get("/.well-known/jwks.json").await.expect(200).text;
        Self::in_folder(bytes, &keys)
    }

    fn in_folder(bytes: Vec<u8>, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("jwks.json"), keys).unwrap();
        std::fs::write(folder.path().join("session.pdf"), &bytes).unwrap();
        Self { folder, bytes }
    }

    /// Another PDF, with the same keys.
    pub fn beside(&self, bytes: Vec<u8>) -> Self {
        let keys = std::fs::read_to_string(self.folder.path().join("jwks.json")).unwrap();
        Self::in_folder(bytes, &keys)
    }

    /// Puts other bytes in its place.
    pub fn write(&mut self, bytes: Vec<u8>) {
        std::fs::write(self.folder.path().join("session.pdf"), &bytes).unwrap();
        self.bytes = bytes;
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join(name)).unwrap()).unwrap()
    }

    /// What a program of others says in the folder.
    pub fn tool(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        told
    }
}

/// The words of all pages.
pub fn text_of(paper: &Paper) -> String {
    paper.tool("pdftotext", &["-layout", "session.pdf", "-"])
}

/// Exit code and report of `exhibit verify session.pdf`.
pub fn verify(app: &TestApp, paper: &Paper, args: &[&str]) -> (i32, Value) {
    let full = |arg: &&str| {
        let path = paper.folder.path().join(arg);
        if path.exists() { path.display().to_string() } else { (*arg).to_owned() }
    };
    let mut all = vec!["verify".to_owned(), "--format".to_owned(), "json".to_owned()];
    all.extend(["session.pdf"].iter().chain(args).map(full));
    let args: Vec<&str> = all.iter().map(String::as_str).collect();
    let output = app.cli(&args);
    let report = serde_json::from_slice(&output.stdout).expect("one JSON document and no more");
    (output.status.code().unwrap(), report)
}
