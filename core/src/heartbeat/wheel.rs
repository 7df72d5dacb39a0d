//! A hierarchical timing wheel over dense slots: eleven levels of 64 buckets cover every `u64` millisecond.
//!
//! A bucket's list is threaded through the slots, so taking one out is O(1) and leaves nothing
//! behind, and moving it allocates nothing. Each level's occupied buckets are bits of one word.
//!
//! What holds: nothing in the wheel is before `elapsed`; at level l all share the bits of `elapsed`
//! above that level, so the first bucket of the lowest occupied level is the earliest.
//! Source: Varghese and Lauck, Hashed and Hierarchical Timing Wheels, SOSP 1987.

const LEVELS: usize = 11;
const BUCKETS: usize = 64;
/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Not in the wheel.
const OUT: u16 = u16::MAX;

/// A slot's place in its bucket's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    previous: u32,
    next: u32,
    /// `level * 64 + bucket`, or [`OUT`].
    bucket: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    elapsed: u64,
    occupied: [u64; LEVELS],
    heads: Vec<u32>,
    links: Vec<Link>,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { elapsed: 0, occupied: [0; LEVELS], heads: vec![NONE; LEVELS * BUCKETS], links: Vec::new() }
    }

    /// The latest time it was advanced to.
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Moves time on. Only when nothing is due before `now`.
    pub(super) fn advance(&mut self, now: u64) {
        assert!(now <= self.elapsed || self.first().is_none_or(|(start, _)| start > now), "a bucket that has started was passed over");
        self.elapsed = self.elapsed.max(now);
    }

    /// Puts `slot`, which is not in the wheel, where it is looked at no later than `when`.
    pub(super) fn put(&mut self, slot: u32, when: u64) {
        let when = when.max(self.elapsed);
        let level = (63 - ((self.elapsed ^ when) | 63).leading_zeros()) / 6;
        let in_level = (when >> (6 * level)) & 63;
        let bucket = level as usize * BUCKETS + in_level as usize;
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, Link { previous: NONE, next: NONE, bucket: OUT });
        }
        let head = std::mem::replace(&mut self.heads[bucket], slot);
        self.links[at] = Link { previous: NONE, next: head, bucket: bucket as u16 };
        if head != NONE {
            self.links[head as usize].previous = slot;
        }
        self.occupied[level as usize] |= 1 << in_level;
    }

    /// Takes `slot` out, if it is in.
    pub(super) fn take(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Link { previous, next, bucket } = std::mem::replace(link, Link { previous: NONE, next: NONE, bucket: OUT });
        if bucket == OUT {
            return;
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        if previous != NONE {
            self.links[previous as usize].next = next;
            return;
        }
        self.heads[usize::from(bucket)] = next;
        if next == NONE {
            self.occupied[usize::from(bucket) / BUCKETS] &= !(1 << (bucket % BUCKETS as u16));
        }
    }

    /// The earliest occupied bucket and the time it starts at: nothing in the wheel is due before.
    fn first(&self) -> Option<(u64, usize)> {
        let level = self.occupied.iter().position(|bits| *bits != 0)?;
        let in_level = self.occupied[level].trailing_zeros();
        let below = 6 * level as u32;
        // The bits above the level are elapsed's; there are none above the topmost.
        let above = self.elapsed.checked_shr(below + 6).unwrap_or(0).checked_shl(below + 6).unwrap_or(0);
        Some((above | u64::from(in_level) << below, level * BUCKETS + in_level as usize))
    }

    /// When to look again; `None` when the wheel is empty.
    pub(super) fn next(&self) -> Option<u64> {
        self.first().map(|(start, _)| start)
    }

    /// Takes out every slot of a bucket that has started by `now`, in no order that matters.
    pub(super) fn take_started(&mut self, now: u64, into: &mut Vec<u32>) {
        while let Some((start, bucket)) = self.first() {
            if start > now {
                return;
            }
            let mut slot = std::mem::replace(&mut self.heads[bucket], NONE);
            self.occupied[bucket / BUCKETS] &= !(1 << (bucket % BUCKETS));
            while slot != NONE {
                into.push(slot);
                let link = &mut self.links[slot as usize];
                slot = link.next;
                *link = Link { previous: NONE, next: NONE, bucket: OUT };
            }
        }
    }
}
