//! `kill -9` of the server and of its PostgreSQL while clients write: what was acknowledged is
//! there, nothing is there by half.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use infrastructure::private_postgres::{Endpoint, OWNER_ROLE};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp, events, try_send};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::processes::{children, eventually, is_alive, kill_9};

const ROUNDS: u64 = 5;
const CLIENTS: usize = 8;
const BATCH: u64 = 20;
/// Batches that are acknowledged between two faults.
const BATCHES_A_ROUND: u64 = 40;
/// A client asks again after so long, until somebody answers.
const RETRY: Duration = Duration::from_millis(20);

/// One client's session, and how many of its events were acknowledged.
struct Writer {
    session: Uuid,
    acknowledged: AtomicU64,
}

/// Clients that write until they are told to stop.
struct Crowd {
    writers: Vec<Arc<Writer>>,
    tasks: Vec<JoinHandle<()>>,
    server: watch::Sender<String>,
    stopped: Arc<AtomicBool>,
}

impl Crowd {
    async fn start(app: &TestApp) -> Self {
        let (server, url) = watch::channel(app.url.clone());
        let stopped = Arc::new(AtomicBool::new(false));
        let (mut writers, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let session = app.start_session().await;
            let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
            let writer = Arc::new(Writer { session, acknowledged: AtomicU64::new(1) });
            writers.push(writer.clone());
            let task = write(writer, app.key.clone(), url.clone(), stopped.clone());
            tasks.push(tokio::spawn(task));
        }
        Self { writers, tasks, server, stopped }
    }

    fn acknowledged(&self) -> u64 {
        self.writers.iter().map(|writer| writer.acknowledged.load(Ordering::SeqCst)).sum()
    }

    /// Waits until enough was written to be in the middle of it.
    async fn writes_for_a_while(&self) {
        let enough = self.acknowledged() + BATCHES_A_ROUND * BATCH;
        eventually("clients write", 60, async || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a client gave up");
            self.acknowledged() >= enough
        })
        .await;
    }

    /// Lets each client finish its batch.
    async fn stop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }
}

/// Sends batch after batch, each until it is acknowledged.
async fn write(
    writer: Arc<Writer>,
    key: String,
    url: watch::Receiver<String>,
    stopped: Arc<AtomicBool>,
) {
    let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let session = writer.session;
    while !stopped.load(Ordering::SeqCst) {
        let first = writer.acknowledged.load(Ordering::SeqCst);
        let batch: Vec<Value> =
            (first..first + BATCH).map(|number| events::tool_call(session, number)).collect();
        let body = json!({ "events": batch });
        loop {
            let path = format!("{}/v1/sessions/{session}/events", *url.borrow());
            match try_send(client.post(path).bearer_auth(&key).json(&body)).await {
                Ok(answer) if is_acknowledged(&answer) => break,
                Ok(answer) => assert!(answer.status >= 500, "a retry is no error: {answer:?}"),
                Err(_) => {}
            }
            tokio::time::sleep(RETRY).await;
        }
        writer.acknowledged.store(first + BATCH, Ordering::SeqCst);
    }
}

fn is_acknowledged(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 201)
}

/// Each session holds whole batches: all that were acknowledged, and at most one more.
async fn nothing_is_lost_or_halved(app: &TestApp, crowd: &Crowd) {
    for writer in &crowd.writers {
        let acknowledged = writer.acknowledged.load(Ordering::SeqCst);
        let stored = app.session(writer.session).await["event_count"].as_u64().unwrap();
        assert_eq!((stored - 1) % BATCH, 0, "half a batch: {stored} events");
        let most = acknowledged + BATCH;
        assert!((acknowledged..=most).contains(&stored), "{stored} of {acknowledged}");
    }
}

/// After the last round: every event once, every chain whole, positions without a hole.
async fn all_is_well(app: &TestApp, crowd: &Crowd, database: &PgPool) {
    for writer in &crowd.writers {
        let acknowledged = writer.acknowledged.load(Ordering::SeqCst);
        assert_eq!(app.session(writer.session).await["event_count"], acknowledged);
        assert_eq!(app.verify(writer.session).await["status"], "DEGRADED", "not sealed yet");
        let end = [events::session_end(writer.session, acknowledged)];
        let _ = app.append(writer.session, &end).await.expect(201);
        let _ = app.seal(writer.session).await.expect(201);
        let report = app.verify(writer.session).await;
        assert_eq!(report["status"], "PASS", "{report}");
    }
    let (count, last, head): (i64, i64, i64) = sqlx::query_as(
        "select count(*), max(position), (select position from tenant_heads) from events",
    )
    .fetch_one(database)
    .await
    .unwrap();
    assert_eq!((count, last), (head, head), "positions are dense");
}

async fn private_database(app: &TestApp) -> PgPool {
    let Endpoint { socket_dir, port } = Endpoint::of_running(app.data()).unwrap();
    let options = PgConnectOptions::new_without_pgpass().socket(socket_dir).port(port);
    let options = options.username(OWNER_ROLE).database("postgres");
    PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_of_the_server() {
    let mut app = TestApp::start_private(&[]);
    let mut crowd = Crowd::start(&app).await;
    for _ in 0..ROUNDS {
        crowd.writes_for_a_while().await;
        app.kill();
        app.resume();
        nothing_is_lost_or_halved(&app, &crowd).await;
        crowd.server.send(app.url.clone()).unwrap();
    }
    crowd.writes_for_a_while().await;
    crowd.stop().await;
    all_is_well(&app, &crowd, &private_database(&app).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_of_postgresql() {
    let mut app = TestApp::start_private(&[]);
    let mut crowd = Crowd::start(&app).await;
    for _ in 0..ROUNDS {
        crowd.writes_for_a_while().await;
        let postgres = children(app.pid(), "postgres");
        kill_9(postgres[0]);
        let exhibit = app.pid();
        eventually("exhibit ends", 30, async || !is_alive(exhibit)).await;
        assert!(!app.ended().success());
        app.resume();
        nothing_is_lost_or_halved(&app, &crowd).await;
        crowd.server.send(app.url.clone()).unwrap();
    }
    crowd.writes_for_a_while().await;
    crowd.stop().await;
    all_is_well(&app, &crowd, &private_database(&app).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_connections_are_cut_goes_on_with_new_ones() {
    let app = TestApp::start().await;
    let mut crowd = Crowd::start(&app).await;
    let database = app.database.as_ref().unwrap().as_owner().await;
    for _ in 0..ROUNDS {
        crowd.writes_for_a_while().await;
        let cut: i64 = sqlx::query_scalar(
            "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name = 'exhibit'",
        )
        .fetch_one(&database)
        .await
        .unwrap();
        assert!(cut > 0, "there was a connection to cut");
    }
    crowd.writes_for_a_while().await;
    crowd.stop().await;
    all_is_well(&app, &crowd, &database).await;
}
