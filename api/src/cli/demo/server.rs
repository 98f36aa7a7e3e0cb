//! The server that the demo plays against, as its clients see it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::cli::Fault;

/// A server and a key of it.
pub(super) struct Server {
    url: String,
    key: String,
}

impl Server {
    pub(super) fn new(url: &str, key: &str) -> Self {
        Self { url: url.to_owned(), key: key.to_owned() }
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let text = send(self.request(Method::POST, path).json(body)).await?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(super) async fn get(&self, path: &str) -> Result<String, Fault> {
        send(self.request(Method::GET, path)).await
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }
}

pub(super) async fn send(request: RequestBuilder) -> Result<String, Fault> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    if status.is_success() { Ok(text) } else { Err(format!("{status}: {text}").into()) }
}

/// A server of the demo's own, with its data in a folder that goes with it.
pub(super) struct OwnServer {
    child: Child,
    url: String,
    key: String,
    data: tempfile::TempDir,
}

impl OwnServer {
    pub(super) fn start() -> Result<Self, Fault> {
        let data = tempfile::Builder::new().prefix("exhibit-demo-").tempdir()?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"])
            .arg(data.path())
            .env_remove("DATABASE_URL")
            .env_remove("EXHIBIT_DATABASE_URL")
            .env_remove("EXHIBIT_ENV")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output of the server")?;
        let (mut url, mut key) = (None, None);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some((_, shown)) = line.split_once("(shown this once): ") {
                key = Some(shown.to_owned());
            }
            if let Some(address) = line.strip_prefix("listening on ") {
                url = Some(address.to_owned());
                break;
            }
        }
        match (url, key) {
            (Some(url), Some(key)) => Ok(Self { child, url, key, data }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the server did not start; its reason stands above".into())
            }
        }
    }
}

impl OwnServer {
    /// Who writes policies: the key that the first start has shown.
    pub(super) fn author(&self) -> Server {
        Server::new(&self.url, &self.key)
    }

    /// Somebody else, with a key made as an operator makes one.
    pub(super) fn approver(&self) -> Result<Server, Fault> {
        let made = Command::new(std::env::current_exe()?)
            .args(["key", "add", "--tenant", "demo", "--label", "approver", "--scopes"])
            .arg("policies:read,policies:approve,evidence:read,violations:write")
            .arg("--data")
            .arg(self.data.path())
            .env_remove("DATABASE_URL")
            .env_remove("EXHIBIT_DATABASE_URL")
            .stderr(Stdio::inherit())
            .output()?;
        if !made.status.success() {
            return Err("no key for the approver".into());
        }
        Ok(Server::new(&self.url, String::from_utf8(made.stdout)?.trim()))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // A friendly end: the server stops its PostgreSQL.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
