//! Files of exports: `<data>/exports/<export>/<sha256>`.
//!
//! A file is named by what is in it, so two who make the same export do not get into each other's
//! way, and a reader knows what it must get. Servers that share a database share the folder, as they
//! share that of the keys. A crash leaves a file under a temporary name, which goes with its export.

use std::io;
use std::path::{Path, PathBuf};

use application::PortError;
use domain::export::FileFact;
use domain::hash::Hash;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

use crate::system::random_name;

/// What is written at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// The folder of all exports.
#[derive(Debug, Clone)]
pub struct ExportFolder {
    path: PathBuf,
}

impl ExportFolder {
    /// Below the data folder; made when it is first written to.
    pub fn new(data: &Path) -> Self {
        Self { path: data.join("exports") }
    }

    /// Of one export.
    pub fn folder(&self, export: Uuid) -> PathBuf {
        self.path.join(export.to_string())
    }

    /// Begins a file of an export.
    pub async fn create(&self, export: Uuid, name: &str) -> Result<FileWriter, PortError> {
        let failed = |e| PortError::new("beginning a file", e);
        let folder = self.folder(export);
        // What is exported is for whoever may ask for it, not for other users of the machine.
        let mut builder = tokio::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder).await.map_err(failed)?;
        let draft = folder.join(format!("draft-{}", random_name()?));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&draft).await.map_err(failed)?;
        Ok(FileWriter {
            name: name.to_owned(),
            folder,
            draft: Draft(Some(draft)),
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }

    /// Opens a file that was made; none when it lies in another server's folder.
    pub async fn open(&self, export: Uuid, file: &FileFact) -> Result<Option<File>, PortError> {
        match File::open(self.path(export, file)).await {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PortError::new("opening an export's file", error)),
        }
    }

    /// Where a file that was made lies.
    pub fn path(&self, export: Uuid, file: &FileFact) -> PathBuf {
        self.folder(export).join(file.sha256.to_string())
    }

    /// Removes all files of an export.
    pub async fn remove(&self, export: Uuid) -> Result<(), PortError> {
        match tokio::fs::remove_dir_all(self.folder(export)).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(PortError::new("removing an export's files", e))
            }
            _ => Ok(()),
        }
    }
}

/// A file on its way: whole and named at the end, or gone.
pub struct FileWriter {
    name: String,
    folder: PathBuf,
    draft: Draft,
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl FileWriter {
    /// Appends.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), PortError> {
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(chunk).await.map_err(|e| PortError::new("writing a file", e))
    }

    /// Makes it lasting, under the name of its content.
    pub async fn finish(mut self) -> Result<FileFact, PortError> {
        let failed = |e| PortError::new("finishing a file", e);
        self.file.flush().await.map_err(failed)?;
        self.file.get_ref().sync_all().await.map_err(failed)?;
        let sha256 = Hash(self.hasher.finalize().into());
        if let Some(draft) = self.draft.0.as_deref() {
            let whole = self.folder.join(sha256.to_string());
            tokio::fs::rename(draft, whole).await.map_err(failed)?;
        }
        self.draft.0 = None;
        Ok(FileFact { name: self.name, bytes: self.bytes, sha256 })
    }
}

/// Removed unless it was renamed.
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
