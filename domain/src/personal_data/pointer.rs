//! Where in a payload the walk stands, in words that give nothing away.

use std::borrow::Cow;

use super::detector::Detector;

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
        self.0.push_str(&escaped(key));
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

    /// The pointer as it stands in a finding of `matched`, which it does not hold: a key may repeat
    /// the value below it as a piece of something longer, such as an order's number.
    pub(super) fn shown(&self, detector: Detector, matched: &str) -> String {
        let read = self.0.floor_char_boundary(POINTER_BYTES_MAX + 2 * matched.len());
        let shown = without(&self.0[..read], detector, matched);
        if shown.len() <= POINTER_BYTES_MAX && read == self.0.len() {
            return shown.into_owned();
        }
        format!("{}…", &shown[..shown.floor_char_boundary(POINTER_BYTES_MAX)])
    }
}

/// A pointer without a text that was found elsewhere.
pub(super) fn without<'p>(pointer: &'p str, detector: Detector, matched: &str) -> Cow<'p, str> {
    let matched = escaped(matched);
    if pointer.contains(&*matched) {
        return Cow::Owned(pointer.replace(&*matched, &format!("[{}]", detector.as_str())));
    }
    Cow::Borrowed(pointer)
}

/// A step as RFC 6901 writes it.
fn escaped(step: &str) -> Cow<'_, str> {
    if step.contains(['~', '/']) {
        return Cow::Owned(step.replace('~', "~0").replace('/', "~1"));
    }
    Cow::Borrowed(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pointer: &Pointer) -> String {
        pointer.shown(Detector::Email, "joe@example.com")
    }

    #[test]
    fn a_pointer_escapes_its_steps_and_finds_back() {
        let mut pointer = Pointer::default();
        assert_eq!(shown(&pointer), "");
        let mark = pointer.enter_member("a/b~c");
        pointer.enter_item(3);
        assert_eq!(shown(&pointer), "/a~1b~0c/3");
        pointer.leave(&mark);
        assert_eq!(shown(&pointer), "");
    }

    #[test]
    fn a_long_pointer_is_cut_between_characters() {
        let mut pointer = Pointer::default();
        pointer.enter_member(&"ü".repeat(600));
        let shown = shown(&pointer);
        assert!(shown.ends_with("ü…") && shown.len() < 520, "{} bytes", shown.len());
    }
}
