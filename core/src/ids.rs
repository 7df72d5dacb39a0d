//! Numbers that mean something.
//!
//! Not here: who hands them out (`machine` for zxids, the leader for session ids).

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a transaction: `(epoch << 32) | counter`. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zxid(pub i64);

impl Zxid {
    /// The zxid of the next transaction. A full counter raises the epoch.
    pub fn next(self) -> Zxid {
        if self.0 & 0xffff_ffff == 0xffff_ffff { Zxid(((self.0 >> 32) + 1) << 32 | 1) } else { Zxid(self.0 + 1) }
    }

    /// The zxid with which a new leader begins: its first transaction is the next one.
    pub fn next_epoch(self) -> Zxid {
        Zxid(((self.0 >> 32) + 1) << 32)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A session's number, as a znode's `ephemeral_owner` shows it. 0 is no session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The wildcard of conditional operations: do not compare versions.
pub const ANY_VERSION: i32 = -1;

/// The modulus of versions: 2^31 - 1.
pub const VERSION_MODULUS: i64 = 0x7fff_ffff;

/// The version after `version`: `(version mod p) + 1` with p = 2^31 - 1.
///
/// A znode starts at 0 and never comes back to it, and no version is ever negative, hence never
/// [`ANY_VERSION`]. (ZooKeeper wraps into the negatives; a version that has become -1 then passes every comparison.)
pub fn next_version(version: i32) -> i32 {
    (i64::from(version).rem_euclid(VERSION_MODULUS) + 1) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_never_become_negative_or_the_wildcard() {
        assert_eq!(next_version(0), 1);
        assert_eq!(next_version(i32::MAX - 1), i32::MAX);
        assert_eq!(next_version(i32::MAX), 1);
    }

    #[test]
    fn a_full_counter_raises_the_epoch() {
        assert_eq!(Zxid(0x1_ffff_fffe).next(), Zxid(0x1_ffff_ffff));
        assert_eq!(Zxid(0x1_ffff_ffff).next(), Zxid(0x2_0000_0001));
    }
}
