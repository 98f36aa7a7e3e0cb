//! A folder: its files, without following a link or going below.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::{Container, ENTRIES_MAX, Entry};

pub(super) struct Folder {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Folder {
    /// Lists a folder, or says why it cannot.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut entries = Vec::new();
        for item in fs::read_dir(path).map_err(|error| error.to_string())? {
            let item = item.map_err(|error| error.to_string())?;
            if entries.len() == ENTRIES_MAX {
                return Err(format!("a folder of more than {ENTRIES_MAX} entries"));
            }
            let kind = item.file_type().map_err(|error| error.to_string())?;
            let name = item.file_name();
            let irregular = match name.to_str() {
                Some(_) => irregular(kind),
                None => Some("a name that is no text"),
            };
            let packed = item.metadata().map_or(0, |data| data.len());
            entries.push(Entry { name: name.to_string_lossy().into_owned(), irregular, packed });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { path: path.to_owned(), entries })
    }
}

impl Container for Folder {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn open(&mut self, at: usize) -> io::Result<Box<dyn Read + '_>> {
        // It may have become a link or a pipe since it was listed.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let path = self.path.join(&self.entries[at].name);
        let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Box::new(file))
    }
}

fn irregular(kind: FileType) -> Option<&'static str> {
    if kind.is_symlink() {
        Some("a symbolic link, which is not followed")
    } else if kind.is_dir() {
        Some("a folder, and a bundle has none")
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
    {
        Some("no file")
    } else {
        None
    }
}
