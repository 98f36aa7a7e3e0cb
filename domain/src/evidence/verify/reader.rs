//! From the bytes of an input to a report: finds the format, reads within limits.

use std::io::{self, BufRead};

use super::document::{self, EXPORT_DEPTH_MAX, is_export};
use super::fields::Field;
use super::lines::{Length, Lines};
use super::log::LogVerifier;
use super::ndjson::{self, NdjsonVerifier};
use super::report::{Format, Report};
use super::{Options, stream};
use crate::evidence::json;

/// A document that is read whole; of a larger one the records are read one by one.
const WHOLE_BYTES_MAX: u64 = 8 << 20;
/// What a file that gzip has written begins with (RFC 1952, section 2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Verifies one input. All but a small document is streamed: memory does not grow with the input.
pub fn verify_reader(
    reader: &mut dyn BufRead,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    verify_holding(WHOLE_BYTES_MAX, reader, input, options, progress)
}

/// Verifies one input, with a document of at most `whole` bytes read in one piece.
pub(super) fn verify_holding(
    whole: u64,
    reader: &mut dyn BufRead,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    let mut verifier = LogVerifier::new(options);
    let mut lines = Lines::new(reader, progress);
    let report = match verify(&mut lines, &mut verifier, whole) {
        Ok(Shape::Lines) => verifier.finish(input, Format::JsonLines),
        Ok(Shape::Selection(blank)) => verify_selection(&mut lines, blank, input, options),
        Ok(Shape::Foreign(reason)) => {
            verifier.not_read(reason);
            verifier.finish(input, Format::JsonLines)
        }
        Ok(Shape::Document(text, false)) => document::verify_whole(&text, input, verifier),
        Ok(Shape::Document(start, true)) => stream::verify(&start, &mut lines, input, verifier),
        Err(error) => {
            verifier.not_read(&error.to_string());
            verifier.finish(input, Format::JsonLines)
        }
    };
    (lines.progress)(lines.bytes);
    report
}

enum Shape {
    /// All lines were verified.
    Lines,
    /// The text of a document; or its beginning, if it goes on.
    Document(Vec<u8>, bool),
    /// An evidence export, whose first line was read; so many blank ones stand before it.
    Selection(usize),
    /// Something that is not read at all.
    Foreign(&'static str),
}

fn verify(lines: &mut Lines<'_>, verifier: &mut LogVerifier<'_>, whole: u64) -> io::Result<Shape> {
    let mut begun = false;
    let mut before = 0;
    loop {
        let length = lines.next()?;
        let blank = lines.line.iter().all(u8::is_ascii_whitespace);
        before += usize::from(!begun && blank);
        if !begun && !blank {
            begun = true;
            if lines.line.starts_with(GZIP_MAGIC) {
                return Ok(Shape::Foreign("compressed with gzip; unpack it first"));
            }
            if is_selection(&lines.line) {
                return Ok(Shape::Selection(before));
            }
            if is_document(&lines.line, length == Length::TooLong) {
                let (text, goes_on) = lines.rest(whole)?;
                return Ok(Shape::Document(text, goes_on));
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

/// Whether a first line is one of an evidence export.
fn is_selection(line: &[u8]) -> bool {
    begins_with_other_name(line)
        && json::parse(line, EXPORT_DEPTH_MAX).is_ok_and(|document| ndjson::begins(&document.root))
}

/// Verifies an evidence export from its first line on.
fn verify_selection(
    lines: &mut Lines<'_>,
    blank: usize,
    input: &str,
    options: &Options<'_>,
) -> Report {
    let mut verifier = NdjsonVerifier::new(options);
    for _ in 0..blank {
        verifier.push_line(b"\n");
    }
    let mut length: io::Result<Length> = Ok(Length::Fits);
    loop {
        match length {
            Ok(Length::Fits) => verifier.push_line(&lines.line),
            Ok(Length::TooLong) => verifier.push_unread(&lines.line, "a line of more than 4 MiB"),
            Ok(Length::End) => break,
            Err(error) => {
                verifier.not_read(&error.to_string());
                break;
            }
        }
        length = lines.next();
    }
    verifier.finish(input)
}

/// Whether a line is the beginning of an object whose first name no record has.
fn begins_with_other_name(line: &[u8]) -> bool {
    let Some(rest) = line.trim_ascii().strip_prefix(b"{") else { return false };
    let first_name = rest.trim_ascii_start().strip_prefix(b"\"");
    let end = first_name.and_then(|text| text.iter().position(|&b| b == b'"'));
    let name = first_name.zip(end).and_then(|(text, end)| std::str::from_utf8(&text[..end]).ok());
    name.is_none_or(|name| Field::parse(name).is_none())
}

/// Whether an input that begins with this line is one document rather than lines: an array, an
/// export, or an object that goes on in the next line.
fn is_document(line: &[u8], cut: bool) -> bool {
    let line = line.trim_ascii();
    if line.starts_with(b"[") {
        return true;
    }
    // A record's first name shows a log at once, be its first line whole or not.
    if !begins_with_other_name(line) {
        return false;
    }
    cut || json::parse(line, EXPORT_DEPTH_MAX).map_or(true, |document| is_export(&document.root))
}
