//! The bytes of a log segment: sectors, their marks, and the groups laid across them.
//!
//! A segment is a header sector and then groups, each of whole sectors of [`SECTOR`] bytes. Every sector
//! of a group begins with a mark that tells the segment's epoch, the group's sequence number and the
//! sector's place in the group. The epoch is raised each time a file is used again, so the mark tells a
//! sector that was written from one that still holds what was there before (zeros, or an older epoch):
//! that is how a group whose writing was cut short differs from one that was damaged.
//!
//! Header sector: magic `FOLKLOG\n`, format u32, epoch u32, sectors u64 (itself included), zeros, crc32c u32
//! of all before it. Mark: epoch u32, sequence u32 (low half), number in group u32, crc32c u32 of these and the
//! sector's place in the file. Group, across the sectors' bodies: crc32c u32 of the rest of this header, crc32c
//! u32 of all that follows it (padding too), body bytes u32, entries u32, sequence u64, first index u64, term
//! u64, sectors u32, zero u32; then each entry as length u32 and bytes; then zeros. All little-endian; all
//! checksums but the header sector's are seeded with the epoch, so nothing of an older use ever verifies.

use crate::limits::GROUP_BYTES_MAX;

/// Bytes that a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
const MARK: usize = 16;
/// Bytes of a group that one sector holds.
pub(super) const BODY: usize = SECTOR - MARK;
const GROUP_HEADER: usize = 48;
const SEGMENT_MAGIC: &[u8; 8] = b"FOLKLOG\n";
/// The format of segments that this version writes, and the only one it reads.
pub(super) const SEGMENT_FORMAT: u32 = 1;
/// Body bytes of the largest group. A collector that stops once it has [`GROUP_BYTES_MAX`] may pass it by one entry.
pub(super) const BODY_BYTES_MAX: usize = 2 * GROUP_BYTES_MAX;
/// Sectors of the largest group: nothing that belongs to an unfinished write lies farther on than this.
pub(super) const GROUP_SECTORS_MAX: usize = (GROUP_HEADER + BODY_BYTES_MAX).div_ceil(BODY);

/// Whether a checksum is the right one. A fuzzer would never find that, so to it each is: it tries what lies behind.
pub(super) fn verifies(reckoned: u32, found: u32) -> bool {
    reckoned == found || cfg!(fuzzing)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The header sector of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub epoch: u32,
    pub sectors: u64,
}

/// Why a header was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged(&'static str),
    Unknown(u32),
}

/// A file's first sector: magic, format, and up to three numbers, under a checksum.
pub(super) fn encode_file_header(magic: &[u8; 8], format: u32, number: u32, longs: [u64; 2]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[..8].copy_from_slice(magic);
    sector[8..12].copy_from_slice(&format.to_le_bytes());
    sector[12..16].copy_from_slice(&number.to_le_bytes());
    sector[16..24].copy_from_slice(&longs[0].to_le_bytes());
    sector[24..32].copy_from_slice(&longs[1].to_le_bytes());
    let crc = crc32c::crc32c(&sector[..SECTOR - 4]);
    sector[SECTOR - 4..].copy_from_slice(&crc.to_le_bytes());
    sector
}

/// Reads what [`encode_file_header`] wrote.
pub(super) fn decode_file_header(sector: &[u8], magic: &[u8; 8], format: u32) -> Result<(u32, [u64; 2]), BadHeader> {
    if sector.len() != SECTOR {
        return Err(BadHeader::Damaged("the file ends within its header"));
    }
    if !verifies(crc32c::crc32c(&sector[..SECTOR - 4]), u32_at(sector, SECTOR - 4)) {
        return Err(BadHeader::Damaged("the header fails its checksum"));
    }
    if &sector[..8] != magic {
        return Err(BadHeader::Damaged("the header is another kind of file's"));
    }
    let found = u32_at(sector, 8);
    if found != format {
        return Err(BadHeader::Unknown(found));
    }
    Ok((u32_at(sector, 12), [u64_at(sector, 16), u64_at(sector, 24)]))
}

pub(super) fn encode_segment_header(header: SegmentHeader) -> [u8; SECTOR] {
    encode_file_header(SEGMENT_MAGIC, SEGMENT_FORMAT, header.epoch, [header.sectors, 0])
}

pub(super) fn decode_segment_header(sector: &[u8]) -> Result<SegmentHeader, BadHeader> {
    let (epoch, [sectors, _]) = decode_file_header(sector, SEGMENT_MAGIC, SEGMENT_FORMAT)?;
    Ok(SegmentHeader { epoch, sectors })
}

/// What a sector's mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Never written.
    Zero,
    /// Well formed.
    Written { epoch: u32, sequence: u32, number: u32 },
    /// Neither: damaged.
    Broken,
}

fn mark_crc(mark: &[u8], epoch: u32, place: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(epoch, &place.to_le_bytes()), &mark[..12])
}

/// The mark of `sector`, which is the file's `place`th.
pub(super) fn mark(sector: &[u8], place: u64) -> Mark {
    let Some(bytes) = sector.get(..MARK) else { return Mark::Broken };
    if bytes.iter().all(|byte| *byte == 0) {
        return Mark::Zero;
    }
    let epoch = u32_at(bytes, 0);
    if !verifies(mark_crc(bytes, epoch, place), u32_at(bytes, 12)) {
        return Mark::Broken;
    }
    Mark::Written { epoch, sequence: u32_at(bytes, 4), number: u32_at(bytes, 8) }
}

/// The header of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    body_crc: u32,
    pub body_bytes: u32,
    pub entries: u32,
    pub sequence: u64,
    pub first_index: u64,
    pub term: u64,
    pub sectors: u32,
}

impl GroupHeader {
    /// The index of the group's last entry.
    pub(super) fn last_index(&self) -> u64 {
        self.first_index + u64::from(self.entries) - 1
    }
}

/// Body bytes of a group; `None` when that is more than [`BODY_BYTES_MAX`].
pub(super) fn body_bytes(group: &[Vec<u8>]) -> Option<usize> {
    let mut bytes = 0_usize;
    for entry in group {
        bytes = bytes.checked_add(entry.len())?.checked_add(4)?;
    }
    (bytes <= BODY_BYTES_MAX).then_some(bytes)
}

/// Sectors of a group with that many body bytes.
pub(super) fn group_sectors(body_bytes: usize) -> usize {
    (GROUP_HEADER + body_bytes).div_ceil(BODY)
}

/// Where a group is to stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub epoch: u32,
    /// The sector of the file at which it starts.
    pub sector: u64,
    pub sequence: u64,
    pub first_index: u64,
    pub term: u64,
}

/// Lays `group` out in `out`, ready to be written at `place`. `body_bytes` is what [`body_bytes`] said.
pub(super) fn encode_group(place: Place, group: &[Vec<u8>], body_bytes: usize, flat: &mut Vec<u8>, out: &mut Vec<u8>) {
    let sectors = group_sectors(body_bytes);
    flat.clear();
    flat.resize(GROUP_HEADER, 0);
    for entry in group {
        flat.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        flat.extend_from_slice(entry);
    }
    assert_eq!(flat.len(), GROUP_HEADER + body_bytes, "the group is as long as was reckoned");
    flat.resize(sectors * BODY, 0);
    let body_crc = crc32c::crc32c_append(place.epoch, &flat[GROUP_HEADER..]);
    flat[4..8].copy_from_slice(&body_crc.to_le_bytes());
    flat[8..12].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    flat[12..16].copy_from_slice(&(group.len() as u32).to_le_bytes());
    flat[16..24].copy_from_slice(&place.sequence.to_le_bytes());
    flat[24..32].copy_from_slice(&place.first_index.to_le_bytes());
    flat[32..40].copy_from_slice(&place.term.to_le_bytes());
    flat[40..44].copy_from_slice(&(sectors as u32).to_le_bytes());
    let header_crc = crc32c::crc32c_append(place.epoch, &flat[4..GROUP_HEADER]);
    flat[..4].copy_from_slice(&header_crc.to_le_bytes());

    out.clear();
    for (number, body) in flat.chunks_exact(BODY).enumerate() {
        let mut bytes = [0; MARK];
        bytes[..4].copy_from_slice(&place.epoch.to_le_bytes());
        bytes[4..8].copy_from_slice(&(place.sequence as u32).to_le_bytes());
        bytes[8..12].copy_from_slice(&(number as u32).to_le_bytes());
        let crc = mark_crc(&bytes, place.epoch, place.sector + number as u64);
        bytes[12..].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&bytes);
        out.extend_from_slice(body);
    }
}

/// The group header in the first sector of a group.
pub(super) fn decode_group_header(sector: &[u8], epoch: u32) -> Result<GroupHeader, &'static str> {
    let bytes = sector.get(MARK..MARK + GROUP_HEADER).ok_or("the file ends within a group")?;
    if !verifies(crc32c::crc32c_append(epoch, &bytes[4..]), u32_at(bytes, 0)) {
        return Err("a group's header fails its checksum");
    }
    let header = GroupHeader {
        body_crc: u32_at(bytes, 4),
        body_bytes: u32_at(bytes, 8),
        entries: u32_at(bytes, 12),
        sequence: u64_at(bytes, 16),
        first_index: u64_at(bytes, 24),
        term: u64_at(bytes, 32),
        sectors: u32_at(bytes, 40),
    };
    let body_bytes = header.body_bytes as usize;
    if body_bytes > BODY_BYTES_MAX || header.sectors as usize != group_sectors(body_bytes) {
        return Err("a group's length contradicts itself");
    }
    if header.entries == 0 || header.first_index == 0 || header.first_index.checked_add(u64::from(header.entries)).is_none() {
        return Err("a group's indexes contradict themselves");
    }
    Ok(header)
}

/// Gathers the group's body from its sectors into `flat` and checks it.
pub(super) fn decode_body(header: &GroupHeader, epoch: u32, sectors: &[u8], flat: &mut Vec<u8>) -> Result<(), &'static str> {
    flat.clear();
    for sector in sectors.chunks_exact(SECTOR) {
        flat.extend_from_slice(&sector[MARK..]);
    }
    if flat.len() < GROUP_HEADER + header.body_bytes as usize {
        return Err("a group's length contradicts itself");
    }
    if !verifies(crc32c::crc32c_append(epoch, &flat[GROUP_HEADER..]), header.body_crc) {
        return Err("a group fails its checksum");
    }
    Ok(())
}

/// The entries of a body that [`decode_body`] gathered, in order.
pub(super) fn entries<'a>(header: &GroupHeader, flat: &'a [u8]) -> impl Iterator<Item = Result<&'a [u8], &'static str>> {
    let mut rest = flat.get(GROUP_HEADER..GROUP_HEADER + header.body_bytes as usize).unwrap_or(&[]);
    (0..header.entries).map(move |_| {
        let (length, after) = rest.split_at_checked(4).ok_or("a group's entries contradict its length")?;
        let (entry, after) = after.split_at_checked(u32_at(length, 0) as usize).ok_or("a group's entries contradict its length")?;
        rest = after;
        Ok(entry)
    })
}
