//! Whom each contender waits for, so that one leaving wakes one and not the whole herd.

use super::sequence::queue_order;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::CONTENDERS_MAX;

/// One contender for an office or a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The number of its sequential znode.
    pub sequence: i32,
    /// Whether it is content to hold together with other sharers (a reader). For an office: false.
    pub shared: bool,
}

/// For each contender the index of the one it has to wait for: it watches that znode, and
/// asks again once that is gone. `None`: it holds.
///
/// An exclusive contender waits for the one just before it, a sharer for the last exclusive one
/// before it. So there is always a holder, and either one exclusive holder or sharers only.
///
/// # Errors
/// `BadArguments` when a sequence comes twice, `LimitExceeded` beyond [`CONTENDERS_MAX`].
/// Source: ZooKeeper Recipes, "Locks" and "Shared Locks".
pub fn waits_for(contenders: &[Contender]) -> Result<Vec<Option<usize>>> {
    if contenders.len() > CONTENDERS_MAX {
        let text = format!("{} contenders, CONTENDERS_MAX is {CONTENDERS_MAX}", contenders.len());
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    let sequences: Vec<i32> = contenders.iter().map(|contender| contender.sequence).collect();
    let order = queue_order(&sequences);
    if let Some(pair) = order.windows(2).find(|pair| sequences[pair[0]] == sequences[pair[1]]) {
        return Err(Error::new(ErrorKind::BadArguments, format!("sequence {} is named twice", sequences[pair[0]])));
    }
    let mut waits = vec![None; contenders.len()];
    let (mut last, mut last_exclusive) = (None, None);
    for at in order {
        waits[at] = if contenders[at].shared { last_exclusive } else { last };
        last = Some(at);
        if !contenders[at].shared {
            last_exclusive = Some(at);
        }
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    proptest! {
        /// Holders leave one by one; whoever waited for one that left asks again.
        #[test]
        fn holders_follow_the_order_of_creation(start in any::<i32>(), kinds in btree_map(0u32..0x8000_0000, any::<bool>(), 1..20)) {
            let mut left: Vec<Contender> =
                kinds.iter().map(|(age, shared)| Contender { sequence: start.wrapping_add(*age as i32), shared: *shared }).collect();
            while !left.is_empty() {
                let waits = waits_for(&left).unwrap();
                let holders: Vec<usize> = (0..left.len()).filter(|at| waits[*at].is_none()).collect();
                // `left` is in the order of creation, so holders are its head.
                let sharers = left.iter().take_while(|contender| contender.shared).count();
                prop_assert_eq!(holders.len(), sharers.max(1));
                prop_assert_eq!(&holders, &(0..holders.len()).collect::<Vec<_>>());
                for (at, ahead) in waits.iter().enumerate() {
                    prop_assert!(ahead.is_none_or(|ahead| ahead < at));
                }
                left.remove(holders[holders.len() / 2]);
            }
        }
    }

    #[test]
    fn a_sequence_twice_is_refused() {
        let one = Contender { sequence: 1, shared: false };
        assert_eq!(waits_for(&[one, one]).unwrap_err().kind(), ErrorKind::BadArguments);
        assert_eq!(waits_for(&[one]), Ok(vec![None]));
    }
}
