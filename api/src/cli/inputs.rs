//! What the files on the command line of `exhibit verify` are, by what they begin with.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use domain::evidence::dsse::Envelope;
use domain::evidence::verify::parse_envelope;

use crate::verification;

/// A signature is a few kilobytes; nothing larger is looked at as one.
const SIGNATURE_BYTES_MAX: u64 = 1 << 20;

pub(super) enum Input {
    /// A bundle or a pack.
    Folder,
    /// A folder by its name, which does not exist.
    Absent,
    /// A bundle or a pack in one file.
    Zip,
    /// Records in any form that is read from its beginning to its end.
    Records,
    /// A DSSE envelope, over a seal or over an export.
    Signature(Envelope),
}

/// Looks at the beginning of a file, unless it can be read only once.
pub(super) fn read(path: &Path) -> io::Result<Input> {
    if path.is_dir() {
        return Ok(Input::Folder);
    }
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") && !path.exists() {
        return Ok(Input::Absent);
    }
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    // A pipe is read once, as records; a signature or a zip is a file.
    if !metadata.is_file() {
        return Ok(Input::Records);
    }
    let start = start_of(&mut file)?;
    if verification::is_zip(&start) {
        return Ok(Input::Zip);
    }
    if metadata.len() > SIGNATURE_BYTES_MAX {
        return Ok(Input::Records);
    }
    Ok(parse_envelope(&start).map_or(Input::Records, Input::Signature))
}

fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(SIGNATURE_BYTES_MAX).read_to_end(&mut start)?;
    Ok(start)
}

/// Of several signatures, the place of the one whose statement names a session or an export that the
/// file begins with.
pub(super) fn signature_of(path: &Path, several: &[Envelope]) -> io::Result<Option<usize>> {
    if several.is_empty() {
        return Ok(None);
    }
    let start = start_of(&mut File::open(path)?)?;
    let start = String::from_utf8_lossy(&start);
    let belongs = |envelope: &Envelope| {
        let statement = envelope.payload_bytes().unwrap_or_default();
        let statement: serde_json::Value = serde_json::from_slice(&statement).unwrap_or_default();
        let ids = [&statement["session_id"], &statement["header"]["export_id"]];
        ids.iter().any(|id| id.as_str().is_some_and(|id| start.contains(id)))
    };
    Ok(several.iter().position(belongs))
}

/// The detached signature beside a file: `<file>.dsse.json`. One that cannot be read is not the same
/// as none.
pub(super) fn signature_beside(path: &Path) -> io::Result<Option<Envelope>> {
    let mut name = OsString::from(path);
    name.push(".dsse.json");
    let beside = PathBuf::from(name);
    let mut file = match File::open(&beside) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let is_small = metadata.is_file() && metadata.len() <= SIGNATURE_BYTES_MAX;
    let envelope = if is_small { parse_envelope(&start_of(&mut file)?) } else { None };
    let unread = || {
        let message = format!("{} is no signature (a DSSE envelope)", beside.display());
        io::Error::new(ErrorKind::InvalidData, message)
    };
    envelope.map(Some).ok_or_else(unread)
}
