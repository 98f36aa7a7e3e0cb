//! A session of 300 events as PDF: how long one takes, and what memory twenty at once take.

use std::time::Instant;

use futures::future::try_join_all;
use reqwest::Method;
use tests::{TestApp, events};
use uuid::Uuid;

use super::{Outcome, peak_mib};

const EVENTS: u64 = 300;
const ROUNDS: usize = 5;
const AT_ONCE: usize = 20;

pub(crate) async fn documents() -> Outcome<()> {
    let app = TestApp::start_private(&[]);
    let session = app.start_session().await;
    let calls = events::tool_calls(session, 1, EVENTS - 2);
    let all = [vec![events::session_start(session)], calls].concat();
    let _ = app.append(session, &all).await.expect(201);
    let end = [events::session_end(session, EVENTS - 1)];
    let _ = app.append(session, &end).await.expect(201);
    let _ = app.seal(session).await.expect(201);
    // The first reads the fonts.
    let first = one(&app, session).await?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        seconds.push(one(&app, session).await?.0);
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        "PDF of {EVENTS} events: {:.2} s (the first {:.2} s), {} KiB",
        seconds[ROUNDS / 2],
        first.0,
        first.1 / 1024
    );
    let began = Instant::now();
    try_join_all((0..AT_ONCE).map(|_| one(&app, session))).await?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{AT_ONCE} at once: {seconds:.1} s, server's peak memory {} MiB",
        peak_mib(app.pid())?
    );
    Ok(())
}

/// Seconds and bytes.
async fn one(app: &TestApp, session: Uuid) -> Outcome<(f64, usize)> {
    let began = Instant::now();
    let path = format!("/v1/sessions/{session}/export?format=pdf&purpose=bench");
    let answer = app.request(Method::GET, &path).send().await?.error_for_status()?;
    let bytes = answer.bytes().await?;
    Ok((began.elapsed().as_secs_f64(), bytes.len()))
}
