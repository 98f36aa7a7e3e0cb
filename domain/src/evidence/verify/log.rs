//! One log, record by record, in memory that does not grow with it.

use serde_json::json;

use super::Options;
use super::chain::Chain;
use super::context::Context;
use super::drops::Drops;
use super::fields::{Field, Fields};
use super::finding::{Code, Findings, Place};
use super::redaction;
use super::report::{Format, Report};
use super::seal::{Before, SealRecord};
use super::times::Times;
use crate::evidence::canonical;
use crate::evidence::class::ClassFacts;
use crate::evidence::event_type::EventType;
use crate::evidence::json::{self, DEPTH_MAX, Document, Flaw, Json, JsonError};
use crate::evidence::merkle::MerkleTree;
use crate::evidence::record::ChainAuthority;

/// Nesting of a record, which stands around its payload.
pub const RECORD_DEPTH_MAX: usize = DEPTH_MAX + 1;

/// Verifies one log. Records are pushed in the order of the log; [`finish`](Self::finish) judges.
#[derive(Debug)]
pub struct LogVerifier<'a> {
    pub(super) options: Options<'a>,
    pub(super) findings: Findings,
    pub(super) chain: Chain,
    pub(super) context: Context,
    pub(super) drops: Drops,
    pub(super) seal: Option<SealRecord>,
    pub(super) redactions: u64,
    pub(super) has_session_end: bool,
    /// Something of the input could not be read at all.
    pub(super) unreadable: bool,
    times: Times,
    /// Over the records before the seal.
    tree: MerkleTree,
    /// Of an SDK's records as the SDK had them, without the time at which a server received them.
    sent_tree: MerkleTree,
    leaf: Vec<u8>,
    lines: usize,
}

impl<'a> LogVerifier<'a> {
    pub fn new(options: &Options<'a>) -> Self {
        Self {
            options: *options,
            findings: Findings::default(),
            chain: Chain::default(),
            context: Context::default(),
            drops: Drops::default(),
            seal: None,
            redactions: 0,
            has_session_end: false,
            unreadable: false,
            times: Times::default(),
            tree: MerkleTree::default(),
            sent_tree: MerkleTree::default(),
            leaf: Vec::with_capacity(1024),
            lines: 0,
        }
    }

    /// Takes one line of a JSONL log; an empty one is passed over.
    pub fn push_line(&mut self, line: &[u8]) {
        self.lines += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match json::parse(line, RECORD_DEPTH_MAX) {
            Ok(document) => self.push_document(&document),
            Err(error) => {
                self.not_json(&error, self.lines - 1);
                self.chain.skip();
                self.count_after_seal();
            }
        }
    }

    /// Takes one record that was read, to the depth of [`RECORD_DEPTH_MAX`].
    pub fn push_document(&mut self, document: &Document<'_>) {
        let place = place_of(&document.root);
        let flawed = self.note_flaws(&document.flaws, |_| place);
        self.push(&document.root, flawed);
    }

    /// Judges the log. `input` names it for the reader of the report.
    pub fn finish(self, input: &str, format: Format) -> Report {
        self.conclude(input, format, None)
    }

    /// Takes one record; a `flawed` one has no faithful canonical form.
    pub(super) fn push(&mut self, record: &Json<'_>, flawed: bool) {
        self.count_after_seal();
        let Json::Object(members) = record else {
            self.findings.note(Code::MissingField, Place::default(), || {
                let received = record.describe();
                let message = "A record is an object.".to_owned();
                (message, json!({ "field": "record", "expected": "object", "received": received }))
            });
            self.chain.skip();
            return;
        };
        let fields = Fields::collect(members);
        fields.check(&mut self.findings);
        self.context.check(&fields, &mut self.findings);
        self.times.check(&fields, &mut self.findings);
        let payload = fields.get(Field::Payload);
        if let Some(payload) = payload {
            self.redactions += redaction::check(payload, fields.place(), &mut self.findings);
        }
        let event_type = fields.text(Field::EventType);
        let is_seal = event_type == Some(EventType::CHAIN_SEAL.as_str());
        let before = (is_seal && self.seal.is_none()).then(|| self.before_seal());
        self.chain.push(&fields, flawed, &mut self.findings);
        if let Some(before) = before {
            self.seal = Some(SealRecord::read(
                &fields,
                self.chain.head,
                self.chain.last_payload(),
                &before,
                &mut self.findings,
            ));
        } else if is_seal {
            self.findings.note(Code::InvalidSeal, fields.place(), || {
                ("A chain has one seal.".to_owned(), json!({ "seals": "more than one" }))
            });
        }
        if self.seal.is_none() {
            self.leaf.clear();
            write_leaf(&fields, true, &mut self.leaf);
            self.tree.push(&self.leaf);
            if fields.text(Field::ChainAuthority) == Some(ChainAuthority::Sdk.as_str()) {
                self.leaf.clear();
                write_leaf(&fields, false, &mut self.leaf);
                self.sent_tree.push(&self.leaf);
            }
        }
        if event_type == Some(EventType::LOG_DROP.as_str()) {
            self.drops.push(payload, fields.place(), &mut self.findings);
        }
        self.has_session_end |= event_type == Some(EventType::SESSION_END.as_str());
    }

    /// Notes what JCS cannot carry.
    pub(super) fn note_flaws<'r>(
        &mut self,
        flaws: &[Flaw],
        place: impl Fn(&Flaw) -> Place<'r>,
    ) -> bool {
        self.findings.note_flaws(flaws, place)
    }

    /// Notes a text that is not JSON: the input counts as unreadable.
    pub(super) fn not_json(&mut self, error: &JsonError, lines_before: usize) {
        self.unreadable = true;
        self.findings.note_not_json(error, lines_before);
    }

    /// Notes a part of the input that was not read.
    pub(super) fn not_read(&mut self, reason: &str) {
        self.unreadable = true;
        self.findings.note_not_read(reason, self.lines + 1);
    }

    /// Takes a line that is too long to be read.
    pub(super) fn push_unread_line(&mut self, reason: &str) {
        self.not_read(reason);
        self.lines += 1;
        self.chain.skip();
        self.count_after_seal();
    }

    pub(super) fn class_facts(&self, sealed: bool) -> Option<ClassFacts> {
        Some(ClassFacts {
            authority: self.context.known_authority()?,
            sealed,
            has_session_end: self.has_session_end,
            has_log_drop: self.drops.events > 0,
        })
    }

    fn count_after_seal(&mut self) {
        if let Some(seal) = &mut self.seal {
            seal.after += 1;
        }
    }

    fn before_seal(&self) -> Before {
        Before {
            records: self.chain.records,
            head: self.chain.head,
            digest: self.tree.root(),
            sent_digest: (self.sent_tree.leaves() > 0).then(|| self.sent_tree.root()),
            total_drops: self.drops.total,
            class: self.class_facts(true).map(|facts| facts.class()),
        }
    }
}

/// The record that a value is, as far as it is one.
pub(super) fn place_of<'r>(record: &'r Json<'r>) -> Place<'r> {
    let sequence_number = record.get("sequence_number").and_then(Json::as_integer);
    Place { sequence_number, event_id: record.get("event_id") }
}

/// The Merkle leaf: the record as it was read, without `payload` and `signature`. An SDK that seals its
/// own chain cannot know when a server will receive it: such a leaf has no `received_at` either.
fn write_leaf(fields: &Fields<'_>, received: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, value) in fields.members() {
        let outside = matches!(name.as_ref(), "payload" | "signature");
        if outside || (!received && name.as_ref() == "received_at") {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        canonical::write_string(name, out);
        out.push(b':');
        canonical::write(value, out);
    }
    out.push(b'}');
}
