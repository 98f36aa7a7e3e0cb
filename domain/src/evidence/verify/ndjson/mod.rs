//! The evidence export `exhibit-ndjson/1`: a selection of records, line by line.
//!
//! Memory does not grow with the number of lines, but for one small entry a session (at most
//! [`SESSIONS_MAX`]) and, under a policy filter, one an event (at most [`NAMED_MAX`]). What is
//! beyond these bounds is still checked by itself, and the report says what was not compared.

mod footer;
mod header;
mod named;
mod sessions;
mod signature;
mod verdict;

#[cfg(test)]
mod tests;

pub use named::NAMED_MAX;
pub use sessions::SESSIONS_MAX;

use serde_json::json;
use sha2::{Digest, Sha256};

use self::footer::Footer;
use self::header::Header;
use self::named::Named;
use self::sessions::Sessions;
use super::Options;
use super::context::Context;
use super::drops::Drops;
use super::fields::{Field, Fields};
use super::finding::{Code, Findings, Place};
use super::log::place_of;
use super::members;
use super::redaction;
use super::times::Times;
use crate::evidence::canonical;
use crate::evidence::event_type::EventType;
use crate::evidence::json::{self, DEPTH_MAX, Json};
use crate::hash::Hash;

/// A line stands around a record, and the record around its payload.
const LINE_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// What a line is. They come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Header,
    Event,
    Violation,
    Custody,
    Footer,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "header" => Self::Header,
            "event" => Self::Event,
            "violation" => Self::Violation,
            "custody" => Self::Custody,
            "footer" => Self::Footer,
            _ => return None,
        })
    }
}

/// Lines of each kind, as they were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    custody: u64,
    events: u64,
    violations: u64,
}

impl Counts {
    fn named(self) -> [(&'static str, u64); 3] {
        [("custody", self.custody), ("events", self.events), ("violations", self.violations)]
    }
}

/// Verifies one export. Lines are pushed with their line feeds, in the order of the file.
#[derive(Debug)]
pub(super) struct NdjsonVerifier<'a> {
    options: Options<'a>,
    findings: Findings,
    header: Option<Header>,
    footer: Option<Footer>,
    sessions: Sessions,
    named: Option<Named>,
    drops: Drops,
    counts: Counts,
    lines: u64,
    /// The kind of the last line that had one.
    last: Option<Kind>,
    last_position: u64,
    redactions: u64,
    unreadable: bool,
    /// Over all lines so far.
    hasher: Sha256,
    /// Reused for the canonical form of each line.
    canonical: Vec<u8>,
}

/// Whether a first line, without its end, is one of an evidence export: a header, or what is left
/// of an export that lost it.
pub(super) fn begins(line: &Json<'_>) -> bool {
    let text = |key| line.get(key).and_then(Json::as_str);
    text("schema").is_some_and(|schema| schema.starts_with("exhibit-ndjson/"))
        || (text("kind").and_then(Kind::parse).is_some() && line.get("event_id").is_none())
}

impl<'a> NdjsonVerifier<'a> {
    pub(super) fn new(options: &Options<'a>) -> Self {
        Self {
            options: *options,
            findings: Findings::default(),
            header: None,
            footer: None,
            sessions: Sessions::default(),
            named: None,
            drops: Drops::default(),
            counts: Counts::default(),
            lines: 0,
            last: None,
            last_position: 0,
            redactions: 0,
            unreadable: false,
            hasher: Sha256::new(),
            canonical: Vec::with_capacity(1024),
        }
    }

    /// Takes one line with its line feed.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        let kept = self.findings.kept();
        self.line(line);
        self.hasher.update(line);
        self.lines += 1;
        self.findings.locate_since(kept, "line", &self.lines.into());
    }

    /// Takes a part of a line that is too long to be read: only the hash goes on.
    pub(super) fn push_unread(&mut self, part: &[u8], reason: &str) {
        self.hasher.update(part);
        self.not_read(reason);
    }

    /// Notes that the input ended before its end was reached.
    pub(super) fn not_read(&mut self, reason: &str) {
        self.unreadable = true;
        self.findings.note_not_read(reason, self.lines as usize + 1);
    }

    fn line(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let document = match json::parse(text, LINE_DEPTH_MAX) {
            Ok(document) => document,
            Err(error) => {
                self.unreadable = true;
                self.findings.note_not_json(&error, self.lines as usize);
                return;
            }
        };
        let root = &document.root;
        let place = root.get("record").map(place_of).unwrap_or_default();
        let flawed = self.findings.note_flaws(&document.flaws, |_| place);
        self.canonical.clear();
        canonical::write(root, &mut self.canonical);
        if !flawed && (self.canonical != text || text.len() == line.len()) {
            self.findings.note(Code::InvalidCanonicalForm, place, || {
                let message = "The line is not in canonical form with a line feed behind it.";
                (message.to_owned(), json!({}))
            });
        }
        let Some(kind) = root.get("kind").and_then(Json::as_str).and_then(Kind::parse) else {
            return members::not_what_it_must_be(
                root.get("kind"),
                "kind",
                "header, event, violation, custody or footer",
                &mut self.findings,
            );
        };
        if !self.in_order(kind) {
            return;
        }
        match kind {
            Kind::Header => self.header(root),
            Kind::Event => self.event(root, flawed),
            Kind::Violation => self.violation(root),
            Kind::Custody => self.custody(root),
            Kind::Footer => {
                let before = Hash(self.hasher.clone().finalize().into());
                self.footer = Some(Footer::read(root, before, self.lines, &mut self.findings));
            }
        }
    }

    /// A header or a footer in the wrong place says nothing; other lines are read all the same.
    fn in_order(&mut self, kind: Kind) -> bool {
        let once = matches!(kind, Kind::Header | Kind::Footer);
        let fits = match self.last {
            None => kind == Kind::Header,
            Some(last) => last < kind || (last == kind && !once),
        };
        // A lost header is a finding of its own.
        if !fits && self.last.is_some() {
            self.findings.note(Code::SequenceOrder, Place::default(), || {
                let message = "A line stands where its kind does not belong.".to_owned();
                (message, json!({ "kind": format!("{kind:?}").to_lowercase() }))
            });
        }
        self.last = self.last.max(Some(kind));
        fits || !once || (kind == Kind::Footer && self.footer.is_none())
    }

    fn header(&mut self, line: &Json<'_>) {
        let Some(header) = Header::read(line, &self.canonical, &mut self.findings) else {
            self.unreadable = true;
            return;
        };
        self.sessions.expect_whole_sessions(header.filters.select_whole_sessions());
        self.named = header.filters.policy.is_some().then(Named::default);
        self.header = Some(header);
    }

    fn event(&mut self, line: &Json<'_>, flawed: bool) {
        self.counts.events += 1;
        let required = [("position", members::Kind::Integer), ("record", members::Kind::Object)];
        // These two stand only where there is something to say.
        let optional =
            [("personal_data", members::Kind::Array), ("tool_access", members::Kind::Object)];
        members::check(line, &optional, &required, &mut self.findings);
        let place = line.get("record").map(place_of).unwrap_or_default();
        self.check_position(line, place);
        // What is no object was noted with the members of the line.
        let Some(Json::Object(members)) = line.get("record") else { return };
        let fields = Fields::collect(members);
        fields.check(&mut self.findings);
        // Sessions come interleaved, so what spans records is compared by session, below.
        Context::default().check(&fields, &mut self.findings);
        Times::default().check(&fields, &mut self.findings);
        if let Some(payload) = fields.get(Field::Payload) {
            self.redactions += redaction::check(payload, place, &mut self.findings);
            if fields.text(Field::EventType) == Some(EventType::LOG_DROP.as_str()) {
                self.drops.push(Some(payload), place, &mut self.findings);
            }
        }
        self.sessions.push(&fields, flawed, &mut self.findings);
        if let Some(header) = &self.header {
            header.filters.check_record(&fields, &mut self.findings);
        }
        if let Some(named) = &mut self.named {
            named.expect(&fields);
        }
    }

    /// Positions never fall, and none lies behind the place up to which the export reads.
    fn check_position(&mut self, line: &Json<'_>, place: Place<'_>) {
        let Some(position) = line.get("position").and_then(Json::as_integer) else { return };
        if position < self.last_position {
            let before = self.last_position;
            self.findings.note(Code::SequenceOrder, place, || {
                let message = "The event stands behind a later one of the log.".to_owned();
                (message, json!({ "position": position, "before": before }))
            });
        }
        self.last_position = self.last_position.max(position);
        let end = self.header.as_ref().and_then(|header| header.position);
        if let Some(end) = end.filter(|end| position > *end) {
            self.findings.note(Code::MetadataMismatch, place, || {
                let message = "The event lies behind the end that the header names.".to_owned();
                (message, json!({ "field": "position", "claimed": end, "computed": position }))
            });
        }
    }

    fn violation(&mut self, line: &Json<'_>) {
        self.counts.violations += 1;
        members::check(line, &[], &[("violation", members::Kind::Object)], &mut self.findings);
        let Some(violation) = line.get("violation") else { return };
        if let Some(header) = &self.header {
            header.filters.check_violation(violation, &mut self.findings);
        }
        if let Some(named) = &mut self.named {
            named.name(violation);
        }
    }

    fn custody(&mut self, line: &Json<'_>) {
        self.counts.custody += 1;
        members::check(line, &[], &[("custody", members::Kind::Object)], &mut self.findings);
        let Some(entry @ Json::Object(_)) = line.get("custody") else { return };
        let texts = [("action", members::Kind::Text), ("at", members::Kind::Time)];
        let others = [("actor", members::Kind::Text), ("details", members::Kind::Object)];
        members::check(entry, &[], &[texts, others].concat(), &mut self.findings);
    }
}
