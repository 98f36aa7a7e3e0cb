//! A zip: its entries as its directory lists them, duplicates included, read in place.

use std::io::{self, Read, Seek};

use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::unstable::read::ZipIterable;

use super::content::Content;
use super::layout::{self, Place};
use super::{Container, ENTRIES_MAX, Entry};

pub(super) struct Archive<R> {
    reader: R,
    places: Vec<Place>,
    entries: Vec<Entry>,
}

impl<R: Read + Seek> Archive<R> {
    /// Lists a zip, or says why it cannot.
    pub(super) fn read(mut reader: R) -> Result<Self, String> {
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipIterable::try_new(&mut reader, config).map_err(|error| error.to_string())?;
        if zip.len() > ENTRIES_MAX {
            return Err(format!("a zip of more than {ENTRIES_MAX} entries"));
        }
        // Each entry stands twice in a zip: what two readers would take for two things is refused.
        let mut zip = zip.enforce_header_consistency(true);
        let files = zip.files().map_err(|error| error.to_string())?;
        let files: Vec<_> = files.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let entries = files.iter().map(|file| {
            let name = std::str::from_utf8(file.name_raw());
            let irregular = match name {
                Ok(name) => irregular(name, file),
                Err(_) => Some("a name that is no text"),
            };
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            Entry { name, irregular, packed: file.compressed_size() }
        });
        let entries: Vec<Entry> = entries.collect();
        let places = layout::places(&mut reader, entries.len())?;
        Ok(Self { reader, places, entries })
    }
}

impl<R: Read + Seek> Container for Archive<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn open(&mut self, at: usize) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Content::open(&mut self.reader, self.places[at])?))
    }
}

fn irregular(name: &str, file: &ZipFileEntry<'_>) -> Option<&'static str> {
    let leads_elsewhere = name.contains(['/', '\\', ':', '\0']) || name == ".." || name == ".";
    if file.is_symlink() {
        Some("a symbolic link, which is not followed")
    } else if name.ends_with('/') {
        Some("a folder, and a bundle has none")
    } else if leads_elsewhere {
        Some("a name that leads out of the bundle")
    } else if file.encrypted() {
        Some("encrypted")
    } else {
        None
    }
}
