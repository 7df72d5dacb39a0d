//! Which replica of a slot comes first.
//!
//! The first serves the writes, so firsts are balanced too: each node is first for the floor or the ceiling of its load over the
//! columns. Nothing moves for it, only the order within rows changes, and no more of that than is needed.
//!
//! Such an order always exists (each slot could give every replica an equal part of being first, and a flow with whole bounds has a
//! whole solution) and is found by passing the first place along a chain of rows.

use super::members::NO_NODE;

pub(super) fn balance(rows: &mut [u16], replicas: usize, columns: usize, held: &[u32]) {
    let mut firsts = Firsts::new(rows, replicas, columns, held.len());
    let most = |node: usize| held[node].div_ceil(columns as u32);
    let least = |node: usize| held[node] / columns as u32;
    for node in 0..held.len() {
        while firsts.count[node] > most(node) && firsts.pass(node, Way::From, |other, count| count < most(other)) {}
        while firsts.count[node] < least(node) && firsts.pass(node, Way::To, |other, count| count > least(other)) {}
    }
}

/// Whether the node at the start of a chain gives the first place away or gets one.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    From,
    To,
}

struct Firsts<'a> {
    rows: &'a mut [u16],
    replicas: usize,
    columns: usize,
    /// How often each node is first.
    count: Vec<u32>,
    /// The slots of node n are `slots[starts[n]..starts[n + 1]]`.
    slots: Vec<u32>,
    starts: Vec<u32>,
    /// In which search a node was met last, and through which row from which node.
    met: Vec<(u32, u32, u16)>,
    search: u32,
}

impl<'a> Firsts<'a> {
    fn new(rows: &'a mut [u16], replicas: usize, columns: usize, nodes: usize) -> Self {
        let (mut count, mut starts) = (vec![0; nodes], vec![0u32; nodes + 1]);
        for row in rows.chunks_exact(replicas) {
            if row[0] != NO_NODE {
                count[usize::from(row[0])] += 1;
            }
            row.iter().filter(|node| **node != NO_NODE).for_each(|node| starts[usize::from(*node) + 1] += 1);
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut ends = starts.clone();
        let mut slots = vec![0; starts[nodes] as usize];
        for (slot, row) in rows.chunks_exact(replicas).enumerate() {
            for node in row.iter().filter(|node| **node != NO_NODE) {
                slots[ends[usize::from(*node)] as usize] = slot as u32;
                ends[usize::from(*node)] += 1;
            }
        }
        Self { rows, replicas, columns, count, slots, starts, met: vec![(0, 0, NO_NODE); nodes], search: 0 }
    }

    /// Finds the nearest node that is `wanted` and passes one first place along the chain to it, or from it.
    fn pass(&mut self, start: usize, way: Way, wanted: impl Fn(usize, u32) -> bool) -> bool {
        self.search += 1;
        self.met[start].0 = self.search;
        let mut queue = vec![start as u16];
        let mut next = 0;
        while let Some(node) = queue.get(next).copied() {
            next += 1;
            for at in self.starts[usize::from(node)]..self.starts[usize::from(node) + 1] {
                let slot = self.slots[at as usize];
                let row = &self.rows[slot as usize * self.replicas..][..self.columns];
                // Giving goes to any other of a row where the node is first; getting comes from whoever is first.
                let others = match way {
                    Way::From if row[0] == node => &row[1..],
                    Way::To if row[0] != node => &row[..1],
                    _ => continue,
                };
                for other in others.iter().filter(|other| **other != NO_NODE) {
                    let met = &mut self.met[usize::from(*other)];
                    if met.0 == self.search {
                        continue;
                    }
                    *met = (self.search, slot, node);
                    if wanted(usize::from(*other), self.count[usize::from(*other)]) {
                        let end = *other;
                        self.turn(start as u16, end, way);
                        return true;
                    }
                    queue.push(*other);
                }
            }
        }
        false
    }

    /// Puts the later node of each link first (or the earlier one, on the way to the start).
    fn turn(&mut self, start: u16, end: u16, way: Way) {
        let mut node = end;
        while node != start {
            let (_, slot, before) = self.met[usize::from(node)];
            let row = &mut self.rows[slot as usize * self.replicas..][..self.columns];
            let first = if way == Way::From { node } else { before };
            if let Some(at) = row.iter().position(|other| *other == first) {
                row.swap(0, at);
            }
            node = before;
        }
        let (gives, gets) = if way == Way::From { (start, end) } else { (end, start) };
        self.count[usize::from(gives)] -= 1;
        self.count[usize::from(gets)] += 1;
    }
}
