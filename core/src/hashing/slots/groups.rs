//! Which nodes fail together, and at which level the replicas of a slot can be kept apart.
//!
//! A domain is a path of labels, widest first: `zone/rack/host`. At level 1 the nodes with the same first label are one group, at
//! level 2 those with the same two, and so on; at level 0 each node is its own. A node whose path ends above a level shares nothing
//! known there and is its own group too.

use super::members::{Members, levels};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Empty when each node is its own group.
    of: Vec<u16>,
    pub(super) count: usize,
}

impl Groups {
    /// Each node by itself.
    pub(super) fn nodes(members: &Members) -> Self {
        Self { of: Vec::new(), count: members.len() }
    }

    pub(super) fn at_level(members: &Members, level: usize) -> Self {
        if level == 0 {
            return Self::nodes(members);
        }
        let (mut known, mut count) = (BTreeMap::new(), 0u16);
        let of = (0..members.len()).map(|at| {
            let domain = members.domain(at);
            let mut new = || {
                count += 1;
                count - 1
            };
            if levels(domain) < level { new() } else { *known.entry(head(domain, level)).or_insert_with(new) }
        });
        let of = of.collect();
        Self { of, count: usize::from(count) }
    }

    /// The levels there are, from the widest to single nodes.
    pub(super) fn levels(members: &Members) -> impl Iterator<Item = usize> {
        let deepest = if members.has_domains() { members.iter().map(|node| levels(node.domain)).max().unwrap_or(0) } else { 0 };
        (1..=deepest).chain([0])
    }

    #[inline]
    pub(super) fn of(&self, node: u16) -> usize {
        usize::from(*self.of.get(usize::from(node)).unwrap_or(&node))
    }

    pub(super) fn alone(&self) -> bool {
        self.of.is_empty()
    }
}

/// The first `level` labels, as many as there are at least.
fn head(domain: &[u8], level: usize) -> &[u8] {
    let end = domain.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(level - 1).map_or(domain.len(), |(at, _)| at);
    &domain[..end]
}
