//! The storage seam's double: a directory in memory that forgets what was not synced.
//!
//! A crash leaves of each sector either what was last synced or any one thing written to it since; a file is as short
//! as it was made, or not yet; of the directory's changes since its last sync there are the first few. The seed decides; seed 0 loses everything. A failed
//! sync behaves as Linux does: what it covered goes on being read, but may never reach the disk.
//!
//! Every change counts as one operation, so a test can take the power away before each in turn.
//!
//! Not here: damage by the file system itself (names lost that were synced, sectors written in part).

use super::disk::{Disk, DiskFile};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Weak},
};

const SECTOR: usize = 512;

/// A directory in memory.
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    this: Weak<Self>,
}

#[derive(Default)]
struct State {
    seed: u64,
    random: u64,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    /// Each state of the directory since its last sync.
    names_since: Vec<BTreeMap<String, usize>>,
    operations: u64,
    syncs: u64,
    stop_at: Option<u64>,
    off: bool,
    fail_sync: Option<u64>,
    refuse_writes: bool,
    capacity: Option<u64>,
    full_after: Option<u64>,
}

#[derive(Default, Clone)]
struct File {
    current: Vec<u8>,
    synced: Vec<u8>,
    /// Changes since the last sync.
    since: Vec<Changed>,
}

#[derive(Clone)]
enum Changed {
    Sector(usize, Box<[u8; SECTOR]>),
    Shortened(usize),
}

impl File {
    /// Writes into both views what one sector got.
    fn put(bytes: &mut Vec<u8>, sector: usize, with: &[u8; SECTOR]) {
        let end = (sector + 1) * SECTOR;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[sector * SECTOR..end].copy_from_slice(with);
    }

    /// Lets chance decide which writes since the last sync are on the disk.
    fn settle(&mut self, random: &mut dyn FnMut(u64) -> u64, all_lost: bool) {
        let since = std::mem::take(&mut self.since);
        if all_lost {
            return;
        }
        // Some crashes come before any of it was written, some after all of it.
        let likely = [0, 50, 90, 100][random(4) as usize];
        let longest = self.current.len().max(self.synced.len());
        for changed in since {
            if random(100) < likely {
                match changed {
                    Changed::Sector(sector, bytes) => Self::put(&mut self.synced, sector, &bytes),
                    Changed::Shortened(length) => self.synced.truncate(length),
                }
            }
        }
        // Sectors are whole, the file may end within one.
        self.synced.truncate(longest);
    }
}

impl State {
    fn random(&mut self, below: u64) -> u64 {
        next(&mut self.random) % below
    }

    /// Counts one change; an error when the power is off or goes off now.
    fn operation(&mut self) -> io::Result<()> {
        if self.off || self.stop_at.is_some_and(|at| self.operations >= at) {
            self.off = true;
            return Err(io::Error::other("simulated: no power"));
        }
        self.operations += 1;
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names.values().map(|id| self.files[*id].current.len() as u64).sum()
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("simulated: no file {name}")))
    }

    fn changed_names(&mut self) {
        let names = self.names.clone();
        self.names_since.push(names);
    }

    fn sync_fails(&mut self) -> bool {
        self.syncs += 1;
        match &mut self.fail_sync {
            Some(0) => {
                self.fail_sync = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl SimulatedDisk {
    /// An empty directory. With seed 0 a crash loses all that was not synced; else chance decides.
    pub fn new(seed: u64) -> Arc<Self> {
        Self::with(State { seed, random: seed, ..State::default() })
    }

    fn with(state: State) -> Arc<Self> {
        Arc::new_cyclic(|this| Self { state: Arc::new(Mutex::new(state)), this: this.clone() })
    }

    /// The seam's view of this disk.
    pub fn disk(&self) -> Arc<dyn Disk> {
        let Some(this) = self.this.upgrade() else { unreachable!("self is held by an Arc") };
        this
    }

    /// The disk after the power has been away: the one in use answers nothing but errors from now on.
    pub fn crash(&self) -> Arc<Self> {
        let mut state = self.state.lock();
        state.off = true;
        let lost = state.seed == 0;
        let mut files = state.files.clone();
        for file in &mut files {
            file.settle(&mut |below| state.random(below), lost);
            file.current = file.synced.clone();
        }
        let mut names = state.names_synced.clone();
        if !lost && !state.names_since.is_empty() {
            let many = state.names_since.len() as u64 + 1;
            let kept = state.random(many) as usize;
            if kept > 0 {
                names = state.names_since[kept - 1].clone();
            }
        }
        let random = next(&mut state.random);
        let (seed, capacity) = (state.seed, state.capacity);
        Self::with(State { seed, random, files, names_synced: names.clone(), names, capacity, ..State::default() })
    }

    /// A copy of the disk as it would be found after a clean end: everything is kept.
    pub fn restart(&self) -> Arc<Self> {
        let mut state = self.state.lock();
        state.off = true;
        let mut files = state.files.clone();
        for file in &mut files {
            file.synced = file.current.clone();
            file.since.clear();
        }
        let (seed, random, names) = (state.seed, state.random, state.names.clone());
        Self::with(State { seed, random, files, names_synced: names.clone(), names, capacity: state.capacity, ..State::default() })
    }

    /// Changes so far: writes, syncs, and changes of the directory.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Syncs so far, of files and of the directory.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Takes the power away before the change that comes after `operations` of them.
    pub fn stop_at(&self, operations: u64) {
        self.state.lock().stop_at = Some(operations);
    }

    /// Fails the sync that comes after `more` of them.
    pub fn fail_sync(&self, more: u64) {
        self.state.lock().fail_sync = Some(more);
    }

    /// Refuses every write with an I/O error, or takes them again.
    pub fn refuse_writes(&self, refuse: bool) {
        self.state.lock().refuse_writes = refuse;
    }

    /// The most bytes that all files may have together; `None` for no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Takes only so many more written bytes, overwritten ones included (as a file system that never writes in place
    /// would when it is full), then lacks space; `None` takes all again.
    pub fn full_after(&self, bytes: Option<u64>) {
        self.state.lock().full_after = bytes;
    }

    /// Bytes of all files together.
    pub fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// Flips one bit, in what is read and in what is on the disk. False when the file does not reach so far.
    pub fn rot(&self, name: &str, offset: u64, bit: u8) -> bool {
        let mut state = self.state.lock();
        let Ok(id) = state.find(name) else { return false };
        let file = &mut state.files[id];
        let at = offset as usize;
        if at >= file.current.len() {
            return false;
        }
        file.current[at] ^= 1 << (bit % 8);
        if let Some(byte) = file.synced.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        true
    }

    /// A file's bytes, as they would be read.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        Some(state.files[state.find(name).ok()?].current.clone())
    }

    /// Puts a file there, durable at once.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state.lock();
        state.files.push(File { current: bytes.to_vec(), synced: bytes.to_vec(), since: Vec::new() });
        let id = state.files.len() - 1;
        state.names.insert(name.to_owned(), id);
        state.names_synced.insert(name.to_owned(), id);
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.state.lock().find(name)?;
        Ok(Arc::new(Handle { state: self.state.clone(), id }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.operation()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(File::default());
        let id = state.files.len() - 1;
        state.names.insert(name.to_owned(), id);
        state.changed_names();
        Ok(Arc::new(Handle { state: self.state.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        let id = state.find(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), id);
        state.changed_names();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        state.find(name)?;
        state.names.remove(name);
        state.changed_names();
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        if state.sync_fails() {
            return Err(io::Error::other("simulated: sync failed"));
        }
        state.names_synced = state.names.clone();
        state.names_since.clear();
        Ok(())
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}

struct Handle {
    state: Arc<Mutex<State>>,
    id: usize,
}

impl DiskFile for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock();
        let current = &state.files[self.id].current;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(current.len());
        let bytes = buf.len().min(current.len() - from);
        buf[..bytes].copy_from_slice(&current[from..from + bytes]);
        Ok(bytes)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        if state.refuse_writes {
            return Err(io::Error::other("simulated: write refused"));
        }
        let length = state.files[self.id].current.len() as u64;
        let grows = (offset + buf.len() as u64).saturating_sub(length);
        let room = state.capacity.map_or(u64::MAX, |most| most.saturating_sub(state.used()));
        // A full disk takes what it has room for.
        let mut taken = if grows > room { buf.len() - (grows - room) as usize } else { buf.len() };
        if let Some(left) = &mut state.full_after {
            taken = taken.min(*left as usize);
            *left -= taken as u64;
        }
        if taken < buf.len() {
            // What is cut short ends with a whole sector.
            taken -= ((offset as usize + taken) % SECTOR).min(taken);
        }
        let file = &mut state.files[self.id];
        let (from, end) = (offset as usize, offset as usize + taken);
        if file.current.len() < end {
            file.current.resize(end, 0);
        }
        file.current[from..end].copy_from_slice(&buf[..taken]);
        for sector in from / SECTOR..end.div_ceil(SECTOR) {
            let mut bytes = [0; SECTOR];
            let part = &file.current[sector * SECTOR..end.max((sector + 1) * SECTOR).min(file.current.len()).min((sector + 1) * SECTOR)];
            bytes[..part.len()].copy_from_slice(part);
            file.since.push(Changed::Sector(sector, Box::new(bytes)));
        }
        if taken < buf.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut at = 0;
        while at < bytes {
            let part = (bytes - at).min(64 * 1024);
            self.write_at(&vec![0; part as usize], at)?;
            at += part;
        }
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        let file = &mut state.files[self.id];
        file.current.truncate(bytes as usize);
        file.since.push(Changed::Shortened(bytes as usize));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().files[self.id].current.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        let fails = state.sync_fails();
        let lost = state.seed == 0;
        let mut file = std::mem::take(&mut state.files[self.id]);
        if fails {
            file.settle(&mut |below| state.random(below), lost);
        } else {
            file.synced = file.current.clone();
            file.since.clear();
        }
        state.files[self.id] = file;
        if fails { Err(io::Error::other("simulated: sync failed")) } else { Ok(()) }
    }
}
