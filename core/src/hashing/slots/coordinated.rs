//! The filler that knows the map before: the next map for changed nodes.
//!
//! What always holds: each node holds the floor or the ceiling of its quota, of a slot's replicas no two are in one group, and
//! no more moves than that asks for. With one replica that is the least any such map can move; with several it may be a little more,
//! which [`Plan`](super::Plan) tells.
//!
//! Method: keep what may stay; fill what is vacant; then hand slots over from nodes that hold too many straight to those that hold
//! too few. Where the groups leave no straight way, a third node moves aside (`exchange`), which always works: a row has one
//! group more than can be in its way.
//!
//! Not here: which replica comes first (`primaries`).

use super::groups::Groups;
use super::members::{Members, NO_NODE};
use super::primaries;
use super::quota::Quotas;
use super::{Spread, Standing};

/// The map before, as far as this filler needs it.
pub(super) struct Before<'a> {
    pub(super) members: &'a Members,
    pub(super) rows: &'a [u16],
    pub(super) slots: usize,
}

pub(super) fn fill(before: Option<Before<'_>>, members: &Members, slots: usize, replicas: usize, spread: Spread) -> (Vec<u16>, Standing) {
    let columns = replicas.min(members.len());
    let mut rows = vec![NO_NODE; slots * replicas];
    if members.is_empty() {
        return (rows, Standing { columns: 0, level: 0, capped: 0 });
    }
    let (level, groups, quotas) = choose(members, slots, columns, spread);
    if let Some(before) = before {
        carry(&before, members, &mut rows, slots, replicas);
    }
    let mut held = vec![0u32; members.len()];
    for row in rows.chunks_exact_mut(replicas) {
        if replicas > 1 {
            part(row, &groups);
        }
        row.iter().filter(|node| **node != NO_NODE).for_each(|node| held[usize::from(*node)] += 1);
    }
    let due = quotas.round(&groups, &held, (slots * columns) as u32);
    let mut filler = Filler { rows, replicas, columns, groups, lacking: Vec::new(), held, due };
    filler.lacking = (0..members.len() as u16).filter(|node| filler.lacks(*node)).collect();
    filler.fill_vacant();
    filler.hand_over();
    filler.drop_rest();
    filler.fill_vacant();
    let Filler { mut rows, held, .. } = filler;
    if columns > 1 {
        primaries::balance(&mut rows, replicas, columns, &held);
    }
    (rows, Standing { columns, level, capped: quotas.capped })
}

/// The widest level at which `columns` replicas can be apart; where balance goes first, at which also every quota fits.
fn choose(members: &Members, slots: usize, columns: usize, spread: Spread) -> (usize, Groups, Quotas) {
    let levels = if columns > 1 { Groups::levels(members).collect() } else { vec![0] };
    for level in levels {
        let groups = Groups::at_level(members, level);
        if groups.count < columns {
            continue;
        }
        let quotas = Quotas::new(members, &groups, slots, columns);
        if level == 0 || quotas.capped == 0 || spread == Spread::Domains {
            return (level, groups, quotas);
        }
    }
    let groups = Groups::nodes(members);
    let quotas = Quotas::new(members, &groups, slots, columns);
    (0, groups, quotas)
}

/// The rows before in today's numbers, without who is gone. A slot that was split goes to both halves.
fn carry(before: &Before<'_>, members: &Members, rows: &mut [u16], slots: usize, replicas: usize) {
    let numbers = before.members.numbers_in(members);
    let halves = (slots / before.slots).trailing_zeros();
    if replicas == 1 {
        for (slot, place) in rows.iter_mut().enumerate() {
            *place = numbers.get(usize::from(before.rows[slot >> halves])).copied().unwrap_or(NO_NODE);
        }
        return;
    }
    for (slot, row) in rows.chunks_exact_mut(replicas).enumerate() {
        let from = (slot >> halves) * replicas;
        let stay = before.rows[from..from + replicas].iter().filter_map(|node| numbers.get(usize::from(*node)).copied());
        for (place, node) in row.iter_mut().zip(stay.filter(|node| *node != NO_NODE)) {
            *place = node;
        }
    }
}

/// Takes out of a row whoever is in one group with an earlier one.
fn part(row: &mut [u16], groups: &Groups) {
    let mut kept = 0;
    for at in 0..row.len() {
        let node = row[at];
        if node != NO_NODE && !row[..kept].iter().any(|other| groups.of(*other) == groups.of(node)) {
            row[kept] = node;
            kept += 1;
        }
    }
    row[kept..].fill(NO_NODE);
}

struct Filler {
    rows: Vec<u16>,
    replicas: usize,
    columns: usize,
    groups: Groups,
    held: Vec<u32>,
    due: Vec<u32>,
    /// The nodes that hold less than they are due.
    lacking: Vec<u16>,
}

impl Filler {
    fn lacks(&self, node: u16) -> bool {
        self.held[usize::from(node)] < self.due[usize::from(node)]
    }

    fn row(&self, slot: usize) -> &[u16] {
        &self.rows[slot * self.replicas..][..self.columns]
    }

    fn slots(&self) -> usize {
        self.rows.len() / self.replicas
    }

    /// Whether `node` can be in the row of `slot` once column `but` is free.
    fn fits(&self, slot: usize, but: usize, node: u16) -> bool {
        let group = self.groups.of(node);
        self.row(slot).iter().enumerate().all(|(at, other)| at == but || *other == NO_NODE || self.groups.of(*other) != group)
    }

    /// The place in `lacking` of a node for that row. Scattered, so that a node's neighbours in its rows are many.
    fn find(&self, slot: usize, but: usize) -> Option<usize> {
        let many = self.lacking.len();
        let mut seed = mix((slot * self.replicas + but) as u64);
        for _ in 0..many.min(8) {
            let at = (((seed >> 32) * many as u64) >> 32) as usize;
            if self.fits(slot, but, self.lacking[at]) {
                return Some(at);
            }
            seed = mix(seed);
        }
        (0..many).find(|at| self.fits(slot, but, self.lacking[*at]))
    }

    /// Gives the place to the node at `at` of `lacking`.
    fn give(&mut self, slot: usize, column: usize, at: usize) {
        let node = self.lacking[at];
        self.rows[slot * self.replicas + column] = node;
        self.held[usize::from(node)] += 1;
        if !self.lacks(node) {
            self.lacking.swap_remove(at);
        }
    }

    fn fill_vacant(&mut self) {
        if self.held.iter().map(|held| *held as usize).sum::<usize>() == self.slots() * self.columns {
            return;
        }
        for slot in 0..self.slots() {
            for column in 0..self.columns {
                while self.rows[slot * self.replicas + column] == NO_NODE && !self.lacking.is_empty() {
                    match self.find(slot, column) {
                        Some(at) => self.give(slot, column, at),
                        None if self.exchange(slot, column) => {}
                        None => break,
                    }
                }
            }
        }
    }

    /// All who lack something are in groups that row `slot` has. Finds a row without the first one's group; from there one whose group
    /// `slot` has not moves to `slot`, and the first one takes that place.
    fn exchange(&mut self, slot: usize, column: usize) -> bool {
        let (node, slots) = (self.lacking[0], self.slots());
        let start = (mix(slot as u64) >> 32) as usize % slots;
        for other in (start..slots).chain(0..start).filter(|other| *other != slot) {
            if !self.fits(other, usize::MAX, node) {
                continue;
            }
            if let Some(vacant) = self.row(other).iter().position(|place| *place == NO_NODE) {
                self.give(other, vacant, 0);
                return true;
            }
            if let Some(from) = self.row(other).iter().position(|moving| self.fits(slot, column, *moving)) {
                self.rows[slot * self.replicas + column] = self.rows[other * self.replicas + from];
                self.give(other, from, 0);
                return true;
            }
        }
        false
    }

    /// From those that hold too much straight to those that hold too little.
    fn hand_over(&mut self) {
        for slot in 0..self.slots() {
            for column in 0..self.columns {
                if self.lacking.is_empty() {
                    return;
                }
                if let Some(holder) = self.excess(slot, column)
                    && let Some(at) = self.find(slot, column)
                {
                    self.held[holder] -= 1;
                    self.give(slot, column, at);
                }
            }
        }
    }

    /// What could not be handed over straight becomes vacant.
    fn drop_rest(&mut self) {
        if self.lacking.is_empty() {
            return;
        }
        for slot in 0..self.slots() {
            for column in 0..self.columns {
                if let Some(holder) = self.excess(slot, column) {
                    self.held[holder] -= 1;
                    self.rows[slot * self.replicas + column] = NO_NODE;
                }
            }
        }
    }

    fn excess(&self, slot: usize, column: usize) -> Option<usize> {
        let holder = usize::from(self.rows[slot * self.replicas + column]);
        self.held.get(holder).is_some_and(|held| *held > self.due[holder]).then_some(holder)
    }
}

/// Scatters numbers. Any fixed bijection would do; part of what two implementations must share.
pub(super) fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ x >> 32
}
