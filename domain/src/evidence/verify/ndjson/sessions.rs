//! The records of many sessions, interleaved: what two records of one session say of each other.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::super::chain::{check_genesis, check_hashes, check_link};
use super::super::fields::{Field, Fields};
use super::super::finding::{Code, Findings, Place};
use super::super::members;
use crate::evidence::record::ChainAuthority;
use crate::hash::Hash;

/// Sessions whose last record is remembered: some 100 bytes each.
pub const SESSIONS_MAX: usize = 1_000_000;

/// The last record of a session.
#[derive(Debug)]
struct Last {
    sequence: u64,
    /// Computed; none when it could not be.
    hash: Option<Hash>,
    authority: Option<ChainAuthority>,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    last: HashMap<Uuid, Last>,
    /// No filter leaves a record of a session out, so that numbers must count from 0.
    whole: bool,
    /// Records that were linked to the one before.
    pub(super) linked: u64,
    /// Records of sessions beyond the bound.
    pub(super) beyond: u64,
    /// Reused for the canonical form of each payload.
    payload: Vec<u8>,
}

impl Sessions {
    pub(super) fn expect_whole_sessions(&mut self, whole: bool) {
        self.whole = whole;
    }

    pub(super) fn len(&self) -> u64 {
        self.last.len() as u64
    }

    /// Recomputes a record's hashes and compares it with the one before it in its session.
    pub(super) fn push(&mut self, fields: &Fields<'_>, flawed: bool, findings: &mut Findings) {
        self.payload.clear();
        let hash = if flawed { None } else { check_hashes(fields, &mut self.payload, findings) };
        let Some(text) = fields.text(Field::SessionId) else { return };
        let Ok(session) = Uuid::try_parse(text) else {
            let value = fields.get(Field::SessionId);
            return members::not_what_it_must_be(value, "session_id", "UUID", findings);
        };
        let at = fields.place();
        let Some(sequence) = at.sequence_number else { return };
        let authority = fields.text(Field::ChainAuthority).and_then(ChainAuthority::parse);
        let now = Last { sequence, hash, authority };
        let Some(before) = self.last.get_mut(&session) else {
            // A first record of its session is the first of all only where nothing is left out.
            if self.whole || sequence == 0 || fields.get(Field::PrevEventHash).is_none_or(is_null) {
                check_genesis(fields, findings);
            }
            if self.last.len() < SESSIONS_MAX {
                self.last.insert(session, now);
            } else {
                self.beyond += 1;
            }
            return;
        };
        if authority.is_some() && before.authority.is_some() && authority != before.authority {
            findings.note(Code::MixedAuthority, at, || {
                let message = "Two authorities have written one chain.".to_owned();
                (message, json!({ "session_id": session }))
            });
        }
        if sequence == before.sequence + 1 {
            check_link(fields, before.hash, findings);
            self.linked += 1;
        } else if let Some((code, message)) = jump(before.sequence, sequence, self.whole) {
            note_jump(code, message, at, before.sequence + 1, findings);
        }
        // A record that stands too late does not set the others back.
        if sequence > before.sequence {
            *before = now;
        }
    }
}

fn is_null(value: &crate::evidence::json::Json<'_>) -> bool {
    *value == crate::evidence::json::Json::Null
}

/// What is wrong about two numbers of one session that do not follow each other.
fn jump(before: u64, now: u64, whole: bool) -> Option<(Code, &'static str)> {
    match now {
        n if n == before => Some((Code::SequenceDuplicate, "The number of the record before it.")),
        n if n < before => Some((Code::SequenceOrder, "The record stands behind later ones.")),
        _ if whole => Some((Code::SequenceGap, "Records are missing before this one.")),
        // The filters may have left out what is between.
        _ => None,
    }
}

fn note_jump(code: Code, message: &str, at: Place<'_>, expected: u64, findings: &mut Findings) {
    findings.note(code, at, || {
        let received = at.sequence_number;
        let details = json!({ "expected_sequence": expected, "received_sequence": received });
        (message.to_owned(), details)
    });
}
