//! All that the typesetter can see: one template, the values of one document, the fonts of the
//! binary. No file system, no network, no clock.

use std::collections::HashMap;
use std::sync::LazyLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use super::fonts::FONTS;

/// Names that a document can read. The typesetter keeps every name it has seen for ever, so there
/// are these and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// What the template sets: texts as values, never as markup.
    Values,
    /// The picture of events over time.
    Chart,
    /// The code on the cover.
    Qr,
    Export,
    Seal,
    Keys,
}

const NAMES: [(Name, &str); 6] = [
    (Name::Values, "values.json"),
    (Name::Chart, "chart.svg"),
    (Name::Qr, "qr.svg"),
    (Name::Export, "export"),
    (Name::Seal, "seal"),
    (Name::Keys, "keys"),
];

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));

static BOOK: LazyLock<LazyHash<FontBook>> =
    LazyLock::new(|| LazyHash::new(FontBook::from_fonts(FONTS.iter())));

static TEMPLATE: LazyLock<Source> = LazyLock::new(|| {
    let text = include_str!("template.typ");
    Source::new(id("main.typ"), text.to_owned())
});

static IDS: LazyLock<HashMap<FileId, Name>> =
    LazyLock::new(|| NAMES.iter().map(|(name, path)| (id(path), *name)).collect());

fn id(path: &str) -> FileId {
    let path = VirtualPath::new(path).expect("the names above climb nowhere");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// The files of one document.
pub(super) struct DocumentWorld {
    files: HashMap<Name, Bytes>,
}

impl DocumentWorld {
    pub(super) fn new(files: impl IntoIterator<Item = (Name, Bytes)>) -> Self {
        Self { files: files.into_iter().collect() }
    }
}

impl World for DocumentWorld {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &BOOK
    }

    fn main(&self) -> FileId {
        TEMPLATE.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == TEMPLATE.id() { Ok(TEMPLATE.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let file = IDS.get(&id).and_then(|name| self.files.get(name));
        file.cloned().ok_or(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
