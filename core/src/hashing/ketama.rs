//! Ketama: where memcached clients put their keys.
//!
//! Points of servers and keys are MD5 digests on a circle of 32 bits; a key belongs to the first point at or above it. "Ketama" is
//! several dialects that agree on few keys, so the dialect is named. Where points meet, the one that comes first in the sorted
//! list wins, which is the earlier server here.
//!
//! Weights of the weighted dialects count against the sum of all, as they do there: a server that joins changes the points of the others.
//! For new work take [`SlotMap`](super::SlotMap).

use super::ring_index::RingIndex;
use super::slots::check_nodes;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{NODE_NAME_BYTES_MAX, POINTS_MAX, WEIGHT_MAX};
use md5::{Digest, Md5};

/// Whose ketama.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// libmemcached's `KETAMA`: 100 points a server, one from each digest. Weights count for nothing.
    Libmemcached,
    /// libmemcached's `KETAMA_WEIGHTED`, which uhashring and others share: about 160 points a server, four from each digest. How many
    /// exactly is computed in single precision, which gives 156 for a hundred equal servers.
    Weighted,
    /// libmemcached's `KETAMA_SPY`: as `Libmemcached`, with server names as spymemcached writes them.
    Spy,
    /// twemproxy's: the points of `Weighted`, named as in its configuration.
    Twemproxy,
}

/// A ketama continuum over servers, which are known by their place in the list.
#[derive(Clone, Debug)]
pub struct Ketama {
    /// Ascending, each one more than the point's value: positions begin at 1.
    positions: Box<[u64]>,
    owners: Box<[u16]>,
    index: RingIndex,
}

const CIRCLE: u64 = 1 << 32;
const PORT: &[u8] = b":11211";

impl Ketama {
    /// The continuum of `servers`, each `host:port` and its weight. memcached's own port, 11211, counts as none where the dialect
    /// leaves it out.
    ///
    /// # Errors
    /// `BadArguments` for a weight out of range, `LimitExceeded` for too many servers or points, or too long a name.
    pub fn new<N: AsRef<[u8]>>(dialect: Dialect, servers: &[(N, u32)]) -> Result<Self> {
        check_nodes(servers.len())?;
        let total: u64 = servers.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut points: Vec<(u64, u16)> = Vec::new();
        for (at, (name, weight)) in servers.iter().enumerate() {
            let name = name.as_ref();
            if !(1..=WEIGHT_MAX).contains(weight) {
                return Err(Error::new(ErrorKind::BadArguments, format!("weight of server {at} is {weight}, not in 1..={WEIGHT_MAX}")));
            }
            if name.len() > NODE_NAME_BYTES_MAX {
                let text = format!("name of server {at} has {} bytes, NODE_NAME_BYTES_MAX is {NODE_NAME_BYTES_MAX}", name.len());
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            let (digests, each) = match dialect {
                Dialect::Libmemcached | Dialect::Spy => (100, 1),
                Dialect::Weighted | Dialect::Twemproxy => (digests(*weight, total, servers.len()), 4),
            };
            if points.len() as u64 + u64::from(digests) * 4 > POINTS_MAX {
                return Err(Error::new(ErrorKind::LimitExceeded, format!("more points than POINTS_MAX, which is {POINTS_MAX}")));
            }
            let mut text = written(dialect, name);
            let len = text.len();
            for number in 0..digests {
                text.truncate(len);
                text.extend_from_slice(format!("-{number}").as_bytes());
                let digest = Md5::digest(&text);
                points.extend((0..each).map(|word| (u64::from(word_of(&digest, word)) + 1, at as u16)));
            }
        }
        points.sort_unstable();
        let positions: Box<[u64]> = points.iter().map(|point| point.0).collect();
        Ok(Self { owners: points.iter().map(|point| point.1).collect(), index: RingIndex::new(&positions, CIRCLE), positions })
    }

    /// The server of `key`, by its place in the list; `None` when there are none.
    pub fn locate(&self, key: &[u8]) -> Option<usize> {
        self.locate_hash(word_of(&Md5::digest(key), 0))
    }

    /// The server of a key whose 32-bit hash was made elsewhere, as twemproxy does when told another hash.
    pub fn locate_hash(&self, hash: u32) -> Option<usize> {
        let at = self.index.seek(&self.positions, u64::from(hash) + 1);
        self.owners.get(at).or_else(|| self.owners.first()).map(|owner| usize::from(*owner))
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.positions.len()
    }
}

/// Four bytes of a digest, lowest first.
fn word_of(digest: &[u8], word: usize) -> u32 {
    digest[4 * word..4 * word + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The server's name as the dialect hashes it.
fn written(dialect: Dialect, name: &[u8]) -> Vec<u8> {
    match dialect {
        Dialect::Libmemcached | Dialect::Weighted => name.strip_suffix(PORT).unwrap_or(name).to_vec(),
        Dialect::Spy => [b"/", name].concat(),
        Dialect::Twemproxy => name.to_vec(),
    }
}

/// How many digests a weighted server has, in single precision as the C programs have it: 39 for one of a hundred equals, not 40.
fn digests(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let quarter = share * 160.0 / 4.0 * servers as f32;
    (f64::from(quarter) + 0.000_000_000_1).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(many: usize) -> Vec<(String, u32)> {
        (0..many).map(|at| (format!("10.0.{}.{}:11311", at / 250, at % 250), 1)).collect()
    }

    #[test]
    fn a_hundred_equals_have_156_points_each() {
        assert_eq!(Ketama::new(Dialect::Weighted, &servers(100)).unwrap().points(), 15_600);
        assert_eq!(Ketama::new(Dialect::Weighted, &servers(10)).unwrap().points(), 1_600);
        assert_eq!(Ketama::new(Dialect::Libmemcached, &servers(7)).unwrap().points(), 700);
    }

    #[test]
    fn the_index_finds_what_the_definition_says() {
        for dialect in [Dialect::Libmemcached, Dialect::Weighted, Dialect::Spy, Dialect::Twemproxy] {
            let ketama = Ketama::new(dialect, &servers(9)).unwrap();
            for hash in (0..5_000u32).map(|at| at.wrapping_mul(2_654_435_761)).chain([0, u32::MAX]) {
                let at = ketama.positions.iter().position(|position| *position > u64::from(hash)).unwrap_or(0);
                assert_eq!(ketama.locate_hash(hash), Some(usize::from(ketama.owners[at])));
            }
        }
    }

    #[test]
    fn it_works_where_others_end() {
        for many in [101, 512, 10_000] {
            let ketama = Ketama::new(Dialect::Spy, &servers(many)).unwrap();
            assert_eq!(ketama.points(), 100 * many);
            assert!(ketama.locate(b"key").unwrap() < many);
        }
        assert_eq!(Ketama::new(Dialect::Spy, &servers(0)).unwrap().locate(b"key"), None);
        assert_eq!(Ketama::new(Dialect::Spy, &[("a", 0)]).unwrap_err().kind(), ErrorKind::BadArguments);
    }
}
