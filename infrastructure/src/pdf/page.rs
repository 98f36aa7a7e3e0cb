//! A document as the template sets it: headings, paragraphs, tables, all of plain texts.
//!
//! Nothing here is markup. Each text goes through [`Text`] on its way to the template, which cuts it,
//! shows unusual characters by their code points, and lets long words break.

use serde::{Serialize, Serializer};

use super::fonts::{ascii, shown};

/// Characters of one text, so that one value does not fill a book.
const TEXT_CHARS_MAX: usize = 1_500;
/// Letters and digits without a break that a narrow column still holds.
const RUN_CHARS_MAX: usize = 16;
/// Blanks before a line of code.
const INDENT_MAX: usize = 32;
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

/// Texts of which the whole is told apart: the template only ever reads these members.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Document {
    pub(super) title: Text,
    /// Of the PDF's metadata; plain strings that the page does not show.
    pub(super) meta: Meta,
    pub(super) header: Text,
    /// What the foot of each page names beside its number.
    pub(super) footer: Text,
    /// Whether a table of contents follows the cover.
    pub(super) contents: bool,
    pub(super) cover: Cover,
    pub(super) sections: Vec<Section>,
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Meta {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) keywords: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Cover {
    pub(super) kicker: Text,
    pub(super) status: Option<Status>,
    pub(super) facts: Vec<Fact>,
    /// Beside the picture of the code, if there is one.
    pub(super) qr: Option<Text>,
    pub(super) disclaimer: Text,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Status {
    pub(super) tone: Tone,
    pub(super) text: Text,
    pub(super) reasons: Vec<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Fact {
    pub(super) name: Text,
    pub(super) value: Text,
    pub(super) mono: bool,
}

impl Fact {
    pub(super) fn new(name: &str, value: impl Into<Text>) -> Self {
        Self { name: name.into(), value: value.into(), mono: false }
    }

    /// For hashes and ids.
    pub(super) fn mono(name: &str, value: impl Into<Text>) -> Self {
        Self { name: name.into(), value: value.into(), mono: true }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Section {
    pub(super) heading: Text,
    pub(super) blocks: Vec<Block>,
}

impl Section {
    pub(super) fn new(heading: &str, blocks: Vec<Block>) -> Self {
        Self { heading: heading.into(), blocks }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Block {
    Heading {
        text: Text,
    },
    Text {
        text: Text,
    },
    /// Small print below what it belongs to.
    Note {
        text: Text,
    },
    Callout {
        tone: Tone,
        title: Text,
        text: Text,
    },
    List {
        items: Vec<Text>,
    },
    Facts {
        facts: Vec<Fact>,
    },
    Table(Table),
    /// Lines of a command or of a document, as they are.
    Code {
        lines: Vec<Line>,
    },
    /// The picture of events over time.
    Chart {
        alt: Text,
        from: Text,
        to: Text,
        note: Text,
    },
}

impl Block {
    pub(super) fn text(text: impl Into<Text>) -> Self {
        Self::Text { text: text.into() }
    }

    pub(super) fn note(text: impl Into<Text>) -> Self {
        Self::Note { text: text.into() }
    }

    pub(super) fn heading(text: impl Into<Text>) -> Self {
        Self::Heading { text: text.into() }
    }

    pub(super) fn code<'t>(lines: impl IntoIterator<Item = &'t str>) -> Self {
        let line = |line: &str| {
            let text = line.trim_start_matches(' ');
            Line { indent: (line.len() - text.len()).min(INDENT_MAX), text: text.into() }
        };
        Self::Code { lines: lines.into_iter().map(line).collect() }
    }
}

/// One line of code.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    /// Blanks before the text.
    indent: usize,
    text: Text,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Text>>,
    pub(super) note: Option<Text>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Column {
    pub(super) name: Text,
    /// Beside the others.
    pub(super) width: f64,
    pub(super) mono: bool,
}

impl Column {
    pub(super) fn new(name: &str, width: f64) -> Self {
        Self { name: name.into(), width, mono: false }
    }

    pub(super) fn mono(name: &str, width: f64) -> Self {
        Self { name: name.into(), width, mono: true }
    }
}

/// A file inside the PDF.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Attachment {
    /// What the template reads.
    pub(super) path: &'static str,
    pub(super) name: String,
    pub(super) media_type: &'static str,
    pub(super) description: &'static str,
    /// `source` of the document, or `supplement` to it.
    pub(super) relationship: &'static str,
}

/// The same values with every text in ASCII.
pub(super) fn in_ascii(values: &mut serde_json::Value) {
    match values {
        serde_json::Value::String(text) => *text = ascii(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(in_ascii),
        serde_json::Value::Object(members) => members.values_mut().for_each(in_ascii),
        _ => {}
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
