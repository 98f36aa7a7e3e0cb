//! Where replay meets live there is no seam.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::log::Cursor;
use rand::{Rng, RngExt, SeedableRng};
use tests::{TestApp, events};

const READERS: u64 = 8;
const ROUNDS: u64 = 130;
/// How far behind the head a reader begins, at most.
const BEHIND_MAX: u64 = 40;
/// What a reader reads beyond the head that it began with, at most.
const BEYOND_MAX: u64 = 6;

/// Appends on and on; says how far the log is.
async fn write(app: Arc<TestApp>, head: Arc<AtomicU64>, stop: Arc<AtomicBool>, seed: u64) {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let session = app.start_session().await;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = app.append(session, &[events::tool_call(session, number)]).await.expect(201);
        head.fetch_max(answer.body["position"].as_u64().unwrap(), Ordering::Relaxed);
        number += 1;
        tokio::time::sleep(std::time::Duration::from_micros(random.random_range(0..4_000))).await;
    }
}

/// Before the first item stand the tenant's own events, which are not in the stream.
async fn read(app: Arc<TestApp>, first: Cursor, head: Arc<AtomicU64>, reader: u64) -> u64 {
    let epoch = first.epoch.as_str();
    let mut random = rand::rngs::StdRng::seed_from_u64(reader);
    let mut seen = 0;
    for round in 0..ROUNDS {
        let now = head.load(Ordering::Relaxed);
        let after = now - random.random_range(0..=BEHIND_MAX.min(now - first.position));
        let until = now + random.random_range(1..=BEYOND_MAX);
        let mut stream = app.resume_stream(&format!("{epoch}-{after}")).await;
        assert_eq!(stream.expect("ready").await.position(), after, "reader {reader} {round}");
        for expected in after + 1..=until {
            let found = stream.item().await.position();
            assert_eq!(found, expected, "reader {reader}, round {round}, from {after}");
            seen += 1;
        }
        // Sometimes at once, sometimes when others have gone on.
        tokio::time::sleep(std::time::Duration::from_micros(random.next_u64() % 2_000)).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_seam_between_replay_and_live_in_a_thousand_interleavings() {
    let app = Arc::new(TestApp::start().await);
    let cursor = app.head().await;
    let cursor: Cursor = cursor.parse().unwrap();
    let head = Arc::new(AtomicU64::new(cursor.position));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|seed| tokio::spawn(write(app.clone(), head.clone(), stop.clone(), seed)))
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| tokio::spawn(read(app.clone(), cursor, head.clone(), reader)))
        .collect();
    let mut seen = 0;
    for reader in readers {
        seen += reader.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(seen > READERS * ROUNDS, "{seen} items");
}
