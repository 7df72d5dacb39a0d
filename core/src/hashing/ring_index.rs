//! Where to start looking: the first point of each stretch of the circle.
//!
//! Points are hashes, so a table by their top bits, about as long as there are points, leaves
//! about one point to compare. Inside a stretch the search is binary: names chosen to crowd one
//! stretch cost its logarithm, not its length.

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RingIndex {
    shift: u32,
    /// `starts[b]` is the first point at or after stretch `b`; one entry more than there are stretches.
    starts: Arc<[u32]>,
}

impl RingIndex {
    /// The index of sorted `positions` in 1..=`size`. `size` is at least 1 and the points fit a `u32`.
    pub(super) fn new(positions: &[u64], size: u64) -> Self {
        let bits = u64::BITS - (size - 1).leading_zeros();
        let wanted = positions.len().next_power_of_two().trailing_zeros().max(1);
        let shift = bits - wanted.min(bits);
        let stretches = ((size - 1) >> shift) as usize + 1;
        let mut starts = Vec::with_capacity(stretches + 1);
        for (at, position) in positions.iter().enumerate() {
            let stretch = ((position - 1) >> shift) as usize;
            while starts.len() <= stretch {
                starts.push(at as u32);
            }
        }
        starts.resize(stretches + 1, positions.len() as u32);
        Self { shift, starts: starts.into() }
    }

    /// The first point at or after `position`; `positions.len()` when the circle has to be closed.
    #[inline]
    pub(super) fn seek(&self, positions: &[u64], position: u64) -> usize {
        let stretch = ((position - 1) >> self.shift) as usize;
        let (lo, hi) = (self.starts[stretch] as usize, self.starts[stretch + 1] as usize);
        lo + positions[lo..hi].partition_point(|point| *point < position)
    }
}
