//! SipHash-2-4: a hash that nobody can steer without its secret.
//!
//! Source: Aumasson and Bernstein, SipHash: a fast short-input PRF, INDOCRYPT 2012.

/// SipHash-2-4 of `bytes` under `secret`.
pub(super) fn siphash24(secret: &[u8; 16], bytes: &[u8]) -> u64 {
    let secret = u128::from_le_bytes(*secret);
    let (k0, k1) = (secret as u64, (secret >> 64) as u64);
    let mut state = [k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573];
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        absorb(&mut state, word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    let rest = words.remainder().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    // The last word carries the length, so that trailing zeros count.
    absorb(&mut state, (bytes.len() as u64) << 56 | rest);
    state[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::{KeyHash, tuple_key};
    use std::hash::Hasher;

    /// The vectors of the paper, and std's SipHash-2-4 for every length class.
    #[test]
    fn it_is_siphash() {
        let secret: [u8; 16] = std::array::from_fn(|at| at as u8);
        let text: Vec<u8> = (0..200).collect();
        assert_eq!(siphash24(&secret, &text[..15]), 0xa129_ca61_49be_45e5);
        assert_eq!(siphash24(&secret, b""), 0x726f_db47_dd0e_0e31);
        for len in 0..200 {
            #[allow(deprecated)] // the one SipHash-2-4 at hand
            let mut other = std::hash::SipHasher::new_with_keys(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
            other.write(&text[..len]);
            assert_eq!(KeyHash::Sip(secret).hash(&text[..len]), other.finish(), "{len} bytes");
        }
    }

    #[test]
    fn parts_of_a_tuple_do_not_run_together() {
        assert_ne!(tuple_key(&["a", "bc"]), tuple_key(&["ab", "c"]));
        assert_eq!(tuple_key(&["ab"]), b"\x02\0\0\0\0\0\0\0ab");
        assert!(tuple_key::<&str>(&[]).is_empty());
    }
}
