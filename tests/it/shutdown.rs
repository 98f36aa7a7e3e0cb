//! How the server ends: what has begun is finished, nothing new begins.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tests::{TestApp, events};
use uuid::Uuid;

use crate::processes::{eventually, is_alive};

/// An append whose body comes in two parts.
struct SlowUpload {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl SlowUpload {
    fn begin(app: &TestApp, session: Uuid) -> Self {
        let body = json!({ "events": [events::session_start(session)] }).to_string();
        let (first, rest) = body.as_bytes().split_at(body.len() / 2);
        let mut connection = connect(app).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            connection,
            "POST /v1/sessions/{session}/events HTTP/1.1\r\nhost: exhibit\r\n\
             authorization: Bearer {}\r\ncontent-type: application/json\r\n\
             expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            app.key,
            body.len(),
        )
        .unwrap();
        // The server asks for the body, so the request is in its hands.
        let mut asked = [0; 25];
        connection.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        connection.write_all(first).unwrap();
        Self { connection, rest: rest.to_vec() }
    }

    fn finish(mut self) -> String {
        self.connection.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn connect(app: &TestApp) -> std::io::Result<TcpStream> {
    TcpStream::connect(app.url.strip_prefix("http://").unwrap())
}

fn terminate(app: &TestApp) {
    kill(Pid::from_raw(i32::try_from(app.pid()).unwrap()), Signal::SIGTERM).unwrap();
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_no_new_one_begins() {
    let mut app = TestApp::start().await;
    let session = app.start_session().await;
    let upload = SlowUpload::begin(&app, session);
    terminate(&app);
    eventually("new connections are refused", 5, async || connect(&app).is_err()).await;
    assert!(is_alive(app.pid()), "it waits for the upload");
    let answer = upload.finish();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(app.ended().success());
    app.resume();
    assert_eq!(app.session(session).await["event_count"], 1);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let mut app = TestApp::start_with(&[("EXHIBIT_SHUTDOWN_SECONDS_MAX", "1")]).await;
    let session = app.start_session().await;
    let upload = SlowUpload::begin(&app, session);
    let begun = Instant::now();
    terminate(&app);
    let pid = app.pid();
    eventually("the server ends", 10, async || !is_alive(pid)).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "not before the time is over");
    assert!(app.ended().success());
    drop(upload);
    app.resume();
    assert_eq!(app.session(session).await["event_count"], 0, "nothing by half");
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_the_server() {
    let mut app = TestApp::start().await;
    let _ = app.get("/health").await.expect(200);
    let idle = connect(&app).unwrap();
    terminate(&app);
    let pid = app.pid();
    eventually("the server ends", 5, async || !is_alive(pid)).await;
    assert!(app.ended().success());
    drop(idle);
}
