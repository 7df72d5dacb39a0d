//! A snapshot file: records in order, exact at one index of the log, whole or not there.
//!
//! It is written under a temporary name, synced, and only then given its own, so a file that has its own name
//! was complete once; what does not verify then is damage. Reading checks the whole file before the first
//! record is handed out.
//!
//! Layout: header sector (magic `FOLKSNAP`, format, index, term), blocks, trailer. Block: payload bytes u32 (not 0),
//! crc32c u32 of that length and the payload, seeded with the block's number; payload. The payloads joined are the
//! records, each a length u32 and its bytes. Trailer: 0 u32, crc32c u32, records u64, payload bytes u64, blocks u32.

use super::{
    disk::{Disk, DiskFile, corrupt, disk_error, disk_failed},
    format::{BadHeader, SECTOR, decode_file_header, encode_file_header, verifies},
};
use crate::error::{Error, ErrorKind, Result};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

const MAGIC: &[u8; 8] = b"FOLKSNAP";
const FORMAT: u32 = 1;
/// Payload of a full block.
const BLOCK_BYTES: usize = 64 * 1024;
/// Synced so often while it is written, so that a group's sync never waits for a whole snapshot.
const SYNC_BYTES: u64 = 2 * 1024 * 1024;
/// The longest record: a frame's worth of znode many times over.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
const BLOCK_HEADER: usize = 8;
const TRAILER: usize = 28;

/// The name of the snapshot at `index`.
pub(super) fn snapshot_name(index: u64) -> String {
    format!("snapshot-{index:016x}")
}

/// Writes one snapshot, on any thread. Dropped unfinished, it leaves nothing behind.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    /// Made with the first write: that is the snapshot thread's, and making a file can take long.
    file: Option<Arc<dyn DiskFile>>,
    stopped: Arc<AtomicBool>,
    index: u64,
    entry_bytes: u64,
    block: Vec<u8>,
    offset: u64,
    synced: u64,
    records: u64,
    payload: u64,
    blocks: u32,
    named: bool,
}

/// A snapshot that is durable under its name.
#[derive(Debug)]
#[must_use = "the store has to be told, so that it lets go of what is no longer needed"]
pub struct SnapshotDone {
    pub(super) index: u64,
    /// Bytes of entries the store had been given when the snapshot was begun.
    pub(super) entry_bytes: u64,
    bytes: u64,
}

impl SnapshotDone {
    /// The last entry whose effect is in the snapshot.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The file's length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl SnapshotWriter {
    pub(super) fn new(disk: Arc<dyn Disk>, stopped: Arc<AtomicBool>, index: u64, entry_bytes: u64) -> Self {
        let mut writer = Self {
            disk,
            file: None,
            stopped,
            index,
            entry_bytes,
            block: Vec::with_capacity(BLOCK_HEADER + BLOCK_BYTES),
            offset: 0,
            synced: 0,
            records: 0,
            payload: 0,
            blocks: 0,
            named: false,
        };
        writer.block.resize(BLOCK_HEADER, 0);
        writer
    }

    fn create(&mut self) -> Result<Arc<dyn DiskFile>> {
        let temporary = self.temporary();
        let file = match self.disk.create(&temporary) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::new(ErrorKind::InvalidState, format!("a snapshot at {} is being written", self.index)));
            }
            file => file.map_err(|error| disk_error(&*self.disk, "creating", &temporary, &error))?,
        };
        self.file = Some(file.clone());
        self.write(&encode_file_header(MAGIC, FORMAT, 0, [self.index, 0]))?;
        Ok(file)
    }

    fn temporary(&self) -> String {
        format!("{}.new", snapshot_name(self.index))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file.clone().map_or_else(|| self.create(), Ok)?;
        let written = file.write_at(bytes, self.offset);
        written.map_err(|error| disk_error(&*self.disk, "writing", &self.temporary(), &error))?;
        self.offset += bytes.len() as u64;
        if self.offset - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if let Some(file) = &self.file {
            file.sync_data().map_err(|error| self.stop("syncing", &self.temporary(), &error))?;
        }
        self.synced = self.offset;
        Ok(())
    }

    /// A failed sync stops the store: the disk is not to be trusted.
    fn stop(&self, what: &str, name: &str, error: &std::io::Error) -> Error {
        self.stopped.store(true, Ordering::SeqCst);
        disk_failed(&*self.disk, what, name, error)
    }

    /// Adds one record.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`]: the snapshot cannot be finished, the log is untouched. [`ErrorKind::DiskFailed`].
    /// [`ErrorKind::InvalidState`]: another writer is at that snapshot.
    /// [`ErrorKind::LimitExceeded`]: the record is longer than 64 MiB.
    pub fn record(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("snapshot record of {} bytes, at most {RECORD_BYTES_MAX}", bytes.len())));
        }
        self.stream(&(bytes.len() as u32).to_le_bytes())?;
        self.stream(bytes)?;
        self.records += 1;
        Ok(())
    }

    fn stream(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK_HEADER + BLOCK_BYTES - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK_HEADER + BLOCK_BYTES {
                self.end_block()?;
            }
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        let payload = self.block.len() - BLOCK_HEADER;
        if payload == 0 {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        block[..4].copy_from_slice(&(payload as u32).to_le_bytes());
        let crc = block_crc(self.blocks, &block[..4], &block[BLOCK_HEADER..]);
        block[4..BLOCK_HEADER].copy_from_slice(&crc.to_le_bytes());
        let written = self.write(&block);
        block.clear();
        block.resize(BLOCK_HEADER, 0);
        self.block = block;
        written?;
        self.payload += payload as u64;
        self.blocks = self.blocks.checked_add(1).ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "blocks of a snapshot"))?;
        Ok(())
    }

    /// Makes the snapshot durable and gives it its name.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`]: nothing is left of it. [`ErrorKind::DiskFailed`]: the store writes no more.
    pub fn finish(mut self) -> Result<SnapshotDone> {
        self.end_block()?;
        let mut trailer = [0; TRAILER];
        trailer[8..16].copy_from_slice(&self.records.to_le_bytes());
        trailer[16..24].copy_from_slice(&self.payload.to_le_bytes());
        trailer[24..28].copy_from_slice(&self.blocks.to_le_bytes());
        let crc = block_crc(self.blocks, &trailer[..4], &trailer[8..]);
        trailer[4..8].copy_from_slice(&crc.to_le_bytes());
        self.write(&trailer)?;
        self.sync()?;
        let name = snapshot_name(self.index);
        self.disk.rename(&self.temporary(), &name).map_err(|error| disk_error(&*self.disk, "renaming", &self.temporary(), &error))?;
        self.named = true;
        self.disk.sync_dir().map_err(|error| self.stop("syncing", ".", &error))?;
        Ok(SnapshotDone { index: self.index, entry_bytes: self.entry_bytes, bytes: self.offset })
    }

    /// Gives the snapshot up and removes what was written of it.
    pub fn abandon(self) {}
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.named && self.file.is_some() {
            // Left behind it is removed at the next opening.
            let _ = self.disk.remove(&self.temporary());
        }
    }
}

fn block_crc(number: u32, length: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(number, length), payload)
}

/// Takes one record.
pub(super) type OnRecord<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Reads and checks the snapshot at `index`. Records go to `on_record` as they are met: give one only once the file has verified.
pub(super) fn read(disk: &dyn Disk, index: u64, on_record: Option<&mut OnRecord<'_>>) -> Result<()> {
    let name = snapshot_name(index);
    let failed = |error: std::io::Error| disk_failed(disk, "reading", &name, &error);
    let file = disk.open(&name).map_err(failed)?;
    let bytes = file.len().map_err(failed)?;
    let damaged = |offset: u64, what: &str| corrupt(disk, &name, offset, what);
    let mut sector = [0; SECTOR];
    let read = file.read_at(&mut sector, 0).map_err(failed)?;
    let (_, [told, _term]) = decode_file_header(&sector[..read], MAGIC, FORMAT).map_err(|bad| match bad {
        BadHeader::Damaged(what) => damaged(0, what),
        BadHeader::Unknown(format) => Error::new(ErrorKind::UnknownFormat, format!("{}/{name}: format {format}, this version reads {FORMAT}", disk.describe())),
    })?;
    if told != index {
        return Err(damaged(0, &format!("the header tells index {told}")));
    }
    let mut ignore = |_: &[u8]| Ok(());
    let on_record: &mut OnRecord<'_> = match on_record {
        Some(on_record) => on_record,
        None => &mut ignore,
    };
    let mut offset = SECTOR as u64;
    let (mut blocks, mut payload, mut records) = (0_u32, 0_u64, 0_u64);
    let mut pending: Vec<u8> = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut header = [0; BLOCK_HEADER];
    loop {
        if file.read_at(&mut header, offset).map_err(failed)? < BLOCK_HEADER {
            return Err(damaged(offset, "the file ends without its trailer"));
        }
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let crc = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let trailer = length == 0;
        let want = if trailer { TRAILER - BLOCK_HEADER } else { length };
        if want > BLOCK_BYTES {
            return Err(damaged(offset, "a block is too long"));
        }
        let body = &mut block[..want];
        if file.read_at(body, offset + BLOCK_HEADER as u64).map_err(failed)? < want {
            return Err(damaged(offset, "the file ends within a block"));
        }
        if !verifies(block_crc(blocks, &header[..4], body), crc) {
            return Err(damaged(offset, "a block fails its checksum"));
        }
        if trailer {
            let told = (long(body, 0), long(body, 8), long(body, 16) as u32);
            if told != (records, payload, blocks) || !pending.is_empty() {
                let what = format!("the trailer tells {} records in {} bytes, there are {records} in {payload}", told.0, told.1);
                return Err(damaged(offset, &what));
            }
            if offset + TRAILER as u64 != bytes {
                return Err(damaged(offset, "the file goes on after its trailer"));
            }
            return Ok(());
        }
        pending.extend_from_slice(body);
        let mut rest = pending.as_slice();
        while let Some((four, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*four) as usize;
            if length > RECORD_BYTES_MAX {
                return Err(damaged(offset, "a record is too long"));
            }
            let Some((record, after)) = after.split_at_checked(length) else { break };
            on_record(record)?;
            records += 1;
            rest = after;
        }
        let used = pending.len() - rest.len();
        pending.drain(..used);
        offset += (BLOCK_HEADER + want) as u64;
        payload += want as u64;
        blocks = blocks.checked_add(1).ok_or_else(|| damaged(offset, "too many blocks"))?;
    }
}

/// The number at `at`; what is missing of it reads as zero.
fn long(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes.get(at..).unwrap_or(&[])) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}
