//! The hash that placements are built on, and the bytes that stand for a key.

use super::siphash::siphash24;

/// `fm1`: XXH3-64 with seed 0 over the raw bytes. Frozen: a placement made today is the one made
/// by any later version, and by the C and Python doors.
///
/// Text is hashed as its UTF-8 bytes, an integer as its eight bytes, lowest first, several parts as [`tuple_key`] joins them.
/// The hash is not keyed: who chooses keys freely can aim them at one node. [`KeyHash::Sip`] is for that case.
/// Source: xxHash 0.8.0, `XXH3_64bits`.
#[inline]
pub fn fm1(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// [`fm1`] of 17 to 32 bytes, where most keys are, short enough to become part of a lookup; `None` for other lengths.
///
/// Source: the XXH3 specification, "Medium inputs"; the numbers are the first bytes of its default secret.
#[inline]
fn fm1_of_usual(bytes: &[u8]) -> Option<u64> {
    const PRIME: u64 = 0x9e37_79b1_85eb_ca87;
    let word = |at: &[u8; 16], half: u32| (u128::from_le_bytes(*at) >> (64 * half)) as u64;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product >> 64) as u64 ^ product as u64
    };
    if !(17..=32).contains(&bytes.len()) {
        return None;
    }
    let (first, last) = (bytes.first_chunk::<16>()?, bytes.last_chunk::<16>()?);
    let head = fold(word(first, 0) ^ 0xbe4b_a423_396c_feb8, word(first, 1) ^ 0x1cad_21f7_2c81_017c);
    let tail = fold(word(last, 0) ^ 0xdb97_9083_e96d_d4de, word(last, 1) ^ 0x1f67_b3b7_a4a4_4072);
    let sum = (bytes.len() as u64).wrapping_mul(PRIME).wrapping_add(head).wrapping_add(tail);
    let mixed = (sum ^ sum >> 37).wrapping_mul(0x1656_6791_9e37_79f9);
    Some(mixed ^ mixed >> 32)
}

/// The bytes that stand for a key of several parts: before each part its length as eight bytes, lowest first.
///
/// So `("a", "bc")` and `("ab", "c")` are two keys.
pub fn tuple_key<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| 8 + part.as_ref().len()).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.as_ref().len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_ref());
    }
    bytes
}

/// How a key becomes 64 bits. All who share a map share this too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyHash {
    /// [`fm1`]: fast, the same everywhere.
    #[default]
    Fm1,
    /// SipHash-2-4 under a secret of 16 bytes, for keys that strangers choose: without the secret nobody can aim them at one node.
    Sip([u8; 16]),
}

impl KeyHash {
    /// [`KeyHash::hash`] where that is a few instructions, and nothing otherwise.
    #[inline]
    pub(super) fn quick(&self, key: &[u8]) -> Option<u64> {
        if matches!(self, KeyHash::Fm1) { fm1_of_usual(key) } else { None }
    }

    /// The hash of `key`.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        match self {
            KeyHash::Fm1 => fm1(key),
            KeyHash::Sip(secret) => siphash24(secret, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_gives_the_same() {
        let bytes: Vec<u8> = (0..64u8).map(|at| at.wrapping_mul(37)).collect();
        for start in 0..16 {
            for len in 0..48 {
                let key = &bytes[start..start + len];
                assert_eq!(fm1_of_usual(key), (17..=32).contains(&len).then(|| fm1(key)));
            }
        }
    }
}
