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
    /// The hash of `key`.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        match self {
            KeyHash::Fm1 => fm1(key),
            KeyHash::Sip(secret) => siphash24(secret, key),
        }
    }
}
