//! The ring against its definition, and against vectors made by another implementation.

use super::*;
use crate::error::ErrorKind;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Members = BTreeMap<Vec<u8>, u32>;

fn members() -> impl Strategy<Value = Members> {
    btree_map(vec(any::<u8>(), 0..4), 1u32..4, 0..8)
}

/// Small rings, on which points meet, next to the usual one.
fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..300, Just(RING_SIZE), Just(u64::MAX)]
}

fn ring(size: u64, points: u32, members: &Members) -> Ring {
    Ring::with_options(size, points).unwrap().with_all(members.iter().map(|(name, weight)| (name, *weight))).unwrap()
}

fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..200u32).map(|key| format!("key {key}").into_bytes())
}

/// The definition, word for word: every point of every node, nearest clockwise, lowest name.
fn owner_by_definition(size: u64, points: u32, members: &Members, position: u64) -> Option<Vec<u8>> {
    let mut best: Option<(u64, &Vec<u8>)> = None;
    for (name, weight) in members {
        for index in 0..weight * points {
            let at = fm1(&[name, &index.to_le_bytes()[..]].concat()) % size + 1;
            let away = if at >= position { at - position } else { size - position + at };
            best = best.min(Some((away, name))).or(Some((away, name)));
        }
    }
    best.map(|(_, name)| name.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_key_belongs_to_the_first_point_clockwise(size in sizes(), points in 1u32..6, members in members()) {
        let ring = ring(size, points, &members);
        for key in keys() {
            let position = ring.position(&key);
            prop_assert!((1..=size).contains(&position));
            let expected = owner_by_definition(size, points, &members, position);
            prop_assert_eq!(ring.locate(&key), expected.as_deref());
            prop_assert_eq!(ring.owner_at(position), expected.as_deref());
        }
    }

    #[test]
    fn the_order_of_learning_does_not_matter(size in sizes(), members in members(), seed in any::<u64>()) {
        let whole = ring(size, 5, &members);
        let mut order: Vec<_> = members.iter().collect();
        order.sort_by_key(|(name, _)| fm1(&[&name[..], &seed.to_le_bytes()].concat()));
        let mut grown = Ring::with_options(size, 5).unwrap();
        for (name, weight) in order {
            // By way of another weight, and of a node that leaves again.
            grown = grown.with(name, 4).unwrap().with(b"passing", 2).unwrap();
            grown = grown.with(name, *weight).unwrap().without(b"passing").unwrap();
        }
        prop_assert_eq!(grown, whole);
    }

    #[test]
    fn joining_takes_and_leaving_gives_and_nothing_else_moves(size in sizes(), members in members(), weight in 1u32..4) {
        let before = ring(size, 5, &members);
        let name = b"the new one";
        let after = before.with(name, weight).unwrap();
        for key in keys() {
            prop_assert!(before.locate(&key) == after.locate(&key) || after.locate(&key) == Some(&name[..]));
        }
        for each in before.diff(&after).unwrap() {
            prop_assert_eq!(each.to.as_deref(), Some(&name[..]));
        }
        for each in after.diff(&before).unwrap() {
            prop_assert_eq!(each.from.as_deref(), Some(&name[..]));
        }
        prop_assert_eq!(after.without(name).unwrap(), before);
    }

    #[test]
    fn diff_is_exact(size in 1u64..300, old in members(), new in members(), points in 1u32..6) {
        let (old, new) = (ring(size, 5, &old), ring(size, points, &new));
        let moves = old.diff(&new).unwrap();
        let mut covered = BTreeMap::new();
        for each in &moves {
            prop_assert!(1 <= each.lo && each.lo <= each.hi && each.hi <= size);
            for position in each.lo..=each.hi {
                prop_assert!(covered.insert(position, each).is_none(), "two moves of {}", position);
            }
        }
        for position in 1..=size {
            match covered.get(&position) {
                Some(each) => {
                    prop_assert_eq!(each.from.as_deref(), old.owner_at(position));
                    prop_assert_eq!(each.to.as_deref(), new.owner_at(position));
                    prop_assert!(each.from != each.to);
                }
                None => prop_assert_eq!(old.owner_at(position), new.owner_at(position)),
            }
        }
        for pair in moves.windows(2) {
            let joined = pair[0].hi + 1 == pair[1].lo && pair[0].from == pair[1].from && pair[0].to == pair[1].to;
            prop_assert!(pair[0].hi < pair[1].lo && !joined);
        }
    }

    #[test]
    fn diff_agrees_with_keys(size in sizes(), old in members(), new in members()) {
        let (old, new) = (ring(size, 5, &old), ring(size, 5, &new));
        let moves = old.diff(&new).unwrap();
        for key in keys() {
            let at = old.position(&key);
            let moved = moves.iter().find(|each| each.lo <= at && at <= each.hi);
            prop_assert_eq!(moved.is_some(), old.locate(&key) != new.locate(&key));
        }
        let moved = old.moved(&new).unwrap();
        prop_assert!((0.0..=1.0).contains(&moved));
    }

    #[test]
    fn the_next_in_line_owns_once_the_first_has_left(size in sizes(), members in members(), n in 0usize..30) {
        let whole = ring(size, 5, &members);
        for key in keys().take(20) {
            let line: Vec<Vec<u8>> = whole.locate_n(&key, n).into_iter().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(line.len(), n.min(members.len()));
            prop_assert_eq!(line.iter().collect::<BTreeSet<_>>().len(), line.len());
            let mut left = whole.clone();
            for name in &line {
                prop_assert_eq!(left.locate(&key), Some(&name[..]));
                left = left.without(name).unwrap();
            }
        }
    }

    #[test]
    fn shares_and_hashes_add_up(size in sizes(), members in members(), cut in any::<u64>()) {
        let ring = ring(size, 5, &members);
        let sum: f64 = ring.shares().iter().map(|share| share.1).sum();
        let whole = f64::from(u8::from(!members.is_empty()));
        prop_assert!((sum - whole).abs() < 1e-9);
        let cut = cut % size;
        prop_assert_eq!(ring.hashes_in(1, cut) + ring.hashes_in(cut + 1, size), 1u128 << 64);
    }
}

#[test]
fn an_empty_ring_owns_nothing() {
    let ring = Ring::new();
    assert_eq!((ring.locate(b"a"), ring.len(), ring.owner_at(1)), (None, 0, None));
    assert!(ring.locate_n(b"a", 3).is_empty());
    let one = ring.with(b"only", 1).unwrap();
    let moves = ring.diff(&one).unwrap();
    assert_eq!(moves, [Move { lo: 1, hi: RING_SIZE, from: None, to: Some(b"only"[..].into()) }]);
    assert_eq!(ring.moved(&one).unwrap(), 1.0);
}

#[test]
fn a_long_walk_meets_each_node_once() {
    let ring = Ring::new().with_all((0..100u32).map(|node| (node.to_string(), 1))).unwrap();
    for n in [1, 16, 17, 100, 1000] {
        let line: BTreeSet<_> = ring.locate_n(b"key", n).into_iter().collect();
        assert_eq!(line.len(), n.min(100));
    }
}

#[test]
fn a_leaving_node_moves_about_its_share() {
    let ring = Ring::new().with_all((0..100u32).map(|node| (format!("10.0.0.{node}:4000"), 1))).unwrap();
    let moved = ring.moved(&ring.without(b"10.0.0.7:4000").unwrap()).unwrap();
    assert!((0.007..0.013).contains(&moved), "{moved}");
    let heavy = ring.with(b"10.0.0.7:4000", 10).unwrap();
    let share = heavy.shares().into_iter().find(|share| share.0 == b"10.0.0.7:4000").unwrap().1;
    assert!((0.08..0.105).contains(&share), "{share}, weight 10 of 109");
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let ring = Ring::new().with(b"a", 1).unwrap();
    let kind = |result: crate::Result<Ring>| result.unwrap_err().kind();
    assert_eq!(kind(Ring::with_size(0)), ErrorKind::BadArguments);
    assert_eq!(kind(Ring::with_options(9, 0)), ErrorKind::BadArguments);
    assert_eq!(kind(Ring::with_options(9, u32::MAX)), ErrorKind::LimitExceeded);
    assert_eq!(kind(ring.with(b"b", 0)), ErrorKind::BadArguments);
    assert_eq!(kind(ring.with(b"b", 1001)), ErrorKind::BadArguments);
    assert_eq!(kind(ring.with(&[0; 4097], 1)), ErrorKind::LimitExceeded);
    assert_eq!(kind(ring.without(b"b")), ErrorKind::BadArguments);
    assert_eq!(kind(Ring::with_options(9, 1 << 20).unwrap().with_all([("a", 17)])), ErrorKind::LimitExceeded);
    assert_eq!(kind(Ring::with_options(9, 1 << 20).unwrap().with(b"a", 1000)), ErrorKind::LimitExceeded);
    let many = Ring::with_options(RING_SIZE, 1).unwrap().with_all((0..65_535u32).map(|node| (node.to_le_bytes(), 1))).unwrap();
    assert_eq!(kind(many.with(b"one too many", 1)), ErrorKind::LimitExceeded);
    assert!(many.with(&7u32.to_le_bytes(), 2).is_ok());
    assert_eq!(ring.diff(&Ring::with_size(9).unwrap()).unwrap_err().kind(), ErrorKind::BadArguments);
}

fn golden(file: &str) -> String {
    let path = format!("{}/../tests/data/hashing/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `fm1.txt`: a key in hexadecimal, a tab, its hash in sixteen hexadecimal digits.
#[test]
fn fm1_is_what_it_has_always_been() {
    let text = golden("fm1.txt");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 250);
    for line in lines {
        let (key, hash) = line.split_once('\t').unwrap();
        let key: Vec<u8> = (0..key.len() / 2).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap()).collect();
        assert_eq!(format!("{:016x}", fm1(&key)), hash, "{key:?}");
    }
}

/// `ring-*.txt`: `# ring SIZE POINTS_PER_WEIGHT`, `# node NAME WEIGHT` lines, then key, tab, owner.
#[test]
fn ring_ownership_is_what_it_has_always_been() {
    for file in ["ring-usual.txt", "ring-weighted.txt", "ring-small.txt"] {
        let text = golden(file);
        let (mut ring, mut keys) = (None, 0);
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["#", "ring", size, points] => {
                    ring = Some(Ring::with_options(size.parse().unwrap(), points.parse().unwrap()).unwrap());
                }
                ["#", "node", name, weight] => {
                    ring = Some(ring.unwrap().with(name.as_bytes(), weight.parse().unwrap()).unwrap());
                }
                _ if line.starts_with('#') => {}
                _ => {
                    let (key, owner) = line.split_once('\t').unwrap();
                    assert_eq!(ring.as_ref().unwrap().locate(key.as_bytes()), Some(owner.as_bytes()), "{file}: {key}");
                    keys += 1;
                }
            }
        }
        assert!(keys >= 300, "{file} has {keys} keys");
    }
}
