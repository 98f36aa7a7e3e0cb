//! The server with its private PostgreSQL, and the verbs of its binary beside it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use infrastructure::private_postgres::{Endpoint, OWNER_ROLE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

use crate::Outcome;

/// One key opens all streams here, which the defaults do not let it, and none ends by its age while
/// it is measured.
const MANY_STREAMS: [&str; 4] = [
    "--streams-per-key-max=20000",
    "--streams-per-tenant-max=20000",
    "--streams-max=20000",
    "--stream-seconds-max=3600",
];

/// A process that was started here. Asked to end, and waited for, when it is dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn new(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

pub(crate) struct Server {
    // Before the folder: that is removed when nobody works in it.
    process: Running,
    place: Place,
}

/// Where a server is; it can be stopped and started again there.
pub(crate) struct Place {
    folder: TempDir,
    /// `127.0.0.1:<port>`
    pub(crate) address: String,
    pub(crate) key: String,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("exhibit-bench-").tempdir()?;
        Self::start_in(
            Place { folder, address: "127.0.0.1:0".to_owned(), key: String::new() },
            flags,
        )
    }

    pub(crate) fn start_in(mut place: Place, flags: &[&str]) -> Outcome<Self> {
        let log = place.folder.path().join("server.log");
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let mut child = command()
            .args(["serve", "--listen", &place.address, "--data"])
            .arg(place.folder.path())
            .args(MANY_STREAMS)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let process = Running(child);
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some((_, shown)) = line.split_once("(shown this once): ") {
                shown.clone_into(&mut place.key);
            }
            if let Some(address) = line.strip_prefix("listening on http://") {
                address.clone_into(&mut place.address);
                return Ok(Self { process, place });
            }
        }
        Err("the server has not started".into())
    }

    pub(crate) fn stop(self) -> Place {
        drop(self.process);
        self.place
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) async fn owner_pool(&self) -> Outcome<PgPool> {
        let endpoint = Endpoint::of_running(self.place.folder.path())?;
        let options = PgConnectOptions::new_without_pgpass()
            .socket(endpoint.socket_dir)
            .port(endpoint.port)
            .username(OWNER_ROLE)
            .database("postgres");
        Ok(PgPoolOptions::new().max_connections(2).connect_with(options).await?)
    }

    /// Runs `exhibit bench` against the server; events a second.
    pub(crate) async fn load(&self, load: &[&str]) -> Outcome<f64> {
        let url = format!("http://{}", self.place.address);
        let common = ["bench", "--json", "--url", &url, "--key", &self.place.key];
        let output = exhibit(&[common.as_slice(), load].concat()).await?;
        let result: serde_json::Value = serde_json::from_slice(&output)?;
        Ok(result["events_per_second"].as_f64().ok_or("no rate")?)
    }

    /// Runs a verb on the server's data folder, beside it; its standard output.
    pub(crate) async fn beside(&self, verb: &[&str]) -> Outcome<Vec<u8>> {
        let folder = self.place.folder.path().display().to_string();
        exhibit(&[verb, &["--data", &folder]].concat()).await
    }
}

async fn exhibit(args: &[&str]) -> Outcome<Vec<u8>> {
    let mut command = tokio::process::Command::from(command());
    let output = command.args(args).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("exhibit {}: {}", args[0], output.status).into())
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
