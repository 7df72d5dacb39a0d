//! The slots of Redis Cluster.
//!
//! Source: Redis Cluster specification, "Key distribution model" and "Hash tags".

/// How many slots there are.
pub const REDIS_SLOTS: u16 = 16_384;

/// The slot of `key` in a Redis Cluster: CRC16 modulo 16384, of the hash tag only if the key has one.
///
/// The tag stands between the first `{` and the first `}` behind it; an empty one is none.
pub fn redis_slot(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % REDIS_SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let start = key.iter().position(|byte| *byte == b'{')? + 1;
    let len = key[start..].iter().position(|byte| *byte == b'}').filter(|len| *len > 0)?;
    Some(&key[start..start + len])
}

/// CRC-16/XMODEM: polynomial 0x1021, start 0, nothing reflected.
const TABLE: [u16; 256] = {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the CRC, and the examples of the specification.
    #[test]
    fn slots_and_tags_are_as_specified() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(redis_slot(b"123456789"), 0x31c3);
        assert_eq!(redis_slot(b"foo"), 12_182);
        assert_eq!(redis_slot(b"{user1000}.following"), redis_slot(b"{user1000}.followers"));
        assert_eq!(redis_slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % REDIS_SLOTS);
        assert_eq!(redis_slot(b"foo{{bar}}zap"), redis_slot(b"{bar"));
        assert_eq!(redis_slot(b"foo{bar}{zap}"), redis_slot(b"bar"));
        assert_eq!(redis_slot(b"foo{bar"), crc16(b"foo{bar") % REDIS_SLOTS);
        assert_eq!(redis_slot(b""), 0);
    }
}
