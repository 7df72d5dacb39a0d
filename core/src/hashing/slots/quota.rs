//! How many slots each node is due.
//!
//! A quota is an exact fraction, so that every machine rounds it alike; a load is its floor or its ceiling. Who is rounded up is
//! chosen so that what is held already is kept.

use super::groups::Groups;
use super::members::Members;

/// A number of slots as a fraction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    numer: u64,
    denom: u64,
}

impl Quota {
    pub(super) fn floor(self) -> u32 {
        (self.numer / self.denom) as u32
    }

    pub(super) fn ceil(self) -> u32 {
        self.numer.div_ceil(self.denom) as u32
    }

    /// What floor leaves, as a number of 32 bits below the point: of quotas with one denominator in their exact order.
    fn left(self) -> u64 {
        ((self.numer % self.denom) << 32) / self.denom
    }
}

/// The quotas of groups and nodes: `columns` times `slots` in the proportion of the weights, but no group more than `slots`,
/// since it may hold a slot once only. What a group cannot take the others share.
pub(super) struct Quotas {
    pub(super) groups: Vec<Quota>,
    pub(super) nodes: Vec<Quota>,
    /// How many groups would have had more.
    pub(super) capped: usize,
}

impl Quotas {
    pub(super) fn new(members: &Members, groups: &Groups, slots: usize, columns: usize) -> Self {
        let slots = slots as u64;
        let mut weights = vec![0u64; groups.count];
        for at in 0..members.len() {
            weights[groups.of(at as u16)] += u64::from(members.weight(at));
        }
        let mut full = vec![false; groups.count];
        let (mut due, mut weight) = (slots * columns as u64, members.weight);
        loop {
            // The due of this round: a group found full leaves more for the rest, and never less.
            let (due_now, weight_now) = (due, weight);
            for (group, share) in weights.iter().enumerate() {
                if !full[group] && due_now * share > slots * weight_now {
                    full[group] = true;
                    due -= slots;
                    weight -= share;
                }
            }
            if weight == weight_now {
                break;
            }
        }
        let quota = |group: usize, share: u64| {
            if full[group] { Quota { numer: slots * share, denom: weights[group] } } else { Quota { numer: due * share, denom: weight } }
        };
        Self {
            groups: weights.iter().enumerate().map(|(group, share)| quota(group, *share)).collect(),
            nodes: (0..members.len()).map(|at| quota(groups.of(at as u16), u64::from(members.weight(at)))).collect(),
            capped: full.iter().filter(|full| **full).count(),
        }
    }

    /// Whole numbers for the nodes. First the groups are rounded, then the nodes of each within its group's number, so that a group
    /// due no more than all slots stays so.
    pub(super) fn round(&self, groups: &Groups, held: &[u32], total: u32) -> Vec<u32> {
        if groups.alone() {
            return round(&self.nodes, held, total);
        }
        let (mut held_by, mut members) = (vec![0; groups.count], vec![Vec::new(); groups.count]);
        for (at, held) in held.iter().enumerate() {
            held_by[groups.of(at as u16)] += held;
            members[groups.of(at as u16)].push(at);
        }
        let mut loads = vec![0; held.len()];
        for (group, total) in round(&self.groups, &held_by, total).into_iter().enumerate() {
            let quotas: Vec<Quota> = members[group].iter().map(|at| self.nodes[*at]).collect();
            let held: Vec<u32> = members[group].iter().map(|at| held[*at]).collect();
            for (at, load) in members[group].iter().zip(round(&quotas, &held, total)) {
                loads[*at] = load;
            }
        }
        loads
    }
}

/// Floors and ceilings of `quotas` that sum to `total`, which lies between the sums of both. Rounded up are first those that hold
/// more than their floor, then those with most left over, then the lower number.
fn round(quotas: &[Quota], held: &[u32], total: u32) -> Vec<u32> {
    let mut loads: Vec<u32> = quotas.iter().map(|quota| quota.floor()).collect();
    let short = total.saturating_sub(loads.iter().sum()) as usize;
    if short == 0 {
        return loads;
    }
    let mut order: Vec<(bool, u64, usize)> = quotas
        .iter()
        .enumerate()
        .filter(|(_, quota)| quota.ceil() > quota.floor())
        .map(|(at, quota)| (held[at] <= loads[at], u64::MAX - quota.left(), at))
        .collect();
    if short < order.len() {
        order.select_nth_unstable(short);
    }
    for (_, _, at) in order.into_iter().take(short) {
        loads[at] += 1;
    }
    loads
}
