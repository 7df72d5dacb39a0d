//! What every placement can do, however it decides.

use crate::error::Result;
use std::sync::Arc;

/// A node's name: any bytes, compared as bytes.
pub type NodeName = Arc<[u8]>;

/// A range of positions that changes hands between two placements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// First position of the range.
    pub lo: u64,
    /// Last position of the range, itself included. Never below `lo`: ranges do not wrap.
    pub hi: u64,
    /// Who owned it; `None` when there was no node at all.
    pub from: Option<NodeName>,
    /// Who owns it now; `None` when there is no node left.
    pub to: Option<NodeName>,
}

/// A mapping from keys to weighted nodes in which a change of nodes moves few keys.
///
/// It is immutable; `with` and `without` give a new one. The result depends on the nodes and
/// weights only where the implementation says so ([`Ring`](super::Ring) does).
pub trait Placement {
    /// The position of `key`: what the ranges of [`Placement::diff`] are made of.
    fn position(&self, key: &[u8]) -> u64;

    /// The node that owns `key`; `None` only when there are no nodes.
    fn locate(&self, key: &[u8]) -> Option<&[u8]>;

    /// The first `n` different nodes for `key`, the owner first; all of them when there are fewer.
    /// They are the owner, who would own the key without it, and so on: an order for replicas or fail-over.
    fn locate_n(&self, key: &[u8], n: usize) -> Vec<&[u8]>;

    /// The nodes and their weights, in the order of their names.
    fn nodes(&self) -> Vec<(&[u8], u32)>;

    /// This placement with `node` at `weight`: added, or its weight changed.
    ///
    /// # Errors
    /// `BadArguments` for a weight out of range, `LimitExceeded` for a node, name or point too many.
    fn with(&self, node: &[u8], weight: u32) -> Result<Self>
    where
        Self: Sized;

    /// This placement without `node`.
    ///
    /// # Errors
    /// `BadArguments` when `node` is not part of it.
    fn without(&self, node: &[u8]) -> Result<Self>
    where
        Self: Sized;

    /// What changes hands from this placement to `after`: ranges in ascending order that neither
    /// overlap nor wrap; neighbours between the same two nodes are one range.
    ///
    /// # Errors
    /// `BadArguments` when the two do not share the same positions.
    fn diff(&self, after: &Self) -> Result<Vec<Move>>
    where
        Self: Sized;

    /// How many of the 2^64 values of [`fm1`](super::fm1) have a position in `lo..=hi`.
    fn hashes_in(&self, lo: u64, hi: u64) -> u128;

    /// The fraction of all keys, 0.0 to 1.0, that has another owner in `after`.
    ///
    /// # Errors
    /// As [`Placement::diff`].
    fn moved(&self, after: &Self) -> Result<f64>
    where
        Self: Sized,
    {
        let hashes: u128 = self.diff(after)?.iter().map(|each| self.hashes_in(each.lo, each.hi)).sum();
        Ok(hashes as f64 / (1u128 << 64) as f64)
    }
}

/// Collects ranges in ascending order and joins neighbours.
#[derive(Default)]
pub(super) struct Moves(Vec<Move>);

impl Moves {
    /// Adds a range whose owner differs. An empty one (`lo` above `hi`) is left out.
    pub(super) fn push(&mut self, lo: u64, hi: u64, from: Option<&NodeName>, to: Option<&NodeName>) {
        if lo > hi {
            return;
        }
        if let Some(last) = self.0.last_mut() {
            if last.hi.checked_add(1) == Some(lo) && last.from.as_ref() == from && last.to.as_ref() == to {
                last.hi = hi;
                return;
            }
        }
        self.0.push(Move { lo, hi, from: from.cloned(), to: to.cloned() });
    }

    pub(super) fn into_vec(self) -> Vec<Move> {
        self.0
    }
}
