//! A log that opening refuses, made one that it takes: what can still be read, and nothing else.
//!
//! Only ever done because somebody asked for it: what was acknowledged may be missing afterwards. Every group that is whole is
//! found, wherever damage stands before it. Of the snapshots that verify and the unbroken runs of groups, those are taken that
//! reach furthest together; the groups are written anew to a segment of their own, and every other file of the log goes aside,
//! under its name and `.damaged`.
//!
//! What always holds: no file is changed but by its name, and none is removed that may hold an entry. The new segment is durable
//! before the first old file goes aside, and until the last has gone opening refuses the directory, so that recovering again, after
//! a crash at any moment, ends the same.
//!
//! Not here: what an entry means, and members of an ensemble, which learn from the others instead.

use super::{
    disk::{Disk, DiskFile, disk_error, disk_failed},
    format::{GroupHeader, Mark, Place, SECTOR, body_bytes, decode_body, decode_group_header, encode_group, entries, group_sectors, mark},
    segment::{Segment, Unready, number_in, segment_name, spare_name},
    snapshot::{self, snapshot_name},
};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;

/// What a file that is put aside has behind its name.
const ASIDE: &str = ".damaged";
/// How much is written between two syncs, in bytes.
const SYNC_BYTES: u64 = 8 << 20;

/// What was kept of a damaged log, and what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The last entry kept. Whatever came later is lost.
    pub last_index: u64,
    /// The last entry that was seen at all: those between the two can be read in part, but what comes before them cannot.
    pub seen_index: u64,
    /// The snapshot that the entries kept stand on; 0 for the empty state.
    pub snapshot_index: u64,
    /// The names that the files put aside have now, in the member's directory.
    pub aside: Vec<String>,
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the state is that after entry {}", self.last_index)?;
        match self.seen_index - self.last_index {
            0 => write!(f, "; no later one was found")?,
            lost => write!(f, "; at least {lost} later ones are lost (up to entry {})", self.seen_index)?,
        }
        write!(f, "; put aside: {}", self.aside.join(", "))
    }
}

/// A group that is whole.
#[derive(Clone, Copy)]
struct Found {
    segment: usize,
    at: u64,
    header: GroupHeader,
}

/// A file of the log that may be damaged anywhere.
struct Suspect {
    name: String,
    epoch: u32,
    file: Arc<dyn DiskFile>,
    sectors: u64,
}

impl Suspect {
    fn read(&self, at: u64, count: u64, bytes: &mut Vec<u8>) {
        bytes.resize((count.min(self.sectors - at)) as usize * SECTOR, 0);
        // What cannot be read is as good as damaged.
        let read = self.file.read_at(bytes, at * SECTOR as u64).unwrap_or(0);
        bytes.truncate(read / SECTOR * SECTOR);
    }

    /// The group that begins at `at`, if there is a whole one; its body is in `flat` then. `newest` becomes no less than its number,
    /// even if only its header is left.
    fn group(&self, at: u64, newest: &mut u64, bytes: &mut Vec<u8>, flat: &mut Vec<u8>) -> Option<GroupHeader> {
        self.read(at, 1, bytes);
        let header = decode_group_header(bytes, self.epoch).ok()?;
        *newest = header.sequence.max(*newest);
        if u64::from(header.sectors) > self.sectors - at {
            return None;
        }
        self.read(at, u64::from(header.sectors), bytes);
        let is_its = |(number, sector): (usize, &[u8])| {
            let expected = Mark::Written { epoch: self.epoch, sequence: header.sequence as u32, number: number as u32 };
            mark(sector, at + number as u64) == expected
        };
        let is_whole = bytes.len() == header.sectors as usize * SECTOR
            && bytes.chunks_exact(SECTOR).enumerate().all(is_its)
            && decode_body(&header, self.epoch, bytes, flat).is_ok()
            && entries(&header, flat).all(|entry| entry.is_ok());
        is_whole.then_some(header)
    }
}

/// Makes the log in `disk`, which opening refuses, one that it takes. `check` sees every entry and every record that is kept.
///
/// # Errors
/// [`ErrorKind::Corrupt`]: nothing in it can be relied on. What `check` returns. [`ErrorKind::DiskFull`], [`ErrorKind::DiskFailed`]: it
/// can be tried again.
pub fn recover(disk: &dyn Disk, check: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Recovered> {
    let io = |what: &'static str, name: &str, error: std::io::Error| disk_error(disk, what, name, &error);
    let names = disk.list().map_err(|error| io("listing", ".", error))?;
    let numbers = |prefix, digits| {
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_in(name, prefix, digits)).collect();
        numbers.sort_unstable();
        numbers
    };
    let mut suspects = Vec::new();
    for epoch in numbers("log-", 8) {
        let name = segment_name(epoch as u32);
        let file = disk.open(&name).map_err(|error| io("opening", &name, error))?;
        let bytes = file.len().map_err(|error| io("asking the length of", &name, error))?;
        suspects.push(Suspect { name, epoch: epoch as u32, file, sectors: bytes / SECTOR as u64 });
    }
    let (runs, newest) = runs(&suspects);
    let mut snapshots = vec![0];
    for index in numbers("snapshot-", 16) {
        match snapshot::read(disk, index, None) {
            Ok(()) => snapshots.push(index),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::DiskFailed) => {}
            Err(error) => return Err(error),
        }
    }
    let last = |run: &[Found]| run.last().map_or(0, |group| group.header.last_index());
    let fits = |index: u64, run: &&Vec<Found>| run.first().is_some_and(|group| group.header.first_index <= index + 1) && last(run) >= index;
    // The snapshot that leads furthest, and of those that lead as far the newest, with the run that does it.
    let best = snapshots.iter().map(|index| (*index, runs.iter().filter(|run| fits(*index, run)).max_by_key(|run| last(run))));
    let (snapshot_index, run) = best.max_by_key(|(index, run)| (run.map_or(*index, |run| last(run)), *index)).unwrap_or((0, None));
    let run = run.map_or(&[][..], Vec::as_slice);
    let last_index = last(run).max(snapshot_index);
    if last_index == 0 {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: nothing in it can be relied on; nothing was changed", disk.describe())));
    }
    if snapshot_index > 0 {
        snapshot::read(disk, snapshot_index, Some(check))?;
    }
    let seen_index = runs.iter().map(|run| last(run)).max().unwrap_or(0).max(last_index);

    rewrite(disk, &suspects, run, newest, snapshot_index, check)?;
    let mut aside = Vec::new();
    let kept = snapshot_name(snapshot_index);
    let others = numbers("snapshot-", 16).into_iter().map(snapshot_name).filter(|name| *name != kept);
    for name in suspects.into_iter().map(|suspect| suspect.name).chain(others) {
        let to = (1_u32..).map(|number| if number == 1 { format!("{name}{ASIDE}") } else { format!("{name}{ASIDE}.{number}") }).find(|to| !names.contains(to));
        let to = to.unwrap_or_default();
        disk.rename(&name, &to).map_err(|error| disk_failed(disk, "renaming", &name, &error))?;
        aside.push(to);
    }
    // They hold nothing, and are of a time that did not happen now.
    for epoch in numbers("spare-", 8) {
        let name = spare_name(epoch as u32);
        disk.remove(&name).map_err(|error| disk_failed(disk, "removing", &name, &error))?;
    }
    disk.sync_dir().map_err(|error| disk_failed(disk, "syncing", ".", &error))?;
    Ok(Recovered { last_index, seen_index, snapshot_index, aside })
}

/// All groups that are whole, in unbroken runs, and the highest number of a group of which as much as its header is left.
fn runs(suspects: &[Suspect]) -> (Vec<Vec<Found>>, u64) {
    let (mut bytes, mut flat, mut newest) = (Vec::new(), Vec::new(), 0);
    let mut runs: Vec<Vec<Found>> = Vec::new();
    for (segment, suspect) in suspects.iter().enumerate() {
        let mut at = 1;
        while at < suspect.sectors {
            let Some(header) = suspect.group(at, &mut newest, &mut bytes, &mut flat) else {
                at += 1;
                continue;
            };
            let found = Found { segment, at, header };
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| follows(&last.header, &header)) => run.push(found),
                _ => runs.push(vec![found]),
            }
            at += u64::from(header.sectors);
        }
    }
    (runs, newest)
}

fn follows(before: &GroupHeader, header: &GroupHeader) -> bool {
    header.sequence == before.sequence + 1 && header.first_index == before.last_index() + 1 && header.term >= before.term
}

/// Writes the groups of `run` to a segment of their own. Without any, one that only says how far the snapshot reaches.
fn rewrite(
    disk: &dyn Disk,
    suspects: &[Suspect],
    run: &[Found],
    mut newest: u64,
    snapshot_index: u64,
    check: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let epoch = suspects.last().map_or(0, |suspect| suspect.epoch).checked_add(1).ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "segment epochs"))?;
    let sectors = 1 + run.iter().map(|group| u64::from(group.header.sectors)).sum::<u64>().max(1);
    let (mut bytes, mut flat, mut out) = (Vec::new(), Vec::new(), Vec::new());
    // What is not to be kept shows before anything is written.
    for found in run {
        suspects[found.segment].group(found.at, &mut newest, &mut bytes, &mut flat);
        entries(&found.header, &flat).filter_map(std::result::Result::ok).try_for_each(&mut *check)?;
    }
    let segment = Segment::prepare(disk, epoch, sectors * SECTOR as u64, None).map_err(|(Unready::Full(error) | Unready::Failed(error))| error)?;
    let failed = |what, error: std::io::Error| disk_failed(disk, what, &segment.name, &error);
    // One that follows on nothing that is there: what is left beside it, should this be cut short, does not seem to go before it.
    let mut sequence = newest + 2;
    let (mut sector, mut synced) = (1, 1);
    let mut write = |group: &[Vec<u8>], first_index, term| -> Result<()> {
        let Some(length) = body_bytes(group) else { return Err(Error::new(ErrorKind::LimitExceeded, "a group of the log")) };
        encode_group(Place { epoch, sector, sequence, first_index, term }, group, length, &mut flat, &mut out);
        segment.file.write_at(&out, sector * SECTOR as u64).map_err(|error| failed("writing", error))?;
        sector += group_sectors(length) as u64;
        sequence += 1;
        if (sector - synced) * SECTOR as u64 >= SYNC_BYTES {
            segment.file.sync_data().map_err(|error| failed("syncing", error))?;
            synced = sector;
        }
        Ok(())
    };
    for found in run {
        let mut body = Vec::new();
        suspects[found.segment].group(found.at, &mut newest, &mut bytes, &mut body);
        let group: Vec<Vec<u8>> = entries(&found.header, &body).filter_map(std::result::Result::ok).map(<[u8]>::to_vec).collect();
        write(&group, found.header.first_index, found.header.term)?;
    }
    if run.is_empty() {
        // Never fed: the snapshot has its effect.
        write(&[Vec::new()], snapshot_index, 0)?;
    }
    segment.file.sync_data().map_err(|error| failed("syncing", error))
}
