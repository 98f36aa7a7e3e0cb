//! The one way in which a zip may lie in a file: from the first byte to the last, without a gap.
//!
//! Readers of zips do not agree on archives that are joined, wrapped or padded: one finds its
//! directory from the end and believes its number of entries, one its size, and one goes along from
//! the beginning. So both lists must be one: each entry of the directory is that of the file which
//! lies next, and neither list has a byte that is left over.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.4 and 4.5.

use std::io::{self, Read, Seek, SeekFrom};

use super::fields::{Sizes, are_harmless, u16_at, u32_at, u64_at};

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: u64 = 22;
const END_64_BYTES: u64 = 56;
const LOCATOR_64_BYTES: u64 = 20;
/// What a thousand entries with names of 600 bytes take.
const DIRECTORY_BYTES_MAX: u64 = 1 << 20;
/// Encryption, the level of compression, names in UTF-8. Others change how an entry is read.
const FLAGS_KNOWN: u16 = 1 | 6 | 1 << 11;
/// APPNOTE 6.3, in tenths.
const VERSION_MAX: u16 = 63;
const UNIX: u16 = 3;
/// Kinds of files that entries say of themselves in a mode: none, folder, file, link.
const KINDS_KNOWN: [u32; 4] = [0, 4, 8, 10];
const DOS_FOLDER: u32 = 0x10;

/// Where the packed bytes of an entry lie, and what they become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub start: u64,
    pub packed: u64,
    pub bytes: u64,
    pub crc32: u32,
    /// APPNOTE 4.4.5.
    pub method: u16,
}

/// The directory that ends with the file.
struct Directory {
    start: u64,
    bytes: u64,
    entries: u64,
}

/// The places of all entries, in the order of the directory; or why readers might not agree on it.
pub(super) fn places<R: Read + Seek>(reader: &mut R, entries: usize) -> Result<Vec<Place>, String> {
    let left_over = "bytes before, between or behind its files belong to none of them";
    match walk(reader, entries) {
        Ok(Some(places)) => Ok(places),
        Ok(None) => Err(left_over.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn walk<R: Read + Seek>(reader: &mut R, entries: usize) -> io::Result<Option<Vec<Place>>> {
    let Some(directory) = directory(reader)? else { return Ok(None) };
    if directory.entries != entries as u64 || directory.bytes > DIRECTORY_BYTES_MAX {
        return Ok(None);
    }
    let mut list = vec![0; directory.bytes as usize];
    reader.seek(SeekFrom::Start(directory.start))?;
    reader.read_exact(&mut list)?;
    let (mut list, mut next, mut places) = (list.as_slice(), 0, Vec::with_capacity(entries));
    for _ in 0..entries {
        let Some((central, rest)) = Central::read(list) else { return Ok(None) };
        let Some(place) = file_at(reader, next, &central)? else { return Ok(None) };
        let Some(end) = place.start.checked_add(place.packed) else { return Ok(None) };
        places.push(place);
        (list, next) = (rest, end);
    }
    Ok((list.is_empty() && next == directory.start).then_some(places))
}

fn directory<R: Read + Seek>(reader: &mut R) -> io::Result<Option<Directory>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let Some(end) = length.checked_sub(END_BYTES) else { return Ok(None) };
    let record: [u8; END_BYTES as usize] = at(reader, end)?;
    let (disks, comment) = (u32_at(&record, 4), u16_at(&record, 20));
    if u32_at(&record, 0) != END || disks != 0 || comment != 0 {
        return Ok(None);
    }
    let (here, entries) = (u16_at(&record, 8), u16_at(&record, 10));
    let (bytes, start) = (u32_at(&record, 12), u32_at(&record, 16));
    if here != entries {
        return Ok(None);
    }
    if entries == u16::MAX || bytes == u32::MAX || start == u32::MAX {
        return directory_64(reader, end);
    }
    let directory = Directory { start: start.into(), bytes: bytes.into(), entries: entries.into() };
    Ok(Some(directory).filter(|directory| directory.start + directory.bytes == end))
}

/// As [`directory`], where one of its numbers needs 64 bits; `end` is that of 32 bits.
fn directory_64<R: Read + Seek>(reader: &mut R, end: u64) -> io::Result<Option<Directory>> {
    let before = (end.checked_sub(LOCATOR_64_BYTES))
        .and_then(|locator| Some((locator, locator.checked_sub(END_64_BYTES)?)));
    let Some((locator_at, end)) = before else { return Ok(None) };
    let locator: [u8; LOCATOR_64_BYTES as usize] = at(reader, locator_at)?;
    let record: [u8; END_64_BYTES as usize] = at(reader, end)?;
    let names_it = u32_at(&locator, 0) == LOCATOR_64 && u64_at(&locator, 8) == end;
    let one_disk = u32_at(&locator, 4) == 0 && u64_at(&record, 16) == 0;
    let (here, entries) = (u64_at(&record, 24), u64_at(&record, 32));
    // Nothing behind the fields that the format has.
    let is_plain = u64_at(&record, 4) == END_64_BYTES - 12;
    if !names_it || !one_disk || !is_plain || u32_at(&record, 0) != END_64 || here != entries {
        return Ok(None);
    }
    let directory = Directory { bytes: u64_at(&record, 40), start: u64_at(&record, 48), entries };
    Ok(Some(directory).filter(|found| found.start.checked_add(found.bytes) == Some(end)))
}

/// An entry of the directory.
struct Central<'d> {
    header: &'d [u8],
    name: &'d [u8],
    sizes: Sizes,
}

impl<'d> Central<'d> {
    /// The first entry of a list, and what follows it.
    fn read(list: &'d [u8]) -> Option<(Self, &'d [u8])> {
        let (header, rest) = list.split_at_checked(CENTRAL_BYTES)?;
        let (name, rest) = rest.split_at_checked(u16_at(header, 28).into())?;
        let (extra, rest) = rest.split_at_checked(u16_at(header, 30).into())?;
        let (comment, disk) = (u16_at(header, 32), u16_at(header, 34));
        let mode = u32_at(header, 38);
        let kind = if u16_at(header, 4) >> 8 == UNIX { mode >> 28 } else { 0 };
        let hides_in_folder = mode & DOS_FOLDER != 0 && !name.ends_with(b"/");
        let is_plain = comment == 0 && disk == 0 && KINDS_KNOWN.contains(&kind) && !hides_in_folder;
        let known = is_known(u16_at(header, 6), u16_at(header, 8)) && are_harmless(extra);
        if u32_at(header, 0) != CENTRAL_HEADER || !is_plain || !known {
            return None;
        }
        let sizes = Sizes::of_central(header, extra)?;
        Some((Self { header, name, sizes }, rest))
    }
}

/// The file at a place, if it is the one that the directory means.
fn file_at<R: Read + Seek>(
    reader: &mut R,
    place: u64,
    central: &Central<'_>,
) -> io::Result<Option<Place>> {
    let header: [u8; LOCAL_BYTES] = at(reader, place)?;
    let (name_bytes, extra_bytes) = (u16_at(&header, 26), u16_at(&header, 28));
    let mut behind = vec![0; usize::from(name_bytes) + usize::from(extra_bytes)];
    reader.read_exact(&mut behind)?;
    let (name, extra) = behind.split_at(name_bytes.into());
    let sizes = Sizes::of_local(&header, extra);
    // Flags, method, time and checksum stand in both, in the same order.
    let is_same = header[6..18] == central.header[8..20] && name == central.name;
    let is_here = central.sizes.place == place;
    let known = is_known(u16_at(&header, 4), u16_at(&header, 6)) && are_harmless(extra);
    let Some(sizes) = sizes
        .filter(|sizes| (sizes.packed, sizes.bytes) == (central.sizes.packed, central.sizes.bytes))
    else {
        return Ok(None);
    };
    if u32_at(&header, 0) != LOCAL_HEADER || !is_same || !is_here || !known {
        return Ok(None);
    }
    Ok(Some(Place {
        start: place + (LOCAL_BYTES + behind.len()) as u64,
        packed: sizes.packed,
        bytes: sizes.bytes,
        crc32: u32_at(&header, 14),
        method: u16_at(&header, 8),
    }))
}

fn is_known(version: u16, flags: u16) -> bool {
    version & 0xff <= VERSION_MAX && flags & !FLAGS_KNOWN == 0
}

fn at<R: Read + Seek, const N: usize>(reader: &mut R, place: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(place))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
