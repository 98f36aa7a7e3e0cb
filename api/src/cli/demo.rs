//! `exhibit demo`: from a recorded agent session to a verdict, and what tampering does to it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anstyle::{AnsiColor, Style};
use application::Ids;
use clap::Args;
use domain::evidence::jwk::JwkSet;
use domain::evidence::verify::{Options, Report, Severity, verify_reader};
use infrastructure::system::SystemIds;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Fault, Outcome, report, tamper};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Server to use; one is started for the demo when absent
    #[arg(long, env = "EXHIBIT_URL", requires = "key")]
    url: Option<String>,
    /// Key of that server, with all scopes but admin
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Folder for the export, the seal, the keys and the tampered copies
    #[arg(long, env = "EXHIBIT_DEMO_OUT", default_value = "exhibit-demo", value_name = "DIR")]
    out: PathBuf,
}

/// Recorded by `api/demo/record.py` from a real LangChain run.
const TRACE: &str = include_str!("../../demo/trace.jsonl");

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

pub(super) fn run(args: &DemoArgs) -> Outcome {
    std::fs::create_dir_all(&args.out)?;
    let own = match &args.url {
        Some(_) => None,
        None => {
            step("Starting a server with a private PostgreSQL in a temporary folder");
            Some(OwnServer::start()?)
        }
    };
    let server = match (&own, &args.url, &args.key) {
        (Some(own), _, _) => Server { url: own.url.clone(), key: own.key.clone() },
        (None, Some(url), Some(key)) => Server { url: url.clone(), key: key.clone() },
        _ => return Err("--url goes with --key".into()),
    };
    super::runtime()?.block_on(play(&server, &args.out))
}

async fn play(server: &Server, out: &Path) -> Outcome {
    let session = SystemIds.uuid().to_string();
    let events = trace(&session)?;
    step("Starting a session for the agent, and sending what it did (recorded from LangChain)");
    server
        .post(
            "/v1/sessions",
            &json!({
                "session_id": session, "agent_id": "refund-agent", "environment": "prod",
                "framework": "langchain", "tags": ["demo"],
            }),
        )
        .await?;
    let stored = server
        .post(&format!("/v1/sessions/{session}/events"), &json!({ "events": events }))
        .await?;
    note(&format!(
        "{} events, chained; the last hash is {}",
        stored["accepted"], stored["final_hash"]
    ));
    for event in &events {
        note(&one_line(event));
    }
    step("Sealing: the server signs the chain, and nothing can follow");
    let sealed = server.post(&format!("/v1/sessions/{session}/seal"), &json!({})).await?;
    note(&format!("class {}", sealed["evidence_class"]));
    note(&format!("key   {}", sealed["envelope"]["signatures"][0]["keyid"]));

    step(&format!("Taking the evidence away, into {}/", out.display()));
    let export =
        server.get(&format!("/v1/sessions/{session}/export?format=json&purpose=demo")).await?;
    let lines =
        server.get(&format!("/v1/sessions/{session}/export?format=jsonl&purpose=demo")).await?;
    let certificate = server.get(&format!("/v1/certificates/{session}")).await?;
    let keys = server.get("/.well-known/jwks.json").await?;
    let certificate: Value = serde_json::from_str(&certificate)?;
    let envelope = serde_json::to_string_pretty(&certificate["envelope"])?;
    let files = [
        ("export.json", &export),
        ("session.jsonl", &lines),
        ("seal.dsse.json", &envelope),
        ("jwks.json", &keys),
    ];
    for (name, text) in files {
        std::fs::write(out.join(name), text)?;
    }
    note("export.json  session.jsonl  seal.dsse.json  jwks.json");

    step("Verifying it offline, with the server's public keys and nothing else");
    let keys: JwkSet = serde_json::from_str(&keys)?;
    let verdict = verify(&export, "export.json", &keys);
    report::render(&verdict, &mut anstream::stdout())?;
    if verdict.exit_code != 0 {
        return Err("the export does not verify".into());
    }
    tamper_with(&serde_json::from_str(&export)?, &keys, out)
}

/// Shows that each tampering is named; fails when one is not.
fn tamper_with(export: &Value, keys: &JwkSet, out: &Path) -> Outcome {
    step("Tampering with copies in ten ways, and verifying each");
    let folder = out.join("tampered");
    std::fs::create_dir_all(&folder)?;
    let mut missed = 0;
    let mut screen = anstream::stdout();
    writeln!(
        screen,
        "     {HEADING}{:<34} {:<9} exit  named as{HEADING:#}",
        "what was done", "verdict"
    )?;
    for (number, tampering) in tamper::ALL.iter().enumerate() {
        let copy = tampering.of(export).to_string();
        let name =
            format!("{:02}-{}.json", number + 1, tampering.what.replace([' ', ',', '\''], "-"));
        std::fs::write(folder.join(&name), &copy)?;
        let verdict = verify(&copy, &name, keys);
        let named = verdict.findings.iter().any(|finding| finding.code == tampering.names);
        missed += usize::from(!named || verdict.exit_code == 0);
        let style = if named { GOOD } else { BAD };
        let (what, code) = (tampering.what, tampering.names.as_str());
        let others = other_findings(&verdict, code);
        writeln!(
            screen,
            "{:>3}  {what:<34} {:<9} {:<5} {style}{}{style:#}{DIM}{others}{DIM:#}",
            number + 1,
            verdict.status.as_str(),
            verdict.exit_code,
            if named { code } else { "NOT FOUND" },
        )?;
    }
    if missed > 0 {
        return Err(format!("{missed} tamperings were not named").into());
    }
    step("All ten are named. Try it yourself:");
    let out = out.display();
    note(&format!("exhibit verify {out}/export.json --jwks {out}/jwks.json"));
    note(&format!("exhibit verify {out}/tampered/05-*.json --jwks {out}/jwks.json"));
    note("What no verifier can find: events that were never captured, and a recorder that lies.");
    Ok(())
}

fn other_findings(verdict: &Report, named: &str) -> String {
    let severe = |severity: &Severity| !matches!(severity, Severity::Info);
    let mut codes: Vec<&str> = verdict
        .findings
        .iter()
        .filter(|f| severe(&f.severity) && f.code.as_str() != named)
        .map(|f| f.code.as_str())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() { String::new() } else { format!(" +{}", codes.len()) }
}

fn verify(text: &str, name: &str, keys: &JwkSet) -> Report {
    let options = Options { keys: Some(keys), expected_head: None, seal: None };
    verify_reader(&mut text.as_bytes(), name, &options, &mut |_| {})
}

/// The recorded events, in a session of their own.
fn trace(session: &str) -> Result<Vec<Value>, serde_json::Error> {
    let event = |line: &str| {
        let mut event: Value = serde_json::from_str(line)?;
        event["session_id"] = json!(session);
        Ok(event)
    };
    TRACE.lines().filter(|line| !line.is_empty()).map(event).collect()
}

fn one_line(event: &Value) -> String {
    let payload = &event["payload"];
    let kind = event["event_type"].as_str().unwrap_or_default();
    let about =
        ["tool_name", "model", "message", "annotator_id", "decision_id", "status", "agent_id"]
            .iter()
            .find_map(|key| payload[key].as_str())
            .unwrap_or_default();
    let about: String = about.chars().take(40).collect();
    format!("{:>3}  {kind:<22} {about}", event["sequence_number"])
}

fn step(text: &str) {
    anstream::println!("\n{HEADING}▸ {text}{HEADING:#}");
}

fn note(text: &str) {
    let text: String = text.chars().take(110).collect();
    anstream::println!("  {DIM}{text}{DIM:#}");
}

struct Server {
    url: String,
    key: String,
}

impl Server {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let text = send(self.request(Method::POST, path).json(body)).await?;
        Ok(serde_json::from_str(&text)?)
    }

    async fn get(&self, path: &str) -> Result<String, Fault> {
        send(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }
}

async fn send(request: RequestBuilder) -> Result<String, Fault> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    if status.is_success() { Ok(text) } else { Err(format!("{status}: {text}").into()) }
}

/// A server of the demo's own, with its data in a folder that goes with it.
struct OwnServer {
    child: Child,
    url: String,
    key: String,
    _data: tempfile::TempDir,
}

impl OwnServer {
    fn start() -> Result<Self, Fault> {
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
            (Some(url), Some(key)) => Ok(Self { child, url, key, _data: data }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the server did not start; its reason stands above".into())
            }
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // A friendly end: the server stops its PostgreSQL.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
