//! The one way in which a PDF may lie in a file: object behind object, as its table says.
//!
//! A reader that finds a table wrong, or an object missing, searches the file for objects instead and
//! takes what it finds last (poppler does). So nothing may lie beside those that the table names, and
//! nothing may be missing.
//!
//! Source: ISO 32000-1, sections 7.3.10, 7.5.4 to 7.5.6.

use lopdf::Document;
use lopdf::xref::XrefEntry;
use memchr::memmem;

const END_OF_OBJECT: &[u8] = b"endobj";
const STREAM: &[u8] = b"stream";
const END_OF_FILE: &[u8] = b"startxref";

/// Why readers might not agree on a PDF, if they might not.
pub(crate) fn ambiguous(pdf: &[u8], document: &Document) -> Option<&'static str> {
    if !ends_once(pdf, document) {
        Some("something was added behind its end")
    } else if !is_tiled(pdf, document) {
        Some("something lies in it that its table does not name, or is missing")
    } else {
        None
    }
}

/// Whether the document was written once and ends where the file does: an update that is appended can
/// give it other pages, and where a file ends twice readers differ about which end counts. Looked for
/// behind the last stream alone, for streams may hold any bytes.
fn ends_once(pdf: &[u8], document: &Document) -> bool {
    let table = pdf.get(document.xref_start..).unwrap_or_default();
    let Some(at) = memmem::find(table, END_OF_FILE) else { return false };
    let rest = std::str::from_utf8(&table[at + END_OF_FILE.len()..]).unwrap_or_default();
    let words: Vec<_> = rest.split_ascii_whitespace().take(3).collect();
    let is_end = words == [document.xref_start.to_string().as_str(), "%%EOF"];
    is_end && document.xref_section_count == 1
}

/// Whether the objects of the table fill the file between its first comments and the table.
fn is_tiled(pdf: &[u8], document: &Document) -> bool {
    let mut objects = Vec::new();
    for (id, entry) in &document.reference_table.entries {
        match entry {
            XrefEntry::Normal { offset, generation } => {
                objects.push((*offset as usize, *id, *generation));
            }
            XrefEntry::Compressed { .. } => return false,
            XrefEntry::Free | XrefEntry::UnusableFree => {}
        }
    }
    objects.sort_unstable();
    let exists = |id: u32| {
        let entry = document.reference_table.entries.get(&id);
        matches!(entry, Some(XrefEntry::Normal { .. }))
    };
    let first = objects.first().map_or(document.xref_start, |(offset, ..)| *offset);
    let comments = pdf.get(..first).unwrap_or_default();
    let is_comment = |line: &[u8]| line.is_empty() || line.starts_with(b"%");
    if !comments.split(|byte| matches!(byte, b'\n' | b'\r')).all(is_comment) {
        return false;
    }
    let ends = objects.iter().skip(1).map(|(offset, ..)| *offset).chain([document.xref_start]);
    let whole = objects.iter().zip(ends).all(|((start, id, generation), end)| {
        let object = pdf.get(*start..end).unwrap_or_default();
        let begin = format!("{id} {generation} obj");
        let stated = object.strip_prefix(begin.as_bytes()).and_then(stated_alone);
        stated.is_some_and(|stated| all_exist(stated, exists))
    });
    whole && all_exist(&pdf[document.xref_start..], exists)
}

/// What an object says outside its stream, if it ends where the bytes do.
fn stated_alone(object: &[u8]) -> Option<&[u8]> {
    let Some(at) = stream_keyword(object) else {
        let end = memmem::find(object, END_OF_OBJECT)?;
        return object[end + END_OF_OBJECT.len()..]
            .trim_ascii()
            .is_empty()
            .then_some(&object[..end]);
    };
    let (stated, data) = (&object[..at], &object[at + STREAM.len()..]);
    let data = data.strip_prefix(b"\r\n").or_else(|| data.strip_prefix(b"\n"))?;
    let (_, end) = data.split_at_checked(length(stated)?)?;
    let words: Vec<&[u8]> = words(end).collect();
    let is_end = words == [b"endstream".as_slice(), END_OF_OBJECT];
    (is_end && memmem::find(stated, END_OF_OBJECT).is_none()).then_some(stated)
}

/// Where the dictionary of a stream has ended.
fn stream_keyword(object: &[u8]) -> Option<usize> {
    let end = memmem::find(object, END_OF_OBJECT).unwrap_or(object.len());
    let mut found = memmem::find_iter(&object[..end], STREAM);
    found.find(|at| object[..*at].trim_ascii_end().ends_with(b">>"))
}

/// The length of a stream, which our renderer states in its dictionary.
fn length(dictionary: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(dictionary);
    let mut lengths = text.match_indices("/Length").filter_map(|(at, name)| {
        let rest = &text[at + name.len()..];
        let is_whole = rest.starts_with(|c: char| c.is_ascii_whitespace());
        let mut words = rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
        is_whole.then(|| words.next()?.parse().ok()).flatten()
    });
    lengths.next().filter(|_| lengths.next().is_none())
}

/// Whether each object exists that is referred to.
fn all_exist(stated: &[u8], exists: impl Fn(u32) -> bool) -> bool {
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u32>().ok();
    let mut before: [Option<u32>; 2] = [None, None];
    words(stated).all(|word| {
        let refers = word == b"R" && before[1].is_some();
        let target = before[0].filter(|_| refers);
        before = [before[1], number(word)];
        target.is_none_or(&exists)
    })
}

fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\0()<>[]{}/%".contains(byte);
    bytes.split(ends).filter(|word| !word.is_empty())
}
