//! What tests do with violations.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp};

impl TestApp {
    /// All violations of a list with this query, the latest found first, once all is judged.
    ///
    /// # Panics
    /// When a page is refused.
    pub async fn violations(&self, query: &str) -> Vec<Value> {
        self.settle().await;
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/violations?limit=500{query}{cursor}");
            let page = self.get(&path).await.expect(200).body;
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The only violation of a list.
    ///
    /// # Panics
    /// When there is none, or another.
    pub async fn only_violation(&self, query: &str) -> Value {
        let mut all = self.violations(query).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// A command on a violation.
    ///
    /// # Panics
    /// When the violation has no id.
    pub async fn act(&self, violation: &Value, command: &str, body: &Value) -> Answer {
        let id = violation["violation_id"].as_str().unwrap();
        self.post(&format!("/v1/violations/{id}/{command}"), body).await
    }

    /// One violation with its actions.
    ///
    /// # Panics
    /// When there is none.
    pub async fn violation(&self, violation: &Value) -> Value {
        let id = violation["violation_id"].as_str().unwrap();
        self.get(&format!("/v1/violations/{id}")).await.expect(200).body
    }

    /// Moves the server's clock: it must have been started with the clock's file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn travel_to(&self, seconds: i64) {
        let file = self.data().join("clock");
        let next = self.data().join("clock.next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(next, file).unwrap();
    }

    /// Starts a server whose clock tests can move.
    pub async fn start_with_clock() -> Self {
        Self::start_with(&[("EXHIBIT_CLOCK_OFFSET_FILE", "{data}/clock")]).await
    }
}

/// A policy under which tools other than `look_up_order` are not to be called.
pub fn tool_policy(version: &str) -> Value {
    json!({
        "name": "tool-access", "version": version, "owner": "security@example.org",
        "sla_hours": 24, "applies_to": ["TOOL_CALL"],
        "controls": [{
            "id": "allowed-tools", "severity": "critical", "description": "Only reviewed tools.",
            "rules": [{
                "id": "on-the-list", "left": "payload.tool_name", "op": "in",
                "right": ["look_up_order"],
            }],
            "expression": { "op": "and", "items": [{ "rule": "on-the-list" }] },
        }],
    })
}
