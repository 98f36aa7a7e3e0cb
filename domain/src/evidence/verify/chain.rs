//! The chain: numbers that count, hashes that are recomputed, each naming the one before.

use serde_json::json;

use super::fields::{Field, Fields};
use super::finding::{Code, Findings, Place};
use crate::evidence::canonical;
use crate::evidence::json::Json;
use crate::evidence::record::{HashedFields, event_hash};
use crate::hash::Hash;

/// Where the chain stands, by computed hashes alone.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) records: u64,
    last_sequence: Option<u64>,
    pub(super) first_hash: Option<Hash>,
    /// Computed hash of the last record; none when that could not be computed.
    pub(super) head: Option<Hash>,
    /// Reused for the canonical form of each payload.
    payload: Vec<u8>,
}

impl Chain {
    /// A record that cannot be read takes its place without a hash: one fault, one finding.
    pub(super) fn skip(&mut self) {
        self.advance(None, None);
    }

    /// Checks a record against its own hashes and the one before it. A `flawed` record has no
    /// faithful canonical form, hence no hash.
    pub(super) fn push(&mut self, fields: &Fields<'_>, flawed: bool, findings: &mut Findings) {
        let at = fields.place();
        if self.records == 0 {
            check_genesis(fields, findings);
        } else {
            self.check_sequence(at, findings);
            check_link(fields, self.head, findings);
        }
        self.payload.clear();
        let computed =
            if flawed { None } else { check_hashes(fields, &mut self.payload, findings) };
        self.advance(at.sequence_number, computed);
    }

    /// Canonical payload of the record that was pushed last.
    pub(super) fn last_payload(&self) -> &[u8] {
        &self.payload
    }

    fn advance(&mut self, sequence: Option<u64>, hash: Option<Hash>) {
        if self.records == 0 {
            self.first_hash = hash;
        }
        self.records += 1;
        self.head = hash;
        self.last_sequence = sequence.or(Some(self.last_sequence.map_or(0, |last| last + 1)));
    }

    /// After a jump the record's own number counts, so that one deletion makes one gap.
    fn check_sequence(&self, at: Place<'_>, findings: &mut Findings) {
        let (Some(last), Some(received)) = (self.last_sequence, at.sequence_number) else { return };
        let expected = last + 1;
        let (code, message) = match received {
            n if n == expected => return,
            n if n > expected => (Code::SequenceGap, "Records are missing before this one."),
            n if n == last => (Code::SequenceDuplicate, "The number of the record before it."),
            _ => (Code::SequenceOrder, "The record stands behind later ones."),
        };
        findings.note(code, at, || {
            let details = json!({ "expected_sequence": expected, "received_sequence": received });
            (message.to_owned(), details)
        });
    }
}

/// Compares the hash that a record names with the computed hash of the record before it.
pub(super) fn check_link(fields: &Fields<'_>, head: Option<Hash>, findings: &mut Findings) {
    let Some(received) = fields.get(Field::PrevEventHash) else { return };
    // What cannot be hashed has its finding already.
    let Some(head) = head else { return };
    if !is_hex_of(received, &head) {
        findings.note(Code::ChainBroken, fields.place(), || {
            let message = "prev_event_hash is not the hash of the record before.".to_owned();
            (message, json!({ "expected": head, "received": received.describe() }))
        });
    }
}

/// Recomputes both hashes of a record, with its canonical payload left in `payload`. The chain goes
/// on with what was computed.
pub(super) fn check_hashes(
    fields: &Fields<'_>,
    payload: &mut Vec<u8>,
    findings: &mut Findings,
) -> Option<Hash> {
    let at = fields.place();
    canonical::write(fields.get(Field::Payload)?, payload);
    let payload_hash = canonical::payload_hash(payload);
    let claim = fields.get(Field::PayloadHash);
    if let Some(received) = claim.filter(|claim| !is_hex_of(claim, &payload_hash)) {
        findings.note(Code::PayloadHashMismatch, at, || {
            let message = "payload_hash is not the hash of the payload.".to_owned();
            (message, json!({ "expected": payload_hash, "received": received.describe() }))
        });
    }
    let prev_event_hash = match fields.get(Field::PrevEventHash)? {
        Json::Null => None,
        value => Some(Hash::from_hex(value.as_str()?)?),
    };
    let computed = event_hash(&HashedFields {
        event_id: fields.text(Field::EventId)?,
        event_type: fields.text(Field::EventType)?,
        payload_hash: &payload_hash,
        prev_event_hash: prev_event_hash.as_ref(),
        sequence_number: at.sequence_number?,
        session_id: fields.text(Field::SessionId)?,
        timestamp_wall: fields.text(Field::TimestampWall)?,
    });
    let claim = fields.get(Field::EventHash);
    if let Some(received) = claim.filter(|claim| !is_hex_of(claim, &computed)) {
        findings.note(Code::EventHashMismatch, at, || {
            let message = "event_hash is not the hash of the record.".to_owned();
            (message, json!({ "expected": computed, "received": received.describe() }))
        });
    }
    Some(computed)
}

pub(super) fn check_genesis(fields: &Fields<'_>, findings: &mut Findings) {
    let at = fields.place();
    let prev = fields.get(Field::PrevEventHash);
    let first = at.sequence_number.is_none_or(|n| n == 0);
    if first && prev.is_none_or(|prev| *prev == Json::Null) {
        return;
    }
    findings.note(Code::InvalidGenesis, at, || {
        let message = "A chain begins with number 0 and no hash before it.".to_owned();
        let prev = prev.map(Json::describe);
        (message, json!({ "sequence_number": at.sequence_number, "prev_event_hash": prev }))
    });
}

/// Whether a claimed hash is this one, in the one way that records write it: lower case. Another
/// case would be a change that no hash covers in the seal's own record.
pub(super) fn is_hex_of(claim: &Json<'_>, hash: &Hash) -> bool {
    claim.as_str().is_some_and(|text| text.as_bytes() == hash.hex())
}
