//! Numbers and extra fields of a zip's headers.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.4.8, 4.4.9, 4.4.16 and 4.5; Info-ZIP's `extrafld.txt`.

/// Says that a number of 32 bits stands among the extra fields with 64.
const ELSEWHERE: u32 = u32::MAX;
/// Extra field with numbers of 64 bits.
const SIZES_64: u16 = 1;
/// Extra fields that common programs write, with the most bytes that they have: sizes, times (NTFS,
/// Info-ZIP, Unix) and owners. In others a whole file has room.
const HARMLESS: [(u16, usize); 5] =
    [(SIZES_64, 28), (0x000a, 32), (0x5455, 13), (0x5855, 12), (0x7875, 24)];

/// Numbers of an entry that may need 64 bits.
pub(super) struct Sizes {
    pub bytes: u64,
    pub packed: u64,
    /// Of its header; zero in that header.
    pub place: u64,
}

impl Sizes {
    pub(super) fn of_local(header: &[u8], extra: &[u8]) -> Option<Self> {
        let mut large = Large::of(extra);
        let packed = u32_at(header, 18);
        let bytes = large.or_instead(u32_at(header, 22))?;
        Some(Self { bytes, packed: large.or_instead(packed)?, place: 0 })
    }

    pub(super) fn of_central(header: &[u8], extra: &[u8]) -> Option<Self> {
        let mut large = Large::of(extra);
        let packed = u32_at(header, 20);
        let bytes = large.or_instead(u32_at(header, 24))?;
        let packed = large.or_instead(packed)?;
        Some(Self { bytes, packed, place: large.or_instead(u32_at(header, 42))? })
    }
}

/// The numbers of 64 bits, in the order in which their headers miss them.
struct Large<'e>(&'e [u8]);

impl<'e> Large<'e> {
    fn of(extra: &'e [u8]) -> Self {
        let found = fields(extra).and_then(|fields| {
            let mut sizes = fields.into_iter().filter(|(kind, _)| *kind == SIZES_64);
            sizes.next().map(|(_, field)| field)
        });
        Self(found.unwrap_or_default())
    }

    fn or_instead(&mut self, number: u32) -> Option<u64> {
        if number != ELSEWHERE {
            return Some(number.into());
        }
        let (field, rest) = self.0.split_at_checked(8)?;
        self.0 = rest;
        Some(u64_at(field, 0))
    }
}

/// Whether all extra fields are known, each is there once, and none has room for more.
pub(super) fn are_harmless(extra: &[u8]) -> bool {
    let Some(fields) = fields(extra) else { return false };
    fields.iter().enumerate().all(|(at, (kind, field))| {
        let is_first = fields[..at].iter().all(|(other, _)| other != kind);
        let fits = |(known, most): &(u16, usize)| known == kind && field.len() <= *most;
        is_first && HARMLESS.iter().any(fits)
    })
}

/// Kind and content of each; none when they do not end with the last.
fn fields(mut extra: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut fields = Vec::new();
    while !extra.is_empty() {
        let (head, rest) = extra.split_at_checked(4)?;
        let (field, rest) = rest.split_at_checked(u16_at(head, 2).into())?;
        fields.push((u16_at(head, 0), field));
        extra = rest;
    }
    Some(fields)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
