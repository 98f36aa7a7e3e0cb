//! The server with its private PostgreSQL, its load generator, and what is asked of it over HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use domain::ids::TenantId;
use infrastructure::private_postgres::{Endpoint, OWNER_ROLE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;
use uuid::Uuid;

use crate::Outcome;
use crate::machine::Used;

/// Read models and the judge stay where they are.
pub(crate) const IDLE: &[&str] = &["--no-followers"];
const LOOK: Duration = Duration::from_millis(20);
const CATCH_UP_MAX: Duration = Duration::from_mins(2);

/// A process that was started here. Asked to end, and waited for, when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

pub(crate) struct Server {
    // Before the folder: that is removed when nobody works in it.
    process: Running,
    folder: TempDir,
    url: String,
    key: String,
    client: reqwest::Client,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("exhibit-bench-").tempdir()?;
        Self::start_in(folder, String::new(), flags)
    }

    /// Stops it, and starts it in the same place.
    pub(crate) fn restart(self, flags: &[&str]) -> Outcome<Self> {
        let Self { process, folder, key, .. } = self;
        drop(process);
        Self::start_in(folder, key, flags)
    }

    fn start_in(folder: TempDir, mut key: String, flags: &[&str]) -> Outcome<Self> {
        let log = folder.path().join("server.log");
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let mut child = command()
            .args(["serve", "--allow-self-approval", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let process = Running(child);
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some((_, shown)) = line.split_once("(shown this once): ") {
                shown.clone_into(&mut key);
            }
            if let Some(url) = line.strip_prefix("listening on ") {
                let (url, client) = (url.to_owned(), reqwest::Client::new());
                return Ok(Self { process, folder, url, key, client });
            }
        }
        Err("the server has not started".into())
    }

    /// What it has used of the cores since it was started.
    pub(crate) fn used(&self) -> Used {
        Used::by(self.process.0.id())
    }

    pub(crate) async fn owner_pool(&self, connections: u32) -> Outcome<PgPool> {
        let endpoint = Endpoint::of_running(self.folder.path())?;
        let options = PgConnectOptions::new_without_pgpass()
            .socket(endpoint.socket_dir)
            .port(endpoint.port)
            .username(OWNER_ROLE)
            .database("postgres");
        Ok(PgPoolOptions::new().max_connections(connections).connect_with(options).await?)
    }

    /// Runs `exhibit bench` against the server: 16 clients, batches of 100. Events a second.
    pub(crate) async fn load(&self, args: &[&str]) -> Outcome<f64> {
        let common = ["bench", "--json", "--mix", "agent", "--url", &self.url, "--key", &self.key];
        let mut command = tokio::process::Command::from(command());
        command.args(common).args(args).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            return Err(format!("exhibit bench: {}", output.status).into());
        }
        let result: Value = serde_json::from_slice(&output.stdout)?;
        Ok(result["events_per_second"].as_f64().ok_or("no rate")?)
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        let request = self.client.get(format!("{}{path}", self.url));
        answer(request.bearer_auth(&self.key).send().await?).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        let request = self.client.post(format!("{}{path}", self.url));
        answer(request.bearer_auth(&self.key).json(body).send().await?).await
    }

    /// Puts a policy in force.
    pub(crate) async fn activate(&self, document: &Value) -> Outcome<()> {
        self.post("/v1/policies", document).await?;
        let version = version_path(document)?;
        self.post(&format!("{version}/submit"), &json!({})).await?;
        self.post(&format!("{version}/activate"), &json!({ "supersede": true })).await?;
        Ok(())
    }
}

/// Where a version of a policy is found.
pub(crate) fn version_path(document: &Value) -> Outcome<String> {
    let member = |name: &str| document[name].as_str().ok_or("a document without a name");
    Ok(format!("/v1/policies/{}/versions/{}", member("name")?, member("version")?))
}

async fn answer(response: reqwest::Response) -> Outcome<Value> {
    let (status, text) = (response.status(), response.text().await?);
    if !status.is_success() {
        return Err(format!("{status}: {text}").into());
    }
    Ok(serde_json::from_str(&text)?)
}

/// The one tenant.
pub(crate) async fn tenant(pool: &PgPool) -> Outcome<TenantId> {
    let id: Uuid =
        sqlx::query_scalar("select tenant_id from tenant_heads order by position desc limit 1")
            .fetch_one(pool)
            .await?;
    Ok(TenantId(id))
}

/// Where the log stands, and where the judge does.
pub(crate) async fn judged(pool: &PgPool) -> Outcome<(i64, i64)> {
    progress(pool, Some("judgement")).await
}

/// Waits until the judge and every read model have come as far as the log.
pub(crate) async fn caught_up(pool: &PgPool) -> Outcome<()> {
    let began = Instant::now();
    loop {
        let (head, followed) = progress(pool, None).await?;
        if head == followed {
            return Ok(());
        }
        if began.elapsed() > CATCH_UP_MAX {
            return Err("read models do not catch up".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn progress(pool: &PgPool, only: Option<&str>) -> Outcome<(i64, i64)> {
    Ok(sqlx::query_as(
        "select h.position, min(coalesce(g.position, 0))
         from (select * from tenant_heads order by position desc limit 1) h
         join projections p on $1::text is null or p.name = $1
         left join projection_progress g on g.tenant_id = h.tenant_id
             and g.projection = p.name and g.generation = p.generation
         group by h.position",
    )
    .bind(only)
    .fetch_one(pool)
    .await?)
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
