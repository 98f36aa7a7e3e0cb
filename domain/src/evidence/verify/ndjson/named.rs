//! Under a policy filter each event is there because a violation names it.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::super::fields::{Field, Fields};
use super::super::finding::{Code, Findings, Place};
use crate::evidence::json::Json;

/// Events that are held until a violation names them: some 40 bytes each.
pub const NAMED_MAX: usize = 1_000_000;
/// Findings beyond would repeat themselves.
const TOLD_MAX: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Named {
    /// By session and number.
    waiting: BTreeSet<(Uuid, u64)>,
    /// Events that were not held.
    pub(super) beyond: u64,
}

impl Named {
    pub(super) fn expect(&mut self, fields: &Fields<'_>) {
        let session = fields.text(Field::SessionId).and_then(|id| Uuid::try_parse(id).ok());
        let (Some(session), Some(number)) = (session, fields.sequence_number()) else { return };
        if self.waiting.len() < NAMED_MAX {
            self.waiting.insert((session, number));
        } else {
            self.beyond += 1;
        }
    }

    /// Takes the event that a violation names off the list.
    pub(super) fn name(&mut self, violation: &Json<'_>) {
        let session = violation.get("session_id").and_then(Json::as_str);
        let session = session.and_then(|id| Uuid::try_parse(id).ok());
        let number = violation.get("sequence_number").and_then(Json::as_integer);
        if let Some(key) = session.zip(number) {
            self.waiting.remove(&key);
        }
    }

    pub(super) fn conclude(&self, findings: &mut Findings) {
        for (session, number) in self.waiting.iter().take(TOLD_MAX) {
            let at = Place { sequence_number: Some(*number), event_id: None };
            findings.note(Code::MetadataMismatch, at, || {
                let message = "No violation names this event, which the policy filter let in.";
                let details = json!({
                    "field": "filters.policy", "session_id": session, "unnamed": self.waiting.len(),
                });
                (message.to_owned(), details)
            });
        }
    }
}
