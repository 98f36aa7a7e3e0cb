//! Just as much HTTP/1.1 as the bench needs: what measures must cost less than what it measures.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// A server that starts is waited for.
const CONNECT_MAX: Duration = Duration::from_secs(20);
const CONNECT_AGAIN: Duration = Duration::from_millis(5);

/// One request at a time over one connection.
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Outcome<Self> {
        let stream = connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(4 * 1024) })
    }

    /// Sends a request; the answer's body. Anything but success is an error.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Outcome<&str> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let (is_success, body) = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(end) = memchr::memmem::find(&self.answer, b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.answer[..end])?.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|t| t.split("\r\n").next());
            let length: usize = length.ok_or("an answer without a length")?.parse()?;
            if self.answer.len() >= end + 4 + length {
                break (head.starts_with("http/1.1 2"), end + 4);
            }
        };
        let body = std::str::from_utf8(&self.answer[body..])?;
        if is_success { Ok(body) } else { Err(format!("refused: {body}").into()) }
    }
}

/// The first number after a name in a JSON document.
pub(crate) fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.split_once(name)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Connects, once there is somebody to connect to.
pub(crate) async fn connect(address: &str) -> Outcome<TcpStream> {
    let began = Instant::now();
    loop {
        match TcpStream::connect(address).await {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused
                    && began.elapsed() < CONNECT_MAX =>
            {
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
            connected => return Ok(connected?),
        }
    }
}
