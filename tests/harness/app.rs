//! One running server and what tests do with it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::exhibit;
use crate::stream::EventStream;

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The text as JSON, null when it is none.
    pub body: Value,
}

impl Answer {
    /// The stable code of a problem.
    ///
    /// # Panics
    /// When the answer is no problem document.
    pub fn code(&self) -> &str {
        let media_type = self.headers.get("content-type").and_then(|v| v.to_str().ok());
        assert_eq!(media_type, Some("application/problem+json"), "{self:?}");
        self.body["code"].as_str().expect("a problem has a code")
    }

    /// Insists on a status.
    ///
    /// # Panics
    /// On another one.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// A server process with its folder and database.
pub struct TestApp {
    child: Child,
    pub url: String,
    /// Of the tenant `demo`, with every scope but `admin`.
    pub key: String,
    pub database: Option<TestDatabase>,
    data: TempDir,
    settings: Vec<(String, String)>,
    client: Client,
    /// Of whoever approves policies: see [`TestApp::approver`].
    pub(crate) approver: OnceLock<String>,
}

impl TestApp {
    /// Starts a server on a database of its own.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further variables set.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await;
        Self::launch(Some(database), settings)
    }

    /// Starts a server with a private PostgreSQL.
    pub fn start_private(settings: &[(&str, &str)]) -> Self {
        Self::launch(None, settings)
    }

    fn launch(database: Option<TestDatabase>, settings: &[(&str, &str)]) -> Self {
        let data = tempfile::Builder::new().prefix("exhibit-it-").tempdir().unwrap();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings: Vec<_> = settings.iter().map(owned).collect();
        let (child, url, key) = spawn(data.path(), database.as_ref(), &settings);
        let key = key.expect("the first start prints a key");
        let (client, approver) = (Client::new(), OnceLock::new());
        Self { child, url, key, database, data, settings, client, approver }
    }

    /// Stops the server as a service manager would, and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.resume();
    }

    /// Asks the server to stop, and waits until it has.
    ///
    /// # Panics
    /// When it ends with an error.
    pub fn stop(&mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When the process is gone already.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How the server ended by itself, once it has.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Starts a stopped or killed server again, on the same folder and database.
    pub fn resume(&mut self) {
        let (child, url, _) = spawn(self.data.path(), self.database.as_ref(), &self.settings);
        self.child = child;
        self.url = url;
    }

    /// Starts a second server on the same database, with the same keys.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let data = tempfile::Builder::new().prefix("exhibit-it-").tempdir().unwrap();
        let keys = data.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        for entry in std::fs::read_dir(self.data().join("keys")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, keys.join(path.file_name().unwrap())).unwrap();
        }
        let (child, url, _) = spawn(data.path(), self.database.as_ref(), &self.settings);
        Self {
            child,
            url,
            key: self.key.clone(),
            database: self.database.clone(),
            data,
            settings: self.settings.clone(),
            client: Client::new(),
            approver: self.approver.clone(),
        }
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Everything that the server has logged, of all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default()
    }

    /// Runs a command of the command line on the server's folder and database.
    ///
    /// # Panics
    /// When the binary is missing.
    pub fn cli(&self, args: &[&str]) -> std::process::Output {
        command(self.data.path(), self.database.as_ref()).args(args).output().unwrap()
    }

    /// A key of a tenant (by name or id), made on the command line.
    ///
    /// # Panics
    /// When the command fails.
    pub fn make_key(&self, tenant: &str, scopes: &str) -> String {
        let made = self.cli(&["key", "add", "--tenant", tenant, "--scopes", scopes]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// Another tenant, made on the command line; its id.
    ///
    /// # Panics
    /// When the command fails.
    pub fn make_tenant(&self, name: &str) -> String {
        let made = self.cli(&["tenant", "add", name]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// A request with the app's key, to be added to.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub fn bare_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Opens a stream of the tenant's log: a query, or nothing.
    pub async fn stream(&self, query: &str) -> EventStream {
        EventStream::open(self.request(Method::GET, &format!("/v1/stream{query}"))).await
    }

    /// The same, going on from a cursor as a browser does.
    pub async fn resume_stream(&self, cursor: &str) -> EventStream {
        let request = self.request(Method::GET, "/v1/stream").header("last-event-id", cursor);
        EventStream::open(request).await
    }

    /// The cursor at the head of the log.
    ///
    /// # Panics
    /// When no stream says so.
    pub async fn head(&self) -> String {
        self.stream("").await.expect("ready").await.id.unwrap()
    }

    /// Waits until the read models have folded everything that is committed.
    ///
    /// # Panics
    /// When they do not.
    pub async fn settle(&self) {
        for _ in 0..500 {
            let metrics = self.get("/metrics").await.expect(200).text;
            let mut lags =
                metrics.lines().filter(|l| l.starts_with("exhibit_projection_lag_events{"));
            if lags.all(|line| line.ends_with(" 0")) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the read models do not catch up: {}", self.get("/ready").await.text);
    }

    /// The same server for another key.
    #[must_use]
    pub fn as_key(&self, key: &str) -> Caller<'_> {
        Caller { app: self, key: key.to_owned() }
    }

    /// Starts a strict `server` session.
    pub async fn start_session(&self) -> Uuid {
        self.start_session_with(json!({})).await
    }

    /// Starts a session with further members in its request.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn start_session_with(&self, members: Value) -> Uuid {
        let mut body = json!({ "agent_id": "refund-agent" });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.post("/v1/sessions", &body).await.expect(201);
        answer.body["session_id"].as_str().unwrap().parse().unwrap()
    }

    /// Appends events as a batch.
    pub async fn append(&self, session: Uuid, events: &[Value]) -> Answer {
        self.post(&format!("/v1/sessions/{session}/events"), &json!({ "events": events })).await
    }

    /// Sends a body as it is, as `application/json`.
    pub async fn append_text(&self, session: Uuid, body: impl Into<reqwest::Body>) -> Answer {
        let path = format!("/v1/sessions/{session}/events");
        let request = self.request(Method::POST, &path).header("content-type", "application/json");
        send(request.body(body)).await
    }

    pub async fn seal(&self, session: Uuid) -> Answer {
        self.post(&format!("/v1/sessions/{session}/seal"), &json!({})).await
    }

    /// A session with start, tool call, result and end, sealed.
    ///
    /// # Panics
    /// When a step is refused.
    pub async fn sealed_session(&self) -> Uuid {
        let session = self.start_session().await;
        let _ = self.append(session, &crate::events::whole_session(session)).await.expect(201);
        let _ = self.seal(session).await.expect(201);
        session
    }

    /// The session's state, once it is judged.
    ///
    /// # Panics
    /// When there is none.
    pub async fn session(&self, session: Uuid) -> Value {
        self.settle().await;
        self.get(&format!("/v1/sessions/{session}")).await.expect(200).body
    }

    /// The session's records, one a line.
    ///
    /// # Panics
    /// When there is none.
    pub async fn export_lines(&self, session: Uuid) -> String {
        let path = format!("/v1/sessions/{session}/export?format=jsonl&purpose=test");
        self.get(&path).await.expect(200).text
    }

    /// The verifier's report over the stored session.
    ///
    /// # Panics
    /// When there is none.
    pub async fn verify(&self, session: Uuid) -> Value {
        self.post("/v1/verify", &json!({ "session_id": session })).await.expect(200).body
    }
}

/// Somebody with a key of their own.
pub struct Caller<'a> {
    app: &'a TestApp,
    key: String,
}

impl Caller<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.bare_request(method, path).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn stream(&self, query: &str) -> EventStream {
        EventStream::open(self.request(Method::GET, &format!("/v1/stream{query}"))).await
    }

    /// Starts a session; its position in the log.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn start_session(&self) -> u64 {
        let answer = self.post("/v1/sessions", &json!({ "agent_id": "other-agent" })).await;
        answer.expect(201).body["position"].as_u64().unwrap()
    }
}

/// Sends a request and reads its answer.
///
/// # Panics
/// When the connection fails.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.unwrap()
}

/// Sends a request that may find no server.
pub async fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    // A stream does not end: tests that read one use `EventStream`.
    let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let text = if is_stream { String::new() } else { response.text().await? };
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { status, headers, text, body })
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // One that has ended has no number any more: it may be somebody else's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// The binary with a clean environment, on a folder and a database.
fn command(data: &Path, database: Option<&TestDatabase>) -> Command {
    let mut command = Command::new(exhibit());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EXHIBIT_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env("EXHIBIT_DATA", data);
    if let Some(database) = database {
        command.env("EXHIBIT_DATABASE_URL", &database.url);
    }
    command
}

fn spawn(
    data: &Path,
    database: Option<&TestDatabase>,
    settings: &[(String, String)],
) -> (Child, String, Option<String>) {
    let log: PathBuf = data.join("server.log");
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut child = command(data, database)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .envs(settings.iter().map(|(name, value)| {
            // A setting may name the data folder, which is made only now.
            (name.clone(), value.replace("{data}", &data.display().to_string()))
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let (mut url, mut key) = (None, None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, shown)) = line.split_once("(shown this once): ") {
            key = Some(shown.to_owned());
        }
        if let Some(address) = line.strip_prefix("listening on ") {
            url = Some(address.to_owned());
            break;
        }
    }
    let Some(url) = url else {
        let status = child.wait().unwrap();
        let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
        panic!("the server did not start ({status}): {log}");
    };
    (child, url, key)
}
