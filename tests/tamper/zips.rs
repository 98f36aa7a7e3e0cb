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
}

pub fn entry(name: &str, bytes: &[u8]) -> Entry {
    Entry { name: name.into(), local_name: name.into(), bytes: bytes.to_vec(), mode: 0o100_644 }
}

pub fn entries(files: &Files) -> Vec<Entry> {
    files.iter().map(|(name, bytes)| entry(name, bytes)).collect()
}

/// A zip without compression, entry by entry as they are (APPNOTE 4.3).
pub fn stored(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = out.len() as u32;
        let facts = [
            [20_u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat(),
            [crc32(&entry.bytes), entry.bytes.len() as u32, entry.bytes.len() as u32]
                .map(u32::to_le_bytes)
                .concat(),
        ]
        .concat();
        let names = |name: &str| [name.len() as u16, 0].map(u16::to_le_bytes).concat();
        out.extend([b"PK\x03\x04".as_slice(), &facts, &names(&entry.local_name)].concat());
        out.extend([entry.local_name.as_bytes(), &entry.bytes].concat());
        // Made on Unix, so that the mode counts.
        let version = [20, 3];
        let rest = [
            [0_u16; 3].map(u16::to_le_bytes).concat(),
            [entry.mode << 16, offset].map(u32::to_le_bytes).concat(),
        ]
        .concat();
        directory
            .extend([b"PK\x01\x02".as_slice(), &version, &facts, &names(&entry.name)].concat());
        directory.extend([&rest, entry.name.as_bytes()].concat());
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
