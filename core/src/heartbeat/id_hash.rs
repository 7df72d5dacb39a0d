//! A hasher for ids: a few instructions, no seed.
//!
//! A table here is never walked, so its order shows nowhere. Ids come from the leader or the
//! membership, not from strangers who could choose them to collide.

use std::hash::{BuildHasherDefault, Hasher};

/// A map from ids.
pub(super) type IdMap<Id, V> = hashbrown::HashMap<Id, V, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Both halves of the product: hashbrown takes its bits from the top and the bottom.
        let product = u128::from((self.0.rotate_left(5) ^ id) ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_i64(&mut self, id: i64) {
        self.write_u64(id as u64);
    }
}
