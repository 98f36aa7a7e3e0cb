//! Finds items in the bytes of a stream, without reading them as anything else.

use memchr::memmem::Finder;

/// How each item's data begins, here and in what nchan is given to carry.
const MARK: &str = "data: {\"v\":1,\"position\":";
/// The mark, the digits of a position and what ends them.
const HELD_BYTES_MAX: usize = 64;

/// The end of what was read, as far as an item may begin in it.
pub(crate) struct Scanner {
    finder: Finder<'static>,
    held: [u8; HELD_BYTES_MAX],
    held_len: usize,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { finder: Finder::new(MARK), held: [0; HELD_BYTES_MAX], held_len: 0 }
    }

    /// Puts what is held before what is about to be read.
    pub(crate) fn begin(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.held_len].copy_from_slice(&self.held[..self.held_len]);
        self.held_len
    }

    /// Calls back with the position of each item that is there with its position.
    pub(crate) fn scan(&mut self, bytes: &[u8], mut item: impl FnMut(u64)) {
        let mut from = 0;
        while let Some(at) = self.finder.find(&bytes[from..]) {
            let digits = from + at + MARK.len();
            let Some(length) = bytes[digits..].iter().position(|b| !b.is_ascii_digit()) else {
                self.hold(&bytes[from + at..]);
                return;
            };
            let number = bytes[digits..digits + length].iter();
            item(number.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
            from = digits + length;
        }
        let rest = bytes.len().min(MARK.len() - 1).min(bytes.len() - from);
        self.hold(&bytes[bytes.len() - rest..]);
    }

    fn hold(&mut self, rest: &[u8]) {
        self.held[..rest.len()].copy_from_slice(rest);
        self.held_len = rest.len();
    }
}
