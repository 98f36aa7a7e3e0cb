//! The one way in which a zip may lie in a file: from the first byte to the last, without a gap.
//!
//! Readers of zips do not agree on archives that are joined, wrapped or padded: one finds its
//! directory from the end, another by going along. Where no byte is left over, all see the same.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.14 to 4.3.16, 4.5.3.

use std::io::{self, Read, Seek, SeekFrom};

const LOCAL_HEADER: u32 = 0x0403_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END_BYTES: u64 = 22;
const END_64_BYTES: u64 = 56;
const LOCATOR_64_BYTES: u64 = 20;
/// Says that a size of 32 bits stands elsewhere with 64.
const ELSEWHERE: u64 = 0xffff_ffff;
/// Extra field with sizes of 64 bits.
const SIZES_64: u16 = 1;

/// Why readers might not agree on a zip of so many entries, if they might not.
pub(super) fn ambiguous<R: Read + Seek>(reader: &mut R, entries: usize) -> Option<String> {
    match directory(reader).and_then(|directory| Ok((directory, files_end(reader, entries)?))) {
        Ok((Some(directory), Some(end))) if directory == end => None,
        Ok(_) => {
            Some("bytes before, between or behind its files belong to none of them".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Where the directory begins that ends with the file; none if there is no such.
fn directory<R: Read + Seek>(reader: &mut R) -> io::Result<Option<u64>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let Some(end) = length.checked_sub(END_BYTES) else { return Ok(None) };
    let record: [u8; END_BYTES as usize] = at(reader, end)?;
    if u32_at(&record, 0) != u64::from(END) || u16_at(&record, 20) != 0 {
        return Ok(None);
    }
    let (size, offset) = (u32_at(&record, 12), u32_at(&record, 16));
    if size != ELSEWHERE && offset != ELSEWHERE {
        return Ok((offset.checked_add(size) == Some(end)).then_some(offset));
    }
    let before = (end.checked_sub(LOCATOR_64_BYTES))
        .and_then(|locator| Some((locator, locator.checked_sub(END_64_BYTES)?)));
    let Some((locator_at, end)) = before else { return Ok(None) };
    let locator: [u8; LOCATOR_64_BYTES as usize] = at(reader, locator_at)?;
    let record: [u8; END_64_BYTES as usize] = at(reader, end)?;
    let names_it = u32_at(&locator, 0) == u64::from(LOCATOR_64) && u64_at(&locator, 8) == end;
    if !names_it || u32_at(&record, 0) != u64::from(END_64) {
        return Ok(None);
    }
    let (size, offset) = (u64_at(&record, 40), u64_at(&record, 48));
    Ok((offset.checked_add(size) == Some(end)).then_some(offset))
}

/// Where the files end that stand one behind the other from the first byte on.
fn files_end<R: Read + Seek>(reader: &mut R, entries: usize) -> io::Result<Option<u64>> {
    let mut place = 0_u64;
    for _ in 0..entries {
        let header: [u8; 30] = at(reader, place)?;
        let size_is_behind = u16_at(&header, 6) & 8 != 0;
        if u32_at(&header, 0) != u64::from(LOCAL_HEADER) || size_is_behind {
            return Ok(None);
        }
        let (name, extra) = (u16_at(&header, 26), u16_at(&header, 28));
        let mut size = u32_at(&header, 18);
        if size == ELSEWHERE {
            let mut fields = vec![0; usize::from(extra)];
            reader.seek(SeekFrom::Start(place + 30 + u64::from(name)))?;
            reader.read_exact(&mut fields)?;
            let Some(large) = size_64(&fields) else { return Ok(None) };
            size = large;
        }
        let header = 30 + u64::from(name) + u64::from(extra);
        let Some(next) = place.checked_add(header).and_then(|data| data.checked_add(size)) else {
            return Ok(None);
        };
        place = next;
    }
    Ok(Some(place))
}

/// The compressed size among extra fields.
fn size_64(mut fields: &[u8]) -> Option<u64> {
    while fields.len() >= 4 {
        let (kind, length) = (u16_at(fields, 0), usize::from(u16_at(fields, 2)));
        let field = fields.get(4..4 + length)?;
        if kind == SIZES_64 {
            return (field.len() >= 16).then(|| u64_at(field, 8));
        }
        fields = &fields[4 + length..];
    }
    None
}

fn at<R: Read + Seek, const N: usize>(reader: &mut R, place: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(place))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16_at(bytes, at)) | u64::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}
