//! Calls of tools, joined with their results while the log goes by.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Records, Testimony};
use crate::evidence::event_type::EventType;
use crate::evidence::json::Json;
use crate::evidence::tool_access::{self, Outcome};
use crate::hash::Hash;
use crate::ids::SessionId;

/// One call, with its result when that has come.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolUse {
    pub session: SessionId,
    pub sequence_number: u64,
    pub event_id: Uuid,
    pub tool_name: String,
    pub actor_id: Option<String>,
    pub timestamp_wall: String,
    pub received_at: DateTime<Utc>,
    pub args_summary: String,
    pub join_hash: Hash,
    pub outcome: Option<Outcome>,
    /// `name@version` of the policies that applied.
    pub judged_by: Vec<String>,
    /// `policy/control` of what it broke.
    pub broken: Vec<String>,
    /// Of the append in the log.
    pub position: u64,
}

impl ToolUse {
    /// Whether the policies allowed it; nothing when none applied.
    pub fn allowed(&self) -> Option<bool> {
        (!self.judged_by.is_empty()).then_some(self.broken.is_empty())
    }
}

/// A call without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCall {
    pub sequence_number: u64,
    pub join_hash: Hash,
}

/// The result of a call that was stored before.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    pub session: SessionId,
    /// Of the call.
    pub sequence_number: u64,
    pub outcome: Outcome,
}

/// Which policies applied to an event, and what it broke.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub judged_by: Vec<String>,
    pub broken: Vec<String>,
}

/// The calls of the sessions that go by.
pub(super) struct Calls {
    open: HashMap<SessionId, Vec<OpenCall>>,
    uses: Vec<ToolUse>,
    /// Where the calls of this matter stand in `uses`.
    places: HashMap<(SessionId, u64), usize>,
    results: Vec<ToolResult>,
}

impl Calls {
    pub fn new(open: HashMap<SessionId, Vec<OpenCall>>) -> Self {
        Self { open, uses: Vec::new(), places: HashMap::new(), results: Vec::new() }
    }

    /// Takes a record of a tool; others pass by.
    pub fn take(
        &mut self,
        records: &Records,
        record: &Testimony,
        payload: &Json<'_>,
        verdict: Verdict,
    ) {
        let session = records.session.id;
        if record.event_type == EventType::TOOL_CALL {
            let join_hash = join_hash(payload);
            let call = OpenCall { sequence_number: record.sequence_number, join_hash };
            self.open.entry(session).or_default().push(call);
            self.places.insert((session, record.sequence_number), self.uses.len());
            self.uses.push(ToolUse {
                session,
                sequence_number: record.sequence_number,
                event_id: record.event_id,
                tool_name: tool_access::tool_name(payload),
                actor_id: record.actor_id.clone(),
                timestamp_wall: record.timestamp_wall.clone(),
                received_at: record.received_at,
                args_summary: tool_access::args_summary(payload),
                join_hash,
                outcome: None,
                judged_by: verdict.judged_by,
                broken: verdict.broken,
                position: records.position,
            });
        } else if record.event_type == EventType::TOOL_RESULT {
            self.close(session, join_hash(payload), Outcome::of(payload));
        }
    }

    /// The oldest open call that has the same join is answered.
    fn close(&mut self, session: SessionId, join: Hash, outcome: Outcome) {
        let Some(open) = self.open.get_mut(&session) else { return };
        let Some(at) = open.iter().position(|call| call.join_hash == join) else { return };
        let sequence_number = open.remove(at).sequence_number;
        let place = self.places.get(&(session, sequence_number));
        match place.and_then(|place| self.uses.get_mut(*place)) {
            Some(call) => call.outcome = Some(outcome),
            None => self.results.push(ToolResult { session, sequence_number, outcome }),
        }
    }

    /// Calls of a session that wait for a result.
    pub fn open(&self, session: SessionId) -> &[OpenCall] {
        self.open.get(&session).map_or(&[], Vec::as_slice)
    }

    pub fn finish(self) -> (Vec<ToolUse>, Vec<ToolResult>) {
        (self.uses, self.results)
    }
}

fn join_hash(payload: &Json<'_>) -> Hash {
    Hash::of(tool_access::join_key(payload).as_bytes())
}
