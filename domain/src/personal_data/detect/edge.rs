//! Whether a match stands for itself or is a piece of something longer, such as an identifier.

/// Nothing before `at` belongs to what begins there.
pub(super) fn is_open_before(text: &str, at: usize) -> bool {
    let mut before = text[..at].chars().rev();
    let Some(near) = before.next() else { return true };
    if is_escape(text, at) {
        return true;
    }
    match near {
        '_' => false,
        '-' => !before.next().is_some_and(char::is_alphanumeric) || is_escape(text, at - 1),
        '.' => !before.next().is_some_and(|c| c.is_ascii_digit()),
        c => !c.is_alphanumeric(),
    }
}

/// Nothing from `at` on belongs to what ends there.
pub(super) fn is_open_after(text: &str, at: usize) -> bool {
    let mut after = text[at..].chars();
    match after.next() {
        None => true,
        Some('_') => false,
        Some('-') => !after.next().is_some_and(char::is_alphanumeric),
        Some('.') => !after.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !c.is_alphanumeric(),
    }
}

/// The letter before `at` is the end of an escape such as `\n`: strings often hold JSON themselves.
pub(super) fn is_escape(text: &str, at: usize) -> bool {
    matches!(text.as_bytes()[..at], [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_and_dashed_names_close_an_edge() {
        for (text, open) in [
            ("1", true),
            (" 1", true),
            ("(1", true),
            ("a1", false),
            ("é1", false),
            ("_1", false),
            ("a-1", false),
            (" -1", true),
            ("2.1", false),
            ("a.1", true),
            (r"\n1", true),
            (r"\n-1", true),
            ("n1", false),
        ] {
            assert_eq!(is_open_before(text, text.len() - 1), open, "{text:?}");
        }
        for (text, open) in
            [("1", true), ("1.", true), ("1.2", false), ("1-a", false), ("1-", true), ("1é", false)]
        {
            assert_eq!(is_open_after(text, 1), open, "{text:?}");
        }
    }
}
