//! Zips, well made and badly made.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::good::Files;

/// A zip of files, compressed.
pub fn deflated(files: &Files) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// One entry, as a careless or a hostile program may write it.
#[derive(Clone)]
pub struct Entry {
    /// In the directory at the end.
    pub name: String,
    /// Before the content.
    pub local_name: String,
    pub bytes: Vec<u8>,
    /// Of Unix, with the kind of file.
    pub mode: u32,
    /// The content in DEFLATE's form; none where it is stored as it is.
    pub packed: Option<Vec<u8>>,
    /// Extra fields before the content.
    pub extra: Vec<u8>,
    /// Where the directory says that it lies, if not where it does ...
    pub at: Option<usize>,
    /// ... and what lies there in its place.
    pub instead: Option<Vec<u8>>,
}

pub fn entry(name: &str, bytes: &[u8]) -> Entry {
    let (name, local_name, bytes) = (name.into(), name.into(), bytes.to_vec());
    let (packed, extra, at, instead) = (None, Vec::new(), None, None);
    Entry { name, local_name, bytes, mode: 0o100_644, packed, extra, at, instead }
}

pub fn entries(files: &Files) -> Vec<Entry> {
    files.iter().map(|(name, bytes)| entry(name, bytes)).collect()
}

/// DEFLATE without compression (RFC 1951, 3.2.4), in one block.
pub fn deflated_plain(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&[1], length.to_le_bytes().as_slice(), &(!length).to_le_bytes(), bytes].concat()
}

impl Entry {
    fn packed(&self) -> &[u8] {
        self.packed.as_deref().unwrap_or(&self.bytes)
    }

    /// Version, flags, method, time, checksum and sizes, which stand in both headers.
    fn facts(&self) -> Vec<u8> {
        let method = if self.packed.is_some() { 8 } else { 0 };
        let sizes = [crc32(&self.bytes), self.packed().len() as u32, self.bytes.len() as u32];
        let mut facts = [20_u16, 0, method, 0, 0x21].map(u16::to_le_bytes).concat();
        facts.extend(sizes.map(u32::to_le_bytes).concat());
        facts
    }

    /// What lies before the directory: header and content.
    pub fn local(&self) -> Vec<u8> {
        let lengths = [self.local_name.len() as u16, self.extra.len() as u16];
        let (facts, lengths) = (self.facts(), lengths.map(u16::to_le_bytes).concat());
        let header = [b"PK\x03\x04".as_slice(), &facts, &lengths].concat();
        [&header, self.local_name.as_bytes(), &self.extra, self.packed()].concat()
    }

    fn central(&self, offset: usize) -> Vec<u8> {
        // Made on Unix, so that the mode counts.
        let version = [20, 3];
        let lengths = [self.name.len() as u16, 0, 0, 0, 0].map(u16::to_le_bytes).concat();
        let rest = [self.mode << 16, offset as u32].map(u32::to_le_bytes).concat();
        let facts = self.facts();
        let header = [b"PK\x01\x02".as_slice(), &version, &facts, &lengths, &rest].concat();
        [&header, self.name.as_bytes()].concat()
    }
}

/// A zip without compression, entry by entry as they are (APPNOTE 4.3).
pub fn stored(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        directory.extend(entry.central(entry.at.unwrap_or(out.len())));
        out.extend(entry.instead.clone().unwrap_or_else(|| entry.local()));
    }
    let count = entries.len() as u16;
    let end = [
        b"PK\x05\x06".to_vec(),
        [0, 0, count, count].map(u16::to_le_bytes).concat(),
        [directory.len() as u32, out.len() as u32].map(u32::to_le_bytes).concat(),
        vec![0, 0],
    ];
    [out, directory, end.concat()].concat()
}

/// As in PKZIP, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
