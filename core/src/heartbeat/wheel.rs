//! A timing wheel over dense slots: one turn of 16,384 buckets of a millisecond.
//!
//! Each slot is at a time no later than it has to be looked at. What is further off than a turn is
//! looked at in between and put back, at a time that differs from slot to slot: otherwise all that
//! a late caller finds at once would stay together for ever. There are no levels, hence no moment at which a
//! whole level comes down at once.
//!
//! A bucket's list is threaded through the slots, so taking one out is O(1) and leaves nothing
//! behind, and moving it allocates nothing. What holds: every slot is at a time in
//! `elapsed..elapsed + BUCKETS`, so a bucket is one time.
//! Source: Varghese and Lauck, Hashed and Hierarchical Timing Wheels, SOSP 1987.

/// Buckets, a power of two: 16 s, longer than most timeouts; 64 KiB.
const BUCKETS: usize = 1 << 14;
const WORDS: usize = BUCKETS / 64;
/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Not in the wheel.
const OUT: u16 = u16::MAX;

/// A slot's place in its bucket's list.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    /// The bucket, or [`OUT`].
    bucket: u16,
}

const LOOSE: Link = Link { previous: NONE, next: NONE, bucket: OUT };

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    elapsed: u64,
    /// The first slot of each bucket.
    heads: Vec<u32>,
    /// A bit for each bucket that has slots, and a bit for each word of those that is not 0.
    occupied: [u64; WORDS],
    summary: [u64; WORDS / 64],
    links: Vec<Link>,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { elapsed: 0, heads: vec![NONE; BUCKETS], occupied: [0; WORDS], summary: [0; WORDS / 64], links: Vec::new() }
    }

    /// The latest time it was advanced to.
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Moves time on. Only when all that had started by `now` has been taken.
    pub(super) fn advance(&mut self, now: u64) {
        assert!(now <= self.elapsed || self.next().is_none_or(|start| start > now), "a bucket that has started was passed over");
        self.elapsed = self.elapsed.max(now);
    }

    /// Puts `slot`, which is not in the wheel, where it is looked at no later than `when`, or at
    /// once when that is past.
    pub(super) fn put(&mut self, slot: u32, when: u64) {
        let ahead = match when.saturating_sub(self.elapsed) {
            ahead if ahead < BUCKETS as u64 => ahead as usize,
            // Multiplying by an odd number spreads neighbours.
            _ => BUCKETS / 2 + (slot.wrapping_mul(0x9e37_79b1) >> 16) as usize % (BUCKETS / 2),
        };
        let bucket = (self.elapsed as usize).wrapping_add(ahead) % BUCKETS;
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, LOOSE);
        }
        let head = std::mem::replace(&mut self.heads[bucket], slot);
        self.links[at] = Link { previous: NONE, next: head, bucket: bucket as u16 };
        if head != NONE {
            self.links[head as usize].previous = slot;
        }
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.summary[bucket / 4096] |= 1 << (bucket / 64 % 64);
    }

    /// Takes `slot` out, if it is in.
    pub(super) fn take(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Link { previous, next, bucket } = std::mem::replace(link, LOOSE);
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
            self.vacate(usize::from(bucket));
        }
    }

    /// When to look again; `None` when the wheel is empty.
    pub(super) fn next(&self) -> Option<u64> {
        let from = self.elapsed as usize % BUCKETS;
        let bucket = self.occupied_from(from).or_else(|| self.occupied_from(0))?;
        Some(self.elapsed + (bucket.wrapping_sub(from) % BUCKETS) as u64)
    }

    /// Takes out every slot whose time is at or before `now`, in the order of their times.
    pub(super) fn take_started(&mut self, now: u64, into: &mut Vec<u32>) {
        while let Some(start) = self.next().filter(|start| *start <= now) {
            let bucket = start as usize % BUCKETS;
            let mut slot = std::mem::replace(&mut self.heads[bucket], NONE);
            self.vacate(bucket);
            while slot != NONE {
                into.push(slot);
                slot = std::mem::replace(&mut self.links[slot as usize], LOOSE).next;
            }
        }
    }

    /// Notes that `bucket` has no slots.
    fn vacate(&mut self, bucket: usize) {
        let word = bucket / 64;
        self.occupied[word] &= !(1 << (bucket % 64));
        if self.occupied[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    /// The first bucket at or after `bucket` that has slots, without going round.
    fn occupied_from(&self, bucket: usize) -> Option<usize> {
        let word = bucket / 64;
        let rest = self.occupied[word] & (!0 << (bucket % 64));
        if rest != 0 {
            return Some(word * 64 + rest.trailing_zeros() as usize);
        }
        let (first, mut mask) = ((word + 1) / 64, !0 << ((word + 1) % 64));
        for at in first..self.summary.len() {
            let words = self.summary[at] & mask;
            if words != 0 {
                let word = at * 64 + words.trailing_zeros() as usize;
                return Some(word * 64 + self.occupied[word].trailing_zeros() as usize);
            }
            mask = !0;
        }
        None
    }
}
