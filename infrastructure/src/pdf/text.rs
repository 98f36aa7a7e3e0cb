//! One text as the template sets it: cut where it is too long, unusual characters by their code
//! points, long words with places to break.

use serde::{Serialize, Serializer};

use super::fonts::shown;

/// Characters of one text, so that one value does not fill a book.
const TEXT_CHARS_MAX: usize = 1_500;
/// Letters and digits without a break that a narrow column still holds.
const RUN_CHARS_MAX: usize = 16;
/// Characters of the pieces that longer runs are broken into.
const PIECE_CHARS: usize = 8;

/// Bytes that are shown for a character that is allowed.
const ROOM: usize = 2;

/// One text from anywhere, as it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    /// Longer texts are cut, and say so.
    ///
    /// What is shown counts, and code points take more room than what they stand for: they get some
    /// of it, so that a page of them stays a page.
    pub(super) fn cut(text: &str, chars_max: usize) -> Self {
        let end = text.char_indices().nth(chars_max).map_or(text.len(), |(end, _)| end);
        let (mut shown, cut) = shown(&text[..end], chars_max * ROOM);
        if cut || end < text.len() {
            let all = text.chars().count();
            shown = format!("{shown} … [cut: {all} characters in all]");
        }
        Self(shown)
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Self::cut(text.as_ref(), TEXT_CHARS_MAX)
    }
}

impl Serialize for Text {
    /// One string, or the pieces between which a line may break.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pieces = pieces(&self.0);
        match pieces.as_slice() {
            [] => serializer.serialize_str(""),
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl Text {
    /// What it takes of a page.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// Splits within long words: after their punctuation, and within runs that have none. The pieces
/// joined are the text.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split_inclusive(' ') {
        if word.chars().count() <= RUN_CHARS_MAX {
            push(&mut pieces, word);
            continue;
        }
        let run_ends = |c: char| !c.is_alphanumeric();
        for run in word.split_inclusive(run_ends) {
            let chars: Vec<char> = run.chars().collect();
            let size = if chars.len() > RUN_CHARS_MAX { PIECE_CHARS } else { RUN_CHARS_MAX };
            for piece in chars.chunks(size) {
                push(&mut pieces, &piece.iter().collect::<String>());
                pieces.push(String::new());
            }
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn push(pieces: &mut [String], text: &str) {
    if let Some(last) = pieces.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_get_places_to_break_and_lose_nothing() {
        let hash = "0123456789abcdef".repeat(4);
        for text in
            ["", "short words only", &hash, &format!("of {hash}, that"), "a/long/path.with_parts"]
        {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("short words only").len(), 1);
        assert_eq!(pieces(&hash).len(), 8);
    }

    #[test]
    fn what_is_cut_says_how_long_it_was() {
        let text = Text::from("x".repeat(10_240));
        assert!(text.0.ends_with("… [cut: 10240 characters in all]"), "{}", text.0);
        assert_eq!(Text::cut("short", 5), Text("short".to_owned()));
    }
}
