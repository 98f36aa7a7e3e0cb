//! `exhibit demo`: a policy that two people agree on, a recorded agent session that breaks it, the
//! verdict, and what tampering does to it.

mod judged;
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use application::Ids;
use clap::Args;
use domain::evidence::jwk::JwkSet;
use domain::evidence::verify::{Options, Report, Severity, verify_reader};
use infrastructure::system::SystemIds;
use serde_json::{Value, json};

use self::server::{OwnServer, Server};
use super::{Outcome, report, tamper};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Server to use; one is started for the demo when absent
    #[arg(long, env = "EXHIBIT_URL", requires = "key")]
    url: Option<String>,
    /// Key of that server, with all scopes but admin
    #[arg(long, env = "EXHIBIT_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Key of somebody else, who approves policies; without it the demo's policy stays in review
    #[arg(long, env = "EXHIBIT_APPROVER_KEY", hide_env_values = true)]
    approver_key: Option<String>,
    /// Folder for the export, the seal, the keys and the tampered copies
    #[arg(long, env = "EXHIBIT_DEMO_OUT", default_value = "exhibit-demo", value_name = "DIR")]
    out: PathBuf,
}

/// Recorded by `api/demo/record.py` from a real LangChain run.
const TRACE: &str = include_str!("../../../demo/trace.jsonl");

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
    let (server, approver) = match (&own, &args.url, &args.key, &args.approver_key) {
        (Some(own), ..) => (own.author(), Some(own.approver()?)),
        (None, Some(url), Some(key), approver) => {
            (Server::new(url, key), approver.as_ref().map(|key| Server::new(url, key)))
        }
        _ => return Err("--url goes with --key".into()),
    };
    super::runtime()?.block_on(play(&server, approver.as_ref(), &args.out))
}

async fn play(server: &Server, approver: Option<&Server>, out: &Path) -> Outcome {
    let in_force = judged::activate_policy(server, approver).await?;
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
    if in_force {
        judged::work_on_violations(server, &session).await?;
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

    judged::show_export(&serde_json::from_str(&export)?);

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
