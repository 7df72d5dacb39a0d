//! What moves from one map to another.
//!
//! A slot's replicas are compared as sets: who only changes place in its row moves nothing, and is counted as promoted when it
//! became the first. Each who is new in a row is matched with one who left it.

use super::members::{Members, NO_NODE};
use super::{SlotMap, Table};
use crate::error::{Error, ErrorKind, Result};

/// Slots that one node takes over from another: neighbours with the same two nodes and the same column are one move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMove {
    /// First slot, in slots of the map that has more of them.
    pub slot_lo: u32,
    /// Last slot, itself included.
    pub slot_hi: u32,
    /// The lowest hash of a key that moves.
    pub hash_lo: u64,
    /// The highest, itself included.
    pub hash_hi: u64,
    /// The column in which the new node stands, 0 is the owner's; that of the one who left where nobody is new.
    pub replica: u8,
    /// Number of the node that leaves, in the map before; `None` when the place was vacant.
    pub from: Option<u16>,
    /// Number of the node that comes, in the map after; `None` when the place stays vacant.
    pub to: Option<u16>,
}

/// All that moves from one map to another, in ascending order of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The moves.
    pub moves: Vec<SlotMove>,
    /// Replicas of slots that someone has to take over.
    pub moved_slots: u64,
    /// The least that any change between two maps of these loads would move. Equal to `moved_slots`: nothing moved in vain.
    pub least_slots: u64,
    /// Slots whose first replica is another one that was in the row before.
    pub promoted_slots: u64,
    /// Slots times replicas: what the two fractions are of.
    pub whole_slots: u64,
}

impl Plan {
    /// The fraction of all replicas that moves, 0.0 to 1.0.
    pub fn moved(&self) -> f64 {
        self.moved_slots as f64 / self.whole_slots as f64
    }

    /// The least that could have moved between two maps of these loads, as such a fraction.
    pub fn lower_bound(&self) -> f64 {
        self.least_slots as f64 / self.whole_slots as f64
    }
}

pub(super) fn diff(before: &SlotMap, after: &SlotMap) -> Result<Plan> {
    let (old, new) = (&*before.table, &*after.table);
    if old.replicas != new.replicas {
        let text = format!("maps differ in replicas: {} before, {} after", old.replicas, new.replicas);
        return Err(Error::new(ErrorKind::BadArguments, text));
    }
    if old.hash != new.hash {
        return Err(Error::new(ErrorKind::BadArguments, "maps hash their keys differently: every key would move"));
    }
    let slots = old.slots().max(new.slots());
    let mut planner =
        Planner { plan: Plan { moves: Vec::new(), moved_slots: 0, least_slots: 0, promoted_slots: 0, whole_slots: 0 }, shift: new.shift.min(old.shift) };
    let numbers = old.members.numbers_in(&new.members);
    if old.slots() == new.slots() && old.replicas == 1 {
        planner.single(old, new, &numbers);
    } else {
        for slot in 0..slots {
            let row = |table: &Table| -> std::ops::Range<usize> {
                let from = (slot >> (slots / table.slots()).trailing_zeros()) * table.replicas;
                from..from + table.replicas
            };
            planner.row(slot as u32, &old.rows[row(old)], &new.rows[row(new)], &numbers);
        }
    }
    planner.plan.whole_slots = (slots * old.replicas) as u64;
    planner.plan.least_slots = least(old, new, &numbers, slots);
    Ok(planner.plan)
}

/// What each node that is due more has to get at least.
fn least(old: &Table, new: &Table, numbers: &[u16], slots: usize) -> u64 {
    let (had, has) = (old.loads(), new.loads());
    let (old_times, new_times) = ((slots / old.slots()) as u64, (slots / new.slots()) as u64);
    let mut gets: Vec<u64> = has.iter().map(|has| u64::from(*has) * new_times).collect();
    for (had, number) in had.iter().zip(numbers) {
        if let Some(gets) = gets.get_mut(usize::from(*number)) {
            *gets = gets.saturating_sub(u64::from(*had) * old_times);
        }
    }
    gets.iter().sum()
}

struct Planner {
    plan: Plan,
    shift: u32,
}

/// Slots looked at together: whether any differs is decided without a branch for each.
const BLOCK: usize = 64;

impl Planner {
    /// One column. Most slots stay, and with one node more or less the numbers only shift: both are tested in blocks.
    fn single(&mut self, old: &Table, new: &Table, numbers: &[u16]) {
        let changed = changed_at(&old.members, &new.members);
        let blocks = old.rows.chunks(BLOCK).zip(new.rows.chunks(BLOCK));
        for (block, (olds, news)) in blocks.enumerate() {
            let same = match changed {
                Changed::Nothing => olds == news,
                Changed::Added(at) => !olds.iter().zip(news).fold(false, |any, (old, new)| any | (*old + u16::from(*old >= at) != *new)),
                Changed::Gone(at) => !olds.iter().zip(news).fold(false, |any, (old, new)| any | (*old == at) | (*old - u16::from(*old > at) != *new)),
                Changed::Much => false,
            };
            if !same {
                for (at, (old, new)) in olds.iter().zip(news).enumerate() {
                    if numbers.get(usize::from(*old)).copied().unwrap_or(NO_NODE) != *new || (*new == NO_NODE) != (*old == NO_NODE) {
                        self.push((block * BLOCK + at) as u32, 0, *old, *new);
                    }
                }
            }
        }
    }

    fn row(&mut self, slot: u32, old: &[u16], new: &[u16], numbers: &[u16]) {
        let number = |node: &u16| numbers.get(usize::from(*node)).copied().unwrap_or(NO_NODE);
        if old.iter().zip(new).all(|(old, new)| number(old) == *new && (*old == NO_NODE) == (*new == NO_NODE)) {
            return;
        }
        let mut left = old.iter().enumerate().filter(|(_, node)| **node != NO_NODE && (number(node) == NO_NODE || !new.contains(&number(node))));
        let stayed = |node: &u16| old.iter().any(|old| *old != NO_NODE && number(old) == *node);
        for (column, node) in new.iter().enumerate().filter(|(_, node)| **node != NO_NODE && !stayed(node)) {
            self.push(slot, column, left.next().map_or(NO_NODE, |(_, node)| *node), *node);
        }
        for (column, node) in left {
            self.push(slot, column, *node, NO_NODE);
        }
        self.plan.promoted_slots += u64::from(new[0] != NO_NODE && number(&old[0]) != new[0] && stayed(&new[0]));
    }

    fn push(&mut self, slot: u32, column: usize, from: u16, to: u16) {
        let some = |node: u16| (node != NO_NODE).then_some(node);
        let (from, to, replica) = (some(from), some(to), column as u8);
        self.plan.moved_slots += u64::from(to.is_some());
        let hash_lo = u64::from(slot) << self.shift;
        let hash_hi = hash_lo | (u64::MAX >> (64 - self.shift));
        // With several columns moves of one slot stand beside each other: the one to join may be a few back.
        let joins = |last: &&mut SlotMove| last.slot_hi + 1 == slot && (last.replica, last.from, last.to) == (replica, from, to);
        let recent = self.plan.moves.len().saturating_sub(2 * crate::limits::REPLICAS_MAX);
        match self.plan.moves[recent..].iter_mut().find(joins) {
            Some(last) => (last.slot_hi, last.hash_hi) = (slot, hash_hi),
            None => self.plan.moves.push(SlotMove { slot_lo: slot, slot_hi: slot, hash_lo, hash_hi, replica, from, to }),
        }
    }
}

/// How two lists of names differ.
#[derive(Clone, Copy)]
enum Changed {
    Nothing,
    /// One more, with this number in the map after.
    Added(u16),
    /// One less, with this number in the map before.
    Gone(u16),
    Much,
}

fn changed_at(old: &Members, new: &Members) -> Changed {
    let (fewer, more) = if old.len() < new.len() { (old, new) } else { (new, old) };
    if old.same_names(new) {
        return Changed::Nothing;
    }
    if fewer.is_empty() || fewer.len() + 1 != more.len() {
        return Changed::Much;
    }
    let at = (0..fewer.len()).find(|at| fewer.get(*at).name != more.get(*at).name).unwrap_or(fewer.len());
    if (at..fewer.len()).any(|at| fewer.get(at).name != more.get(at + 1).name) {
        return Changed::Much;
    }
    if old.len() < new.len() { Changed::Added(at as u16) } else { Changed::Gone(at as u16) }
}
