//! What the consensus library reads of the log: the newest entries, in memory.
//!
//! Everything handed out to be written is here at once; the library keeps book of what is on the disk. What has been applied may
//! leave when it takes too much room: whoever then still needs it is sent the whole state.

use super::journal::Journal;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};
use std::cell::Cell;
use std::collections::VecDeque;

/// What an entry takes beside its data, in bytes, about.
const ENTRY_BYTES: usize = 96;

pub(super) struct Cache {
    hard: HardState,
    /// Index and term of the entry before the first that is here.
    base: (u64, u64),
    entries: VecDeque<Entry>,
    bytes: usize,
    /// From which index on who takes part, oldest first.
    memberships: VecDeque<(u64, ConfState)>,
    offered: Option<SnapshotMetadata>,
    wanted: Cell<bool>,
}

fn bytes(entry: &Entry) -> usize {
    ENTRY_BYTES + entry.get_data().len() + entry.get_context().len()
}

impl Cache {
    pub fn new(journal: Journal) -> Self {
        let bytes = journal.entries.iter().map(bytes).sum();
        Self {
            hard: journal.hard,
            base: journal.base,
            entries: journal.entries,
            bytes,
            memberships: [(journal.base.0, journal.membership)].into(),
            offered: None,
            wanted: Cell::new(false),
        }
    }

    pub fn set_hard(&mut self, hard: HardState) {
        self.hard = hard;
    }

    pub fn set_membership(&mut self, index: u64, state: ConfState) {
        self.memberships.push_back((index, state));
    }

    /// Who takes part, as of the entry at `index`.
    pub fn membership_at(&self, index: u64) -> ConfState {
        self.memberships.iter().rev().find(|(from, _)| *from <= index).map(|(_, state)| state.clone()).unwrap_or_default()
    }

    /// Appends entries; they replace any at and after their place.
    pub fn append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first() else { return };
        assert!(first.index > self.base.0 && first.index <= self.last() + 1, "entries are appended without a gap, and never before what is applied");
        while self.last() >= first.index {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= bytes(&entry);
            }
        }
        self.bytes += entries.iter().map(bytes).sum::<usize>();
        self.entries.extend(entries);
    }

    /// A snapshot takes the place of everything.
    pub fn install(&mut self, of: &SnapshotMetadata) {
        self.base = (of.index, of.term);
        self.entries.clear();
        self.bytes = 0;
        self.memberships = [(of.index, of.get_conf_state().clone())].into();
        self.offered = None;
    }

    /// Lets go of what has been applied, up to `index`, while more than `limit` bytes are kept.
    pub fn compact(&mut self, index: u64, limit: usize) {
        while self.bytes > limit
            && let Some(entry) = self.entries.front()
            && entry.index <= index
        {
            self.base = (entry.index, entry.term);
            self.bytes -= bytes(entry);
            self.entries.pop_front();
        }
        while self.memberships.get(1).is_some_and(|(from, _)| *from <= self.base.0) {
            self.memberships.pop_front();
        }
    }

    /// Whether somebody has asked for a snapshot in vain since the last call.
    pub fn take_wanted(&mut self) -> bool {
        self.wanted.take()
    }

    pub fn offer(&mut self, index: u64) {
        let Ok(term) = self.term(index) else { return };
        let mut of = SnapshotMetadata::default();
        of.index = index;
        of.term = term;
        of.set_conf_state(self.membership_at(index));
        self.offered = Some(of);
    }

    pub fn withdraw(&mut self) {
        self.offered = None;
    }

    /// The entries after `index`.
    pub fn after(&self, index: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip_while(move |entry| entry.index <= index)
    }

    /// Whether the entry at `index`, or what stands for it, is here.
    pub fn holds(&self, index: u64) -> bool {
        (self.base.0..=self.last()).contains(&index)
    }

    fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }
}

impl Storage for Cache {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard.clone(), self.membership_at(self.base.0)))
    }

    fn entries(&self, low: u64, high: u64, max_size: impl Into<Option<u64>>, _: GetEntriesContext) -> Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let most = max_size.into().unwrap_or(u64::MAX);
        let mut taken = 0;
        let range = (low - self.base.0 - 1) as usize..(high - self.base.0 - 1) as usize;
        let within = self.entries.range(range).take_while(|entry| {
            let is_first = taken == 0;
            taken += bytes(entry) as u64;
            is_first || taken <= most
        });
        Ok(within.cloned().collect())
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == self.base.0 {
            return Ok(self.base.1);
        }
        if index < self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.entries.get((index - self.base.0 - 1) as usize).map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> Result<Snapshot> {
        match &self.offered {
            // What comes after it must still be here.
            Some(of) if of.index >= request_index && of.index >= self.base.0 => {
                let mut snapshot = Snapshot::default();
                snapshot.set_metadata(of.clone());
                Ok(snapshot)
            }
            _ => {
                self.wanted.set(true);
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}
