//! One segment: made ready ahead, read back group by group, and its end told from damage.
//!
//! The end is the first sector that the group expected there did not reach: its mark is zero or of an older
//! epoch. At most one group is ever being written, and it starts where the last one ended, so an unfinished
//! group can only stand at the very end; any trace of a later group shows that the missing one was complete
//! once, and that is damage.
//!
//! Not here: which segments there are, and when one is begun (`store`).

use super::{
    disk::{Disk, DiskFile, corrupt, disk_error, disk_failed, is_full},
    format::{
        BadHeader, GROUP_SECTORS_MAX, GroupHeader, Mark, SECTOR, SegmentHeader, decode_body, decode_group_header, decode_segment_header, encode_segment_header,
        mark,
    },
};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;

/// How much of a segment is read at once.
const READ_BYTES: usize = 1024 * 1024;

/// A file of the log, open.
pub(super) struct Segment {
    pub name: String,
    pub file: Arc<dyn DiskFile>,
    pub epoch: u32,
    /// Its length in sectors, header included.
    pub sectors: u64,
    /// The index of its first entry, once there is one.
    pub first_index: Option<u64>,
}

/// The name of the segment of that epoch.
pub(super) fn segment_name(epoch: u32) -> String {
    format!("log-{epoch:08x}")
}

/// The name that a segment out of use goes by.
pub(super) fn spare_name(epoch: u32) -> String {
    format!("spare-{epoch:08x}")
}

/// The number in `name`, when it is `prefix` and exactly `digits` lower-case hexadecimal digits.
pub(super) fn number_in(name: &str, prefix: &str, digits: usize) -> Option<u64> {
    let number = name.strip_prefix(prefix)?;
    if number.len() != digits || !number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(number, 16).ok()
}

/// What keeps a segment from being made.
pub(super) enum Unready {
    /// Only space is missing: it can be tried again.
    Full(Error),
    /// The disk failed: nothing is to be written any more.
    Failed(Error),
}

impl Segment {
    /// Makes the segment of `epoch`, durable with its name, out of `spare` or of a new file of `bytes`.
    pub(super) fn prepare(disk: &dyn Disk, epoch: u32, bytes: u64, spare: Option<&str>) -> std::result::Result<Self, Unready> {
        let name = segment_name(epoch);
        let temporary = format!("{name}.new");
        let failed = |what: &str, name: &str, error: &std::io::Error| Unready::Failed(disk_failed(disk, what, name, error));
        let header = |bytes: u64| encode_segment_header(SegmentHeader { epoch, sectors: bytes / SECTOR as u64 });
        let (file, from, bytes) = match spare {
            Some(spare) => {
                let file = disk.open(spare).map_err(|error| failed("opening", spare, &error))?;
                let bytes = file.len().map_err(|error| failed("asking the length of", spare, &error))?;
                file.write_at(&header(bytes), 0).map_err(|error| failed("writing", spare, &error))?;
                file.sync_data().map_err(|error| failed("syncing", spare, &error))?;
                (file, spare, bytes)
            }
            None => {
                // Nothing acknowledged is in this file, so whatever ends for want of space ends here.
                let full_or_failed = |what: &str, error: std::io::Error| {
                    if is_full(&error) {
                        // Left behind it is removed at the next opening.
                        let _ = disk.remove(&temporary);
                        Unready::Full(disk_error(disk, what, &temporary, &error))
                    } else {
                        failed(what, &temporary, &error)
                    }
                };
                let file = match disk.create(&temporary) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                        disk.remove(&temporary).map_err(|error| failed("removing", &temporary, &error))?;
                        disk.create(&temporary)
                    }
                    file => file,
                }
                .map_err(|error| full_or_failed("creating", error))?;
                file.allocate(bytes).map_err(|error| full_or_failed("filling with zeros", error))?;
                file.write_at(&header(bytes), 0).map_err(|error| full_or_failed("writing", error))?;
                file.sync_data().map_err(|error| full_or_failed("syncing", error))?;
                (file, temporary.as_str(), bytes)
            }
        };
        disk.rename(from, &name).map_err(|error| failed("renaming", from, &error))?;
        disk.sync_dir().map_err(|error| failed("syncing", ".", &error))?;
        Ok(Self { name, file, epoch, sectors: bytes / SECTOR as u64, first_index: None })
    }

    /// Opens the segment of `epoch` and checks its header.
    pub(super) fn open(disk: &dyn Disk, epoch: u32) -> Result<Self> {
        let name = segment_name(epoch);
        let file = disk.open(&name).map_err(|error| disk_error(disk, "opening", &name, &error))?;
        let bytes = file.len().map_err(|error| disk_error(disk, "asking the length of", &name, &error))?;
        let mut sector = [0; SECTOR];
        let read = file.read_at(&mut sector, 0).map_err(|error| disk_error(disk, "reading", &name, &error))?;
        let header = decode_segment_header(&sector[..read]).map_err(|bad| match bad {
            BadHeader::Damaged(what) => corrupt(disk, &name, 0, what),
            BadHeader::Unknown(format) => Error::new(ErrorKind::UnknownFormat, format!("{}/{name}: format {format}, this version reads 1", disk.describe())),
        })?;
        if header.epoch != epoch {
            return Err(corrupt(disk, &name, 0, &format!("the header tells epoch {:08x}", header.epoch)));
        }
        if header.sectors.checked_mul(SECTOR as u64).is_none_or(|told| told > bytes) {
            return Err(corrupt(disk, &name, 0, &format!("the header tells {} sectors, the file has {bytes} bytes", header.sectors)));
        }
        Ok(Self { name, file, epoch, sectors: header.sectors, first_index: None })
    }
}

/// What must come next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub sequence: u64,
    /// `None` before the first group of all.
    pub index: Option<u64>,
    pub term: u64,
}

/// Where a segment ends.
pub(super) struct End {
    /// The first sector after its last group.
    pub sector: u64,
    /// Sectors from there up to the last that an unfinished group reached.
    pub torn_sectors: u64,
    /// Sectors from there up to the last that is neither zero nor of an older use. Behind the end nothing was acknowledged;
    /// but with a group's end right before it, such a sector would count as damage.
    pub littered_sectors: u64,
}

/// A window that moves along a segment.
pub(super) struct Reader<'a> {
    disk: &'a dyn Disk,
    segment: &'a Segment,
    buffer: Vec<u8>,
    start: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(disk: &'a dyn Disk, segment: &'a Segment) -> Self {
        Self { disk, segment, buffer: Vec::new(), start: 0 }
    }

    /// Up to `count` sectors from `sector` on; fewer only where the segment ends.
    pub(super) fn sectors(&mut self, sector: u64, count: u64) -> Result<&[u8]> {
        let count = count.min(self.segment.sectors.saturating_sub(sector)) as usize;
        let held = (self.buffer.len() / SECTOR) as u64;
        if sector < self.start || sector + count as u64 > self.start + held {
            let most = self.segment.sectors.saturating_sub(sector) as usize;
            self.buffer.resize((READ_BYTES / SECTOR).max(count).min(most) * SECTOR, 0);
            let read = self
                .segment
                .file
                .read_at(&mut self.buffer, sector * SECTOR as u64)
                .map_err(|error| disk_failed(self.disk, "reading", &self.segment.name, &error))?;
            self.buffer.truncate(read / SECTOR * SECTOR);
            self.start = sector;
            if self.buffer.len() < count * SECTOR {
                return Err(self.corrupt(sector, "the file became shorter"));
            }
        }
        let from = (sector - self.start) as usize * SECTOR;
        Ok(&self.buffer[from..from + count * SECTOR])
    }

    fn corrupt(&self, sector: u64, what: &str) -> Error {
        corrupt(self.disk, &self.segment.name, sector * SECTOR as u64, what)
    }
}

/// The first group's header, when there is a whole first sector of one.
pub(super) fn peek(disk: &dyn Disk, segment: &Segment) -> Result<Option<GroupHeader>> {
    let mut reader = Reader::new(disk, segment);
    let sector = reader.sectors(1, 1)?;
    if !matches!(mark(sector, 1), Mark::Written { epoch, number: 0, .. } if epoch == segment.epoch) {
        return Ok(None);
    }
    Ok(decode_group_header(sector, segment.epoch).ok())
}

/// Takes a group's header, its gathered body and the sector it starts at.
pub(super) type OnGroup<'a> = dyn FnMut(&GroupHeader, &[u8], u64) -> Result<()> + 'a;

/// Reads every group of `segment` into `on_group` and finds the segment's end.
pub(super) fn scan(disk: &dyn Disk, segment: &Segment, expected: &mut Expected, on_group: &mut OnGroup<'_>) -> Result<End> {
    let epoch = segment.epoch;
    let mut reader = Reader::new(disk, segment);
    let mut flat = Vec::new();
    let mut at = 1;
    while at < segment.sectors {
        let first = reader.sectors(at, 1)?;
        match mark(first, at) {
            Mark::Zero => break,
            Mark::Written { epoch: older, .. } if older < epoch => break,
            Mark::Written { epoch: same, sequence, number } if same == epoch && number == 0 && sequence == expected.sequence as u32 => {}
            Mark::Written { epoch: same, sequence, number: 0 } if same == epoch && expected.index.is_none() => {
                expected.sequence = u64::from(sequence);
            }
            Mark::Written { .. } => return Err(reader.corrupt(at, &format!("another group stands where group {} should", expected.sequence))),
            Mark::Broken => return Err(reader.corrupt(at, "a sector's mark fails its checksum")),
        }
        let header = decode_group_header(first, epoch).map_err(|what| reader.corrupt(at, what))?;
        if expected.index.is_none() {
            // The low half was in the mark; the first group kept tells the rest.
            expected.sequence = header.sequence;
        }
        if header.sequence != expected.sequence || expected.index.is_some_and(|index| index != header.first_index) || header.term < expected.term {
            let (index, sequence) = (header.first_index, header.sequence);
            return Err(reader.corrupt(at, &format!("group {sequence} with entry {index} stands where {expected:?} should")));
        }
        let count = u64::from(header.sectors);
        if count > segment.sectors - at {
            return Err(reader.corrupt(at, "a group is longer than its segment"));
        }
        let sectors = reader.sectors(at, count)?;
        let mut whole = true;
        for (number, sector) in sectors.chunks_exact(SECTOR).enumerate() {
            let place = at + number as u64;
            match mark(sector, place) {
                Mark::Written { epoch: e, sequence, number: n } if e == epoch && sequence == header.sequence as u32 && n as usize == number => {}
                Mark::Zero => whole = false,
                Mark::Written { epoch: older, .. } if older < epoch => whole = false,
                Mark::Written { .. } => return Err(reader.corrupt(place, "a sector of another group stands within a group")),
                Mark::Broken => return Err(reader.corrupt(place, "a sector's mark fails its checksum")),
            }
        }
        if !whole {
            break;
        }
        decode_body(&header, epoch, sectors, &mut flat).map_err(|what| reader.corrupt(at, what))?;
        on_group(&header, &flat, at)?;
        *expected = Expected { sequence: header.sequence + 1, index: Some(header.last_index() + 1), term: header.term };
        at += count;
    }
    // Whatever the unfinished group reached, and proof that nothing came after it.
    let (mut torn_sectors, mut littered_sectors) = (0, 0);
    let mut ahead = at;
    let until = segment.sectors.min(at + GROUP_SECTORS_MAX as u64 + 1);
    while ahead < until {
        let count = (until - ahead).min((READ_BYTES / SECTOR) as u64);
        for (number, sector) in reader.sectors(ahead, count)?.chunks_exact(SECTOR).enumerate() {
            let place = ahead + number as u64;
            match mark(sector, place) {
                Mark::Written { epoch: e, sequence, number } if e == epoch => {
                    if sequence != expected.sequence as u32 || u64::from(number) != place - at {
                        let what = format!("group {} is missing, but sector {place} is of a later one", expected.sequence);
                        return Err(reader.corrupt(at, &what));
                    }
                    torn_sectors = place - at + 1;
                    littered_sectors = torn_sectors;
                }
                Mark::Written { epoch: newer, .. } if newer > epoch => {
                    return Err(reader.corrupt(place, &format!("a sector of the segment of epoch {newer:08x} stands in this one")));
                }
                Mark::Broken => littered_sectors = place - at + 1,
                Mark::Zero | Mark::Written { .. } => {}
            }
        }
        ahead += count;
    }
    Ok(End { sector: at, torn_sectors, littered_sectors })
}
