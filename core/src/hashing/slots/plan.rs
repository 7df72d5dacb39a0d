//! What moves from one map to another.
//!
//! A slot's replicas are compared as sets: who only changes place in its row moves nothing, and is counted as promoted when it
//! became the first. Each who is new in a row is matched with one who left it.

use super::members::{Members, NO_NODE};
use super::{SlotMap, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::REPLICAS_MAX;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    let mut planner = Planner { plan: Plan::default(), shift: new.shift.min(old.shift), renamed: Renamed::between(&old.members, &new.members) };
    planner.plan.whole_slots = (slots * old.replicas) as u64;
    if old.slots() == new.slots() && old.replicas == 1 {
        planner.single(old, new);
    } else {
        for slot in 0..slots {
            let row = |table: &Table| -> std::ops::Range<usize> {
                let from = (slot >> (slots / table.slots()).trailing_zeros()) * table.replicas;
                from..from + table.replicas
            };
            planner.row(slot as u32, &old.rows[row(old)], &new.rows[row(new)]);
        }
    }
    planner.plan.least_slots = planner.least(new.members.len());
    Ok(planner.plan)
}

struct Planner {
    plan: Plan,
    shift: u32,
    renamed: Renamed,
}

/// Slots looked at together: whether any differs is decided without a branch for each.
const BLOCK: usize = 64;

impl Planner {
    /// One column. Most slots stay, and with one node more or less the numbers only shift: both are tested in blocks.
    fn single(&mut self, old: &Table, new: &Table) {
        let blocks = old.rows.chunks(BLOCK).zip(new.rows.chunks(BLOCK));
        for (block, (olds, news)) in blocks.enumerate() {
            let same = match self.renamed {
                Renamed::Nothing => olds == news,
                Renamed::Added(at) => !olds.iter().zip(news).fold(false, |any, (old, new)| any | (old.wrapping_add(u16::from(*old >= at)) != *new)),
                Renamed::Gone(at) => {
                    !olds.iter().zip(news).fold(false, |any, (old, new)| any | (*old == at) | (old.wrapping_sub(u16::from(*old > at)) != *new))
                }
                Renamed::Table(_) => false,
            };
            if !same {
                for (at, (old, new)) in olds.iter().zip(news).enumerate() {
                    if self.renamed.number(*old) != *new || (*new == NO_NODE) != (*old == NO_NODE) {
                        self.push((block * BLOCK + at) as u32, 0, *old, *new);
                    }
                }
            }
        }
    }

    fn row(&mut self, slot: u32, old: &[u16], new: &[u16]) {
        let mut numbers = [NO_NODE; REPLICAS_MAX];
        for (number, node) in numbers.iter_mut().zip(old) {
            *number = self.renamed.number(*node);
        }
        let numbers = &numbers[..old.len()];
        if numbers.iter().zip(old).zip(new).all(|((number, old), new)| number == new && (*old == NO_NODE) == (*new == NO_NODE)) {
            return;
        }
        let stayed = |node: u16| node != NO_NODE && numbers.contains(&node);
        let mut left = numbers.iter().zip(old).enumerate().filter(|(_, (number, old))| **old != NO_NODE && (**number == NO_NODE || !new.contains(number)));
        for (column, node) in new.iter().enumerate().filter(|(_, node)| **node != NO_NODE && !stayed(**node)) {
            self.push(slot, column, left.next().map_or(NO_NODE, |(_, (_, old))| *old), *node);
        }
        for (column, (_, old)) in left {
            self.push(slot, column, *old, NO_NODE);
        }
        self.plan.promoted_slots += u64::from(numbers[0] != new[0] && stayed(new[0]));
    }

    fn push(&mut self, slot: u32, column: usize, from: u16, to: u16) {
        let some = |node: u16| (node != NO_NODE).then_some(node);
        let (from, to, replica) = (some(from), some(to), column as u8);
        self.plan.moved_slots += u64::from(to.is_some());
        let hash_lo = u64::from(slot) << self.shift;
        let hash_hi = hash_lo | (u64::MAX >> (64 - self.shift));
        // With several columns moves of one slot stand beside each other: the one to join may be a few back.
        let joins = |last: &&mut SlotMove| last.slot_hi + 1 == slot && (last.replica, last.from, last.to) == (replica, from, to);
        let recent = self.plan.moves.len().saturating_sub(2 * REPLICAS_MAX);
        match self.plan.moves[recent..].iter_mut().find(joins) {
            Some(last) => (last.slot_hi, last.hash_hi) = (slot, hash_hi),
            None => self.plan.moves.push(SlotMove { slot_lo: slot, slot_hi: slot, hash_lo, hash_hi, replica, from, to }),
        }
    }

    /// What each node gets more than it gives: so much it has to get, wherever from. Of `nodes` in the map after.
    fn least(&self, nodes: usize) -> u64 {
        let mut gains = vec![0i64; nodes];
        for each in &self.plan.moves {
            let slots = i64::from(each.slot_hi - each.slot_lo) + 1;
            if let Some(gain) = each.to.and_then(|to| gains.get_mut(usize::from(to))) {
                *gain += slots;
            }
            if let Some(gain) = each.from.and_then(|from| gains.get_mut(usize::from(self.renamed.number(from)))) {
                *gain -= slots;
            }
        }
        gains.iter().filter(|gain| **gain > 0).sum::<i64>() as u64
    }
}

/// How the numbers of nodes change.
enum Renamed {
    Nothing,
    /// One more, with this number in the map after.
    Added(u16),
    /// One less, with this number in the map before.
    Gone(u16),
    Table(Vec<u16>),
}

impl Renamed {
    fn between(old: &Members, new: &Members) -> Self {
        match old.one_more_or_less(new) {
            _ if old.same_names(new) => Renamed::Nothing,
            Some(at) if !old.is_empty() && !new.is_empty() && old.len() < new.len() => Renamed::Added(at),
            Some(at) if !old.is_empty() && !new.is_empty() => Renamed::Gone(at),
            _ => Renamed::Table(old.numbers_in(new)),
        }
    }

    /// The number after of a number before; [`NO_NODE`] when it has none.
    fn number(&self, old: u16) -> u16 {
        match self {
            _ if old == NO_NODE => NO_NODE,
            Renamed::Nothing => old,
            Renamed::Added(at) => old + u16::from(old >= *at),
            Renamed::Gone(at) if old == *at => NO_NODE,
            Renamed::Gone(at) => old - u16::from(old > *at),
            Renamed::Table(numbers) => numbers.get(usize::from(old)).copied().unwrap_or(NO_NODE),
        }
    }
}
