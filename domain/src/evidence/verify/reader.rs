//! From the bytes of an input to a report: finds the format, reads within limits.

use std::io::{self, BufRead, Read};

use serde_json::json;

use super::Options;
use super::export::{Claims, EXPORT_SCHEMA};
use super::fields::Field;
use super::finding::{Code, Place};
use super::log::{LogVerifier, place_of};
use super::report::{Format, Report};
use crate::evidence::json::{self, DEPTH_MAX, Document, Json};

/// One line of a log: far more than an event has, far less than would hurt.
pub const LINE_BYTES_MAX: u64 = 4 << 20;
/// An array or an export, which is read whole: the text and a tree that borrows from it.
pub const DOCUMENT_BYTES_MAX: u64 = 2 << 30;
/// Bytes between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// `[` stands around a record, and the record around its payload.
const ARRAY_DEPTH_MAX: usize = DEPTH_MAX + 2;
/// `{"events": [` stands around a record.
const EXPORT_DEPTH_MAX: usize = DEPTH_MAX + 3;

/// Verifies one input. A JSONL log is streamed; an array or an export is read whole.
pub fn verify_reader(
    reader: &mut dyn BufRead,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    let mut verifier = LogVerifier::new(options);
    let mut lines = Lines { reader, progress, bytes: 0, told: 0, line: Vec::new() };
    let report = match verify(&mut lines, &mut verifier) {
        Ok(Shape::Lines) => verifier.finish(input, Format::JsonLines),
        Ok(Shape::Document(text)) => verify_document(&text, input, verifier),
        Err(error) => {
            verifier.not_read(&error.to_string());
            verifier.finish(input, Format::JsonLines)
        }
    };
    (lines.progress)(lines.bytes);
    report
}

/// The report on an input of which nothing could be read.
pub fn unreadable(input: &str, format: Format, reason: &str) -> Report {
    let mut verifier = LogVerifier::new(&Options::default());
    verifier.not_read(reason);
    verifier.finish(input, format)
}

enum Shape {
    /// All lines were verified.
    Lines,
    /// The whole text, to be read as one document.
    Document(Vec<u8>),
}

fn verify(lines: &mut Lines<'_>, verifier: &mut LogVerifier<'_>) -> io::Result<Shape> {
    let mut begun = false;
    loop {
        let length = lines.next()?;
        let blank = lines.line.iter().all(u8::is_ascii_whitespace);
        if !begun && !blank {
            begun = true;
            if is_document(&lines.line, length == Length::TooLong) {
                return lines.rest().map(Shape::Document);
            }
        }
        match length {
            Length::Fits => verifier.push_line(&lines.line),
            Length::TooLong => {
                verifier.push_unread_line("a line of more than 4 MiB");
                lines.skip()?;
            }
            Length::End => return Ok(Shape::Lines),
        }
    }
}

/// Whether an input that begins with this line is one document rather than lines: an array, an
/// export, or an object that goes on in the next line.
fn is_document(line: &[u8], cut: bool) -> bool {
    let line = line.trim_ascii();
    let Some(rest) = line.strip_prefix(b"{") else { return line.starts_with(b"[") };
    // A record's first name shows a log at once, be its first line whole or not.
    let first_name = rest.trim_ascii_start().strip_prefix(b"\"");
    let end = first_name.and_then(|text| text.iter().position(|&b| b == b'"'));
    let name = first_name.zip(end).and_then(|(text, end)| std::str::from_utf8(&text[..end]).ok());
    if name.is_some_and(|name| Field::parse(name).is_some()) {
        return false;
    }
    cut || json::parse(line, EXPORT_DEPTH_MAX).map_or(true, |document| is_export(&document.root))
}

fn is_export(root: &Json<'_>) -> bool {
    let schema = root.get("schema").and_then(Json::as_str);
    schema.is_some_and(|schema| schema.starts_with("exhibit-export/"))
}

fn verify_document(text: &[u8], input: &str, mut verifier: LogVerifier<'_>) -> Report {
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        verifier.not_read("a document of more than 2 GiB");
        return verifier.finish(input, Format::Json);
    }
    let is_array = text.trim_ascii_start().starts_with(b"[");
    let depth_max = if is_array { ARRAY_DEPTH_MAX } else { EXPORT_DEPTH_MAX };
    match json::parse(text, depth_max) {
        Ok(Document { root: Json::Array(records), flaws, .. }) => {
            let index = |flaw: &json::Flaw| flaw.index_at(0);
            push_all(&records, &flaws, index, &mut verifier);
            verifier.finish(input, Format::Json)
        }
        Ok(document) if is_export(&document.root) => verify_export(&document, input, verifier),
        // One record over several lines.
        Ok(_) => {
            verifier.push_line(text);
            verifier.finish(input, Format::Json)
        }
        Err(error) => {
            verifier.not_json(&error, 0);
            verifier.finish(input, Format::Json)
        }
    }
}

fn verify_export(document: &Document<'_>, input: &str, mut verifier: LogVerifier<'_>) -> Report {
    let root = &document.root;
    let schema = root.get("schema").and_then(Json::as_str);
    if schema != Some(EXPORT_SCHEMA) {
        verifier.unreadable = true;
        verifier.findings.note(Code::SchemaVersionMismatch, Place::default(), || {
            let received = root.get("schema").map(Json::describe);
            let message = "This verifier does not know the export's schema.".to_owned();
            (message, json!({ "field": "schema", "expected": EXPORT_SCHEMA, "received": received }))
        });
        return verifier.finish(input, Format::ExportJson);
    }
    let events = root.get("events");
    let records = events.and_then(Json::as_array).unwrap_or_default();
    if events.and_then(Json::as_array).is_none() {
        verifier.findings.note(Code::MissingField, Place::default(), || {
            let received = events.map(Json::describe);
            let message = "The export has no array of events.".to_owned();
            (message, json!({ "field": "events", "expected": "array", "received": received }))
        });
    }
    let index =
        |flaw: &json::Flaw| flaw.index_at(1).filter(|_| flaw.pointer().starts_with("/events/"));
    push_all(records, &document.flaws, index, &mut verifier);
    let claims = Claims::read(root, &mut verifier);
    verifier.conclude(input, Format::ExportJson, Some(&claims))
}

/// Takes the records of a document; `index` tells which one a flaw belongs to.
fn push_all(
    records: &[Json<'_>],
    flaws: &[json::Flaw],
    index: impl Fn(&json::Flaw) -> Option<usize>,
    verifier: &mut LogVerifier<'_>,
) {
    verifier.note_flaws(flaws, |flaw| {
        index(flaw).and_then(|at| records.get(at)).map(place_of).unwrap_or_default()
    });
    let faithless = flaws.iter().filter(|flaw| flaw.kind != json::FlawKind::Nul);
    let flawed: Vec<usize> = faithless.filter_map(index).collect();
    for (at, record) in records.iter().enumerate() {
        verifier.push(record, flawed.contains(&at));
    }
}

/// The input in lines of bounded length.
struct Lines<'r> {
    reader: &'r mut dyn BufRead,
    progress: &'r mut dyn FnMut(u64),
    bytes: u64,
    /// What `progress` was told last.
    told: u64,
    line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Fits,
    TooLong,
    /// There is no further line.
    End,
}

impl Lines<'_> {
    /// Reads the next line into `line`; of one that is too long, its beginning.
    fn next(&mut self) -> io::Result<Length> {
        self.line.clear();
        let read = self.append(LINE_BYTES_MAX)?;
        Ok(match read {
            0 => Length::End,
            LINE_BYTES_MAX if !self.line.ends_with(b"\n") => Length::TooLong,
            _ => Length::Fits,
        })
    }

    /// Passes over the rest of a line that is too long.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            self.line.clear();
            if self.append(LINE_BYTES_MAX)? == 0 || self.line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }

    /// Everything from the current line on; one byte more than allowed shows what is too much.
    fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.line.len() as u64 <= DOCUMENT_BYTES_MAX {
            let left = DOCUMENT_BYTES_MAX + 1 - self.line.len() as u64;
            if self.append(left.min(LINE_BYTES_MAX))? == 0 {
                break;
            }
        }
        Ok(std::mem::take(&mut self.line))
    }

    /// Appends up to a line's end, or up to `limit` bytes.
    fn append(&mut self, limit: u64) -> io::Result<u64> {
        let read = self.reader.take(limit).read_until(b'\n', &mut self.line)? as u64;
        self.bytes += read;
        if self.bytes - self.told >= PROGRESS_BYTES {
            self.told = self.bytes;
            (self.progress)(self.bytes);
        }
        Ok(read)
    }
}
