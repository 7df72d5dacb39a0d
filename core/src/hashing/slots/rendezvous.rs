//! The filler without a past: highest random weight, slot by slot.
//!
//! Spec, for whoever has to agree with it: slot s has the seed `fm1(s as eight bytes, lowest first) | 1`, a node `fm1(name) | 1`.
//! Their 128-bit product, its upper half xor its lower, is the draw u of the two. A node's cost for a slot is
//! `-ln((u + 1) / 2^64) / weight`; the slot goes to the cheapest, its replicas to the cheapest of the other groups. Equal costs:
//! the higher weight, then the higher draw, then the lower name.
//! So a slot's owner depends on who is there and on nothing else, and a node's share is in proportion to its weight.
//!
//! With a cap no node takes more than its share and so many percent. Slots ask the nodes in the order of cost, and a full node
//! keeps the slots that cost least: slots and nodes rank each other by one number, hence there is one stable answer, in
//! whatever order it is sought (Gale and Shapley 1962).
//!
//! Costs are compared as IEEE doubles made with `+ - * /` alone, which round alike everywhere.
//! Source: Thaler and Ravishankar 1996; with weights Schindelhauer and Schomaker 2005.

use super::Standing;
use super::groups::Groups;
use super::members::{Members, NO_NODE};
use crate::hashing::fm1;
use std::collections::{BTreeMap, BinaryHeap};

pub(super) fn fill(members: &Members, slots: usize, replicas: usize, cap_percent: Option<u32>) -> (Vec<u16>, Standing) {
    let columns = replicas.min(members.len());
    let mut rows = vec![NO_NODE; slots * replicas];
    let mut standing = Standing { columns, level: 0, capped: 0 };
    if members.is_empty() {
        return (rows, standing);
    }
    let draws = Draws::new(members);
    match (columns, cap_percent) {
        (1, None) => {
            for (slot, row) in rows.chunks_exact_mut(replicas).enumerate() {
                row[0] = draws.cheapest(slot_seed(slot));
            }
        }
        (1, Some(percent)) => capped(&draws, members, &mut rows, replicas, percent),
        _ => {
            let apart = Groups::levels(members).map(|level| (level, Groups::at_level(members, level))).find(|(_, groups)| groups.count >= columns);
            let (level, groups) = apart.unwrap_or_else(|| (0, Groups::nodes(members)));
            standing.level = level;
            for (slot, row) in rows.chunks_exact_mut(replicas).enumerate() {
                draws.apart(slot_seed(slot), &groups, &mut row[..columns]);
            }
        }
    }
    (rows, standing)
}

fn slot_seed(slot: usize) -> u64 {
    fm1(&(slot as u64).to_le_bytes()) | 1
}

#[inline]
fn draw(slot_seed: u64, node_seed: u64) -> u64 {
    let product = u128::from(slot_seed) * u128::from(node_seed);
    (product >> 64) as u64 ^ product as u64
}

/// How a node stands with a slot; less is better. The fields in this order are the rule.
#[derive(Clone, Copy, PartialEq)]
struct Cost {
    cost: f64,
    weight: u32,
    draw: u64,
    node: u16,
}

impl Cost {
    fn new(draw: u64, weight: u32, node: u16) -> Self {
        Self { cost: minus_ln(draw) / f64::from(weight), weight, draw, node }
    }
}

impl Eq for Cost {}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let first = self.cost.total_cmp(&other.cost);
        first.then(other.weight.cmp(&self.weight)).then(other.draw.cmp(&self.draw)).then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `-ln((draw + 1) / 2^64)`, never below what `1 - x` bounds it by.
fn minus_ln(draw: u64) -> f64 {
    // The part of one that is missing, exact near a draw of all ones, where the winners are.
    let missing = (!draw) as f64 / 18_446_744_073_709_551_616.0;
    if missing < 0.0625 {
        // -ln(1 - m) = m + m^2/2 + m^3/3 ...: thirteen terms leave less than a double shows.
        let mut sum = 0.0;
        for term in (1..=14).rev() {
            sum = missing * (1.0 / f64::from(term) + sum);
        }
        return sum;
    }
    // x = f * 2^-e with f in [1, 2); ln f from its odd series in (f - 1) / (f + 1), which is at most a third.
    let x = if draw == u64::MAX { return 0.0 } else { draw + 1 };
    let exponent = x.leading_zeros();
    let f = (x << exponent) as f64 / 9_223_372_036_854_775_808.0;
    let s = (f - 1.0) / (f + 1.0);
    let mut sum = 0.0;
    for term in (0..17).rev() {
        sum = sum * (s * s) + 1.0 / f64::from(2 * term + 1);
    }
    f64::from(exponent + 1) * std::f64::consts::LN_2 - 2.0 * s * sum
}

/// The nodes of one weight, by name.
struct Class {
    weight: u32,
    seeds: Vec<u64>,
    nodes: Vec<u16>,
}

impl Class {
    /// A draw that misses more than this costs more than `cost`: -ln x is no less than 1 - x. So most draws are out before their
    /// logarithm is taken. A little more than exact, for the rounding.
    fn beyond(&self, cost: f64) -> u64 {
        (cost * f64::from(self.weight) * (1.0 + 1e-9) * 18_446_744_073_709_551_616.0) as u64
    }
}

struct Draws {
    classes: Vec<Class>,
}

impl Draws {
    fn new(members: &Members) -> Self {
        let mut classes: BTreeMap<u32, Class> = BTreeMap::new();
        for (at, node) in members.iter().enumerate() {
            let class = classes.entry(node.weight).or_insert_with(|| Class { weight: node.weight, seeds: Vec::new(), nodes: Vec::new() });
            class.seeds.push(fm1(node.name) | 1);
            class.nodes.push(at as u16);
        }
        // The heaviest first: they win most often, and the others need not be looked at as closely.
        Self { classes: classes.into_values().rev().collect() }
    }

    /// Among nodes of one weight the highest draw is the least cost, so a class needs one logarithm.
    fn cheapest(&self, slot: u64) -> u16 {
        let mut best: Option<Cost> = None;
        for class in &self.classes {
            let (mut most, mut at) = (0, 0);
            for (place, seed) in class.seeds.iter().enumerate() {
                let draw = draw(slot, *seed);
                if draw > most {
                    (most, at) = (draw, place);
                }
            }
            if self.classes.len() == 1 {
                return class.nodes[at];
            }
            let cost = Cost::new(most, class.weight, class.nodes[at]);
            best = Some(best.map_or(cost, |best| best.min(cost)));
        }
        best.map_or(NO_NODE, |best| best.node)
    }

    /// The cheapest of different groups, cheapest first, as many as `row` has places.
    fn apart(&self, slot: u64, groups: &Groups, row: &mut [u16]) {
        let mut best: Vec<Cost> = Vec::with_capacity(row.len() + 1);
        for class in &self.classes {
            let mut beyond = best.get(row.len() - 1).map_or(u64::MAX, |worst| class.beyond(worst.cost));
            for (seed, node) in class.seeds.iter().zip(&class.nodes) {
                let draw = draw(slot, *seed);
                if !draw > beyond {
                    continue;
                }
                let cost = Cost::new(draw, class.weight, *node);
                if let Some(at) = best.iter().position(|other| groups.of(other.node) == groups.of(*node)) {
                    if best[at] < cost {
                        continue;
                    }
                    best.remove(at);
                }
                let at = best.partition_point(|other| *other < cost);
                best.insert(at, cost);
                best.truncate(row.len());
                if best.len() == row.len() {
                    beyond = class.beyond(best[best.len() - 1].cost);
                }
            }
        }
        for (place, cost) in row.iter_mut().zip(best) {
            *place = cost.node;
        }
    }

    /// The cheapest that costs more than `than`.
    fn next(&self, slot: u64, than: Option<Cost>) -> Option<Cost> {
        let mut best: Option<Cost> = None;
        for class in &self.classes {
            let mut beyond = best.map_or(u64::MAX, |best| class.beyond(best.cost));
            for (seed, node) in class.seeds.iter().zip(&class.nodes) {
                let draw = draw(slot, *seed);
                if !draw > beyond {
                    continue;
                }
                let cost = Cost::new(draw, class.weight, *node);
                if than.is_none_or(|than| cost > than) && best.is_none_or(|best| cost < best) {
                    best = Some(cost);
                    beyond = class.beyond(cost.cost);
                }
            }
        }
        best
    }
}

fn capped(draws: &Draws, members: &Members, rows: &mut [u16], replicas: usize, percent: u32) {
    let slots = (rows.len() / replicas) as u64;
    let room = |node: usize| (slots * u64::from(members.weight(node)) * u64::from(100 + percent)).div_ceil(members.weight * 100) as usize;
    let mut kept: Vec<BinaryHeap<(Cost, u32)>> = (0..members.len()).map(|_| BinaryHeap::new()).collect();
    for slot in 0..slots as u32 {
        let mut asking = Some((slot, None));
        while let Some((slot, than)) = asking.take() {
            // There is room for every slot in all: one that is turned away finds another node.
            let Some(cost) = draws.next(slot_seed(slot as usize), than) else { break };
            let heap = &mut kept[usize::from(cost.node)];
            heap.push((cost, slot));
            if heap.len() > room(usize::from(cost.node)) {
                asking = heap.pop().map(|(cost, slot)| (slot, Some(cost)));
            }
        }
    }
    for (node, heap) in kept.into_iter().enumerate() {
        for (_, slot) in heap {
            rows[slot as usize * replicas] = node as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against libm, which may differ in the last bits, and monotone where the two ways meet.
    #[test]
    fn the_logarithm_is_one() {
        let mut draws: Vec<u64> = (0..20_000u64).map(|at| fm1(&at.to_le_bytes())).chain((0..64).map(|bit| u64::MAX >> bit)).collect();
        draws.extend([0, 1, 2, u64::MAX - 1, u64::MAX / 16 * 15, u64::MAX / 16 * 15 + 15, u64::MAX / 16 * 15 + 16]);
        for draw in draws {
            let x = (draw as f64 + 1.0) / 18_446_744_073_709_551_616.0;
            let expected = if draw > u64::MAX / 2 { -(-((!draw) as f64) / 18_446_744_073_709_551_616.0).ln_1p() } else { -x.ln() };
            let ours = minus_ln(draw);
            assert!((ours - expected).abs() <= 1e-14 * expected.max(1e-300) + 1e-15 * expected, "{draw}: {ours} {expected}");
            assert!(ours >= (!draw) as f64 / 18_446_744_073_709_551_616.0 * (1.0 - 1e-12));
        }
        assert_eq!(minus_ln(u64::MAX), 0.0);
    }
}
