//! A reader of server-sent events, as strict as the specification (WHATWG HTML, section 9.2.6).

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// A frame that does not come within this time does not come.
const FRAME_WAIT_MAX: Duration = Duration::from_secs(10);

/// What stood between two blank lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    pub id: Option<String>,
    /// None of an item: those have no name.
    pub event: Option<String>,
    /// None of a checkpoint.
    pub data: Option<Value>,
    pub retry: Option<u64>,
    /// Of a heartbeat.
    pub comment: Option<String>,
}

impl Frame {
    pub fn is(&self, event: &str) -> bool {
        self.event.as_deref() == Some(event)
    }

    pub fn is_item(&self) -> bool {
        self.event.is_none() && self.data.is_some()
    }

    /// A checkpoint comes without data, and once more with a name for readers who need one.
    pub fn is_checkpoint(&self) -> bool {
        self.id.is_some() && (self.is("checkpoint") || self.event.is_none() && self.data.is_none())
    }

    /// A member of the data.
    ///
    /// # Panics
    /// When there is no data.
    pub fn get(&self, member: &str) -> &Value {
        &self.data.as_ref().expect("a frame with data")[member]
    }

    /// The position that the id names.
    ///
    /// # Panics
    /// When there is no id, or it names none.
    pub fn position(&self) -> u64 {
        position(self.id.as_deref().expect("a frame with an id"))
    }
}

/// The position of a cursor.
///
/// # Panics
/// When the text is no cursor.
pub fn position(cursor: &str) -> u64 {
    cursor.rsplit('-').next().and_then(|digits| digits.parse().ok()).expect(cursor)
}

/// An open stream.
pub struct EventStream {
    response: Response,
    pub headers: HeaderMap,
    buffer: String,
    /// Bytes of a character that is not whole yet.
    rest: Vec<u8>,
    frames: VecDeque<Frame>,
}

impl EventStream {
    /// Opens a stream.
    ///
    /// # Panics
    /// When the answer is not one.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        assert_eq!(status, 200, "{}", response.text().await.unwrap_or_default());
        assert_eq!(headers["content-type"], "text/event-stream");
        let (buffer, rest, frames) = (String::new(), Vec::new(), VecDeque::new());
        Self { response, headers, buffer, rest, frames }
    }

    /// The next frame; none when the stream has ended.
    ///
    /// # Panics
    /// When neither comes in time, or the connection breaks.
    pub async fn next(&mut self) -> Option<Frame> {
        let next = timeout(FRAME_WAIT_MAX, self.read()).await;
        next.expect("a frame in time").expect("a whole connection")
    }

    /// The same, telling a broken connection from an end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn read(&mut self) -> reqwest::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.take(&chunk);
        }
    }

    /// The next frame, which is named so.
    ///
    /// # Panics
    /// When it is another one, or none comes.
    pub async fn expect(&mut self, event: &str) -> Frame {
        let frame = self.next().await.expect("a frame before the end");
        assert!(frame.is(event), "not `{event}`: {frame:?}");
        frame
    }

    /// The next item, past heartbeats and checkpoints.
    ///
    /// # Panics
    /// When something else comes, or nothing.
    pub async fn item(&mut self) -> Frame {
        loop {
            let frame = self.next().await.expect("an item before the end");
            if frame.comment.is_some() || frame.is_checkpoint() {
                continue;
            }
            assert!(frame.is_item(), "{frame:?}");
            return frame;
        }
    }

    /// So many items.
    pub async fn items(&mut self, count: usize) -> Vec<Frame> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.item().await);
        }
        items
    }

    /// Whether nothing but heartbeats and checkpoints comes for a while.
    pub async fn is_silent_for(&mut self, while_: Duration) -> bool {
        timeout(while_, self.item()).await.is_err()
    }

    fn take(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.rest.split_off(whole);
        self.buffer.push_str(std::str::from_utf8(&self.rest).unwrap_or_default());
        self.rest = rest;
        while let Some(end) = self.buffer.find("\n\n") {
            let text: String = self.buffer.drain(..end + 2).collect();
            self.frames.push_back(frame(&text));
        }
    }
}

fn frame(text: &str) -> Frame {
    let mut frame = Frame::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').expect("a field or a comment");
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => frame.comment = Some(value.to_owned()),
            "id" => frame.id = Some(value.to_owned()),
            "event" => frame.event = Some(value.to_owned()),
            "retry" => frame.retry = Some(value.parse().expect(line)),
            "data" => {
                assert!(frame.data.is_none(), "data is one line: {text}");
                frame.data = Some(serde_json::from_str(value).expect(line));
            }
            other => panic!("a field `{other}`: {text}"),
        }
    }
    frame
}
