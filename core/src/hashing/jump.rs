//! Jump hash: buckets 0..n that only grow or shrink at the end.
//!
//! Source: Lamping and Veach, A Fast, Minimal Memory, Consistent Hash Algorithm, 2014.

/// The bucket of the 64-bit `key`, 0 to `buckets - 1`; `None` when there are no buckets.
///
/// Bit for bit what the paper's program gives, which other libraries of this name give too. Going from n to n + 1
/// buckets moves 1 / (n + 1) of the keys, all to the new one. Any bucket but the last cannot leave.
pub fn jump(key: u64, buckets: u32) -> Option<u32> {
    let (mut state, mut bucket, mut next) = (key, None, 0u64);
    while next < u64::from(buckets) {
        bucket = Some(next as u32);
        state = state.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // The paper computes in doubles; both divisions are by numbers that a double holds exactly.
        let scale = (1u64 << 31) as f64 / ((state >> 33) + 1) as f64;
        next = ((next + 1) as f64 * scale) as u64;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::fm1;

    #[test]
    fn growing_moves_keys_to_the_new_bucket_only() {
        assert_eq!(jump(7, 0), None);
        for key in (0..2_000u64).map(|key| fm1(&key.to_le_bytes())) {
            let mut bucket = jump(key, 1).unwrap();
            assert_eq!(bucket, 0);
            for buckets in 2..100 {
                let next = jump(key, buckets).unwrap();
                assert!(next == bucket || next == buckets - 1, "{key} in {buckets}");
                bucket = next;
            }
        }
    }
}
