//! Much at once: a long session, a million records, a hundred thousand violations.

use std::io::Write;
use std::process::Command;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use nix::sys::resource::{UsageWho, getrusage};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, events, exhibit, tool_policy};
use uuid::Uuid;

use super::{Outcome, peak_mib};

const BATCH: u64 = 1_000;
const ROUNDS: usize = 3;

async fn session_of(app: &TestApp, count: u64, tool: &str) -> Uuid {
    let session = app.start_session().await;
    for first in (0..count).step_by(BATCH as usize) {
        let calls: Vec<Value> = (first..count.min(first + BATCH))
            .map(|number| events::call_of(session, number, tool))
            .collect();
        let _ = app.append(session, &calls).await.expect(201);
    }
    session
}

/// Takes something away into a file; its size.
async fn fetch(app: &TestApp, path: &str, to: &std::path::Path) -> Outcome<u64> {
    let answer = app.request(Method::GET, path).send().await?.error_for_status()?;
    let (mut body, mut file) = (answer.bytes_stream(), std::fs::File::create(to)?);
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        bytes += chunk.len() as u64;
        file.write_all(&chunk)?;
    }
    Ok(bytes)
}

/// The JSON export of 100,000 events, and its verification.
pub(crate) async fn long_session() -> Outcome<()> {
    const EVENTS: u64 = 100_000;
    let app = TestApp::start_private(&[]);
    let session = session_of(&app, EVENTS, "look_up_order").await;
    until_judged(&app).await;
    let _ = app.post(&format!("/v1/sessions/{session}/seal"), &json!({ "incomplete": true })).await;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("session.json");
    let path = format!("/v1/sessions/{session}/export?format=json&purpose=bench");
    let (mut exported, mut verified, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bytes = fetch(&app, &path, &file).await?;
        exported.push(EVENTS as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        let status = Command::new(exhibit()).arg("verify").arg(&file).output()?.status;
        verified.push(EVENTS as f64 / began.elapsed().as_secs_f64());
        assert_eq!(status.code(), Some(1), "sealed without an end: degraded");
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() / 1024;
    println!(
        "JSON export of {EVENTS} events ({} MiB): {:.0} events/s, server's peak memory {} MiB",
        bytes >> 20,
        median(exported),
        peak_mib(app.pid())?
    );
    println!(
        "exhibit verify of it: {:.0} events/s; no child of the bench had more than {memory} MiB",
        median(verified)
    );
    Ok(())
}

/// Few events that are as large as events may be: both exports, by bytes.
pub(crate) async fn large_events() -> Outcome<()> {
    const EVENTS: u64 = 3_000;
    let app = TestApp::start_private(&[]);
    let session = app.start_session().await;
    let text = "x".repeat(200_000);
    for first in (0..EVENTS).step_by(15) {
        let large = |number| events::event(session, number, "page.read", json!({ "text": text }));
        let _ = app.append(session, &(first..first + 15).map(large).collect::<Vec<_>>()).await;
    }
    until_judged(&app).await;
    let folder = tempfile::tempdir()?;
    let path = format!("/v1/sessions/{session}/export?format=json&purpose=bench");
    let (mut exported, mut selected, mut mib) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        mib = fetch(&app, &path, &folder.path().join("session.json")).await? >> 20;
        exported.push(mib as f64 / began.elapsed().as_secs_f64());
        let view = app.made("exports", &json!({ "purpose": "bench" })).await;
        assert_eq!(view["counts"]["events"], EVENTS);
        selected.push(mib as f64 / seconds(&view)?);
    }
    println!(
        "{EVENTS} events of 200 KB ({mib} MiB): JSON {:.0} MiB/s, NDJSON {:.0} MiB/s, server's peak \
         memory {} MiB",
        median(exported),
        median(selected),
        peak_mib(app.pid())?
    );
    Ok(())
}

/// An evidence export of a million records.
pub(crate) async fn selection() -> Outcome<()> {
    const EVENTS: u64 = 1_000_000;
    let app = TestApp::start_private(&[]);
    for _ in 0..10 {
        session_of(&app, EVENTS / 10, "look_up_order").await;
    }
    until_judged(&app).await;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let view = app.made("exports", &json!({ "purpose": "bench" })).await;
        assert_eq!(view["counts"]["events"], EVENTS);
        rates.push(EVENTS as f64 / seconds(&view)?);
    }
    println!(
        "NDJSON of {EVENTS} records: {:.0} records/s, server's peak memory {} MiB",
        median(rates),
        peak_mib(app.pid())?
    );
    Ok(())
}

/// A bundle of 100,000 violations.
pub(crate) async fn bundle() -> Outcome<()> {
    const VIOLATIONS: u64 = 100_000;
    let app = TestApp::start_private(&[]);
    app.activate_policy(&tool_policy("1.0.0")).await;
    session_of(&app, VIOLATIONS, "wire").await;
    until_judged(&app).await;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let view = app.made("bundles", &json!({ "purpose": "bench" })).await;
        assert_eq!(view["counts"]["violations"], VIOLATIONS);
        took.push(seconds(&view)?);
    }
    println!(
        "Bundle of {VIOLATIONS} violations: {:.1} s, server's peak memory {} MiB",
        median(took),
        peak_mib(app.pid())?
    );
    Ok(())
}

/// From the request to the end.
fn seconds(view: &Value) -> Outcome<f64> {
    let at = |name: &str| -> Outcome<DateTime<Utc>> {
        Ok(view[name].as_str().ok_or("no time")?.parse()?)
    };
    Ok((at("finished_at")? - at("requested_at")?).as_seconds_f64())
}

/// Longer than tests wait: judging a million events takes a while.
async fn until_judged(app: &TestApp) {
    loop {
        let metrics = app.get("/metrics").await.expect(200).text;
        let mut lags = metrics.lines().filter(|l| l.starts_with("exhibit_projection_lag_events{"));
        if lags.all(|line| line.ends_with(" 0")) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
