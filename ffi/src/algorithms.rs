//! Hashing, election and heartbeats: calculations that need no member and no session.
//!
//! Not here: what they calculate (`folkmoot::{hashing, election, heartbeat}`).

use crate::guard::{bad, bytes, enter, give, plain, plain_mut, put, text, wanted};
use crate::types::folkmoot_status;
use folkmoot::election::{Ballot, Contender, Electorate, LastVote, Outcome, Tally, Term, Voter, VoterId};
use folkmoot::hashing::{POINTS_PER_WEIGHT, Placement, RING_SIZE, Ring};
use folkmoot::heartbeat::{Deadlines, Event, EventKind, FixedTimeout, Heard, Schedule};
use folkmoot::limits::{CONTENDERS_MAX, NODES_MAX, VOTERS_MAX};
use folkmoot::{Error, ErrorKind, Result};
use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::null;

/// The tally can still elect someone.
pub const FOLKMOOT_UNDECIDED: i32 = 0;
/// More than half of the voters voted for one candidate. It stays so for the term.
pub const FOLKMOOT_ELECTED: i32 = 1;
/// No one can be elected any more in this term.
pub const FOLKMOOT_SPLIT: i32 = 2;

/// The first beat of this peer.
pub const FOLKMOOT_HEARD_NEW: i32 = 0;
/// The peer is alive, as was thought.
pub const FOLKMOOT_HEARD_FRESH: i32 = 1;
/// The peer was suspect and is no more.
pub const FOLKMOOT_HEARD_RESTORED: i32 = 2;
/// A repeat, or overtaken by a later one: no effect.
pub const FOLKMOOT_HEARD_STALE: i32 = 3;
/// The peer has expired: no effect until it is forgotten.
pub const FOLKMOOT_HEARD_EXPIRED: i32 = 4;

/// The peer has been silent for the first timeout. May be a mistake.
pub const FOLKMOOT_SUSPECT: i32 = 1;
/// The peer has been silent for the second timeout. Final.
pub const FOLKMOOT_EXPIRED: i32 = 2;

/// A hash ring: which node owns a key. Immutable: any threads may use one at once.
pub struct folkmoot_ring {
    ring: Ring,
    /// The names in the ring's own order, which is theirs.
    names: Vec<CString>,
}

/// What changes hands between two rings. Immutable.
pub struct folkmoot_moves {
    moves: Vec<folkmoot_move>,
    _names: Vec<CString>,
}

/// A range of positions that changes hands. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_move {
    /// First position of the range.
    pub lo: u64,
    /// Last position of the range, itself included.
    pub hi: u64,
    /// Who owned it; NULL when there was no node.
    pub from: *const c_char,
    /// Who owns it now; NULL when there is no node left.
    pub to: *const c_char,
}

impl folkmoot_ring {
    fn new(ring: Ring) -> Self {
        // Names came in as C text: no NUL is inside.
        let names = ring.nodes().into_iter().map(|(name, _)| CString::new(name).unwrap_or_default()).collect();
        Self { ring, names }
    }

    fn name(&self, node: &[u8]) -> *const c_char {
        self.names.binary_search_by(|name| name.as_bytes().cmp(node)).map_or(null(), |at| self.names[at].as_ptr())
    }
}

/// A node's name: any bytes that end in NUL.
///
/// # Safety
/// NULL, or ends in NUL and is not changed as long as the call lasts.
unsafe fn node_name<'a>(node: *const c_char) -> Result<&'a [u8]> {
    if node.is_null() {
        return Err(bad("node is NULL"));
    }
    // SAFETY: not NULL, the rest as asked of the caller.
    Ok(unsafe { CStr::from_ptr(node) }.to_bytes())
}

/// The hash that rings are built on: XXH3-64 with seed 0. Frozen: the same in every version and
/// language. NULL counts as no bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_hash(key: *const c_void, key_len: usize) -> u64 {
    // SAFETY: the conventions.
    folkmoot::hashing::fm1(unsafe { bytes(key, key_len, "key") }.ok().flatten().unwrap_or_default())
}

/// An empty ring of positions 1..=size, where a node has points_per_weight points for each unit of
/// its weight; 0 is the default of either (2^61 - 1 and 160). To be freed with folkmoot_ring_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_new(size: u64, points_per_weight: u32, ring_out: *mut *mut folkmoot_ring) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(ring_out, "ring_out")?;
        let size = if size == 0 { RING_SIZE } else { size };
        let points = if points_per_weight == 0 { POINTS_PER_WEIGHT } else { points_per_weight };
        give(ring_out, folkmoot_ring::new(Ring::with_options(size, points)?));
        Ok(())
    })
}

/// ring with node at weight (1 to 1000): added, or its weight changed. A new ring; the old one stays.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_with(
    ring: *const folkmoot_ring,
    node: *const c_char,
    weight: u32,
    ring_out: *mut *mut folkmoot_ring,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(ring_out, "ring_out")?;
        give(ring_out, folkmoot_ring::new(plain(ring, "ring")?.ring.with(node_name(node)?, weight)?));
        Ok(())
    })
}

/// ring with count nodes more, in one go. weights may be NULL: each is 1. A new ring; the old one stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_with_all(
    ring: *const folkmoot_ring,
    nodes: *const *const c_char,
    weights: *const u32,
    count: usize,
    ring_out: *mut *mut folkmoot_ring,
) -> folkmoot_status {
    // SAFETY: the conventions: `count` names, and as many weights unless NULL.
    enter(|| unsafe {
        wanted(ring_out, "ring_out")?;
        if count > NODES_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("{count} nodes; a ring holds {NODES_MAX}")));
        }
        if count > 0 && nodes.is_null() {
            return Err(bad("nodes is NULL"));
        }
        let all = (0..count)
            .map(|at| Ok((node_name(nodes.add(at).read())?, if weights.is_null() { 1 } else { weights.add(at).read() })))
            .collect::<Result<Vec<_>>>()?;
        give(ring_out, folkmoot_ring::new(plain(ring, "ring")?.ring.with_all(all)?));
        Ok(())
    })
}

/// ring without node. A new ring; the old one stays.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS when node is not part of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_without(ring: *const folkmoot_ring, node: *const c_char, ring_out: *mut *mut folkmoot_ring) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(ring_out, "ring_out")?;
        give(ring_out, folkmoot_ring::new(plain(ring, "ring")?.ring.without(node_name(node)?)?));
        Ok(())
    })
}

/// The node that owns key, which is key_len bytes; *node_out is NULL when there are no nodes.
/// Valid until the ring is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_locate(ring: *const folkmoot_ring, key: *const c_void, key_len: usize, node_out: *mut *const c_char) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(node_out, "node_out")?;
        let ring = plain(ring, "ring")?;
        let key = bytes(key, key_len, "key")?.unwrap_or_default();
        put(node_out, ring.ring.locate(key).map_or(null(), |node| ring.name(node)));
        Ok(())
    })
}

/// The first max different nodes for key, the owner first; fewer if there are fewer. An order for
/// replicas or fail-over.
///
/// nodes_out  room for max pointers; they are valid until the ring is freed
/// count_out  how many were written
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_locate_n(
    ring: *const folkmoot_ring,
    key: *const c_void,
    key_len: usize,
    max: usize,
    nodes_out: *mut *const c_char,
    count_out: *mut usize,
) -> folkmoot_status {
    // SAFETY: the conventions: `max` pointers have room.
    enter(|| unsafe {
        wanted(count_out, "count_out")?;
        if max > 0 {
            wanted(nodes_out, "nodes_out")?;
        }
        let ring = plain(ring, "ring")?;
        let found = ring.ring.locate_n(bytes(key, key_len, "key")?.unwrap_or_default(), max);
        for (at, node) in found.iter().enumerate() {
            put(nodes_out.add(at), ring.name(node));
        }
        put(count_out, found.len());
        Ok(())
    })
}

/// The position of key on the ring: what the ranges of folkmoot_ring_diff are made of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_position(ring: *const folkmoot_ring, key: *const c_void, key_len: usize, position_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(position_out, "position_out")?;
        put(position_out, plain(ring, "ring")?.ring.position(bytes(key, key_len, "key")?.unwrap_or_default()));
        Ok(())
    })
}

/// How many nodes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_count(ring: *const folkmoot_ring) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(ring, "ring") }.map_or(0, |ring| ring.names.len())
}

/// Node number index, from 0, in the order of the names: its name (valid until the ring is freed),
/// its weight, and the fraction of all keys that it owns. Each output may be NULL.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_node(
    ring: *const folkmoot_ring,
    index: usize,
    node_out: *mut *const c_char,
    weight_out: *mut u32,
    share_out: *mut f64,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let ring = plain(ring, "ring")?;
        let name = ring.names.get(index).ok_or_else(|| bad(format!("index is {index}; the ring has {} nodes", ring.names.len())))?;
        put(node_out, name.as_ptr());
        put(weight_out, ring.ring.weight(name.as_bytes()).unwrap_or(0));
        if !share_out.is_null() {
            put(share_out, ring.ring.shares().get(index).map_or(0.0, |(_, share)| *share));
        }
        Ok(())
    })
}

/// What changes hands from before to after, in ascending ranges, to be freed with
/// folkmoot_moves_free. Both rings have the same size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_diff(before: *const folkmoot_ring, after: *const folkmoot_ring, moves_out: *mut *mut folkmoot_moves) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(moves_out, "moves_out")?;
        let (before, after) = (plain(before, "before")?, plain(after, "after")?);
        // The names are copied once for all the moves.
        let names = before.names.iter().chain(&after.names).cloned().collect::<Vec<_>>();
        let (old, new) = names.split_at(before.names.len());
        let find = |names: &[CString], node: &Option<folkmoot::hashing::NodeName>| {
            let at = node.as_ref().and_then(|node| names.binary_search_by(|name| name.as_bytes().cmp(node)).ok());
            at.map_or(null(), |at| names[at].as_ptr())
        };
        let moves = before.ring.diff(&after.ring)?;
        let moves = moves.iter().map(|one| folkmoot_move { lo: one.lo, hi: one.hi, from: find(old, &one.from), to: find(new, &one.to) }).collect();
        give(moves_out, folkmoot_moves { moves, _names: names });
        Ok(())
    })
}

/// How many moves; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_moves_count(moves: *const folkmoot_moves) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(moves, "moves") }.map_or(0, |moves| moves.moves.len())
}

/// The moves, one behind the other; NULL if there are none. Valid until they are freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_moves_entries(moves: *const folkmoot_moves) -> *const folkmoot_move {
    // SAFETY: the conventions.
    unsafe { plain(moves, "moves") }.ok().filter(|moves| !moves.moves.is_empty()).map_or(null(), |moves| moves.moves.as_ptr())
}

macro_rules! free {
    ($pointer:expr) => {
        if !$pointer.is_null() {
            // SAFETY: the conventions: made by `give`, freed once.
            drop(unsafe { Box::from_raw($pointer) });
        }
    };
}

/// Frees the moves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_moves_free(moves: *mut folkmoot_moves) {
    free!(moves);
}

/// Frees the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_ring_free(ring: *mut folkmoot_ring) {
    free!(ring);
}

/// One voter. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_voter {
    /// Its number, unique among the voters.
    pub id: u64,
    /// 255 is preferred most; 0 votes but never holds office. At most 255.
    pub priority: u32,
}

/// The votes of one term. One thread at a time.
pub struct folkmoot_tally {
    tally: Tally,
}

/// A tally of term without votes, over all voters, alive or not. To be freed with folkmoot_tally_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_new(voters: *const folkmoot_voter, count: usize, term: u64, tally_out: *mut *mut folkmoot_tally) -> folkmoot_status {
    // SAFETY: the conventions: `count` voters.
    enter(|| unsafe {
        wanted(tally_out, "tally_out")?;
        if voters.is_null() {
            return Err(bad("voters is NULL"));
        }
        let voters = (0..count.min(VOTERS_MAX + 1))
            .map(|at| {
                let voter = voters.add(at).read();
                let priority =
                    u8::try_from(voter.priority).map_err(|_| bad(format!("the priority of voter {} is {}; 255 is the most", voter.id, voter.priority)))?;
                Ok(Voter { id: VoterId(voter.id), priority })
            })
            .collect::<Result<Vec<_>>>()?;
        give(tally_out, folkmoot_tally { tally: Tally::new(Electorate::new(voters)?, Term(term)) });
        Ok(())
    })
}

unsafe fn put_outcome(outcome: Outcome, outcome_out: *mut i32, elected_out: *mut u64) {
    let (outcome, elected) = match outcome {
        Outcome::Undecided => (FOLKMOOT_UNDECIDED, 0),
        Outcome::Elected(id) => (FOLKMOOT_ELECTED, id.0),
        Outcome::Split => (FOLKMOOT_SPLIT, 0),
    };
    // SAFETY: the caller's conventions.
    unsafe {
        put(outcome_out, outcome);
        put(elected_out, elected);
    }
}

/// Counts a ballot and tells how the election stands: FOLKMOOT_UNDECIDED, _ELECTED (elected_out says
/// whom) or _SPLIT. The same ballot again changes nothing. Both outputs may be NULL.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS for strangers, _INVALID_STATE for another term or a second vote.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_cast(
    tally: *mut folkmoot_tally,
    term: u64,
    voter: u64,
    candidate: u64,
    outcome_out: *mut i32,
    elected_out: *mut u64,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let ballot = Ballot { term: Term(term), voter: VoterId(voter), candidate: VoterId(candidate) };
        put_outcome(plain_mut(tally, "tally")?.tally.cast(ballot)?, outcome_out, elected_out);
        Ok(())
    })
}

/// How the election stands, as folkmoot_tally_cast tells.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_outcome(tally: *const folkmoot_tally, outcome_out: *mut i32, elected_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        put_outcome(plain(tally, "tally")?.tally.outcome(), outcome_out, elected_out);
        Ok(())
    })
}

/// Starts over in a later term; the votes of the last one are gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_advance(tally: *mut folkmoot_tally, term: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { plain_mut(tally, "tally")?.tally.advance(Term(term)) })
}

/// How many votes candidate has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_votes(tally: *const folkmoot_tally, candidate: u64, votes_out: *mut usize) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(votes_out, "votes_out")?;
        put(votes_out, plain(tally, "tally")?.tally.votes_for(VoterId(candidate)));
        Ok(())
    })
}

/// The vote to cast when the count voters of live can be heard, the caller included: the highest
/// priority, of equals the lowest id.
///
/// FOLKMOOT_OK, _INVALID_STATE when no one of them may hold office.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_choose(tally: *const folkmoot_tally, live: *const u64, count: usize, candidate_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions: `count` numbers.
    enter(|| unsafe {
        wanted(candidate_out, "candidate_out")?;
        if count > 0 && live.is_null() {
            return Err(bad("live is NULL"));
        }
        let chosen = plain(tally, "tally")?.tally.electorate().choose((0..count).map(|at| VoterId(live.add(at).read())));
        put(candidate_out, chosen.ok_or_else(|| Error::new(ErrorKind::InvalidState, "none of the live voters may hold office"))?.0);
        Ok(())
    })
}

/// Frees the tally.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_tally_free(tally: *mut folkmoot_tally) {
    free!(tally);
}

/// What one voter has to remember: the last vote it cast. One thread at a time.
pub struct folkmoot_last_vote {
    last: LastVote,
}

/// Of a voter that has never voted. One that starts again has to repeat the last vote it cast, with
/// folkmoot_last_vote_vote, before it casts another. To be freed with folkmoot_last_vote_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_last_vote_new(voter: u64, last_vote_out: *mut *mut folkmoot_last_vote) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(last_vote_out, "last_vote_out")?;
        give(last_vote_out, folkmoot_last_vote { last: LastVote::new(VoterId(voter)) });
        Ok(())
    })
}

/// Votes for candidate in term. The same vote again is no other vote.
///
/// FOLKMOOT_OK: the ballot (term, voter, candidate) may be sent. _INVALID_STATE when it has voted for
/// someone else in this term, or in a later one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_last_vote_vote(last_vote: *mut folkmoot_last_vote, term: u64, candidate: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { plain_mut(last_vote, "last_vote")?.last.vote(Term(term), VoterId(candidate)).map(drop) })
}

/// The last vote. *voted_out is 1 and the other two are written if there is one, else 0. These two
/// may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_last_vote_ballot(
    last_vote: *const folkmoot_last_vote,
    term_out: *mut u64,
    candidate_out: *mut u64,
    voted_out: *mut i32,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(voted_out, "voted_out")?;
        let ballot = plain(last_vote, "last_vote")?.last.ballot();
        put(voted_out, i32::from(ballot.is_some()));
        if let Some(ballot) = ballot {
            put(term_out, ballot.term.0);
            put(candidate_out, ballot.candidate.0);
        }
        Ok(())
    })
}

/// Frees it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_last_vote_free(last_vote: *mut folkmoot_last_vote) {
    free!(last_vote);
}

/// The number of the sequential znode name, which was asked for as prefix.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS when it is not such a name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_sequence_of(name: *const c_char, prefix: *const c_char, sequence_out: *mut i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(sequence_out, "sequence_out")?;
        let (name, prefix) = (text(name, "name")?, text(prefix, "prefix")?);
        let sequence = folkmoot::election::sequence_of(name, prefix);
        put(sequence_out, sequence.ok_or_else(|| bad(format!("{name} is not {prefix} and a number")))?);
        Ok(())
    })
}

/// One contender for an office or a lock. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_contender {
    /// The number of its sequential znode.
    pub sequence: i32,
    /// Not 0: content to hold together with other sharers, as a reader. For an office 0.
    pub shared: i32,
}

/// For each contender the index of the one whose znode it has to watch and wait for; -1: it holds.
///
/// waits_out  room for count numbers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_waits_for(contenders: *const folkmoot_contender, count: usize, waits_out: *mut i64) -> folkmoot_status {
    // SAFETY: the conventions: `count` contenders, and room for as many numbers.
    enter(|| unsafe {
        if count == 0 {
            return Ok(());
        }
        wanted(waits_out, "waits_out")?;
        if contenders.is_null() {
            return Err(bad("contenders is NULL"));
        }
        let all = (0..count.min(CONTENDERS_MAX + 1))
            .map(|at| contenders.add(at).read())
            .map(|one| Contender { sequence: one.sequence, shared: one.shared != 0 })
            .collect::<Vec<_>>();
        for (at, ahead) in folkmoot::election::waits_for(&all)?.into_iter().enumerate() {
            put(waits_out.add(at), ahead.map_or(-1, |ahead| ahead as i64));
        }
        Ok(())
    })
}

/// When to send the next heartbeat. One thread at a time.
pub struct folkmoot_schedule {
    schedule: Schedule,
}

/// A beat that is due. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_beat {
    /// The number of the beat: 0 for the first. Never given twice.
    pub seq: u64,
    /// When it was due, in milliseconds.
    pub scheduled_ms: u64,
    /// How many beats before it were missed and are skipped.
    pub missed: u64,
}

/// Beats every period_ms, the first at first_ms: beat n is due at first_ms + n * period_ms, however
/// late the one before was. To be freed with folkmoot_schedule_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_schedule_new(period_ms: u64, first_ms: u64, schedule_out: *mut *mut folkmoot_schedule) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(schedule_out, "schedule_out")?;
        give(schedule_out, folkmoot_schedule { schedule: Schedule::new(period_ms, first_ms)? });
        Ok(())
    })
}

/// The beat to send at now_ms. *due_out is 1 and beat_out written if one is due, else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_schedule_poll(
    schedule: *mut folkmoot_schedule,
    now_ms: u64,
    beat_out: *mut folkmoot_beat,
    due_out: *mut i32,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(due_out, "due_out")?;
        let due = plain_mut(schedule, "schedule")?.schedule.poll(now_ms);
        put(due_out, i32::from(due.is_some()));
        if let Some(due) = due {
            put(beat_out, folkmoot_beat { seq: due.seq, scheduled_ms: due.scheduled_ms, missed: due.missed });
        }
        Ok(())
    })
}

/// When the next beat is due.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_schedule_next_wakeup(schedule: *const folkmoot_schedule, at_ms_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(at_ms_out, "at_ms_out")?;
        put(at_ms_out, plain(schedule, "schedule")?.schedule.next_wakeup());
        Ok(())
    })
}

/// Frees the schedule.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_schedule_free(schedule: *mut folkmoot_schedule) {
    free!(schedule);
}

/// Which peers have fallen silent: two fixed timeouts since the last beat. One thread at a time.
pub struct folkmoot_detector {
    detector: FixedTimeout,
    waiting: VecDeque<Event>,
}

/// A peer fell silent. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_silence {
    /// Who.
    pub peer: u64,
    /// When its time was up, in milliseconds.
    pub at_ms: u64,
    /// FOLKMOOT_SUSPECT or FOLKMOOT_EXPIRED.
    pub kind: i32,
}

fn kind(kind: EventKind) -> i32 {
    match kind {
        EventKind::Suspect => FOLKMOOT_SUSPECT,
        EventKind::Expire => FOLKMOOT_EXPIRED,
    }
}

/// A detector that suspects a peer after suspect_after_ms of silence and expires it after
/// expire_after_ms, both counted from its last beat. To be freed with folkmoot_detector_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_new(suspect_after_ms: u64, expire_after_ms: u64, detector_out: *mut *mut folkmoot_detector) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(detector_out, "detector_out")?;
        give(detector_out, folkmoot_detector { detector: FixedTimeout::new(suspect_after_ms, expire_after_ms)?, waiting: VecDeque::new() });
        Ok(())
    })
}

/// Expects beats of peer from now on, though none has come. Harmless for one that is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_watch(detector: *mut folkmoot_detector, peer: u64, now_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { plain_mut(detector, "detector")?.detector.watch(peer, now_ms).map(drop) })
}

/// Takes in beat seq of peer, received at now_ms. heard_out, which may be NULL, is FOLKMOOT_HEARD_.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_beat(detector: *mut folkmoot_detector, peer: u64, seq: u64, now_ms: u64, heard_out: *mut i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let heard = match plain_mut(detector, "detector")?.detector.beat(peer, seq, now_ms)? {
            Heard::New => FOLKMOOT_HEARD_NEW,
            Heard::Fresh => FOLKMOOT_HEARD_FRESH,
            Heard::Restored => FOLKMOOT_HEARD_RESTORED,
            Heard::Stale => FOLKMOOT_HEARD_STALE,
            Heard::Expired => FOLKMOOT_HEARD_EXPIRED,
        };
        put(heard_out, heard);
        Ok(())
    })
}

/// Whose time is up at now_ms, in the order in which it was.
///
/// silences_out  room for max
/// count_out     how many were written; if that is max, ask again: there may be more
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_poll(
    detector: *mut folkmoot_detector,
    now_ms: u64,
    silences_out: *mut folkmoot_silence,
    max: usize,
    count_out: *mut usize,
) -> folkmoot_status {
    // SAFETY: the conventions: room for `max`.
    enter(|| unsafe {
        wanted(count_out, "count_out")?;
        wanted(silences_out, "silences_out")?;
        let detector = plain_mut(detector, "detector")?;
        detector.waiting.extend(detector.detector.poll(now_ms));
        let count = max.min(detector.waiting.len());
        for (at, event) in detector.waiting.drain(..count).enumerate() {
            put(silences_out.add(at), folkmoot_silence { peer: event.peer, at_ms: event.at_ms, kind: kind(event.kind) });
        }
        put(count_out, count);
        Ok(())
    })
}

/// When to poll next; UINT64_MAX when no one is left to fall silent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_next_wakeup(detector: *const folkmoot_detector, at_ms_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(at_ms_out, "at_ms_out")?;
        let detector = plain(detector, "detector")?;
        put(at_ms_out, if detector.waiting.is_empty() { detector.detector.next_wakeup().unwrap_or(u64::MAX) } else { 0 });
        Ok(())
    })
}

/// Allows everyone pause_ms more: the observer slept so long and heard nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_paused(detector: *mut folkmoot_detector, pause_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        plain_mut(detector, "detector")?.detector.paused(pause_ms);
        Ok(())
    })
}

/// Forgets a peer; one that is unknown does no harm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_forget(detector: *mut folkmoot_detector, peer: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let detector = plain_mut(detector, "detector")?;
        detector.detector.forget(peer);
        detector.waiting.retain(|event| event.peer != peer);
        Ok(())
    })
}

/// What is thought of a peer: 0 alive or unknown, FOLKMOOT_SUSPECT, FOLKMOOT_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_told(detector: *const folkmoot_detector, peer: u64, kind_out: *mut i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(kind_out, "kind_out")?;
        put(kind_out, plain(detector, "detector")?.detector.told(peer).map_or(0, kind));
        Ok(())
    })
}

/// Frees the detector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_detector_free(detector: *mut folkmoot_detector) {
    free!(detector);
}

/// When sessions (leases, peers, whatever has a timeout) are over: a table of many, touched often.
/// One thread at a time.
pub struct folkmoot_deadlines {
    deadlines: Deadlines<u64>,
    waiting: VecDeque<(u64, u64)>,
}

/// Something whose time is up. Will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct folkmoot_end {
    /// Whose.
    pub id: u64,
    /// When it was, in milliseconds.
    pub at_ms: u64,
}

/// An empty table for at most limit. To be freed with folkmoot_deadlines_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_new(limit: usize, deadlines_out: *mut *mut folkmoot_deadlines) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(deadlines_out, "deadlines_out")?;
        give(deadlines_out, folkmoot_deadlines { deadlines: Deadlines::new(limit), waiting: VecDeque::new() });
        Ok(())
    })
}

/// Adds id, whose time is up after timeout_ms without a touch, counted from now_ms.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS when id is there already or timeout_ms is 0 or above 2^40 - 1,
/// _LIMIT_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_insert(deadlines: *mut folkmoot_deadlines, id: u64, timeout_ms: u64, now_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { plain_mut(deadlines, "deadlines")?.deadlines.insert(id, timeout_ms, now_ms).map(drop) })
}

fn known(is_known: bool, id: u64) -> Result<()> {
    if is_known { Ok(()) } else { Err(Error::new(ErrorKind::UnknownSession, format!("{id} is not there, or its time is up"))) }
}

/// Notes a sign of life at now_ms: its whole timeout counts again.
///
/// FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_touch(deadlines: *mut folkmoot_deadlines, id: u64, now_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { known(plain_mut(deadlines, "deadlines")?.deadlines.touch(id, now_ms), id) })
}

/// Takes id away before its time.
///
/// FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_remove(deadlines: *mut folkmoot_deadlines, id: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe { known(plain_mut(deadlines, "deadlines")?.deadlines.remove(id), id) })
}

/// Takes away those whose time is up at now_ms, in the order in which it was; of equals the lower id
/// first. Never early.
///
/// ends_out   room for max
/// count_out  how many were written; if that is max, ask again: there may be more
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_expire(
    deadlines: *mut folkmoot_deadlines,
    now_ms: u64,
    ends_out: *mut folkmoot_end,
    max: usize,
    count_out: *mut usize,
) -> folkmoot_status {
    // SAFETY: the conventions: room for `max`.
    enter(|| unsafe {
        wanted(count_out, "count_out")?;
        wanted(ends_out, "ends_out")?;
        let deadlines = plain_mut(deadlines, "deadlines")?;
        deadlines.waiting.extend(deadlines.deadlines.expire_with_deadlines(now_ms));
        let count = max.min(deadlines.waiting.len());
        for (at, (at_ms, id)) in deadlines.waiting.drain(..count).enumerate() {
            put(ends_out.add(at), folkmoot_end { id, at_ms });
        }
        put(count_out, count);
        Ok(())
    })
}

/// When to expire next: never later than the first deadline, often sooner. UINT64_MAX when nothing is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_next_wakeup(deadlines: *const folkmoot_deadlines, at_ms_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(at_ms_out, "at_ms_out")?;
        let deadlines = plain(deadlines, "deadlines")?;
        put(at_ms_out, if deadlines.waiting.is_empty() { deadlines.deadlines.next_wakeup().unwrap_or(u64::MAX) } else { 0 });
        Ok(())
    })
}

/// When the time of id is up.
///
/// FOLKMOOT_OK, _UNKNOWN_SESSION when it is not there (any more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_at(deadlines: *const folkmoot_deadlines, id: u64, at_ms_out: *mut u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        wanted(at_ms_out, "at_ms_out")?;
        let at = plain(deadlines, "deadlines")?.deadlines.deadline_ms(id);
        known(at.is_some(), id)?;
        put(at_ms_out, at.unwrap_or(u64::MAX));
        Ok(())
    })
}

/// Gives everything its whole timeout from now_ms on: for whoever takes over from another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_extend_all(deadlines: *mut folkmoot_deadlines, now_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        plain_mut(deadlines, "deadlines")?.deadlines.extend_all(now_ms);
        Ok(())
    })
}

/// Allows everything pause_ms more: the observer slept so long and heard nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_paused(deadlines: *mut folkmoot_deadlines, pause_ms: u64) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        plain_mut(deadlines, "deadlines")?.deadlines.extend_by(pause_ms);
        Ok(())
    })
}

/// How many are there; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_count(deadlines: *const folkmoot_deadlines) -> usize {
    // SAFETY: the conventions.
    unsafe { plain(deadlines, "deadlines") }.map_or(0, |table| table.deadlines.len())
}

/// Frees the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_deadlines_free(deadlines: *mut folkmoot_deadlines) {
    free!(deadlines);
}
