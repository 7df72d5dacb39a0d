//! The write-ahead log of one member: groups appended, snapshots kept, all of it found again.
//!
//! One [`Store::append`] is one contiguous write and one sync. It goes to the current segment; when that has no
//! room, to the next, which a thread of the store has made ready meanwhile, so rolling writes nothing of its own.
//! Space is only ever missing when a segment is made, before anything of the group is written.
//!
//! What always holds: entries are numbered from 1 without gaps; the oldest snapshot kept (the empty state counts
//! as the snapshot at 0) and the log after it give the whole state; the segment with the last group is never
//! given up. A failed sync stops the store for good: what the kernel does with the pages afterwards is not known,
//! so a second sync that succeeds would prove nothing.
//!
//! Not here: how a group is laid out (`format`), how a segment's end is told from damage (`segment`).

use super::{
    disk::{Disk, corrupt, disk_error, disk_failed, is_full},
    format::{BODY_BYTES_MAX, GROUP_SECTORS_MAX, Place, SECTOR, body_bytes, encode_group, entries, group_sectors},
    segment::{Expected, Reader, Segment, Unready, number_in, peek, scan, segment_name, spare_name},
    snapshot::{self, SnapshotDone, SnapshotWriter, snapshot_name},
};
use crate::error::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// What is put behind the name of a snapshot that is being given back to the disk.
const OLD: &str = ".old";
/// By how much a file that is given back is shortened at once, in bytes.
#[cfg(not(test))]
const SHRINK_BYTES: u64 = 4 << 20;
/// The crash tests' snapshots are small.
#[cfg(test)]
const SHRINK_BYTES: u64 = 1024;

/// How a store uses its directory.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Length of a segment once the log has grown, in bytes; a group that needs more gets a longer one.
    pub segment_bytes: u64,
    /// Length of the first segment of a fresh directory; each next one is twice as long, up to `segment_bytes`.
    pub first_segment_bytes: u64,
    /// Snapshots kept, at least 1. The log after the oldest of them is kept too, so each can stand in for a damaged newer one.
    pub snapshots_kept: usize,
    /// Segments out of use kept for the log to use again; more are removed.
    pub spares_kept: usize,
    /// Make the next segment ready on a thread of the store's own, rather than when it is needed.
    pub prepare_ahead: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, first_segment_bytes: 1 << 20, snapshots_kept: 3, spares_kept: 2, prepare_ahead: true }
    }
}

/// The end of a group whose writing a crash cut short. It was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment it stood in.
    pub file: String,
    /// Where it began.
    pub offset: u64,
    /// How far what was written of it reached.
    pub bytes: u64,
}

/// What was found at opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The snapshot whose records were fed; `None` when all came from the log.
    pub snapshot_index: Option<u64>,
    /// The last entry there is; 0 when there is none.
    pub last_index: u64,
    /// What was cut off the end.
    pub cut: Option<Cut>,
}

/// Files out of use, with their lengths in bytes.
type Spares = Mutex<Vec<(String, u64)>>;

/// The log and the snapshots in one directory. One writer.
pub struct Store {
    disk: Arc<dyn Disk>,
    options: StoreOptions,
    /// Set once a sync has failed, here, in the preparer or in a snapshot.
    stopped: Arc<AtomicBool>,
    generation: u64,
    /// From the oldest kept to the current one.
    segments: VecDeque<Segment>,
    /// Made ready, empty, in the order of their epochs.
    ahead: VecDeque<Segment>,
    epoch_next: u32,
    /// Where the next group goes in the current segment.
    sector: u64,
    /// Sectors from there on that a write for which there was no space may have reached: to be zeroed first.
    littered: u64,
    sequence_next: u64,
    last_index: u64,
    term: u64,
    /// Oldest first; 0 stands for the empty state.
    snapshots: Vec<u64>,
    /// Snapshots that did not verify.
    damaged: Vec<u64>,
    /// Bytes of entries since this store was opened and since the snapshot it was opened from.
    entry_bytes: u64,
    snapshot_entry_bytes: u64,
    spares: Arc<Spares>,
    leaving: Arc<Leaving>,
    preparer: Option<Preparer>,
    flat: Vec<u8>,
    out: Vec<u8>,
}

impl Store {
    /// Opens the log in `disk` and recovers: the newest verified snapshot's records go to `on_snapshot` in order,
    /// then every later entry with its index to `on_entry`. All that was fed is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`]: a file contradicts itself or another, the text names it and the offset; nothing was
    /// changed. [`ErrorKind::UnknownFormat`], [`ErrorKind::DiskFull`], [`ErrorKind::DiskFailed`], and what
    /// `on_snapshot` and `on_entry` return.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        on_snapshot: &mut dyn FnMut(&[u8]) -> Result<()>,
        on_entry: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<(Self, Recovery)> {
        let io = |what: &'static str, error: std::io::Error| disk_error(&*disk, what, ".", &error);
        // What is seen here may be no more than seen: a crash must not take it back afterwards.
        disk.sync_dir().map_err(|error| io("syncing", error))?;
        let (mut epochs, mut found, mut spares) = (Vec::new(), Vec::new(), Vec::new());
        for name in disk.list().map_err(|error| io("listing", error))? {
            if let Some(epoch) = number_in(&name, "log-", 8) {
                epochs.push(epoch as u32);
            } else if let Some(index) = number_in(&name, "snapshot-", 16) {
                found.push(index);
            } else if let Some(epoch) = number_in(&name, "spare-", 8) {
                spares.push(spare_name(epoch as u32));
            } else if name
                .strip_suffix(".new")
                .or_else(|| name.strip_suffix(OLD))
                .is_some_and(|name| number_in(name, "log-", 8).is_some() || number_in(name, "snapshot-", 16).is_some())
            {
                // Half made, or half given back.
                disk.remove(&name).map_err(|error| disk_error(&*disk, "removing", &name, &error))?;
            }
        }
        epochs.sort_unstable();
        found.sort_unstable();
        let mut segments = VecDeque::new();
        for epoch in &epochs {
            segments.push_back(Segment::open(&*disk, *epoch)?);
        }
        let (snapshots, damaged) = choose_snapshot(&*disk, &found, &segments)?;
        let newest = snapshots.last().copied().unwrap_or(0);
        if newest > 0 {
            snapshot::read(&*disk, newest, Some(on_snapshot))?;
        }

        let mut expected = Expected { sequence: 1, index: None, term: 0 };
        let (mut last_index, mut entry_bytes) = (0, 0);
        // The segment with the last group or with what was cut, and where it ends.
        let (mut current, mut sector, mut last_group, mut torn) = (0, 1, None, None);
        // Segment, first sector and number of sectors of what has to be zeroed before anything is written in front of it.
        let mut littered = Vec::new();
        // Where the group that comes next would have stood.
        let mut end_before: Option<(String, u64)> = None;
        for (number, segment) in segments.iter_mut().enumerate() {
            let before = expected;
            let mut first_index = None;
            let end = scan(&*disk, segment, &mut expected, &mut |header, flat, at| {
                if first_index.is_none() {
                    first_index = Some(header.first_index);
                    last_group = Some((number, at, u64::from(header.sectors)));
                    if before.index.is_none() && header.first_index > newest + 1 {
                        let what = format!("the log begins with entry {}, the snapshot ends with {newest}", header.first_index);
                        return Err(corrupt(&*disk, &segment_name(epochs[number]), at * SECTOR as u64, &what));
                    }
                }
                last_group = Some((number, at, u64::from(header.sectors)));
                for (index, entry) in (header.first_index..).zip(entries(header, flat)) {
                    let entry = entry.map_err(|what| corrupt(&*disk, &segment_name(epochs[number]), at * SECTOR as u64, what))?;
                    if index > newest {
                        entry_bytes += entry.len() as u64;
                        on_entry(index, entry)?;
                    }
                }
                last_index = header.last_index();
                Ok(())
            })
            .map_err(|error| match &end_before {
                // A group missing at the end of the segment before shows only here, at the first sector of this one.
                Some((file, offset)) if first_index.is_none() && error.kind() == ErrorKind::Corrupt => {
                    Error::new(ErrorKind::Corrupt, format!("{}; the log before it ends in {file} at offset {offset}", error.context()))
                }
                _ => error,
            })?;
            segment.first_index = first_index;
            if first_index.is_some() || end.torn_sectors > 0 {
                (current, sector) = (number, end.sector);
                torn = (end.torn_sectors > 0).then_some(end.torn_sectors);
            }
            if end.littered_sectors > 0 {
                littered.push((number, end.sector, end.littered_sectors));
            }
            if first_index.is_some() {
                end_before = Some((segment.name.clone(), end.sector * SECTOR as u64));
            }
        }
        if last_index < newest {
            let (file, offset) = end_before.unwrap_or_else(|| (".".to_owned(), 0));
            let what = format!("the log ends with entry {last_index}, the snapshot with {newest}");
            return Err(corrupt(&*disk, &file, offset, &what));
        }

        for (number, at, sectors) in littered.iter().copied().filter(|(number, ..)| *number >= current) {
            let segment = &segments[number];
            zero(segment, at, sectors).map_err(|(what, error)| disk_error(&*disk, what, &segment.name, &error))?;
        }
        let ahead = if segments.is_empty() { VecDeque::new() } else { segments.split_off(current + 1) };
        let epoch_next = match epochs.last() {
            Some(epoch) => epoch.checked_add(1).ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "segment epochs"))?,
            None => 1,
        };
        let mut store = Self {
            options,
            stopped: Arc::new(AtomicBool::new(false)),
            generation: folkmoot_sys::generation(),
            segments,
            ahead,
            epoch_next,
            sector,
            littered: 0,
            sequence_next: expected.sequence,
            last_index,
            term: expected.term,
            snapshots,
            damaged,
            entry_bytes,
            snapshot_entry_bytes: 0,
            spares: Arc::new(Mutex::new(Vec::new())),
            leaving: Arc::default(),
            preparer: None,
            flat: Vec::new(),
            out: Vec::new(),
            disk,
        };
        let mut cut = None;
        if store.segments.is_empty() {
            let bytes = store.options.first_segment_bytes.min(store.options.segment_bytes);
            let epoch = store.take_epoch()?;
            let made = Segment::prepare(&*store.disk, epoch, whole_sectors(bytes), None);
            store.segments.push_back(made.map_err(|(Unready::Full(error) | Unready::Failed(error))| error)?);
        } else {
            if let (Some(sectors), Some(segment)) = (torn, store.segments.back()) {
                let (offset, bytes) = (sector * SECTOR as u64, sectors * SECTOR as u64);
                tracing::warn!(file = %segment.name, offset, bytes, "an unfinished group was cut off the end of the log");
                cut = Some(Cut { file: segment.name.clone(), offset, bytes });
            }
            if let Some((number, at, sectors)) = last_group {
                store.rewrite(number, at, sectors)?;
            }
        }
        let least = store.next_bytes(store.current().sectors);
        for name in spares {
            let length = store.disk.open(&name).and_then(|file| file.len());
            let bytes = length.map_err(|error| store.stop("asking the length of", &name, &error))?;
            if !keep_spare(&store.spares, store.options.spares_kept, least, &name, bytes) {
                store.disk.remove(&name).map_err(|error| store.stop("removing", &name, &error))?;
            }
        }
        if store.options.prepare_ahead {
            store.preparer = Some(Preparer::start(store.disk.clone(), store.spares.clone(), store.stopped.clone())?);
            store.order_ahead();
        }
        let recovery = Recovery { snapshot_index: (newest > 0).then_some(newest), last_index, cut };
        Ok((store, recovery))
    }

    /// Appends one group of entries; they are durable when this returns. Returns the index of the last one.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`]: nothing of the group is or will be there, and a later append may succeed.
    /// [`ErrorKind::DiskFailed`]: it is not known whether the group will be there after a restart; this store writes no
    /// more. [`ErrorKind::LimitExceeded`]: the group is too large. [`ErrorKind::Forked`].
    pub fn append(&mut self, group: &[Vec<u8>]) -> Result<u64> {
        self.usable()?;
        if group.is_empty() {
            return Ok(self.last_index);
        }
        let Some(bytes) = body_bytes(group) else {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("a group of the log has at most {BODY_BYTES_MAX} bytes")));
        };
        let sectors = group_sectors(bytes) as u64;
        if self.littered > 0 {
            self.sweep()?;
        }
        if self.room() < sectors {
            self.roll(sectors)?;
        }
        let first_index = self.last_index + 1;
        let (place, sequence, term) = (self.sector, self.sequence_next, self.term);
        let (mut flat, mut out) = (std::mem::take(&mut self.flat), std::mem::take(&mut self.out));
        let segment = self.current();
        encode_group(Place { epoch: segment.epoch, sector: place, sequence, first_index, term }, group, bytes, &mut flat, &mut out);
        let written = segment.file.write_at(&out, place * SECTOR as u64);
        self.flat = flat;
        self.out = out;
        if let Err(error) = written {
            let name = self.current().name.clone();
            if !is_full(&error) {
                return Err(self.stop("writing", &name, &error));
            }
            self.littered = sectors;
            let full = disk_error(&*self.disk, "writing", &name, &error);
            // Still without space it is swept before the next append; unswept it is cut at the next opening.
            return Err(self.sweep().err().filter(|error| error.kind() == ErrorKind::DiskFailed).unwrap_or(full));
        }
        if let Err(error) = self.current().file.sync_data() {
            let name = self.current().name.clone();
            return Err(self.stop("syncing", &name, &error));
        }
        self.current_mut().first_index.get_or_insert(first_index);
        self.sector += sectors;
        self.sequence_next += 1;
        self.last_index += group.len() as u64;
        self.entry_bytes += group.iter().map(|entry| entry.len() as u64).sum::<u64>();
        self.order_ahead();
        Ok(self.last_index)
    }

    /// Whether it still takes entries.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFailed`]: it never will again. [`ErrorKind::Forked`].
    pub fn check(&self) -> Result<()> {
        self.usable()
    }

    /// The index of the last entry; 0 before the first.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Bytes of the entries appended since the newest snapshot was begun.
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.entry_bytes - self.snapshot_entry_bytes
    }

    /// Entries after the newest snapshot.
    pub fn entries_since_snapshot(&self) -> u64 {
        self.last_index - self.snapshots.last().copied().unwrap_or(0)
    }

    /// A writer for a snapshot of the state right after entry `index`, for another thread to use while appends go on.
    ///
    /// # Errors
    /// [`ErrorKind::BadArguments`]: no such entry, or a newer snapshot exists. [`ErrorKind::DiskFailed`].
    pub fn snapshot_writer(&self, index: u64) -> Result<SnapshotWriter> {
        self.usable()?;
        let newest = self.snapshots.last().copied().unwrap_or(0);
        if index == 0 || index < newest || index > self.last_index {
            let text = format!("snapshot at {index}: the log ends with entry {}, the newest snapshot with {newest}", self.last_index);
            return Err(Error::new(ErrorKind::BadArguments, text));
        }
        Ok(SnapshotWriter::new(self.disk.clone(), self.stopped.clone(), index, self.entry_bytes))
    }

    /// Takes note of a finished snapshot. Touches no file: what it made needless is the caller's to discard, where no
    /// append has to wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFailed`]: the store writes no more.
    pub fn snapshot_finished(&mut self, done: SnapshotDone) -> Result<Retired> {
        self.usable()?;
        if let Err(at) = self.snapshots.binary_search(&done.index) {
            self.snapshots.insert(at, done.index);
        }
        self.damaged.retain(|index| *index != done.index);
        self.snapshot_entry_bytes = self.snapshot_entry_bytes.max(done.entry_bytes);
        let excess = self.snapshots.len().saturating_sub(self.options.snapshots_kept.max(1));
        let mut snapshots: Vec<u64> = self.snapshots.drain(..excess).filter(|index| *index > 0).collect();
        snapshots.append(&mut self.damaged);
        let oldest = self.snapshots.first().copied().unwrap_or(0);
        let mut segments = Vec::new();
        while self.segments.iter().skip(1).find_map(|later| later.first_index).is_some_and(|first| first <= oldest + 1) {
            segments.extend(self.segments.pop_front());
        }
        {
            let mut leaving = self.leaving.files.lock();
            leaving.snapshots.extend(snapshots);
            leaving.segments.extend(segments);
        }
        Ok(Retired {
            disk: self.disk.clone(),
            stopped: self.stopped.clone(),
            spares: self.spares.clone(),
            spares_kept: self.options.spares_kept,
            spare_bytes: self.next_bytes(self.current().sectors),
            leaving: self.leaving.clone(),
        })
    }

    fn usable(&self) -> Result<()> {
        if self.generation != folkmoot_sys::generation() {
            return Err(Error::new(ErrorKind::Forked, format!("the log in {} is the parent's", self.disk.describe())));
        }
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::DiskFailed, format!("{}: a write or sync failed before", self.disk.describe())));
        }
        Ok(())
    }

    /// Stops the store for good.
    fn stop(&self, what: &str, name: &str, error: &std::io::Error) -> Error {
        self.stopped.store(true, Ordering::SeqCst);
        disk_failed(&*self.disk, what, name, error)
    }

    fn current(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn current_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    fn room(&self) -> u64 {
        self.current().sectors.saturating_sub(self.sector)
    }

    fn take_epoch(&mut self) -> Result<u32> {
        let epoch = self.epoch_next;
        self.epoch_next = epoch.checked_add(1).ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "segment epochs"))?;
        Ok(epoch)
    }

    /// Zeroes what an unfinished group left, so that nothing of it can stand behind a later one.
    fn sweep(&mut self) -> Result<()> {
        let name = &self.current().name;
        match zero(self.current(), self.sector, self.littered) {
            Err((what @ "zeroing", error)) if is_full(&error) => return Err(disk_error(&*self.disk, what, name, &error)),
            Err((what, error)) => return Err(self.stop(what, name, &error)),
            Ok(()) => self.littered = 0,
        }
        Ok(())
    }

    /// Writes the last group once more, as it is, and syncs it. It may have been read from memory only: a sync
    /// that failed before the restart leaves pages that count as clean and are not on the disk.
    fn rewrite(&mut self, number: usize, at: u64, sectors: u64) -> Result<()> {
        let Some(segment) = self.segments.get(number) else { return Ok(()) };
        let bytes = Reader::new(&*self.disk, segment).sectors(at, sectors)?.to_vec();
        segment.file.write_at(&bytes, at * SECTOR as u64).map_err(|error| disk_error(&*self.disk, "writing", &segment.name, &error))?;
        segment.file.sync_data().map_err(|error| self.stop("syncing", &segment.name, &error))
    }

    /// The length of the segment after one of `sectors`.
    fn next_bytes(&self, sectors: u64) -> u64 {
        let doubled = sectors.saturating_mul(2 * SECTOR as u64);
        whole_sectors(doubled.min(self.options.segment_bytes))
    }

    /// Has the next segment made ready once the current one is half full.
    fn order_ahead(&mut self) {
        if !self.ahead.is_empty() || self.room() > self.current().sectors / 2 {
            return;
        }
        let (bytes, epoch) = (self.next_bytes(self.current().sectors), self.epoch_next);
        if let Some(preparer) = &self.preparer
            && preparer.order(epoch, bytes)
        {
            self.epoch_next = epoch.saturating_add(1);
        }
    }

    /// Goes on to a segment that has room for `sectors`.
    fn roll(&mut self, sectors: u64) -> Result<()> {
        if let Some(made) = self.preparer.as_ref().and_then(Preparer::take) {
            match made {
                Ok(segment) => self.ahead.push_back(segment),
                Err(Unready::Full(_)) => {}
                Err(Unready::Failed(error)) => {
                    self.stopped.store(true, Ordering::SeqCst);
                    return Err(error);
                }
            }
        }
        if !self.ahead.iter().any(|segment| segment.sectors > sectors) {
            let bytes = self.next_bytes(self.current().sectors).max(whole_sectors((sectors + 1) * SECTOR as u64));
            let epoch = self.take_epoch()?;
            match prepare(&*self.disk, &self.spares, epoch, bytes) {
                Ok(segment) => self.ahead.push_back(segment),
                Err(Unready::Full(error)) => return Err(error),
                Err(Unready::Failed(error)) => {
                    self.stopped.store(true, Ordering::SeqCst);
                    return Err(error);
                }
            }
        }
        // One that is too short stays in its place in the order, empty.
        while let Some(segment) = self.ahead.pop_front() {
            self.segments.push_back(segment);
            self.sector = 1;
            if self.room() >= sectors {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::SystemError, "no segment has room for the group"))
    }
}

/// Files that are needed no more and still have their names.
#[derive(Default)]
struct Leaving {
    files: Mutex<LeavingFiles>,
    /// Held by whoever is at it: segments go oldest first, or a crash would find a gap between those that are left.
    turn: Mutex<()>,
}

/// Oldest first.
#[derive(Default)]
struct LeavingFiles {
    snapshots: VecDeque<u64>,
    segments: VecDeque<Segment>,
}

/// What snapshots made needless. Dropped as it is, that stays on the disk until the next one is discarded.
#[must_use = "the files are still there"]
pub struct Retired {
    disk: Arc<dyn Disk>,
    stopped: Arc<AtomicBool>,
    spares: Arc<Spares>,
    spares_kept: usize,
    /// The least length with which a segment is of use again.
    spare_bytes: u64,
    leaving: Arc<Leaving>,
}

impl Retired {
    /// Keeps the segments that the log can use again and gives the rest back to the disk, a little at a time: the
    /// file system frees a large file in one go, and a group's sync waits for it meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFailed`]: the store writes no more. [`ErrorKind::DiskFull`]: what is left stays for another time.
    pub fn discard(self) -> Result<()> {
        let disk = &*self.disk;
        let _turn = self.leaving.turn.lock();
        let mut doomed = Vec::new();
        loop {
            let Some(index) = self.leaving.files.lock().snapshots.front().copied() else { break };
            // A snapshot with its own name is whole: not so from here on.
            let (name, old) = (snapshot_name(index), format!("{}{OLD}", snapshot_name(index)));
            disk.rename(&name, &old).map_err(|error| self.stop("renaming", &name, &error))?;
            self.leaving.files.lock().snapshots.pop_front();
            doomed.push(old);
        }
        let mut unused = Vec::new();
        loop {
            let first = self.leaving.files.lock().segments.front().map(|segment| (segment.epoch, segment.name.clone(), segment.file.len()));
            let Some((epoch, name, bytes)) = first else { break };
            let bytes = bytes.map_err(|error| self.stop("asking the length of", &name, &error))?;
            let spare = spare_name(epoch);
            disk.rename(&name, &spare).map_err(|error| self.stop("renaming", &name, &error))?;
            self.leaving.files.lock().segments.pop_front();
            unused.push((spare, bytes));
        }
        if doomed.is_empty() && unused.is_empty() {
            return Ok(());
        }
        // Durable before anything in them changes: neither is to be found half made over under a name that counts.
        disk.sync_dir().map_err(|error| self.stop("syncing", ".", &error))?;
        for (name, bytes) in unused {
            if !keep_spare(&self.spares, self.spares_kept, self.spare_bytes, &name, bytes) {
                doomed.push(name);
            }
        }
        for name in &doomed {
            self.shrink(name)?;
            disk.remove(name).map_err(|error| self.stop("removing", name, &error))?;
        }
        if doomed.is_empty() { Ok(()) } else { disk.sync_dir().map_err(|error| self.stop("syncing", ".", &error)) }
    }

    /// Shortens a file to nothing, each step on the disk before the next.
    fn shrink(&self, name: &str) -> Result<()> {
        let file = self.disk.open(name).map_err(|error| self.stop("opening", name, &error))?;
        let mut bytes = file.len().map_err(|error| self.stop("asking the length of", name, &error))?;
        while bytes > SHRINK_BYTES {
            bytes -= SHRINK_BYTES;
            file.truncate(bytes).map_err(|error| self.stop("shortening", name, &error))?;
            file.sync_data().map_err(|error| self.stop("syncing", name, &error))?;
        }
        Ok(())
    }

    /// Stops the store for good, unless only space is missing.
    fn stop(&self, what: &str, name: &str, error: &std::io::Error) -> Error {
        if is_full(error) && what != "syncing" {
            return disk_error(&*self.disk, what, name, error);
        }
        self.stopped.store(true, Ordering::SeqCst);
        disk_failed(&*self.disk, what, name, error)
    }
}

/// Keeps a file out of use for the log to use again, unless it is of no use.
fn keep_spare(spares: &Spares, kept: usize, least: u64, name: &str, bytes: u64) -> bool {
    let mut spares = spares.lock();
    let keep = bytes.is_multiple_of(SECTOR as u64) && bytes >= least && spares.len() < kept;
    if keep {
        spares.push((name.to_owned(), bytes));
    }
    keep
}

/// Zeroes sectors from `at` on, on the disk when this returns; else what could not be done, and why.
fn zero(segment: &Segment, at: u64, sectors: u64) -> std::result::Result<(), (&'static str, std::io::Error)> {
    let zeros = vec![0; sectors.min(GROUP_SECTORS_MAX as u64 + 1) as usize * SECTOR];
    segment.file.write_at(&zeros, at * SECTOR as u64).map_err(|error| ("zeroing", error))?;
    segment.file.sync_data().map_err(|error| ("syncing", error))
}

/// Bytes of the whole sectors that hold `bytes`, of which there are at least two.
fn whole_sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR as u64).max(2) * SECTOR as u64
}

/// The snapshots to rely on, oldest first, the newest of them verified; and those that were passed over as damaged.
fn choose_snapshot(disk: &dyn Disk, found: &[u64], segments: &VecDeque<Segment>) -> Result<(Vec<u64>, Vec<u64>)> {
    let mut first = None;
    for segment in segments {
        if let Some(header) = peek(disk, segment)? {
            first = Some(header.first_index);
            break;
        }
    }
    // The log can stand on a snapshot at or after this.
    let least = first.unwrap_or(1) - 1;
    let mut refused = None;
    let mut damaged = Vec::new();
    for (number, index) in found.iter().enumerate().rev() {
        if *index < least {
            break;
        }
        match snapshot::read(disk, *index, None) {
            Ok(()) => {
                // Older ones are counted on only as far as the log reaches back to them.
                let mut kept: Vec<u64> = found[..=number].iter().copied().filter(|index| *index >= least).collect();
                if least == 0 {
                    kept.insert(0, 0);
                }
                damaged.extend(found[..number].iter().copied().filter(|index| *index < least));
                return Ok((kept, damaged));
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::warn!(index, %error, "a damaged snapshot is passed over");
                damaged.push(*index);
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if least > 0 => Err(error),
        _ if least > 0 => {
            let file = segments.front().map_or("", |segment| segment.name.as_str());
            Err(corrupt(disk, file, SECTOR as u64, &format!("the log begins with entry {}, and no snapshot reaches so far", least + 1)))
        }
        // All from the log.
        _ => Ok((vec![0], damaged)),
    }
}

/// Makes a segment of at least `bytes`, from a spare when one is long enough.
fn prepare(disk: &dyn Disk, spares: &Spares, epoch: u32, bytes: u64) -> std::result::Result<Segment, Unready> {
    let spare = {
        let mut spares = spares.lock();
        spares.iter().position(|(_, length)| *length >= bytes).map(|at| spares.swap_remove(at).0)
    };
    Segment::prepare(disk, epoch, bytes, spare.as_deref())
}

/// The thread that makes the next segment ready.
struct Preparer {
    shared: Arc<(Mutex<Work>, Condvar)>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
}

/// What it is at.
enum Work {
    Idle,
    Ordered { epoch: u32, bytes: u64 },
    Busy,
    Made(std::result::Result<Segment, Unready>),
    End,
}

impl Preparer {
    fn start(disk: Arc<dyn Disk>, spares: Arc<Spares>, stopped: Arc<AtomicBool>) -> Result<Self> {
        let shared = Arc::new((Mutex::new(Work::Idle), Condvar::new()));
        let inside = shared.clone();
        let run = move || {
            let (work, changed) = &*inside;
            let mut work = work.lock();
            loop {
                match *work {
                    Work::Ordered { epoch, bytes } => {
                        *work = Work::Busy;
                        let made = parking_lot::MutexGuard::unlocked(&mut work, || prepare(&*disk, &spares, epoch, bytes));
                        if matches!(made, Err(Unready::Failed(_))) {
                            stopped.store(true, Ordering::SeqCst);
                        }
                        if matches!(*work, Work::End) {
                            return;
                        }
                        *work = Work::Made(made);
                        changed.notify_all();
                    }
                    Work::End => return,
                    _ => changed.wait(&mut work),
                }
            }
        };
        let thread =
            folkmoot_sys::spawn("fm-segment", run).map_err(|error| Error::new(ErrorKind::SystemError, format!("starting the log's thread: {error}")))?;
        Ok(Self { shared, thread: Some(thread), generation: folkmoot_sys::generation() })
    }

    /// Orders a segment; false when one is ordered already.
    fn order(&self, epoch: u32, bytes: u64) -> bool {
        let (work, changed) = &*self.shared;
        let mut work = work.lock();
        if !matches!(*work, Work::Idle) {
            return false;
        }
        *work = Work::Ordered { epoch, bytes };
        changed.notify_all();
        true
    }

    /// The segment that was ordered, waited for if need be; `None` when none was.
    fn take(&self) -> Option<std::result::Result<Segment, Unready>> {
        let (work, changed) = &*self.shared;
        let mut work = work.lock();
        loop {
            match std::mem::replace(&mut *work, Work::Idle) {
                Work::Made(made) => return Some(made),
                waiting @ (Work::Ordered { .. } | Work::Busy) => {
                    *work = waiting;
                    changed.wait(&mut work);
                }
                Work::Idle => return None,
                Work::End => {
                    *work = Work::End;
                    return None;
                }
            }
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        // In a forked child there is no such thread, and its lock may be held for ever.
        if self.generation != folkmoot_sys::generation() {
            return;
        }
        *self.shared.0.lock() = Work::End;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
