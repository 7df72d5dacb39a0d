//! The numbers of sequential znodes: which came first.
//!
//! The parent's counter is an `i32`; it is appended as `%010d`, and after 2147483647 comes
//! -2147483648, eleven characters long. So neither names nor numbers can be compared as such: order
//! is taken around the circle. That is right as long as the contenders at one parent were created within
//! 2^31 - 1 of each other.
//! Source: ZooKeeper Programmer's Guide, "Sequence Nodes -- Unique Naming".

/// The name of the znode that was asked for as `prefix` and got the number `sequence`.
pub fn sequence_name(prefix: &str, sequence: i32) -> String {
    format!("{prefix}{sequence:010}")
}

/// The number of `name`, which was asked for as `prefix`; `None` when it is not such a name.
///
/// The prefix is needed: `lock-2000000000` is 2000000000 after `lock-`, and -2000000000 after `lock`.
pub fn sequence_of(name: &str, prefix: &str) -> Option<i32> {
    let digits = name.strip_prefix(prefix)?;
    let sequence: i32 = digits.parse().ok()?;
    // What does not print the same (a plus sign, another width) was not made by us.
    (sequence_name("", sequence) == digits).then_some(sequence)
}

/// Whether `first` was given out before `second`, less than 2^31 numbers earlier.
pub fn sequence_precedes(first: i32, second: i32) -> bool {
    second.wrapping_sub(first) > 0
}

/// The indices of `sequences` in the order they were given out; of equals, the lower index first.
///
/// The circle is cut at its widest gap. For numbers within 2^31 - 1 of each other that is the
/// order of [`sequence_precedes`]; for others it is still an order, and the same for everyone.
pub fn queue_order(sequences: &[i32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|at| sequences[*at]);
    let gap_before = |at: usize| {
        let before = order[(at + order.len() - 1) % order.len()];
        sequences[order[at]].wrapping_sub(sequences[before]) as u32
    };
    // One number alone, however often it occurs, has no gap.
    let cut = (0..order.len()).max_by_key(|at| (gap_before(*at), std::cmp::Reverse(*at))).unwrap_or(0);
    order.rotate_left(cut);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn names_are_zookeepers() {
        assert_eq!(sequence_name("lock-", 7), "lock-0000000007");
        assert_eq!(sequence_name("lock-", i32::MAX), "lock-2147483647");
        assert_eq!(sequence_name("lock-", i32::MIN), "lock--2147483648");
        assert_eq!(sequence_name("lock-", -5), "lock--000000005");
        for wrong in ["lock-7", "lock-+000000007", "lock-00000000007", "lock-2147483648", "lock-", "other-0000000001", "lock-000000000x"] {
            assert_eq!(sequence_of(wrong, "lock-"), None, "{wrong}");
        }
        assert_eq!(sequence_of("lock-2000000000", "lock-"), Some(2_000_000_000));
        assert_eq!(sequence_of("lock-2000000000", "lock"), Some(-2_000_000_000));
    }

    #[test]
    fn the_least_number_comes_after_the_greatest() {
        assert!(sequence_precedes(i32::MAX, i32::MIN));
        assert!(!sequence_precedes(i32::MIN, i32::MAX));
        assert!(!sequence_precedes(3, 3));
        assert_eq!(queue_order(&[i32::MIN + 1, i32::MAX, i32::MIN, i32::MAX - 1]), [3, 1, 2, 0]);
        assert_eq!(queue_order(&[]), [] as [usize; 0]);
        assert_eq!(queue_order(&[4, 4]), [0, 1]);
    }

    proptest! {
        #[test]
        fn a_name_gives_its_number_back(prefix in "[a-z0-9-]{0,6}", sequence in any::<i32>()) {
            prop_assert_eq!(sequence_of(&sequence_name(&prefix, sequence), &prefix), Some(sequence));
        }

        #[test]
        fn the_queue_is_the_order_of_creation(start in any::<i32>(), ages in vec(0u32..0x8000_0000, 0..20)) {
            let sequences: Vec<i32> = ages.iter().map(|age| start.wrapping_add(*age as i32)).collect();
            let order = queue_order(&sequences);
            for pair in order.windows(2) {
                prop_assert!((ages[pair[0]], pair[0]) < (ages[pair[1]], pair[1]) );
                prop_assert!(ages[pair[0]] == ages[pair[1]] || sequence_precedes(sequences[pair[0]], sequences[pair[1]]));
            }
        }

        #[test]
        fn the_order_is_the_same_for_everyone(mut sequences in vec(any::<i32>(), 0..20)) {
            let queue = |sequences: &[i32]| queue_order(sequences).into_iter().map(|at| sequences[at]).collect::<Vec<_>>();
            let first = queue(&sequences);
            sequences.reverse();
            prop_assert_eq!(first, queue(&sequences));
        }
    }
}
