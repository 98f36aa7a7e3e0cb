//! Taking a batch into the chain: retries, gaps, drops, the hash chain itself.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    Append, Chain, EventsAppended, IngestMode, Phase, Session, SessionError, SessionEvent,
    StoredEvent,
};
use crate::evidence::canonical;
use crate::evidence::event_type::EventType;
use crate::evidence::intake::IncomingEvent;
use crate::evidence::record::{ChainAuthority, EventBody, Record, SchemaVersion, format_micros};
use crate::evidence::refusal::{IngestRefusal, Refusal, SchemaComplaint};
use crate::hash::Hash;
use crate::judgement::EVENTS_CONTROL;

/// `LOG_DROP` events that one session may hold.
pub(super) const LOG_DROPS_MAX: u64 = 100;
/// `LOG_DROP` events that clients may send to a session within a minute.
pub(super) const CLIENT_LOG_DROPS_PER_MINUTE_MAX: u64 = 10;
/// Events that a session may report as dropped, all in all.
pub(super) const DROPPED_EVENTS_MAX: u64 = 10_000;

impl Session {
    /// All of the batch, or none of it: an error leaves nothing.
    pub(super) fn append(&self, append: &Append) -> Result<Vec<SessionEvent>, SessionError> {
        let chain = self.chain()?;
        self.check_open(chain, append)?;
        let fresh = chain.skip_stored(append)?;
        if fresh.is_empty() {
            return Ok(vec![]);
        }
        if self.phase == Phase::Ended && !chain.may_follow_end(&fresh[0]) {
            return Err(closed(chain, "ended").into());
        }
        let skipped = append.events.len() - fresh.len();
        check_ids_within(fresh, skipped)?;
        let mut growth = Growth::of(chain, append);
        for (offset, event) in fresh.iter().enumerate() {
            growth.take(event, skipped + offset)?;
        }
        let event = EventsAppended::of(growth.records, growth.dropped, growth.filled, append.at);
        Ok(event.map(SessionEvent::Appended).into_iter().collect())
    }

    fn check_open(&self, chain: &Chain, append: &Append) -> Result<(), IngestRefusal> {
        match self.status(append.at, append.idle_max) {
            "active" => Ok(()),
            status => Err(closed(chain, status)),
        }
    }
}

fn closed(chain: &Chain, status: &'static str) -> IngestRefusal {
    Refusal::SessionClosed { session_id: chain.session_id, status }.whole()
}

/// One id twice in a batch is refused here; the store refuses an id that an earlier batch has used.
fn check_ids_within(fresh: &[IncomingEvent], skipped: usize) -> Result<(), SessionError> {
    let mut ids: Vec<(Uuid, usize)> =
        fresh.iter().enumerate().map(|(i, e)| (e.body.event_id, i)).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let refusal = Refusal::EventIdConflict { event_id: pair[1].0 };
        return Err(refusal.at(skipped + pair[1].1).into());
    }
    Ok(())
}

impl Chain {
    /// The part of the batch that is not stored yet. What is, must be what was stored.
    fn skip_stored<'e>(&self, append: &'e Append) -> Result<&'e [IncomingEvent], SessionError> {
        let events = append.events.as_ref();
        let first = events.first().map_or(0, |e| e.body.sequence_number);
        let known = events.iter().take_while(|e| e.body.sequence_number < self.next_sequence);
        // A permissive batch may have had gaps, which were filled when it came first.
        let gaps_allowed = self.mode == IngestMode::Permissive;
        let (mut skipped, mut expected) = (0, first);
        for event in known {
            let sequence = event.body.sequence_number;
            let in_order = sequence == expected || gaps_allowed && sequence > expected;
            let stored = append.stored.iter().find(|s| s.sequence_number == sequence);
            if !in_order || !stored.is_some_and(|s| self.repeats(event, s, append.at)) {
                return Err(self.rewind(sequence, skipped).into());
            }
            skipped += 1;
            expected = sequence + 1;
        }
        Ok(&events[skipped..])
    }

    /// Whether an event is the stored one once more, and an SDK claims of it what is stored.
    fn repeats(&self, event: &IncomingEvent, stored: &StoredEvent, at: DateTime<Utc>) -> bool {
        let (prev, hash) = (stored.prev_event_hash, stored.event_hash);
        let claims_it =
            event.claimed.is_none_or(|c| (c.prev_event_hash, c.event_hash) == (prev, hash));
        claims_it && Record::chain(event.body.clone(), self.session_id, prev, at).event_hash == hash
    }

    /// After `SESSION_END` nothing comes from a client but the seal of an `sdk` session.
    fn may_follow_end(&self, event: &IncomingEvent) -> bool {
        self.authority == ChainAuthority::Sdk && event.body.event_type == EventType::CHAIN_SEAL
    }

    fn rewind(&self, received_sequence: u64, index: usize) -> IngestRefusal {
        let last_sequence = self.next_sequence.saturating_sub(1);
        Refusal::SequenceRewind { last_sequence, received_sequence }.at(index)
    }

    /// Folds an append into the closed-form state.
    pub(super) fn grow(&mut self, appended: &EventsAppended) {
        self.next_sequence = appended.last_sequence + 1;
        self.head_hash = Some(appended.head_hash);
        self.has_session_end |= appended.ends();
        self.total_drops += appended.dropped;
        self.log_drops += appended.log_drops();
        let from_client = appended.log_drops() - appended.filled;
        if from_client > 0 {
            let (since, count) = open_window(self.drop_window, appended.at);
            self.drop_window = Some((since, count + from_client));
        }
        self.last_activity = appended.at;
    }
}

/// The running minute, or a new one.
fn open_window(window: Option<(DateTime<Utc>, u64)>, at: DateTime<Utc>) -> (DateTime<Utc>, u64) {
    window
        .filter(|(since, _)| at - since < TimeDelta::minutes(1) && *since <= at)
        .unwrap_or((at, 0))
}

/// A batch while it becomes records.
struct Growth<'c> {
    chain: &'c Chain,
    limits: &'c [(String, u64)],
    id_seed: Uuid,
    at: DateTime<Utc>,
    next_sequence: u64,
    head: Option<Hash>,
    /// `SESSION_END` stands in the chain, or has been taken.
    ended: bool,
    /// A client's seal has been taken.
    sealed: bool,
    log_drops: u64,
    client_drops_in_window: u64,
    dropped: u64,
    filled: u64,
    records: Vec<Record>,
}

impl<'c> Growth<'c> {
    fn of(chain: &'c Chain, append: &'c Append) -> Self {
        Self {
            chain,
            limits: &append.session_limits,
            id_seed: append.id_seed,
            at: append.at,
            next_sequence: chain.next_sequence,
            head: chain.head_hash,
            ended: chain.has_session_end,
            sealed: false,
            log_drops: chain.log_drops,
            client_drops_in_window: open_window(chain.drop_window, append.at).1,
            dropped: 0,
            filled: 0,
            records: Vec::with_capacity(append.events.len()),
        }
    }

    fn take(&mut self, event: &IncomingEvent, index: usize) -> Result<(), IngestRefusal> {
        if self.sealed || self.ended && !self.chain.may_follow_end(event) {
            return Err(Refusal::SessionClosed {
                session_id: self.chain.session_id,
                status: if self.sealed { "sealed" } else { "ended" },
            }
            .at(index));
        }
        let received = event.body.sequence_number;
        if received < self.next_sequence {
            let last_sequence = self.next_sequence - 1;
            return Err(
                Refusal::SequenceRewind { last_sequence, received_sequence: received }.at(index)
            );
        }
        if received > self.next_sequence {
            self.fill_gap(received, index)?;
        }
        if event.body.event_type == EventType::LOG_DROP {
            self.count_drop(event.dropped, true, index)?;
        }
        self.check_claim(event, index)?;
        self.check_limits(event, index)?;
        self.ended |= event.body.event_type == EventType::SESSION_END;
        self.sealed |= event.body.event_type == EventType::CHAIN_SEAL;
        self.push(event.body.clone());
        Ok(())
    }

    fn push(&mut self, body: impl Into<Arc<EventBody>>) {
        let record = Record::chain(body, self.chain.session_id, self.head, self.at);
        self.head = Some(record.event_hash);
        self.next_sequence += 1;
        self.records.push(record);
    }

    fn fill_gap(&mut self, received: u64, index: usize) -> Result<(), IngestRefusal> {
        if self.next_sequence == 0 {
            return Err(Refusal::InvalidFirstSequence { received }.at(index));
        }
        // A server cannot fill a chain that the SDK computes: its hashes are the SDK's.
        if self.chain.mode == IngestMode::Strict || self.chain.authority == ChainAuthority::Sdk {
            return Err(Refusal::LogGap {
                expected_sequence: self.next_sequence,
                received_sequence: received,
            }
            .at(index));
        }
        while self.next_sequence < received {
            self.count_drop(1, false, index)?;
            self.filled += 1;
            let body = self.filler();
            self.push(body);
        }
        Ok(())
    }

    fn count_drop(
        &mut self,
        dropped: u64,
        client: bool,
        index: usize,
    ) -> Result<(), IngestRefusal> {
        self.log_drops += 1;
        self.dropped += dropped;
        self.client_drops_in_window += u64::from(client);
        let limits = [
            ("log_drops_per_session", self.log_drops, LOG_DROPS_MAX),
            (
                "client_log_drops_per_minute",
                self.client_drops_in_window,
                CLIENT_LOG_DROPS_PER_MINUTE_MAX,
            ),
            ("dropped_events", self.chain.total_drops + self.dropped, DROPPED_EVENTS_MAX),
        ];
        // The minute's limit is the client's: a filler must not fail because clients were busy.
        let broken = limits
            .into_iter()
            .find(|(name, count, max)| count > max && (client || *name != limits[1].0));
        match broken {
            None => Ok(()),
            Some((control, _, limit)) => {
                Err(Refusal::PolicyLimit { policy: "log-drop".to_owned(), control, limit }
                    .at(index))
            }
        }
    }

    /// The `LOG_DROP` that stands for one missing number.
    fn filler(&self) -> EventBody {
        let sequence = self.next_sequence;
        // The keys stand sorted here, whichever way serde_json's features keep them.
        let payload = json!({
            "cumulative_drops": self.chain.total_drops + self.dropped,
            "drop_reason": "SEQUENCE_GAP",
            "dropped_count": 1,
            "sequence_range": [sequence, sequence],
        });
        let payload = payload.to_string();
        EventBody {
            event_id: Uuid::new_v5(&self.id_seed, &sequence.to_be_bytes()),
            sequence_number: sequence,
            timestamp_wall: format_micros(self.at),
            event_type: EventType::LOG_DROP,
            payload_hash: canonical::payload_hash(payload.as_bytes()),
            payload,
            timestamp_monotonic: None,
            source_sdk_ver: None,
            schema_ver: SchemaVersion::V06,
            actor_id: None,
        }
    }

    /// A session takes no more events than the policies in force allow; its seal always may come.
    fn check_limits(&self, event: &IncomingEvent, index: usize) -> Result<(), IngestRefusal> {
        if event.body.event_type == EventType::CHAIN_SEAL {
            return Ok(());
        }
        let broken = self.limits.iter().find(|(_, limit)| self.next_sequence >= *limit);
        match broken {
            None => Ok(()),
            Some((policy, limit)) => {
                let (policy, control) = (policy.clone(), EVENTS_CONTROL);
                Err(Refusal::PolicyLimit { policy, control, limit: *limit }.at(index))
            }
        }
    }

    /// In an `sdk` session the client's hashes must be those of the chain.
    fn check_claim(&self, event: &IncomingEvent, index: usize) -> Result<(), IngestRefusal> {
        let Some(claim) = &event.claimed else { return Ok(()) };
        let written = |hash: Option<Hash>| hash.map_or("null".to_owned(), |hash| hash.to_string());
        let wrong = |field: &str, expected: Option<Hash>, received: Option<Hash>| {
            let complaint = SchemaComplaint::field(field, &written(expected), &written(received));
            Err(Refusal::Schema(complaint).at(index))
        };
        if claim.prev_event_hash != self.head {
            return wrong("prev_event_hash", self.head, claim.prev_event_hash);
        }
        let computed = Record::chain(event.body.clone(), self.chain.session_id, self.head, self.at);
        if claim.event_hash != computed.event_hash {
            return wrong("event_hash", Some(computed.event_hash), Some(claim.event_hash));
        }
        Ok(())
    }
}
