//! The ring: which node owns a key.
//!
//! Each node stands at `weight * points_per_weight` points on a circle of positions 1..=p; a key
//! belongs to the first point met clockwise from it, its own position included. A node joining n
//! others takes about 1/(n+1) of the keys, and no key moves between two nodes that were already there.
//!
//! Spec, for whoever has to agree with it: a key's position is `fm1(key) mod p + 1`. A node's
//! point i (0, 1, ...) is at `fm1(name ++ i as four bytes, lowest first) mod p + 1`. Where points
//! of several nodes meet, the node whose name is lowest as bytes comes first, the others behind it.
//!
//! The same nodes and weights give the same ring in whatever order they were learned, so only node
//! lists travel. A weight is absolute: changing one node never touches the points of another.
//!
//! Not here: exact balance. With 160 points a node holds its share give or take about 8 %.
//! Source: Karger et al., Consistent Hashing and Random Trees, STOC 1997.

use super::hash::fm1;
use super::placement::{Move, Moves, NodeName, Placement};
use super::ring_index::RingIndex;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{NODE_NAME_BYTES_MAX, NODES_MAX, POINTS_MAX, WEIGHT_MAX};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The default ring size p: the prime 2^61 - 1, so that two of a million points rarely meet and
/// `mod p` spreads hashes evenly to within one part in 2^61.
pub const RING_SIZE: u64 = (1 << 61) - 1;
/// Points per unit of weight when nothing else is asked for. As ketama; more is smoother and slower.
pub const POINTS_PER_WEIGHT: u32 = 160;

/// Up to this many nodes are searched in order to see whether one was met before.
const SHORT_WALK: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: NodeName,
    weight: u32,
}

/// A consistent-hash ring. Immutable; a clone shares its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    size: u64,
    points_per_weight: u32,
    /// By name.
    nodes: Arc<[Node]>,
    /// Ascending; where positions are equal, by name.
    positions: Arc<[u64]>,
    /// For each position, whose it is: an index into `nodes`.
    owners: Arc<[u16]>,
    index: RingIndex,
}

impl Default for Ring {
    fn default() -> Self {
        Self::empty(RING_SIZE, POINTS_PER_WEIGHT)
    }
}

impl Ring {
    /// An empty ring of the default size and points.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty ring of positions 1..=`size`. A small one makes points meet; nothing breaks.
    ///
    /// # Errors
    /// `BadArguments` when `size` is 0.
    pub fn with_size(size: u64) -> Result<Self> {
        Self::with_options(size, POINTS_PER_WEIGHT)
    }

    /// An empty ring of positions 1..=`size` on which a node has `points_per_weight` points for each unit of weight.
    ///
    /// # Errors
    /// `BadArguments` when either is 0, `LimitExceeded` when one node alone would exceed [`POINTS_MAX`].
    pub fn with_options(size: u64, points_per_weight: u32) -> Result<Self> {
        if size == 0 {
            return Err(Error::new(ErrorKind::BadArguments, "ring size is 0, least is 1"));
        }
        if points_per_weight == 0 {
            return Err(Error::new(ErrorKind::BadArguments, "points per weight is 0, least is 1"));
        }
        check_points(u64::from(points_per_weight))?;
        Ok(Self::empty(size, points_per_weight))
    }

    fn empty(size: u64, points_per_weight: u32) -> Self {
        Self { size, points_per_weight, nodes: Arc::new([]), positions: Arc::new([]), owners: Arc::new([]), index: RingIndex::new(&[], size) }
    }

    /// This ring with all of `nodes` at their weights, as [`Placement::with`] one after the other
    /// would make it, but in one go. Of a name given twice the last weight holds.
    ///
    /// # Errors
    /// As [`Placement::with`]; then nothing is added.
    pub fn with_all<N: AsRef<[u8]>>(&self, nodes: impl IntoIterator<Item = (N, u32)>) -> Result<Self> {
        let mut weights: BTreeMap<NodeName, u32> = self.nodes.iter().map(|node| (node.name.clone(), node.weight)).collect();
        let mut points = self.points();
        for (name, weight) in nodes {
            check_node(name.as_ref(), weight)?;
            points += u64::from(weight) * u64::from(self.points_per_weight);
            if let Some(old) = weights.insert(name.as_ref().into(), weight) {
                points -= u64::from(old) * u64::from(self.points_per_weight);
            }
            // Checked as it grows: an endless iterator must not fill the memory first.
            check_points(points)?;
            check_nodes(weights.len())?;
        }
        let nodes: Vec<Node> = weights.into_iter().map(|(name, weight)| Node { name, weight }).collect();
        let mut all = Vec::with_capacity(points as usize);
        for (rank, node) in nodes.iter().enumerate() {
            self.push_points(node, rank as u16, &mut all);
        }
        all.sort_unstable();
        Ok(self.assemble(nodes, all))
    }

    /// The ring size p: positions are 1..=p.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Points of a node for each unit of its weight.
    pub fn points_per_weight(&self) -> u32 {
        self.points_per_weight
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many points there are, those that share a position included.
    pub fn points(&self) -> u64 {
        self.positions.len() as u64
    }

    /// The weight of `node`; `None` when it is not on the ring.
    pub fn weight(&self, node: &[u8]) -> Option<u32> {
        self.rank(node).ok().map(|rank| self.nodes[rank].weight)
    }

    /// The node that owns `position`. Positions above the size are taken modulo it, 0 as 1.
    pub fn owner_at(&self, position: u64) -> Option<&[u8]> {
        self.owner_index(position.saturating_sub(1) % self.size + 1).map(|rank| &*self.nodes[rank].name)
    }

    /// Each node with the fraction of all keys it owns, in the order of their names. They sum to 1.
    pub fn shares(&self) -> Vec<(&[u8], f64)> {
        let mut hashes = vec![0u128; self.nodes.len()];
        let mut covered = 0;
        for (position, owner) in self.positions.iter().zip(self.owners.iter()) {
            // Points behind another at the same position own nothing.
            if *position > covered {
                hashes[usize::from(*owner)] += self.hashes_in(covered + 1, *position);
                covered = *position;
            }
        }
        if let Some(first) = self.owners.first().filter(|_| covered < self.size) {
            hashes[usize::from(*first)] += self.hashes_in(covered + 1, self.size);
        }
        self.nodes.iter().zip(hashes).map(|(node, hashes)| (&*node.name, hashes as f64 / (1u128 << 64) as f64)).collect()
    }

    #[inline]
    fn place(&self, hash: u64) -> u64 {
        // A constant divisor is a multiplication.
        if self.size == RING_SIZE { hash % RING_SIZE + 1 } else { hash % self.size + 1 }
    }

    #[inline]
    fn owner_index(&self, position: u64) -> Option<usize> {
        let at = self.index.seek(&self.positions, position);
        self.owners.get(at).or_else(|| self.owners.first()).map(|rank| usize::from(*rank))
    }

    fn rank(&self, node: &[u8]) -> std::result::Result<usize, usize> {
        self.nodes.binary_search_by(|each| (*each.name).cmp(node))
    }

    fn push_points(&self, node: &Node, rank: u16, into: &mut Vec<(u64, u16)>) {
        let mut bytes = node.name.to_vec();
        let name_len = bytes.len();
        for index in 0..node.weight * self.points_per_weight {
            bytes.truncate(name_len);
            bytes.extend_from_slice(&index.to_le_bytes());
            into.push((self.place(fm1(&bytes)), rank));
        }
    }

    /// The ring of `nodes` with sorted `points`.
    fn assemble(&self, nodes: Vec<Node>, points: Vec<(u64, u16)>) -> Self {
        let positions: Arc<[u64]> = points.iter().map(|point| point.0).collect();
        Self {
            size: self.size,
            points_per_weight: self.points_per_weight,
            nodes: nodes.into(),
            owners: points.iter().map(|point| point.1).collect(),
            index: RingIndex::new(&positions, self.size),
            positions,
        }
    }

    /// The ring with `node` inserted at `rank`, where it is not yet.
    fn insert(&self, rank: usize, node: Node) -> Self {
        let mut added = Vec::with_capacity((node.weight * self.points_per_weight) as usize);
        self.push_points(&node, rank as u16, &mut added);
        added.sort_unstable();
        let mut points = Vec::with_capacity(self.positions.len() + added.len());
        let mut added = added.into_iter().peekable();
        for (position, owner) in self.positions.iter().zip(self.owners.iter()) {
            let old = (*position, if usize::from(*owner) >= rank { owner + 1 } else { *owner });
            while let Some(new) = added.next_if(|new| *new < old) {
                points.push(new);
            }
            points.push(old);
        }
        points.extend(added);
        let mut nodes = self.nodes.to_vec();
        nodes.insert(rank, node);
        self.assemble(nodes, points)
    }

    /// The ring without the node at `rank`.
    fn remove(&self, rank: usize) -> Self {
        let left = self.positions.iter().zip(self.owners.iter()).filter(|(_, owner)| usize::from(**owner) != rank);
        let points = left.map(|(at, owner)| (*at, if usize::from(*owner) > rank { owner - 1 } else { *owner })).collect();
        let mut nodes = self.nodes.to_vec();
        nodes.remove(rank);
        self.assemble(nodes, points)
    }

    /// The owner of the stretch that ends at point `at`, and that point's position; past the last
    /// point the stretch ends at the ring's size and belongs to the first.
    fn stretch(&self, at: usize) -> (u64, Option<&NodeName>) {
        let end = self.positions.get(at).copied().unwrap_or(self.size);
        let owner = self.owners.get(at).or_else(|| self.owners.first());
        (end, owner.map(|rank| &self.nodes[usize::from(*rank)].name))
    }
}

impl Placement for Ring {
    #[inline]
    fn position(&self, key: &[u8]) -> u64 {
        self.place(fm1(key))
    }

    #[inline]
    fn locate(&self, key: &[u8]) -> Option<&[u8]> {
        self.owner_index(self.position(key)).map(|rank| &*self.nodes[rank].name)
    }

    fn locate_n(&self, key: &[u8], n: usize) -> Vec<&[u8]> {
        let n = n.min(self.nodes.len());
        let mut met: Vec<u16> = Vec::with_capacity(n);
        let mut seen = vec![false; if n > SHORT_WALK { self.nodes.len() } else { 0 }];
        let start = self.index.seek(&self.positions, self.position(key));
        for owner in self.owners[start..].iter().chain(&self.owners[..start]) {
            if met.len() == n {
                break;
            }
            let again = match seen.get_mut(usize::from(*owner)) {
                Some(seen) => std::mem::replace(seen, true),
                None => met.contains(owner),
            };
            if !again {
                met.push(*owner);
            }
        }
        met.into_iter().map(|rank| &*self.nodes[usize::from(rank)].name).collect()
    }

    fn nodes(&self) -> Vec<(&[u8], u32)> {
        self.nodes.iter().map(|node| (&*node.name, node.weight)).collect()
    }

    fn with(&self, node: &[u8], weight: u32) -> Result<Self> {
        check_node(node, weight)?;
        let points = u64::from(weight) * u64::from(self.points_per_weight);
        let new = Node { name: node.into(), weight };
        match self.rank(node) {
            Ok(rank) if self.nodes[rank].weight == weight => Ok(self.clone()),
            Ok(rank) => {
                let old = u64::from(self.nodes[rank].weight) * u64::from(self.points_per_weight);
                check_points(self.points() - old + points)?;
                Ok(self.remove(rank).insert(rank, new))
            }
            Err(rank) => {
                check_nodes(self.nodes.len() + 1)?;
                check_points(self.points() + points)?;
                Ok(self.insert(rank, new))
            }
        }
    }

    fn without(&self, node: &[u8]) -> Result<Self> {
        match self.rank(node) {
            Ok(rank) => Ok(self.remove(rank)),
            Err(_) => Err(Error::new(ErrorKind::BadArguments, format!("node \"{}\" is not on the ring", node.escape_ascii()))),
        }
    }

    fn diff(&self, after: &Self) -> Result<Vec<Move>> {
        if self.size != after.size {
            let text = format!("rings differ in size: {} before, {} after", self.size, after.size);
            return Err(Error::new(ErrorKind::BadArguments, text));
        }
        let mut moves = Moves::default();
        let (mut lo, mut old_at, mut new_at) = (1u64, 0, 0);
        loop {
            let ((old_end, from), (new_end, to)) = (self.stretch(old_at), after.stretch(new_at));
            let hi = old_end.min(new_end);
            // Past shadowed points lo is above hi, and the range is empty.
            if lo <= hi && from != to {
                moves.push(lo, hi, from, to);
            }
            if hi == self.size {
                return Ok(moves.into_vec());
            }
            lo = hi + 1;
            old_at += usize::from(old_end == hi);
            new_at += usize::from(new_end == hi);
        }
    }

    fn hashes_in(&self, lo: u64, hi: u64) -> u128 {
        let (lo, hi) = (lo.max(1), hi.min(self.size));
        if lo > hi {
            return 0;
        }
        let (all, size) = (1u128 << 64, u128::from(self.size));
        // The 2^64 mod p hashes left over when the circle is full fall on the lowest positions.
        let left_over = (all % size) as u64;
        u128::from(hi - lo + 1) * (all / size) + u128::from(hi.min(left_over).saturating_sub(lo - 1))
    }
}

fn check_node(name: &[u8], weight: u32) -> Result<()> {
    if weight == 0 || weight > WEIGHT_MAX {
        let text = format!("weight of node \"{}\" is {weight}, not in 1..={WEIGHT_MAX}", name[..name.len().min(64)].escape_ascii());
        return Err(Error::new(ErrorKind::BadArguments, text));
    }
    if name.len() > NODE_NAME_BYTES_MAX {
        let text = format!("node name has {} bytes, NODE_NAME_BYTES_MAX is {NODE_NAME_BYTES_MAX}", name.len());
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    Ok(())
}

fn check_nodes(nodes: usize) -> Result<()> {
    if nodes > NODES_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{nodes} nodes, NODES_MAX is {NODES_MAX}")));
    }
    Ok(())
}

fn check_points(points: u64) -> Result<()> {
    if points > POINTS_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("{points} points, POINTS_MAX is {POINTS_MAX}")));
    }
    Ok(())
}
