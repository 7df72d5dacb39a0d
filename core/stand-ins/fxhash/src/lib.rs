//! Stands in for `fxhash` below the consensus library: the hasher of its small tables of members.
//!
//! Without a seed, so the same keys are met in the same order in every run and on every machine; the simulation
//! needs that. Keys are ids of members and contexts of reads, which peers who have shown who they are send: who could
//! choose colliding keys could do worse.
//!
//! Not the published `fxhash`, which is no longer kept: none of its code, and other hashes.

use std::hash::{BuildHasherDefault, Hasher};

/// Makes [`FxHasher`]s.
pub type FxBuildHasher = BuildHasherDefault<FxHasher>;

/// An unseeded hash, a multiplication a word.
#[derive(Debug, Clone, Default)]
pub struct FxHasher(u64);

/// About 2^64 divided by the golden ratio, so the high bits of a product are well spread; 1 modulo 256, so that the low
/// ones are those of a small number, and members with small ids are met in the order of their ids.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c01;

impl Hasher for FxHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(SPREAD);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn small_ids_spread_over_both_ends_of_the_hash() {
        let hashes: Vec<u64> = (1..=255u64).map(|id| FxBuildHasher::default().hash_one(id)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 255);
        assert!(hashes.iter().map(|hash| hash % 256).collect::<HashSet<_>>().len() > 128);
        assert!(hashes.iter().map(|hash| hash >> 57).collect::<HashSet<_>>().len() > 96);
    }

    #[test]
    fn small_ids_are_met_in_their_order() {
        let ids: HashSet<u64, FxBuildHasher> = [3, 1, 5, 2, 4].into_iter().collect();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn bytes_differ_by_length_and_content() {
        let hash = |bytes: &[u8]| FxBuildHasher::default().hash_one(bytes);
        let all = [hash(b""), hash(b"\0"), hash(b"\0\0"), hash(b"abcdefgh"), hash(b"abcdefghi"), hash(b"abcdefgi")];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(hash(b"read 7"), hash(b"read 7"));
    }
}
