//! Bundles and packs as they lie in folders and zips: read within limits, never extracted.
//!
//! What the pure verifier needs is the size and hash of each file, and the verdict on evidence inside.

mod archive;
mod content;
mod fields;
mod folder;
pub(crate) mod hashing;
mod layout;
mod rows;

use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use domain::evidence::dsse::Envelope;
use domain::evidence::verify::{
    BundleVerifier, FileClaim, Found, MANIFEST_BYTES_MAX, MANIFEST_FILE, Options, Report,
    SIGNATURE_FILE, parse_envelope, verify_reader,
};
use domain::hash::Hash;
use infrastructure::pdf_attachments::PDF_BYTES_MAX;

use crate::verify_pdf::verify_pdf;

use self::archive::Archive;
use self::folder::Folder;
use self::hashing::Hashing;
use self::rows::Rows;

/// Entries of a folder or a zip; a bundle has ten.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of all files together: what a thousand large sessions take.
const TOTAL_BYTES_MAX: u64 = 64 << 30;
/// How much larger than in the zip a file may be. Text of CSV and JSON stays far below.
const RATIO_MAX: u64 = 200;
/// Below, a ratio says nothing, and costs nothing.
const RATIO_BYTES_MIN: u64 = 16 << 20;
/// The signature over a session's seal, in a pack.
const SEAL_FILE: &str = "seal.dsse.json";
/// A seal is a few kilobytes.
const SEAL_BYTES_MAX: u64 = 1 << 20;

/// One name in a folder or a zip.
#[derive(Debug)]
struct Entry {
    name: String,
    /// Why it is no plain file, if it is none.
    irregular: Option<&'static str>,
    /// Bytes that it takes where it lies.
    packed: u64,
}

/// Where files lie.
trait Container {
    fn entries(&self) -> &[Entry];
    /// Opens the entry of an index.
    fn open(&mut self, at: usize) -> io::Result<Box<dyn Read + '_>>;
}

/// Whether bytes begin like a zip: with an entry, or with the end of an empty one.
pub fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

/// Verifies a folder.
pub fn verify_folder(
    path: &Path,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    match Folder::read(path) {
        Ok(mut folder) => verify(&mut folder, input, options, progress),
        Err(reason) => unreadable(&reason, input, options),
    }
}

/// Verifies a zip, in a file or in memory.
pub fn verify_zip<R: Read + Seek>(
    reader: R,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    match Archive::read(reader) {
        Ok(mut archive) => verify(&mut archive, input, options, progress),
        Err(reason) => unreadable(&reason, input, options),
    }
}

/// The verdict on a folder that does not exist: nothing is there that could be wrong.
pub fn absent(input: &str, options: &Options<'_>) -> Report {
    BundleVerifier::new(options, None, None).finish(input)
}

fn unreadable(reason: &str, input: &str, options: &Options<'_>) -> Report {
    let mut verifier = BundleVerifier::new(options, None, None);
    verifier.not_read(reason);
    verifier.finish(input)
}

fn verify(
    container: &mut dyn Container,
    input: &str,
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64),
) -> Report {
    let read = small(container, MANIFEST_FILE, MANIFEST_BYTES_MAX)
        .and_then(|manifest| Ok((manifest, small(container, SIGNATURE_FILE, MANIFEST_BYTES_MAX)?)));
    let (manifest, signature) = match read {
        Ok(read) => read,
        Err(reason) => return unreadable(&reason, input, options),
    };
    let verifier = BundleVerifier::new(options, manifest.as_deref(), signature);
    // Another seal than the manifest's is a finding of its own, and speaks for nothing.
    let seal = verifier.claim(SEAL_FILE).and_then(|claim| {
        let text = small(container, SEAL_FILE, SEAL_BYTES_MAX).ok()??;
        parse_envelope(&text).filter(|_| Hash::of(&text) == claim.sha256)
    });
    let mut reading = Reading { container, verifier, options, seal, total: 0, progress };
    for at in 0..reading.container.entries().len() {
        reading.entry(at);
    }
    reading.verifier.finish(input)
}

/// The whole of a small file, if it is there.
fn small(container: &mut dyn Container, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let Some(at) = first(container, name) else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = container.open(at).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{name}: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("{name} has more than {limit} bytes"));
    }
    Ok(Some(bytes))
}

/// The first plain file of a name; a second is a finding.
fn first(container: &dyn Container, name: &str) -> Option<usize> {
    container.entries().iter().position(|entry| entry.name == name && entry.irregular.is_none())
}

struct Reading<'r, 'a> {
    container: &'r mut dyn Container,
    verifier: BundleVerifier<'a>,
    options: &'r Options<'a>,
    /// Of the session in a pack.
    seal: Option<Envelope>,
    /// Bytes read so far.
    total: u64,
    progress: &'r mut dyn FnMut(u64),
}

impl Reading<'_, '_> {
    fn entry(&mut self, at: usize) {
        let entry = &self.container.entries()[at];
        let (name, irregular, packed) = (entry.name.clone(), entry.irregular, entry.packed);
        let is_first = first(self.container, &name) == Some(at);
        if let Some(reason) = irregular {
            self.verifier.push(&name, Found::Irregular(reason));
        } else if !is_first {
            self.verifier.push(&name, Found::Irregular("a second file of this name"));
        } else if [MANIFEST_FILE, SIGNATURE_FILE].contains(&name.as_str()) {
            // Read already; the manifest cannot name them.
        } else if let Some(claim) = self.verifier.claim(&name) {
            self.claimed(at, &name, claim, packed);
        } else {
            // What no one has signed for is not read.
            self.verifier.push(&name, Found::Longer);
        }
    }

    fn claimed(&mut self, at: usize, name: &str, claim: FileClaim, packed: u64) {
        self.total = self.total.saturating_add(claim.bytes);
        let bomb = claim.bytes > RATIO_BYTES_MIN && claim.bytes / packed.max(1) > RATIO_MAX;
        if bomb || self.total > TOTAL_BYTES_MAX {
            let reason = if bomb {
                format!("{name} would be more than {RATIO_MAX} times as large as in the zip")
            } else {
                "the files are larger than any bundle".to_owned()
            };
            return self.verifier.not_read(&reason);
        }
        match self.read(at, name, claim) {
            Ok((found, inside)) => {
                if self.verifier.push(name, found) {
                    match inside {
                        Inside::Evidence(report) => self.verifier.push_evidence(*report),
                        Inside::Table(rows) => self.verifier.push_rows(name, rows),
                        Inside::Other => {}
                    }
                }
            }
            Err(error) if is_damage(&error) => {
                self.verifier.push(name, Found::Damaged);
            }
            Err(error) => self.verifier.not_read(&format!("{name}: {error}")),
        }
        (self.progress)(self.total);
    }

    /// Hashes a file; on the way verifies evidence in a pack, and counts the rows of a table.
    fn read(&mut self, at: usize, name: &str, claim: FileClaim) -> io::Result<(Found, Inside)> {
        // One byte more than the manifest says shows that there is too much.
        let file = self.container.open(at)?.take(claim.bytes.saturating_add(1));
        let mut reader = BufReader::with_capacity(1 << 18, Hashing::new(file));
        if self.verifier.is_pack() && is_pages(name) && claim.bytes <= PDF_BYTES_MAX {
            let mut pdf = Vec::new();
            reader.read_to_end(&mut pdf)?;
            let (bytes, sha256) = reader.into_inner().finish()?;
            let report = verify_pdf(&pdf, name, self.options);
            return Ok((found(bytes, sha256, claim), Inside::Evidence(report.into())));
        }
        let mut inside = Inside::Other;
        if self.verifier.is_pack() && is_evidence(name) {
            // An export has its seal inside.
            let seal = self.seal.as_ref().filter(|_| has_extension(name, "jsonl"));
            let options = Options { seal, ..*self.options };
            let report = verify_reader(&mut reader, name, &options, &mut |_| {});
            inside = Inside::Evidence(report.into());
        } else if has_extension(name, "csv") {
            let mut rows = Rows::default();
            io::copy(&mut reader, &mut rows)?;
            inside = Inside::Table(rows.below_names());
        }
        io::copy(&mut reader, &mut io::sink())?;
        let (bytes, sha256) = reader.into_inner().finish()?;
        Ok((found(bytes, sha256, claim), inside))
    }
}

/// What was seen in a file beside its bytes.
enum Inside {
    Evidence(Box<Report>),
    /// Rows below the names.
    Table(u64),
    Other,
}

fn found(bytes: u64, sha256: Hash, claim: FileClaim) -> Found {
    if bytes > claim.bytes { Found::Longer } else { Found::Whole { bytes, sha256 } }
}

/// Pages that carry their export.
fn is_pages(name: &str) -> bool {
    name.starts_with("session_") && has_extension(name, "pdf")
}

/// The session's files in a pack that the verifier reads as they are.
fn is_evidence(name: &str) -> bool {
    name.starts_with("session_") && (has_extension(name, "json") || has_extension(name, "jsonl"))
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// Whether the content is at fault rather than what it was read from.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof, Unsupported};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Unsupported)
}
