//! What the leader has taken from each member: every entry once, in order.

use crate::log::replica::MemberId;
use std::collections::BTreeMap;

/// By member: its incarnation, and the number of the entry that comes next. Forgotten with the leadership.
#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<MemberId, (u64, u64)>);

/// What is to be done with entries that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// Take all but the first so many, which were here before.
    From(usize),
    /// Some before them are missing, from this number on.
    Missing(u64),
}

impl Streams {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// `count` entries from `first` on have come, and all below `oldest` have been applied where they come from.
    pub fn offer(&mut self, from: MemberId, incarnation: u64, oldest: u64, first: u64, count: usize) -> Take {
        let stream = self.0.entry(from).or_insert((incarnation, oldest));
        if stream.0 != incarnation {
            *stream = (incarnation, oldest);
        }
        // It knows that they have been applied, whoever it was that ordered them.
        stream.1 = stream.1.max(oldest);
        if first > stream.1 {
            return Take::Missing(stream.1);
        }
        let known = usize::try_from(stream.1 - first).unwrap_or(usize::MAX).min(count);
        stream.1 = stream.1.max(first.saturating_add(count as u64));
        Take::From(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_taken_once_and_in_order() {
        let mut streams = Streams::default();
        assert_eq!(streams.offer(2, 7, 1, 6, 3), Take::Missing(1), "the first five were lost on the way");
        assert_eq!(streams.offer(2, 7, 1, 1, 5), Take::From(0));
        assert_eq!(streams.offer(2, 7, 3, 3, 4), Take::From(3), "3 to 5 are known");
        assert_eq!(streams.offer(2, 7, 3, 9, 1), Take::Missing(7));
        assert_eq!(streams.offer(2, 7, 9, 9, 1), Take::From(0), "what is applied is missed by nobody");
        assert_eq!(streams.offer(2, 8, 1, 1, 1), Take::From(0), "another life counts anew");
    }
}
