//! Clients that hang up, stall, or do not speak HTTP.

use std::time::Duration;

use tests::events;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::refusing::Target;

/// Longer than the server waits for a request's head.
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_body_cut_by_hanging_up_stores_nothing() {
    let target = Target::new().await;
    let body = serde_json::json!({ "events": events::tool_calls(target.session, 1, 50) });
    let body = body.to_string();
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        let mut socket = connect(&target).await;
        let head = head(&target, &format!("content-length: {}", body.len()));
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&body.as_bytes()[..sent]).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap();
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        assert_eq!(target.app.session(target.session).await["event_count"], 1);
    }
    // The same body, sent whole, is taken: the cuts have left nothing in its way.
    let _ = target.append_text(body).await.expect(201);
    target.lives().await;
}

#[tokio::test]
async fn a_chunked_body_without_its_end_stores_nothing() {
    let target = Target::new().await;
    let body = target.next().to_string();
    let mut socket = connect(&target).await;
    let head = head(&target, "transfer-encoding: chunked");
    let chunk = format!("{head}{:x}\r\n{body}\r\n", body.len());
    socket.write_all(chunk.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap();

    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert_eq!(target.app.session(target.session).await["event_count"], 1);
    target.lives().await;
}

#[tokio::test]
async fn what_is_no_http_ends_its_own_connection_alone() {
    let target = Target::new().await;
    let huge_header = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500));
    for garbage in [
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
        "HELLO\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        &huge_header,
        &many_headers,
    ] {
        let mut socket = connect(&target).await;
        let _ = socket.write_all(garbage.as_bytes()).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    target.lives().await;
}

#[tokio::test]
async fn clients_that_dawdle_over_their_headers_block_nobody_and_are_cut_off() {
    let target = Target::new().await;
    let mut dawdlers = Vec::new();
    for _ in 0..200 {
        let mut socket = connect(&target).await;
        socket.write_all(b"POST /v1/sessions HTTP/1.1\r\nhost: exhi").await.unwrap();
        dawdlers.push(socket);
    }

    timeout(Duration::from_secs(10), target.lives()).await.expect("others are served meanwhile");

    for mut socket in dawdlers {
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("cut off");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    target.lives().await;
}

async fn connect(target: &Target) -> TcpStream {
    let address = target.app.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// The head of an append, up to its body.
fn head(target: &Target, length: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: exhibit\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n{length}\r\n\r\n",
        target.path(),
        target.app.key
    )
}
