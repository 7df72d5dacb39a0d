//! Maglev: a table in which each node fills its turns, as the load balancers of that name do.
//!
//! Each node goes through the places of the table in an order of its own, `offset + i * skip`, and takes the first free one
//! in its turn; a node of half the greatest weight has half the turns. Offset and skip are Envoy's: XXH64 of the name with seed 0
//! modulo the table, and with seed 1 modulo the table less one, plus 1. The node of a hash is at place `hash % table`.
//!
//! More balanced than a ring, but a node that leaves moves 1.2 to 7 times its share. For new work take [`SlotMap`](super::SlotMap).
//! Source: Eisenbud et al., Maglev, NSDI 2016.

use super::NO_NODE;
use super::slots::check_nodes;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAGLEV_TABLE_MAX, WEIGHT_MAX};
use xxhash_rust::xxh64::xxh64;

/// The size of the table when nothing else is asked for, a prime, as Envoy's.
pub const MAGLEV_TABLE: u32 = 65_537;

/// A Maglev table over nodes, which are known by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    places: Box<[u16]>,
}

impl Maglev {
    /// The table of `size` places, a prime, for `nodes` and their weights. Their order matters as it does to Envoy: of two that want a
    /// place, the earlier takes it.
    ///
    /// # Errors
    /// `BadArguments` for a size that is no prime or a weight out of range, `LimitExceeded` for too large a table or too many nodes.
    pub fn new<N: AsRef<[u8]>>(nodes: &[(N, u32)], size: u32) -> Result<Self> {
        if size > MAGLEV_TABLE_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("table size is {size}, MAGLEV_TABLE_MAX is {MAGLEV_TABLE_MAX}")));
        }
        if !is_prime(size) {
            return Err(Error::new(ErrorKind::BadArguments, format!("table size is {size}, not a prime")));
        }
        check_nodes(nodes.len())?;
        if let Some(at) = nodes.iter().position(|(_, weight)| !(1..=WEIGHT_MAX).contains(weight)) {
            return Err(Error::new(ErrorKind::BadArguments, format!("weight of node {at} is {}, not in 1..={WEIGHT_MAX}", nodes[at].1)));
        }
        let mut places = vec![NO_NODE; size as usize].into_boxed_slice();
        let most = f64::from(nodes.iter().map(|(_, weight)| *weight).max().unwrap_or(1));
        let total: f64 = nodes.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let mut turns: Vec<Turn> = nodes
            .iter()
            .map(|(name, weight)| {
                let offset = xxh64(name.as_ref(), 0) % u64::from(size);
                let skip = if size > 1 { xxh64(name.as_ref(), 1) % u64::from(size - 1) + 1 } else { 1 };
                // As Envoy: the doubles of the normalized weights, not the weights, decide whose turn it is.
                Turn { at: offset, skip, weight: f64::from(*weight) / total, target: 0.0 }
            })
            .collect();
        let (most, mut free, mut round) = (most / total, if nodes.is_empty() { 0 } else { size }, 1u32);
        while free > 0 {
            for (node, turn) in turns.iter_mut().enumerate() {
                if free == 0 {
                    break;
                }
                if f64::from(round) * turn.weight < turn.target {
                    continue;
                }
                turn.target += most;
                while places[turn.at as usize] != NO_NODE {
                    turn.at = (turn.at + turn.skip) % u64::from(size);
                }
                places[turn.at as usize] = node as u16;
                turn.at = (turn.at + turn.skip) % u64::from(size);
                free -= 1;
            }
            round += 1;
        }
        Ok(Self { places })
    }

    /// The node for a 64-bit hash, by its place in the list; `None` when there are none. Envoy hashes keys with XXH64.
    pub fn locate_hash(&self, hash: u64) -> Option<usize> {
        let node = self.places[(hash % self.places.len() as u64) as usize];
        (node != NO_NODE).then_some(usize::from(node))
    }

    /// The node for `key`, hashed with XXH64 and seed 0.
    pub fn locate(&self, key: &[u8]) -> Option<usize> {
        self.locate_hash(xxh64(key, 0))
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.places.len()
    }
}

/// Where a node stands in its order, and when it is due.
struct Turn {
    at: u64,
    skip: u64,
    weight: f64,
    target: f64,
}

fn is_prime(number: u32) -> bool {
    number >= 2 && (2..).take_while(|divisor| divisor * divisor <= u64::from(number)).all(|divisor| u64::from(number) % divisor != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(nodes: &[(&str, u32)], size: u32) -> Vec<usize> {
        let maglev = Maglev::new(nodes, size).unwrap();
        (0..u64::from(size)).map(|hash| maglev.locate_hash(hash).unwrap()).collect()
    }

    /// The assignments that Envoy's own tests expect.
    #[test]
    fn tables_are_envoys() {
        let six: Vec<String> = (90..96).map(|port| format!("127.0.0.1:{port}")).collect();
        let six: Vec<(&str, u32)> = six.iter().map(|name| (&**name, 1)).collect();
        assert_eq!(table(&six, 7), [2, 4, 0, 1, 5, 0, 3]);
        assert_eq!(table(&[("127.0.0.1:90", 1), ("127.0.0.1:91", 2)], 17), [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn places_are_shared_evenly() {
        let names: Vec<(String, u32)> = (0..100).map(|node| (node.to_string(), 1)).collect();
        let maglev = Maglev::new(&names, MAGLEV_TABLE).unwrap();
        let mut loads = vec![0; 100];
        maglev.places.iter().for_each(|node| loads[usize::from(*node)] += 1);
        assert!(loads.iter().all(|load| (655..=656).contains(load)), "{loads:?}");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let kind = |result: Result<Maglev>| result.unwrap_err().kind();
        assert_eq!(kind(Maglev::new(&[("a", 1)], 100)), ErrorKind::BadArguments);
        assert_eq!(kind(Maglev::new(&[("a", 0)], 101)), ErrorKind::BadArguments);
        assert_eq!(kind(Maglev::new(&[("a", 1)], u32::MAX)), ErrorKind::LimitExceeded);
        let none: [(&str, u32); 0] = [];
        assert_eq!(Maglev::new(&none, 101).unwrap().locate(b"key"), None);
        assert_eq!(Maglev::new(&[("a", 1)], 2).unwrap().locate(b"key"), Some(0));
    }
}
