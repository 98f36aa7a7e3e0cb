//! What an entry of a zip unpacks to, held to what its headers say of it.

use std::io::{self, Read, Seek, SeekFrom, Take};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::layout::Place;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Reads an entry. At its end an error says that its size, its checksum or its last packed byte is
/// not where the headers say: readers would disagree about what follows.
pub(super) struct Content<R> {
    unpacked: Unpacked<R>,
    place: Place,
    read: u64,
    crc: Crc,
}

enum Unpacked<R> {
    Stored(Take<R>),
    Deflated(DeflateDecoder<Take<R>>),
}

impl<R: Read + Seek> Content<R> {
    pub(super) fn open(mut reader: R, place: Place) -> io::Result<Self> {
        reader.seek(SeekFrom::Start(place.start))?;
        let packed = reader.take(place.packed);
        let unpacked = match place.method {
            STORED => Unpacked::Stored(packed),
            DEFLATED => Unpacked::Deflated(DeflateDecoder::new(packed)),
            _ => return Err(damaged("an unknown method of compression")),
        };
        Ok(Self { unpacked, place, read: 0, crc: Crc::new() })
    }
}

impl<R> Content<R> {
    fn end(&self) -> io::Result<()> {
        let packed = match &self.unpacked {
            Unpacked::Stored(_) => self.read,
            Unpacked::Deflated(decoder) => decoder.total_in(),
        };
        if (packed, self.read) != (self.place.packed, self.place.bytes) {
            return Err(damaged("another size than the zip says"));
        }
        if self.crc.sum() != self.place.crc32 {
            return Err(damaged("another checksum than the zip says"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.unpacked {
            Unpacked::Stored(stored) => stored.read(into)?,
            Unpacked::Deflated(decoder) => decoder.read(into)?,
        };
        if count == 0 && !into.is_empty() {
            self.end()?;
        }
        self.read += count as u64;
        self.crc.update(&into[..count]);
        Ok(count)
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
