//! What every refusal must look like, and what it must leave alone.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Answer, TestApp, events};
use uuid::Uuid;

/// A session that holds one event. Whatever is refused must leave it as it is.
pub struct Target {
    pub app: TestApp,
    pub session: Uuid,
}

impl Target {
    pub async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With further members in the session's start.
    pub async fn with(members: Value) -> Self {
        let app = TestApp::start().await;
        let session = app.start_session_with(members).await;
        let _ = app.append(session, &[events::session_start(session)]).await.expect(201);
        Self { app, session }
    }

    /// Where the session's events stand.
    pub fn path(&self) -> String {
        format!("/v1/sessions/{}/events", self.session)
    }

    /// The next valid event.
    pub fn next(&self) -> Value {
        events::tool_call(self.session, 1)
    }

    pub fn append<'a>(&'a self, events: &[Value]) -> impl Future<Output = Answer> + use<'a> {
        let body = json!({ "events": events });
        async move { self.app.post(&self.path(), &body).await }
    }

    /// Sends a body as it is, as `application/json`.
    pub async fn append_text(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.app.append_text(self.session, body).await
    }

    /// Sends a bad event (number 2) between two good ones.
    pub async fn append_amid(&self, bad: Value) -> Answer {
        self.append(&[self.next(), bad, events::tool_call(self.session, 3)]).await
    }

    /// Insists that a request is refused and changes nothing; the problem's details.
    pub async fn refuses(
        &self,
        request: impl Future<Output = Answer>,
        status: u16,
        code: &str,
    ) -> Value {
        let before = self.app.session(self.session).await;
        let details = problem(&request.await, status, code);
        assert_eq!(self.app.session(self.session).await, before, "{code} changed the session");
        details
    }

    /// Insists that the session still takes what it should.
    pub async fn lives(&self) {
        let next = self.app.session(self.session).await["next_sequence"].as_u64().unwrap();
        let event = events::tool_call(self.session, next);
        let taken = self.append(&[event]).await.expect(201);
        assert_eq!(taken.body["accepted"], 1);
        let stored = self.app.export_lines(self.session).await;
        assert_eq!(stored.lines().count() as u64, next + 1);
    }
}

/// Insists on a complete problem document; its details.
pub fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
    let body = &answer.body;
    assert_eq!(body["status"], status);
    let kind = format!("/problems/{}", code.to_lowercase().replace('_', "-"));
    assert_eq!(body["type"], kind.as_str());
    for member in ["title", "detail", "instance"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    assert!(body["instance"].as_str().is_some_and(|path| path.starts_with('/')), "{body}");
    let correlation_id = answer.headers["x-correlation-id"].to_str().unwrap();
    assert_eq!(body["correlation_id"], correlation_id);
    let known =
        ["type", "title", "status", "detail", "instance", "code", "correlation_id", "details"];
    let unknown = body.as_object().unwrap().keys().find(|name| !known.contains(&name.as_str()));
    assert_eq!(unknown, None);
    body["details"].clone()
}

/// The server's log line that holds all these texts: it is written behind the answer's back.
pub async fn logged(app: &TestApp, texts: &[&str]) -> Value {
    let line = async {
        loop {
            let log = app.log();
            if let Some(line) = log.lines().find(|line| texts.iter().all(|t| line.contains(t))) {
                return serde_json::from_str(line).expect("the log is JSON lines");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), line).await.expect("it is logged in time")
}

/// The text of an object in which one member stands as it is given, JSON or not.
pub fn with_text(object: &Value, member: &str, text: &str) -> String {
    let mut object = object.clone();
    object[member] = json!("@here@");
    object.to_string().replace("\"@here@\"", text)
}
