//! The server under load, with its private PostgreSQL, and the load generator beside it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use infrastructure::private_postgres::{Endpoint, OWNER_ROLE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

use crate::Outcome;

pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    url: String,
    key: String,
    session: RefCell<String>,
    pub(crate) started_in: Duration,
}

/// What a load has measured.
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) session: String,
}

impl Server {
    pub(crate) fn start() -> Outcome<Self> {
        Self::start_in(tempfile::Builder::new().prefix("exhibit-bench-").tempdir()?)
    }

    pub(crate) fn start_in(folder: TempDir) -> Outcome<Self> {
        let log = std::fs::File::create(folder.path().join("server.log"))?;
        let started = Instant::now();
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let (mut url, mut key) = (String::new(), String::new());
        for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
            let line = line?;
            if let Some((_, shown)) = line.split_once("(shown this once): ") {
                shown.clone_into(&mut key);
            }
            if let Some(address) = line.strip_prefix("listening on ") {
                address.clone_into(&mut url);
                break;
            }
        }
        let ready = Command::new("curl").args(["-fs", &format!("{url}/ready")]).output()?;
        if !ready.status.success() {
            return Err("the server is not ready".into());
        }
        let started_in = started.elapsed();
        Ok(Self { child, folder, url, key, session: RefCell::default(), started_in })
    }

    /// Stops the server; its folder can be started in again.
    pub(crate) fn stop(mut self) -> TempDir {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
        self.folder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn remember_session(&self, session: &str) {
        session.clone_into(&mut self.session.borrow_mut());
    }

    pub(crate) fn owner(&self) -> Outcome<PgConnectOptions> {
        let endpoint = Endpoint::of_running(self.folder.path())?;
        Ok(PgConnectOptions::new_without_pgpass()
            .socket(endpoint.socket_dir)
            .port(endpoint.port)
            .username(OWNER_ROLE)
            .database("postgres"))
    }

    pub(crate) async fn owner_pool(&self) -> Outcome<PgPool> {
        Ok(PgPoolOptions::new().max_connections(32).connect_with(self.owner()?).await?)
    }

    /// Runs `exhibit bench` against the server.
    pub(crate) fn load(&self, args: &[&str]) -> Outcome<Load> {
        let common = ["bench", "--json", "--url", &self.url, "--key", &self.key];
        let output = Self::exhibit(&[&common, args].concat())?;
        let result: serde_json::Value = serde_json::from_slice(&output)?;
        let number = |name: &str| result[name].as_f64().ok_or("no number");
        Ok(Load {
            rate: number("events_per_second")?,
            p50_ms: number("p50_ms")?,
            session: result["sessions"][0].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Runs a verb; its standard output. Degraded evidence (exit 1) is fine here.
    pub(crate) fn exhibit(args: &[&str]) -> Outcome<Vec<u8>> {
        let output = command().args(args).stderr(Stdio::inherit()).output()?;
        match output.status.code() {
            Some(0 | 1) if !output.stdout.is_empty() => Ok(output.stdout),
            _ => Err(format!("exhibit {}: {}", args[0], output.status).into()),
        }
    }

    pub(crate) fn export_long_session(&self) -> Outcome<PathBuf> {
        let file = self.folder.path().join("long.jsonl");
        let session = self.session.borrow();
        let url = format!("{}/v1/sessions/{session}/export?format=jsonl&purpose=bench", self.url);
        let key = format!("authorization: Bearer {}", self.key);
        let status =
            Command::new("curl").args(["-fsS", "-H", &key, "-o"]).arg(&file).arg(url).status()?;
        if status.success() { Ok(file) } else { Err("the export failed".into()) }
    }
}

/// The release binary beside this bench's own, in an environment without settings.
fn command() -> Command {
    let mut command = Command::new(tests::exhibit());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EXHIBIT_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL");
    command
}
