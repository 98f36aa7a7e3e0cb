//! Writers that commit items at a rate, and note when.

use std::time::{Duration, Instant};

use application::Ids;
use infrastructure::system::SystemIds;
use serde_json::json;

use crate::Outcome;
use crate::http::{Client, number_after};
use crate::server::Place;

/// An item, and when its writer had asked for it and was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) position: u64,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// Writes one item at a time.
pub(crate) trait Write: Send + 'static {
    /// The position of the item.
    fn write(&mut self) -> impl Future<Output = Outcome<u64>> + Send;
}

/// Commits so many items a second for a while, the writers in turn. A writer that is late goes on
/// at once: the rate is what is asked for as long as the server keeps up with it.
pub(crate) async fn pace<W: Write>(
    writers: Vec<W>,
    rate: f64,
    time: Duration,
) -> Outcome<Vec<Commit>> {
    let pause = Duration::from_secs_f64(writers.len() as f64 / rate);
    let began = Instant::now();
    let turn = |index: usize| began + Duration::from_secs_f64(index as f64 / rate);
    let tasks: Vec<_> = (writers.into_iter().enumerate())
        .map(|(index, writer)| tokio::spawn(keep_writing(writer, turn(index), pause, began + time)))
        .collect();
    let mut commits = Vec::new();
    for task in tasks {
        commits.extend(task.await??);
    }
    Ok(commits)
}

async fn keep_writing<W: Write>(
    mut writer: W,
    mut turn: Instant,
    pause: Duration,
    end: Instant,
) -> Outcome<Vec<Commit>> {
    let mut commits = Vec::new();
    while turn < end && Instant::now() < end {
        tokio::time::sleep_until(turn.into()).await;
        let sent = Instant::now();
        let position = writer.write().await?;
        commits.push(Commit { position, sent, answered: Instant::now() });
        turn += pause;
    }
    Ok(commits)
}

/// Appends one event at a time to a session of its own.
pub(crate) struct Appender {
    client: Client,
    session: String,
    head: String,
    next: u64,
}

impl Appender {
    pub(crate) async fn start(place: &Place) -> Outcome<Self> {
        let mut client = Client::connect(&place.address).await?;
        let session = SystemIds.uuid().to_string();
        let common = format!(
            "HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
            place.address, place.key
        );
        let body = json!({ "session_id": session, "agent_id": "bench" }).to_string();
        let request =
            format!("POST /v1/sessions {common}content-length: {}\r\n\r\n{body}", body.len());
        client.exchange(request.as_bytes()).await?;
        let head = format!("POST /v1/sessions/{session}/events {common}content-length: ");
        Ok(Self { client, session, head, next: 0 })
    }
}

impl Write for Appender {
    async fn write(&mut self) -> Outcome<u64> {
        let event = json!({
            "event_id": SystemIds.uuid(), "session_id": self.session, "sequence_number": self.next,
            "timestamp_wall": "2026-03-01T09:00:00.123456+01:00", "event_type": "TOOL_CALL",
            "actor_id": "ada@example.org", "source_sdk_ver": "bench-1.0",
            "payload": { "tool_name": "look_up_order", "args": {
                "order_id": format!("ORD-{}", self.next), "amount": 12.5, "express": false,
                "note": "deliver to the side door, please" } },
        })
        .to_string();
        let request = format!("{}{}\r\n\r\n{event}", self.head, event.len());
        let answer = self.client.exchange(request.as_bytes()).await?;
        self.next += 1;
        Ok(number_after(answer, "\"position\":").ok_or("an answer without a position")?)
    }
}
