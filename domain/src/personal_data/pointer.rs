//! Where in a payload the walk stands, in words that give nothing away.

/// Bytes of a pointer; what is longer is cut, as the reader's own pointers are.
const POINTER_BYTES_MAX: usize = 512;

/// A JSON pointer (RFC 6901) that grows and shrinks with the walk.
#[derive(Debug, Default)]
pub(super) struct Pointer(String);

/// How long a pointer was, to go back there.
pub(super) struct Mark(usize);

impl Pointer {
    /// Steps into a member; `key` is masked already.
    pub(super) fn enter_member(&mut self, key: &str) -> Mark {
        let mark = Mark(self.0.len());
        self.0.push('/');
        for c in key.chars() {
            match c {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                c => self.0.push(c),
            }
        }
        mark
    }

    pub(super) fn enter_item(&mut self, index: usize) -> Mark {
        let mark = Mark(self.0.len());
        self.0.push('/');
        self.0.push_str(&index.to_string());
        mark
    }

    pub(super) fn leave(&mut self, mark: &Mark) {
        self.0.truncate(mark.0);
    }

    /// The pointer as it stands in a finding.
    pub(super) fn shown(&self) -> String {
        if self.0.len() <= POINTER_BYTES_MAX {
            return self.0.clone();
        }
        format!("{}…", &self.0[..self.0.floor_char_boundary(POINTER_BYTES_MAX)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_its_steps_and_finds_back() {
        let mut pointer = Pointer::default();
        assert_eq!(pointer.shown(), "");
        let mark = pointer.enter_member("a/b~c");
        pointer.enter_item(3);
        assert_eq!(pointer.shown(), "/a~1b~0c/3");
        pointer.leave(&mark);
        assert_eq!(pointer.shown(), "");
    }

    #[test]
    fn a_long_pointer_is_cut_between_characters() {
        let mut pointer = Pointer::default();
        pointer.enter_member(&"ü".repeat(600));
        let shown = pointer.shown();
        assert!(shown.ends_with("ü…") && shown.len() < 520, "{} bytes", shown.len());
    }
}
