//! The input in lines of bounded length.

use std::io::{self, BufRead, Read};

/// One line of a log: far more than an event has, far less than would hurt.
pub const LINE_BYTES_MAX: u64 = 4 << 20;
/// Bytes between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Reads line by line, or what is left in one piece.
pub(super) struct Lines<'r> {
    pub(super) reader: &'r mut dyn BufRead,
    pub(super) progress: &'r mut dyn FnMut(u64),
    pub(super) bytes: u64,
    /// What `progress` was told last.
    told: u64,
    pub(super) line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Fits,
    TooLong,
    /// There is no further line.
    End,
}

impl<'r> Lines<'r> {
    pub(super) fn new(reader: &'r mut dyn BufRead, progress: &'r mut dyn FnMut(u64)) -> Self {
        Self { reader, progress, bytes: 0, told: 0, line: Vec::new() }
    }

    /// Reads the next line into `line`; of one that is too long, its beginning.
    pub(super) fn next(&mut self) -> io::Result<Length> {
        self.line.clear();
        let read = self.append(LINE_BYTES_MAX)?;
        Ok(match read {
            0 => Length::End,
            LINE_BYTES_MAX if !self.line.ends_with(b"\n") => Length::TooLong,
            _ => Length::Fits,
        })
    }

    /// Passes over the rest of a line that is too long.
    pub(super) fn skip(&mut self) -> io::Result<()> {
        loop {
            self.line.clear();
            if self.append(LINE_BYTES_MAX)? == 0 || self.line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }

    /// The input from the current line on, if it has at most `limit` bytes; else its beginning, and
    /// that it goes on.
    pub(super) fn rest(&mut self, limit: u64) -> io::Result<(Vec<u8>, bool)> {
        while self.line.len() as u64 <= limit {
            let left = limit + 1 - self.line.len() as u64;
            if self.append(left.min(LINE_BYTES_MAX))? == 0 {
                return Ok((std::mem::take(&mut self.line), false));
            }
        }
        Ok((std::mem::take(&mut self.line), true))
    }

    /// Counts what was read past the lines.
    pub(super) fn count(&mut self, read: u64) {
        self.bytes += read;
        if self.bytes - self.told >= PROGRESS_BYTES {
            self.told = self.bytes;
            (self.progress)(self.bytes);
        }
    }

    /// Appends up to a line's end, or up to `limit` bytes.
    fn append(&mut self, limit: u64) -> io::Result<u64> {
        let read = self.reader.take(limit).read_until(b'\n', &mut self.line)? as u64;
        self.count(read);
        Ok(read)
    }
}
