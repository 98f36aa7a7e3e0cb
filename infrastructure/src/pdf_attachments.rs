//! What a PDF of ours carries: the export, its seal and the keys, as its name tree lists them.
//!
//! The input is hostile: it is read in the plain form that our renderer writes and in no other.
//! Compressed object and cross-reference streams, which can unfold to any size, are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::pdf_layout;
use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};

/// A whole PDF.
pub const PDF_BYTES_MAX: u64 = 96 << 20;
/// An export that is set as a PDF, and that is taken out of one.
pub const EXPORT_BYTES_MAX: usize = 64 << 20;
/// The seal's envelope among the attachments.
pub const SEAL_NAME: &str = "seal.dsse.json";
/// The public keys among the attachments.
pub const KEYS_NAME: &str = "jwks.json";

/// A seal or a key set.
const SMALL_BYTES_MAX: usize = 4 << 20;
/// Files that are looked at, and levels of the tree that lists them.
const FILES_MAX: usize = 16;
const LEVELS_MAX: usize = 8;

/// The files, as bytes, and what the metadata say of them.
#[derive(Debug, Default)]
pub struct Attachments {
    pub export: Vec<u8>,
    pub seal: Option<Vec<u8>>,
    pub keys: Option<Vec<u8>>,
    /// `json-sha256` of the metadata: which export the document was made of.
    pub export_sha256: Option<String>,
    /// `renderer` of the metadata.
    pub renderer: Option<String>,
    /// Names of files that our renderer does not attach.
    pub others: Vec<String>,
}

/// Why a PDF carries no evidence that could be read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentFault {
    #[error("a PDF of more than {} MiB", PDF_BYTES_MAX >> 20)]
    TooLarge,
    #[error(
        "not a PDF as this system writes it ({0}); another program may have saved it anew: take the \
         attached files out and verify those"
    )]
    NotOurs(String),
    #[error("the PDF carries no session_<id>.json")]
    NoExport,
    #[error("the PDF carries several files of the name {0}")]
    Twice(String),
    #[error("the attached {0} cannot be read, or is too large")]
    Unreadable(String),
}

/// The name of the JSON export among the attachments. The id is the export's own word, and may be
/// anything.
pub fn export_name(session: &str) -> String {
    let id: String = session.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("session_{id}.json")
}

/// Whether an input is a PDF.
pub fn is_pdf(start: &[u8]) -> bool {
    start.starts_with(b"%PDF-")
}

/// Takes the attached files out.
pub fn read(pdf: &[u8]) -> Result<Attachments, AttachmentFault> {
    if pdf.len() as u64 > PDF_BYTES_MAX {
        return Err(AttachmentFault::TooLarge);
    }
    // A parser of a large format that other people feed: a panic of it is an unreadable input.
    catch_unwind(AssertUnwindSafe(|| read_document(pdf)))
        .unwrap_or_else(|_| Err(AttachmentFault::NotOurs("the parser gave up".to_owned())))
}

fn read_document(pdf: &[u8]) -> Result<Attachments, AttachmentFault> {
    let options = LoadOptions {
        filter: Some(plain_or_attached),
        strict: true,
        max_decompressed_size: Some(0),
        ..LoadOptions::default()
    };
    let document = Document::load_mem_with_options(pdf, options).map_err(not_ours)?;
    if let Some(reason) = pdf_layout::ambiguous(pdf, &document) {
        return Err(not_ours(reason));
    }
    let mut attachments = Attachments::default();
    read_keywords(&document, &mut attachments);
    let mut files = BTreeMap::new();
    let catalog = document.catalog().map_err(not_ours)?;
    let names = dictionary(&document, catalog, b"Names").map_err(|_| AttachmentFault::NoExport)?;
    let tree =
        dictionary(&document, names, b"EmbeddedFiles").map_err(|_| AttachmentFault::NoExport)?;
    collect(&document, tree, 0, &mut files)?;
    if !same_as_associated(&document, catalog, &files) {
        return Err(AttachmentFault::NotOurs("its two lists of files differ".to_owned()));
    }
    let listed = files.len();
    for (name, file) in files {
        let is_export = name.starts_with("session_") && name.rsplit('.').next() == Some("json");
        match name.as_str() {
            SEAL_NAME => attachments.seal = Some(content(&document, file, &name, SMALL_BYTES_MAX)?),
            KEYS_NAME => attachments.keys = Some(content(&document, file, &name, SMALL_BYTES_MAX)?),
            _ if is_export && attachments.export.is_empty() => {
                attachments.export = content(&document, file, &name, EXPORT_BYTES_MAX)?;
            }
            _ if is_export => return Err(AttachmentFault::Twice("session_<id>.json".to_owned())),
            _ => attachments.others.push(name),
        }
    }
    // Of what hangs elsewhere (at a page, say) or is left of an earlier state, readers take a file
    // out all the same, and perhaps over ours.
    let holders: usize = document.objects.values().map(|object| holders_in(object, 0)).sum();
    let streams = document.objects.values().filter(|object| object.as_stream().is_ok()).count();
    for _ in listed..holders.max(streams) {
        attachments.others.push("(in no list)".to_owned());
    }
    if attachments.export.is_empty() { Err(AttachmentFault::NoExport) } else { Ok(attachments) }
}

/// How many specifications of embedded files an object holds, itself included.
fn holders_in(object: &Object, level: usize) -> usize {
    if level > LEVELS_MAX {
        // Nothing of ours is so deep: it counts as one that we did not make.
        return 1;
    }
    match object {
        Object::Dictionary(members) => {
            let inside = members.iter().map(|(_, member)| holders_in(member, level + 1));
            usize::from(members.has(b"EF")) + inside.sum::<usize>()
        }
        Object::Array(items) => items.iter().map(|item| holders_in(item, level + 1)).sum(),
        _ => 0,
    }
}

fn not_ours(error: impl std::fmt::Display) -> AttachmentFault {
    AttachmentFault::NotOurs(error.to_string())
}

/// Keeps no stream but those of attached files: pages are of no use here.
fn plain_or_attached(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    let keep = match object.as_stream() {
        Ok(stream) => stream.dict.has_type(b"EmbeddedFile"),
        Err(_) => true,
    };
    // What is returned only counts for objects out of object streams, and those are refused.
    keep.then_some((id, Object::Null))
}

fn dictionary<'d>(
    document: &'d Document,
    of: &'d Dictionary,
    key: &[u8],
) -> lopdf::Result<&'d Dictionary> {
    of.get_deref(key, document)?.as_dict()
}

/// Walks the name tree; the specification of each file by its name.
fn collect(
    document: &Document,
    node: &Dictionary,
    level: usize,
    files: &mut BTreeMap<String, ObjectId>,
) -> Result<(), AttachmentFault> {
    if level > LEVELS_MAX || files.len() > FILES_MAX {
        return Err(AttachmentFault::NotOurs("too many files".to_owned()));
    }
    let array = |key: &[u8]| node.get_deref(key, document).and_then(Object::as_array);
    if let Ok(kids) = array(b"Kids") {
        for kid in kids.iter().take(FILES_MAX) {
            let kid = kid.as_reference().and_then(|id| document.get_dictionary(id));
            collect(document, kid.map_err(not_ours)?, level + 1, files)?;
        }
    }
    for pair in array(b"Names").map(Vec::as_slice).unwrap_or_default().chunks(2) {
        let [_, file] = pair else { return Err(not_ours("a name without a file")) };
        let id = file.as_reference().map_err(not_ours)?;
        let specification = document.get_dictionary(id).map_err(not_ours)?;
        // What readers show as the name is the specification's, not the tree's.
        let name = specification.get(b"UF").or_else(|_| specification.get(b"F"));
        let name = name.and_then(lopdf::decode_text_string).map_err(not_ours)?;
        let plain = specification.get(b"F").and_then(lopdf::decode_text_string);
        if plain.is_ok_and(|plain| plain != name) {
            return Err(not_ours("a file has two names"));
        }
        if files.insert(name.clone(), id).is_some() {
            return Err(AttachmentFault::Twice(name));
        }
    }
    Ok(())
}

/// PDF/A lists its files a second time; a reader may go by either list.
fn same_as_associated(
    document: &Document,
    catalog: &Dictionary,
    files: &BTreeMap<String, ObjectId>,
) -> bool {
    let Ok(list) = catalog.get_deref(b"AF", document).and_then(Object::as_array) else {
        return false;
    };
    let associated: BTreeSet<_> = list.iter().filter_map(|id| id.as_reference().ok()).collect();
    associated.len() == list.len() && associated == files.values().copied().collect()
}

fn content(
    document: &Document,
    file: ObjectId,
    name: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, AttachmentFault> {
    let unreadable = || AttachmentFault::Unreadable(name.to_owned());
    let specification = document.get_dictionary(file).map_err(|_| unreadable())?;
    let embedded = dictionary(document, specification, b"EF").map_err(|_| unreadable())?;
    let stream_id = |key: &[u8]| embedded.get(key).and_then(Object::as_reference).ok();
    let id = stream_id(b"UF").or_else(|| stream_id(b"F")).ok_or_else(unreadable)?;
    // Two streams under one name would let two readers see two files.
    if stream_id(b"F").is_some_and(|other| other != id) {
        return Err(unreadable());
    }
    let stream = document.get_object(id).and_then(Object::as_stream).map_err(|_| unreadable())?;
    let filters = stream.filters().unwrap_or_default();
    let bytes = match filters.as_slice() {
        [] => Some(stream.content.clone()).filter(|bytes| bytes.len() <= bytes_max),
        [b"FlateDecode"] => stream.decompressed_content_with_limit(bytes_max).ok(),
        _ => None,
    };
    bytes.ok_or_else(unreadable)
}

fn read_keywords(document: &Document, attachments: &mut Attachments) {
    let info = document.trailer.get_deref(b"Info", document).and_then(Object::as_dict);
    let keywords = info.and_then(|info| info.get_deref(b"Keywords", document));
    let Ok(keywords) = keywords.and_then(lopdf::decode_text_string) else { return };
    for keyword in keywords.split(", ") {
        match keyword.split_once('=') {
            Some(("json-sha256", value)) => attachments.export_sha256 = Some(value.to_owned()),
            Some(("renderer", value)) => attachments.renderer = Some(value.to_owned()),
            _ => {}
        }
    }
}
