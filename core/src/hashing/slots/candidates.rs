//! In which order to try the nodes for a key.
//!
//! First its own row; then the rows of other slots, visited in steps that the key's hash chooses, so that what one node sheds
//! falls on many others in proportion to their loads; at the end who holds no slot at all.

use super::coordinated::mix;
use super::members::NO_NODE;
use super::{SlotMap, Table};

/// The nodes for one key, by number, each once. The replicas come without allocating.
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    table: &'a Table,
    slot: usize,
    step: usize,
    /// Rows visited, and the next place in the present one.
    visited: usize,
    column: usize,
    /// A bit for each node that was told; empty as long as the first row lasts, which names nobody twice.
    told: Vec<u64>,
    /// The next to look at of those who hold no slot.
    rest: usize,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(map: &'a SlotMap, hash: u64) -> Self {
        let table = &*map.table;
        let slot = (hash >> table.shift) as usize;
        Self { table, slot, step: mix(hash) as usize | 1, visited: 0, column: 0, told: Vec::new(), rest: 0 }
    }

    /// Whether `node` was not told before; now it is.
    fn tell(&mut self, node: usize) -> bool {
        let (word, bit) = (node / 64, 1 << (node % 64));
        let new = self.told[word] & bit == 0;
        self.told[word] |= bit;
        new
    }
}

impl Iterator for Candidates<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (table, slots) = (self.table, self.table.slots());
        while self.visited < slots {
            let row = &table.rows[self.slot * table.replicas..][..table.replicas];
            if let Some(node) = row.get(self.column).copied().filter(|node| *node != NO_NODE) {
                self.column += 1;
                if self.visited == 0 || self.tell(usize::from(node)) {
                    return Some(node);
                }
                continue;
            }
            if self.visited == 0 {
                self.told = vec![0; table.members.len().div_ceil(64)];
                for node in row.iter().filter(|node| **node != NO_NODE) {
                    self.tell(usize::from(*node));
                }
            }
            // The step is odd: every slot is visited once.
            self.slot = self.slot.wrapping_add(self.step) & (slots - 1);
            self.visited += 1;
            self.column = 0;
        }
        while self.rest < table.members.len() {
            self.rest += 1;
            if self.tell(self.rest - 1) {
                return Some((self.rest - 1) as u16);
            }
        }
        None
    }
}
