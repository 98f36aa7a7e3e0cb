//! JSON values one after the other, each in bounded memory, from a text of any length.

use std::io;

use super::lines::Lines;
use crate::evidence::json::{self, Document, JsonError};

/// One value that is held: a record, or what an export says of all of them.
const VALUE_BYTES_MAX: usize = 64 << 20;

/// Why a text cannot be read on.
pub(super) enum Fault {
    Io(io::Error),
    NotJson(JsonError),
    TooLong,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where a byte stands, both from 1.
#[derive(Clone, Copy)]
struct Position {
    line: usize,
    column: usize,
}

pub(super) struct Values<'s, 'l> {
    /// What was read before; then comes the reader.
    start: &'s [u8],
    lines: &'s mut Lines<'l>,
    at: Position,
    value: Vec<u8>,
    /// Where `value` begins.
    value_at: Position,
}

impl<'s, 'l> Values<'s, 'l> {
    pub(super) fn new(start: &'s [u8], lines: &'s mut Lines<'l>) -> Self {
        let at = Position { line: 1, column: 1 };
        Self { start, lines, at, value: Vec::new(), value_at: at }
    }

    /// The text of the value that was read last.
    pub(super) fn text(&self) -> &[u8] {
        &self.value
    }

    /// The value that was read last.
    pub(super) fn parse(&self, depth_max: usize) -> Result<Document<'_>, Fault> {
        json::parse(&self.value, depth_max).map_err(|error| {
            let Position { line, column } = self.value_at;
            let column = if error.line == 1 { column + error.column - 1 } else { error.column };
            Fault::NotJson(JsonError { line: line + error.line - 1, column, ..error })
        })
    }

    pub(super) fn error(&self, message: &'static str) -> Fault {
        let Position { line, column } = self.at;
        Fault::NotJson(JsonError { message, line, column })
    }

    /// The next byte that is no white space.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
            match buffer.iter().position(|byte| !space(byte)) {
                Some(at) => {
                    let found = buffer[at];
                    self.consume(at);
                    return Ok(Some(found));
                }
                None => {
                    let all = buffer.len();
                    self.consume(all);
                }
            }
        }
    }

    /// Passes over a byte if it is the next.
    pub(super) fn skip(&mut self, byte: u8) -> Result<bool, Fault> {
        let found = self.peek()? == Some(byte);
        if found {
            self.consume(1);
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.skip(byte)? {
            return Ok(());
        }
        Err(self.error("unexpected text, or unexpected end"))
    }

    /// Nothing may stand behind the document.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.error("unexpected text after the document")),
        }
    }

    /// Reads one value, as far as brackets and quotes show its end; whether it is JSON shows
    /// [`parse`](Self::parse).
    pub(super) fn read(&mut self) -> Result<(), Fault> {
        self.peek()?;
        self.value.clear();
        self.value_at = self.at;
        let mut scan = Scan::default();
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = scan.end(buffer);
            let taken = end.unwrap_or(buffer.len());
            if self.value.len() + taken > VALUE_BYTES_MAX {
                return Err(Fault::TooLong);
            }
            let taken = self.take(taken);
            self.consume(taken);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Copies so many bytes of the buffer into the value.
    fn take(&mut self, length: usize) -> usize {
        let buffer = if self.start.is_empty() {
            self.lines.reader.fill_buf().unwrap_or_default()
        } else {
            self.start
        };
        let length = length.min(buffer.len());
        self.value.extend_from_slice(&buffer[..length]);
        length
    }

    fn buffer(&mut self) -> io::Result<&[u8]> {
        if !self.start.is_empty() {
            return Ok(self.start);
        }
        loop {
            match self.lines.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                // Asked again, because a borrow cannot leave a loop.
                Ok(_) => return self.lines.reader.fill_buf(),
            }
        }
    }

    fn consume(&mut self, length: usize) {
        let from_start = !self.start.is_empty();
        let buffer =
            if from_start { self.start } else { self.lines.reader.fill_buf().unwrap_or_default() };
        let consumed = &buffer[..length.min(buffer.len())];
        match consumed.iter().rposition(|byte| *byte == b'\n') {
            None => self.at.column += consumed.len(),
            Some(last) => {
                self.at.line += consumed.split(|byte| *byte == b'\n').count() - 1;
                self.at.column = consumed.len() - last;
            }
        }
        if from_start {
            self.start = &self.start[length..];
        } else {
            self.lines.reader.consume(length);
            self.lines.count(length as u64);
        }
    }
}

/// How far into a value a text was read.
#[derive(Default)]
struct Scan {
    depth: usize,
    quoted: bool,
    escaped: bool,
    begun: bool,
}

impl Scan {
    /// Where the value ends in the next piece of text, if it does.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().enumerate() {
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.quoted = false;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => {
                    // Without a bracket of its own the value ends before that of another.
                    return Some(if self.depth == 1 { at + 1 } else { at });
                }
                b'}' | b']' => self.depth -= 1,
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 && self.begun => {
                    return Some(at);
                }
                b',' | b':' if self.depth == 0 => return Some(at),
                _ => {}
            }
            self.begun = true;
        }
        None
    }
}
