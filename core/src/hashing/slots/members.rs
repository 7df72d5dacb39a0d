//! The nodes of a slot map: names, weights and failure domains, packed.
//!
//! Names stand in one run of bytes in ascending order; a node's number is its place there. What all nodes share, a weight
//! of 1 or no domain, takes no room.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{DOMAIN_BYTES_MAX, DOMAIN_LEVELS_MAX, NODE_NAME_BYTES_MAX, NODES_MAX, WEIGHT_MAX};
use std::collections::BTreeMap;

/// A node's number where there is none.
pub const NO_NODE: u16 = u16::MAX;

/// One node of a slot map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotNode<'a> {
    /// Any bytes, unique in the map.
    pub name: &'a [u8],
    /// 1 to [`WEIGHT_MAX`]: twice the weight is twice the slots.
    pub weight: u32,
    /// What it fails together with, widest first, as `zone/rack/host`; empty when nothing is known.
    pub domain: &'a [u8],
}

impl<'a> SlotNode<'a> {
    /// A node of weight 1 in no known failure domain.
    pub fn new<N: AsRef<[u8]> + ?Sized>(name: &'a N) -> Self {
        Self { name: name.as_ref(), weight: 1, domain: &[] }
    }

    /// The same with another weight.
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// The same in failure domain `domain`, widest first: `zone/rack/host`.
    pub fn domain<D: AsRef<[u8]> + ?Sized>(self, domain: &'a D) -> Self {
        Self { domain: domain.as_ref(), ..self }
    }

    pub(super) fn check(&self) -> Result<()> {
        let name = || self.name[..self.name.len().min(64)].escape_ascii();
        let limit = |text| Err(Error::new(ErrorKind::LimitExceeded, text));
        if self.weight == 0 || self.weight > WEIGHT_MAX {
            return Err(Error::new(ErrorKind::BadArguments, format!("weight of node \"{}\" is {}, not in 1..={WEIGHT_MAX}", name(), self.weight)));
        }
        if self.name.len() > NODE_NAME_BYTES_MAX {
            return limit(format!("node name has {} bytes, NODE_NAME_BYTES_MAX is {NODE_NAME_BYTES_MAX}", self.name.len()));
        }
        if self.domain.len() > DOMAIN_BYTES_MAX {
            return limit(format!("domain of node \"{}\" has {} bytes, DOMAIN_BYTES_MAX is {DOMAIN_BYTES_MAX}", name(), self.domain.len()));
        }
        let levels = levels(self.domain);
        if levels > DOMAIN_LEVELS_MAX {
            return limit(format!("domain of node \"{}\" has {levels} levels, DOMAIN_LEVELS_MAX is {DOMAIN_LEVELS_MAX}", name()));
        }
        Ok(())
    }
}

/// How many labels a domain has.
pub(super) fn levels(domain: &[u8]) -> usize {
    if domain.is_empty() { 0 } else { 1 + domain.iter().filter(|byte| **byte == b'/').count() }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    names: Vec<u8>,
    /// Where each name ends.
    ends: Vec<u32>,
    /// Empty when every weight is 1.
    weights: Vec<u16>,
    /// Each domain once, in the order of its first node.
    domains: Vec<Box<[u8]>>,
    /// Which of `domains` a node is in; empty when none has one.
    domain_of: Vec<u16>,
    /// Sum of the weights.
    pub(super) weight: u64,
}

impl Members {
    /// The nodes in whatever order they come; of a name given twice the last holds.
    pub(super) fn collect<'a>(nodes: impl IntoIterator<Item = SlotNode<'a>>) -> Result<Self> {
        let mut sorted = BTreeMap::new();
        for node in nodes {
            node.check()?;
            sorted.insert(node.name, node);
            // Checked as it grows: an endless iterator must not fill the memory first.
            check_count(sorted.len())?;
        }
        let mut packer = Packer::new(sorted.len());
        sorted.into_values().for_each(|node| packer.push(node));
        Ok(packer.done())
    }

    /// These nodes with `node` in its place.
    pub(super) fn with(&self, node: SlotNode<'_>) -> Result<Self> {
        node.check()?;
        let (at, old) = match self.find(node.name) {
            Ok(at) => (at, 1),
            Err(at) => (at, 0),
        };
        check_count(self.len() + 1 - old)?;
        Ok(self.spliced(at, Some(node), at + old))
    }

    /// These nodes without number `at`.
    pub(super) fn without(&self, at: usize) -> Self {
        self.spliced(at, None, at + 1)
    }

    fn spliced(&self, head: usize, node: Option<SlotNode<'_>>, tail: usize) -> Self {
        let mut packer = Packer::new(self.len() + 1);
        let all = (0..head).map(|at| self.get(at)).chain(node).chain((tail..self.len()).map(|at| self.get(at)));
        all.for_each(|node| packer.push(node));
        packer.done()
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[inline]
    pub(super) fn name(&self, at: u16) -> Option<&[u8]> {
        let at = usize::from(at);
        let end = *self.ends.get(at)? as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        self.names.get(start..end)
    }

    pub(super) fn weight(&self, at: usize) -> u32 {
        self.weights.get(at).map_or(1, |weight| u32::from(*weight))
    }

    pub(super) fn domain(&self, at: usize) -> &[u8] {
        self.domain_of.get(at).map_or(&[], |domain| &self.domains[usize::from(*domain)])
    }

    pub(super) fn has_domains(&self) -> bool {
        !self.domain_of.is_empty()
    }

    /// Node `at`, which is there.
    pub(super) fn get(&self, at: usize) -> SlotNode<'_> {
        SlotNode { name: self.name(at as u16).unwrap_or_default(), weight: self.weight(at), domain: self.domain(at) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SlotNode<'_>> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// The node's number, or where it would stand.
    pub(super) fn find(&self, name: &[u8]) -> std::result::Result<usize, usize> {
        let (mut lo, mut hi) = (0, self.len());
        while lo < hi {
            let middle = lo.midpoint(hi);
            match self.get(middle).name.cmp(name) {
                std::cmp::Ordering::Less => lo = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => hi = middle,
            }
        }
        Err(lo)
    }

    /// For each of these nodes its number in `other`, [`NO_NODE`] where it is not.
    pub(super) fn numbers_in(&self, other: &Self) -> Vec<u16> {
        let mut at = 0;
        let number = |node: SlotNode<'_>| {
            while at < other.len() && other.get(at).name < node.name {
                at += 1;
            }
            if at < other.len() && other.get(at).name == node.name { at as u16 } else { NO_NODE }
        };
        self.iter().map(number).collect()
    }

    /// Whether the names are the same, whatever the weights.
    pub(super) fn same_names(&self, other: &Self) -> bool {
        self.ends == other.ends && self.names == other.names
    }

    /// The number, in the longer list, of the one node that the two lists do not share; `None` when they differ in more.
    ///
    /// By whole runs of bytes: with many nodes name by name takes far longer than what follows.
    pub(super) fn one_more_or_less(&self, other: &Self) -> Option<u16> {
        let (fewer, more) = if self.len() < other.len() { (self, other) } else { (other, self) };
        if fewer.len() + 1 != more.len() {
            return None;
        }
        let blocks = fewer.names.chunks(64).zip(more.names.chunks(64)).take_while(|(a, b)| a == b).count() * 64;
        let start = blocks.min(fewer.names.len());
        let same = start + fewer.names[start..].iter().zip(&more.names[start..]).take_while(|(a, b)| a == b).count();
        let by_name = more.ends.partition_point(|end| *end as usize <= same);
        let by_end = fewer.ends.iter().zip(&more.ends).position(|(a, b)| a != b).unwrap_or(fewer.len());
        let at = by_name.min(by_end);
        let (from, to) = (if at == 0 { 0 } else { more.ends[at - 1] }, *more.ends.get(at)?);
        let ends_shift = fewer.ends[at..].iter().zip(&more.ends[at + 1..]).all(|(a, b)| a + (to - from) == *b);
        let tails = fewer.names[from as usize..] == more.names[to as usize..];
        (ends_shift && tails).then_some(at as u16)
    }

    /// Bytes held on the heap.
    pub(super) fn bytes(&self) -> usize {
        let domains: usize = self.domains.iter().map(|domain| domain.len() + size_of::<Box<[u8]>>()).sum();
        self.names.capacity() + 4 * self.ends.capacity() + 2 * (self.weights.capacity() + self.domain_of.capacity()) + domains
    }
}

pub(in crate::hashing) fn check_count(nodes: usize) -> Result<()> {
    if nodes > NODES_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{nodes} nodes, NODES_MAX is {NODES_MAX}")));
    }
    Ok(())
}

/// Takes checked nodes in ascending order.
pub(super) struct Packer {
    members: Members,
    known: BTreeMap<Box<[u8]>, u16>,
}

impl Packer {
    pub(super) fn new(nodes: usize) -> Self {
        let members = Members { ends: Vec::with_capacity(nodes), ..Members::default() };
        Self { members, known: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, node: SlotNode<'_>) {
        let members = &mut self.members;
        let before = members.ends.len();
        members.names.extend_from_slice(node.name);
        members.ends.push(members.names.len() as u32);
        members.weight += u64::from(node.weight);
        if node.weight != 1 && members.weights.is_empty() {
            members.weights.resize(before, 1);
        }
        if node.weight != 1 || !members.weights.is_empty() {
            members.weights.push(node.weight as u16);
        }
        if node.domain.is_empty() && members.domain_of.is_empty() {
            return;
        }
        if members.domain_of.is_empty() && before > 0 {
            // Those before have none, which is a domain of its own here.
            members.domains.push(Box::default());
            self.known.insert(Box::default(), 0);
            members.domain_of.resize(before, 0);
        }
        let number = match self.known.get(node.domain) {
            Some(number) => *number,
            None => {
                let number = members.domains.len() as u16;
                members.domains.push(node.domain.into());
                self.known.insert(node.domain.into(), number);
                number
            }
        };
        members.domain_of.push(number);
    }

    pub(super) fn done(mut self) -> Members {
        self.members.names.shrink_to_fit();
        self.members.ends.shrink_to_fit();
        self.members
    }
}
