//! Ketama: where memcached clients put their keys.
//!
//! Points of servers and keys are hashes, MD5 in most dialects, on a circle of 32 bits; a key belongs to the first point at or above it. "Ketama" is
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
    /// libmemcached's `KETAMA` and nothing else set: 100 points a server, made as keys are with Jenkins' one-at-a-time hash. Weights count
    /// for nothing.
    Libmemcached,
    /// libmemcached's `KETAMA` with `HASH_MD5`: 100 points a server, one from each digest. Weights count for nothing.
    LibmemcachedMd5,
    /// libmemcached's `KETAMA_WEIGHTED`, which uhashring and others share: about 160 points a server, four from each digest. How many
    /// exactly is computed in single precision, which gives 156 for a hundred equal servers.
    Weighted,
    /// libmemcached's `KETAMA_SPY` with `HASH_MD5`: as `LibmemcachedMd5`, with server names as spymemcached writes them.
    Spy,
    /// twemproxy's: the points of `Weighted`, named as in its configuration.
    Twemproxy,
}

/// A ketama continuum over servers, which are known by their place in the list.
#[derive(Clone, Debug)]
pub struct Ketama {
    dialect: Dialect,
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
                Dialect::Libmemcached | Dialect::LibmemcachedMd5 | Dialect::Spy => (100, 1),
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
                if each == 1 {
                    points.push((u64::from(dialect.hash(&text)) + 1, at as u16));
                } else {
                    let digest = Md5::digest(&text);
                    points.extend((0..each).map(|word| (u64::from(word_of(&digest, word)) + 1, at as u16)));
                }
            }
        }
        points.sort_unstable();
        let positions: Box<[u64]> = points.iter().map(|point| point.0).collect();
        Ok(Self { dialect, owners: points.iter().map(|point| point.1).collect(), index: RingIndex::new(&positions, CIRCLE), positions })
    }

    /// The server of `key`, by its place in the list; `None` when there are none.
    pub fn locate(&self, key: &[u8]) -> Option<usize> {
        self.locate_hash(self.dialect.hash(key))
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

impl Dialect {
    /// The 32-bit hash of a key.
    fn hash(self, key: &[u8]) -> u32 {
        if self == Dialect::Libmemcached { one_at_a_time(key) } else { word_of(&Md5::digest(key), 0) }
    }
}

/// Source: Jenkins, A Hash Function for Hash Table Lookup, 1997. Bytes count as signed, as C's char does where this is most used.
fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mixed = bytes.iter().fold(0u32, |hash, byte| {
        let hash = hash.wrapping_add(*byte as i8 as u32);
        let hash = hash.wrapping_add(hash << 10);
        hash ^ hash >> 6
    });
    let mixed = mixed.wrapping_add(mixed << 3);
    let mixed = mixed ^ mixed >> 11;
    mixed.wrapping_add(mixed << 15)
}

/// Four bytes of a digest, lowest first.
fn word_of(digest: &[u8], word: usize) -> u32 {
    digest[4 * word..4 * word + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The server's name as the dialect hashes it.
fn written(dialect: Dialect, name: &[u8]) -> Vec<u8> {
    match dialect {
        Dialect::Libmemcached | Dialect::LibmemcachedMd5 | Dialect::Weighted => name.strip_suffix(PORT).unwrap_or(name).to_vec(),
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
        for dialect in [Dialect::Libmemcached, Dialect::LibmemcachedMd5, Dialect::Weighted, Dialect::Spy, Dialect::Twemproxy] {
            let ketama = Ketama::new(dialect, &servers(9)).unwrap();
            for hash in (0..5_000u32).map(|at| at.wrapping_mul(2_654_435_761)).chain([0, u32::MAX]) {
                let at = ketama.positions.iter().position(|position| *position > u64::from(hash)).unwrap_or(0);
                assert_eq!(ketama.locate_hash(hash), Some(usize::from(ketama.owners[at])));
            }
        }
    }

    /// A file of `tests/recorder/ketama.c`: dialect, servers, keys, FNV-1a of the owners.
    fn agrees_with(file: &std::path::Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (mut hashes, mut hashed, mut lines) = (Vec::new(), Dialect::Twemproxy, 0);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let (many, keys): (usize, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
            let dialect = match words[0] {
                "libmemcached" => Dialect::Libmemcached,
                "libmemcached-md5" => Dialect::LibmemcachedMd5,
                "spy" => Dialect::Spy,
                _ => Dialect::Weighted,
            };
            let weight = |at: usize| if words[0] == "weighted-5" { 1 + (at % 5) as u32 } else { 1 };
            let name = |at: usize| format!("10.1.{}.{}:{}", at / 250, at % 250, if at.is_multiple_of(3) { 11211 } else { 11311 });
            let servers: Vec<(String, u32)> = (0..many).map(|at| (name(at), weight(at))).collect();
            let ketama = Ketama::new(dialect, &servers).unwrap();
            if hashed != dialect || hashes.len() != keys {
                let key = |key: usize| format!("key:{key}{}", if key.is_multiple_of(16) { "é" } else { "" });
                hashes = (0..keys).map(|at| dialect.hash(key(at).as_bytes())).collect();
                hashed = dialect;
            }
            let digest = hashes[..keys].iter().fold(0xcbf2_9ce4_8422_2325u64, |digest, hash| {
                let owner = ketama.locate_hash(*hash).unwrap() as u16;
                owner.to_le_bytes().iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
            });
            assert_eq!(format!("{digest:016x}"), words[3], "{line}");
            lines += 1;
        }
        assert!(lines >= 500, "{lines} lines");
    }

    #[test]
    fn keys_are_where_libmemcached_puts_them() {
        agrees_with(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/hashing/ketama.txt"));
    }

    /// The same with a file of a million keys: `KETAMA_RECORDED=FILE cargo test --release -- --ignored libmemcached`.
    #[test]
    #[ignore = "reads the file that KETAMA_RECORDED names"]
    fn a_million_keys_are_where_libmemcached_puts_them() {
        agrees_with(std::path::Path::new(&std::env::var_os("KETAMA_RECORDED").unwrap()));
    }

    #[test]
    fn it_works_where_others_end() {
        for many in [101, 2_000] {
            let ketama = Ketama::new(Dialect::Spy, &servers(many)).unwrap();
            assert_eq!(ketama.points(), 100 * many);
            assert!(ketama.locate(b"key").unwrap() < many);
        }
        assert_eq!(Ketama::new(Dialect::Spy, &servers(0)).unwrap().locate(b"key"), None);
        assert_eq!(Ketama::new(Dialect::Spy, &[("a", 0)]).unwrap_err().kind(), ErrorKind::BadArguments);
    }
}
