//! A document as the template sets it: headings, paragraphs, tables, all of plain texts.
//!
//! Nothing here is markup. Each text is a [`Text`], which knows what can be set and how much of it.

use serde::Serialize;

use super::fonts::ascii;
pub(super) use super::text::Text;

/// Blanks before a line of code.
const INDENT_MAX: usize = 32;

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
    pub(super) text: Text,
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
