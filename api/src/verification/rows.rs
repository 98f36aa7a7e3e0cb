//! Counts the records of a table (RFC 4180) that is written through it, in no memory.

use std::io::{self, Write};

#[derive(Default)]
pub(super) struct Rows {
    ended: u64,
    is_quoted: bool,
    /// After the last line feed came something.
    has_rest: bool,
}

impl Rows {
    /// Records below the line with the names.
    pub(super) fn below_names(&self) -> u64 {
        (self.ended + u64::from(self.has_rest)).saturating_sub(1)
    }
}

impl Write for Rows {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.has_rest = true;
            match byte {
                // A doubled quote inside a quoted cell ends it and begins it again.
                b'"' => self.is_quoted = !self.is_quoted,
                b'\n' if !self.is_quoted => {
                    self.ended += 1;
                    self.has_rest = false;
                }
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_quotes_are_no_records() {
        for (table, rows) in [
            ("", 0),
            ("a,b\r\n", 0),
            ("a,b", 0),
            ("a,b\r\n1,2\r\n", 1),
            ("a,b\r\n1,2", 1),
            ("a,b\r\n\"1\r\n2\",3\r\n4,\"5 \"\"\n\"\" 6\"\r\n", 2),
        ] {
            let mut counter = Rows::default();
            for byte in table.bytes() {
                counter.write_all(&[byte]).unwrap();
            }
            assert_eq!(counter.below_names(), rows, "{table:?}");
        }
    }
}
