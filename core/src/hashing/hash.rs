//! The hash that placements are built on.

/// `fm1`: XXH3-64 with seed 0 over the raw bytes. Frozen: a placement made today is the one made
/// by any later version, and by the C and Python doors.
///
/// Text is hashed as its UTF-8 bytes and an integer as its eight bytes, lowest first.
/// The hash is not keyed: who chooses keys freely can aim them at one node.
/// Source: xxHash 0.8.0, `XXH3_64bits`.
#[inline]
pub fn fm1(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
