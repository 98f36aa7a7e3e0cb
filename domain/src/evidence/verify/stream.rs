//! A document that is too large to be held: an array of records or an export, value by value.
//!
//! What an export says of its records is small and kept; records and the members of other lists are
//! read, checked and forgotten.

use std::collections::BTreeSet;

use serde_json::json;

use super::document::{EXPORT_DEPTH_MAX, has_known_schema, no_events};
use super::export::Claims;
use super::finding::{Code, Place};
use super::lines::Lines;
use super::log::{LogVerifier, RECORD_DEPTH_MAX};
use super::report::{Format, Report};
use super::values::{Fault, Values};
use crate::evidence::json::{self, Json};

/// A member that is kept: what the verifier compares with the records.
const CLAIMS: [&str; 5] = ["counts", "evidence_class", "schema", "seal", "session"];
/// Members of an export: it has twenty. Their names are kept, so there must be an end.
const MEMBERS_MAX: usize = 1_000;

/// Verifies a document of which the beginning was read already.
pub(super) fn verify(
    start: &[u8],
    lines: &mut Lines<'_>,
    input: &str,
    verifier: LogVerifier<'_>,
) -> Report {
    let mut stream = Stream {
        values: Values::new(start, lines),
        verifier,
        kept: Vec::new(),
        has_events: false,
        violations: 0,
    };
    let (result, format) = if start.trim_ascii_start().starts_with(b"[") {
        (stream.items(true).and_then(|_| stream.values.end()), Format::Json)
    } else {
        (stream.members().and_then(|()| stream.values.end()), Format::ExportJson)
    };
    let Stream { mut verifier, kept, has_events, violations, .. } = stream;
    match result {
        Ok(()) => {}
        Err(Fault::Io(error)) => verifier.not_read(&error.to_string()),
        Err(Fault::NotJson(error)) => verifier.not_json(&error, 0),
        Err(Fault::TooLong) => verifier.not_read("a value of more than 64 MiB"),
    }
    if format == Format::Json || verifier.unreadable {
        return verifier.finish(input, format);
    }
    let text = [b"{".as_slice(), kept.join(b",".as_slice()).as_slice(), b"}"].concat();
    // Each member was read without an error, so that all of them can be.
    let Ok(claims) = json::parse(&text, EXPORT_DEPTH_MAX) else {
        return verifier.finish(input, format);
    };
    if !has_known_schema(&claims.root, &mut verifier) {
        return verifier.finish(input, format);
    }
    if !has_events {
        no_events(None, &mut verifier);
    }
    let claims = Claims::read(&claims.root, violations, &mut verifier);
    verifier.conclude(input, format, Some(&claims))
}

struct Stream<'s, 'l, 'a> {
    values: Values<'s, 'l>,
    verifier: LogVerifier<'a>,
    /// `"name":value` of each member that is compared later.
    kept: Vec<Vec<u8>>,
    has_events: bool,
    /// Items of their list.
    violations: u64,
}

impl Stream<'_, '_, '_> {
    fn members(&mut self) -> Result<(), Fault> {
        let mut names = BTreeSet::new();
        self.values.expect(b'{')?;
        if self.values.skip(b'}')? {
            return Ok(());
        }
        loop {
            self.values.read()?;
            let name = self.name()?;
            self.values.expect(b':')?;
            let is_first = names.insert(name.clone());
            if !is_first {
                self.flaw(&name, "duplicate key");
            }
            if names.len() > MEMBERS_MAX {
                return Err(self.values.error("too many members"));
            }
            self.member(&name, is_first)?;
            if !self.values.skip(b',')? {
                return self.values.expect(b'}');
            }
        }
    }

    fn name(&self) -> Result<String, Fault> {
        match self.values.parse(1)?.root {
            Json::String(name) => Ok(name.into_owned()),
            _ => Err(self.values.error("expected a name")),
        }
    }

    /// Of equal names the first counts, as for a document that is read whole.
    fn member(&mut self, name: &str, is_first: bool) -> Result<(), Fault> {
        if self.values.peek()? == Some(b'[') && !CLAIMS.contains(&name) {
            let events = name == "events";
            self.has_events |= events;
            let items = self.items(events)?;
            if is_first && name == "violations" {
                self.violations = items;
            }
            return Ok(());
        }
        self.values.read()?;
        let document = self.values.parse(EXPORT_DEPTH_MAX - 1)?;
        self.verifier.note_flaws(&document.flaws, |_| Place::default());
        if is_first && CLAIMS.contains(&name) {
            let name = json!(name).to_string().into_bytes();
            self.kept.push([name.as_slice(), b":", self.values.text()].concat());
        }
        Ok(())
    }

    /// The items of an array, which are records or something else; how many there are.
    fn items(&mut self, records: bool) -> Result<u64, Fault> {
        self.values.expect(b'[')?;
        if self.values.skip(b']')? {
            return Ok(0);
        }
        let mut items = 0;
        loop {
            items += 1;
            self.values.read()?;
            let depth = if records { RECORD_DEPTH_MAX } else { EXPORT_DEPTH_MAX - 2 };
            let document = self.values.parse(depth)?;
            if records {
                self.verifier.push_document(&document);
            } else {
                self.verifier.note_flaws(&document.flaws, |_| Place::default());
            }
            if !self.values.skip(b',')? {
                self.values.expect(b']')?;
                return Ok(items);
            }
        }
    }

    fn flaw(&mut self, name: &str, reason: &str) {
        self.verifier.findings.note(Code::InvalidCanonicalForm, Place::default(), || {
            let pointer = format!("/{}", Json::String(name.into()).describe());
            let message = format!("The text has no canonical form: {reason}.");
            (message, json!({ "pointer": pointer, "reason": reason }))
        });
    }
}
