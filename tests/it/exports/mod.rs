//! What leaves the system, and how it is checked without it.

mod bundles;
mod by_hand;
mod command;
mod document;
mod evidence;
mod jobs;
mod long;
mod offline;
mod packs;
mod paper;
mod pdf;
mod recorded;
mod verified;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tests::TestApp;
use uuid::Uuid;

use crate::processes::{exhibit_in, run};

/// A session's evidence in files, as somebody holds it who has no server.
pub struct Taken {
    folder: TempDir,
}

impl Taken {
    /// Takes `export.json`, `session.jsonl`, `seal.json` (when sealed) and `jwks.json` away.
    pub async fn from(app: &TestApp, session: Uuid) -> Self {
        let taken = Self { folder: tempfile::tempdir().unwrap() };
        taken.write("export.json", &export(app, session).await);
        taken.write("session.jsonl", &app.export_lines(session).await);
        taken.write("jwks.json", &app.get("/.well-known/jwks.json").await.expect(200).text);
        let certificate = app.get(&format!("/v1/certificates/{session}")).await;
        if certificate.status == 200 {
            taken.write("seal.json", &certificate.body["envelope"].to_string());
            taken.write("certificate.json", &certificate.text);
        }
        taken
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

/// The JSON export, byte for byte.
pub async fn export(app: &TestApp, session: Uuid) -> String {
    let path = format!("/v1/sessions/{session}/export?format=json&purpose=internal%20audit");
    app.get(&path).await.expect(200).text
}

/// What `exhibit verify` says of a file or a folder, without a server.
pub fn verified(path: &Path, args: &[&str]) -> (i32, Value) {
    let mut command = exhibit_in(Path::new("/nonexistent"));
    let command = command.arg("verify").arg(path).args(args).args(["--format", "json"]);
    let ended = run(command);
    assert!(ended.stderr.is_empty(), "{ended:?}");
    (ended.code.unwrap(), serde_json::from_str(&ended.stdout).unwrap())
}

/// The public keys of the server, in a file.
pub async fn jwks(app: &TestApp, folder: &Path) -> String {
    let path = folder.join("jwks.json");
    let keys = app.get("/.well-known/jwks.json").await.expect(200).text;
    std::fs::write(&path, keys).unwrap();
    path.display().to_string()
}
