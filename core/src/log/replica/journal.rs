//! What a member of an ensemble keeps in its log: records that bring back where it stood.
//!
//! A record's first byte is one that no record of the embedded ground begins with, so that each ground knows the other's. A
//! snapshot of the state begins with a head: the index and term that the state is as of, who takes part, what was promised
//! (term and vote), and the entries after it. Later records follow in the log: an entry replaces all at and after its place.

use super::cache::Cache;
use super::codec::{In, Out, put_entry, put_membership, take_entry, take_membership};
use super::{MemberId, Membership};
use crate::error::{Error, ErrorKind, Result};
use raft::Storage;
use raft::eraftpb::{ConfState, Entry, HardState};
use std::collections::VecDeque;

/// What the first bytes of records are not, where the embedded ground writes them.
const FIRST: u8 = 0xf0;
const FOUNDED: u8 = FIRST;
const HARD: u8 = FIRST + 1;
const ENTRY: u8 = FIRST + 2;
const HEAD: u8 = FIRST + 3;
/// The format that this version writes.
const FORMAT: u64 = 1;

/// Whether a record is of an ensemble's member.
pub fn is_replicated(record: &[u8]) -> bool {
    record.first().is_some_and(|first| *first >= FIRST)
}

/// Where a member stands, as its log tells.
#[derive(Debug, Default)]
pub struct Journal {
    id: MemberId,
    pub(super) hard: HardState,
    /// Index and term that the machine's state is as of.
    pub(super) base: (u64, u64),
    pub(super) membership: ConfState,
    pub(super) entries: VecDeque<Entry>,
}

impl Journal {
    /// A new ensemble of these voters, of which `id` is one: the same on each. Its first entry is what the directory holds so far.
    /// The record goes to the log before anything else.
    pub fn found(id: MemberId, voters: &[MemberId]) -> (Self, Vec<u8>) {
        let mut membership = ConfState::default();
        let mut voters: Vec<u64> = voters.iter().map(|id| u64::from(*id)).collect();
        voters.sort_unstable();
        membership.set_voters(voters);
        Self::begun(id, (1, 1), membership)
    }

    /// A member that knows nobody yet, and is told by whoever lets it in. The record goes to the log before anything else.
    pub fn join(id: MemberId) -> (Self, Vec<u8>) {
        Self::begun(id, (0, 0), ConfState::default())
    }

    fn begun(id: MemberId, base: (u64, u64), membership: ConfState) -> (Self, Vec<u8>) {
        let mut hard = HardState::default();
        // Priority and pre-vote together do not bear a term of 0.
        hard.term = 1;
        hard.commit = base.0;
        let mut out = Out(vec![FOUNDED]);
        out.number(FORMAT).number(u64::from(id)).number(base.0).number(base.1);
        put_membership(&mut out, &membership);
        (Self { id, hard, base, membership, entries: VecDeque::new() }, out.0)
    }

    /// Whose it is; 0 before the first record.
    pub fn id(&self) -> MemberId {
        self.id
    }

    /// Who takes part, as of its base.
    pub fn membership(&self) -> Membership {
        super::membership(&self.membership)
    }

    /// The last entry that the machine's state holds.
    pub fn base_index(&self) -> u64 {
        self.base.0
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// `Corrupt` if it contradicts those before it, `UnknownFormat`.
    pub fn take(&mut self, record: &[u8]) -> Result<()> {
        let corrupt = |what: &str| Error::new(ErrorKind::Corrupt, format!("the ensemble's journal: {what}"));
        let Some((kind, rest)) = record.split_first() else { return Err(corrupt("an empty record")) };
        let mut input = In(rest);
        let is_read = match *kind {
            FOUNDED | HEAD => {
                if input.number() != Some(FORMAT) {
                    return Err(Error::new(ErrorKind::UnknownFormat, "the ensemble's journal: a later version wrote it"));
                }
                self.begin(*kind, &mut input)
            }
            _ if self.id == 0 => return Err(corrupt("it has no beginning")),
            HARD => take_hard(&mut input).map(|hard| self.hard = hard),
            ENTRY => match take_entry(&mut input) {
                Some(entry) => return self.entry(entry),
                None => None,
            },
            _ => None,
        };
        is_read.filter(|()| input.0.is_empty()).ok_or_else(|| corrupt("a record that makes no sense"))
    }

    fn begin(&mut self, kind: u8, input: &mut In<'_>) -> Option<()> {
        self.id = MemberId::try_from(input.number()?).ok().filter(|id| *id != 0)?;
        self.base = (input.number()?, input.number()?);
        self.membership = take_membership(input)?;
        self.entries.clear();
        if kind == HEAD {
            self.hard = take_hard(input)?;
        } else {
            self.hard = HardState::default();
            self.hard.term = 1;
            self.hard.commit = self.base.0;
        }
        Some(())
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        let last = self.base.0 + self.entries.len() as u64;
        if entry.index <= self.base.0 || entry.index > last + 1 {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the ensemble's journal: entry {} comes after {last}, and all up to {} is settled", entry.index, self.base.0),
            ));
        }
        self.entries.truncate((entry.index - self.base.0 - 1) as usize);
        self.entries.push_back(entry);
        Ok(())
    }

    /// All records have been taken.
    ///
    /// # Errors
    /// `Corrupt` if what is said to be agreed is not there.
    pub fn check(&mut self) -> Result<()> {
        let last = self.base.0 + self.entries.len() as u64;
        if self.hard.commit > last {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the ensemble's journal: entry {} was agreed on, and the last one here is {last}", self.hard.commit),
            ));
        }
        self.hard.commit = self.hard.commit.max(self.base.0);
        Ok(())
    }
}

fn take_hard(input: &mut In<'_>) -> Option<HardState> {
    let mut hard = HardState::default();
    hard.term = input.number()?;
    hard.vote = input.number()?;
    hard.commit = input.number()?;
    Some(hard)
}

fn put_hard(out: &mut Out, hard: &HardState) {
    out.number(hard.term).number(hard.vote).number(hard.commit);
}

pub(super) fn hard(state: &HardState) -> Vec<u8> {
    let mut out = Out(vec![HARD]);
    put_hard(&mut out, state);
    out.0
}

pub(super) fn entry(entry: &Entry) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(32 + entry.get_data().len()));
    out.0.push(ENTRY);
    put_entry(&mut out, entry);
    out.0
}

/// What stands before the machine's records in a snapshot of its state as of `applied`.
pub(super) fn head(id: MemberId, cache: &Cache, applied: u64, state: &HardState) -> Vec<Vec<u8>> {
    let term = cache.term(applied);
    debug_assert!(term.is_ok(), "what is applied and not yet let go of is in the cache");
    let mut out = Out(vec![HEAD]);
    out.number(FORMAT).number(u64::from(id)).number(applied).number(term.unwrap_or(0));
    put_membership(&mut out, &cache.membership_at(applied));
    put_hard(&mut out, state);
    std::iter::once(out.0).chain(cache.after(applied).map(entry)).collect()
}
