//! The slot map against what it promises.

use super::*;
use crate::hashing::fm1;
use crate::limits::WEIGHT_MAX;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Nodes = BTreeMap<Vec<u8>, (u32, String)>;

fn nodes(nodes: &Nodes) -> impl Iterator<Item = SlotNode<'_>> {
    nodes.iter().map(|(name, (weight, domain))| SlotNode::new(name).weight(*weight).domain(domain))
}

fn members() -> impl Strategy<Value = Nodes> {
    let domain = prop_oneof![Just(String::new()), "[ab]", "[abc]/[xy]", "[abcd]/[xyz]/[1-4]"];
    btree_map(vec(any::<u8>(), 0..4), (prop_oneof![Just(1u32), 1u32..5, 1..=WEIGHT_MAX], domain), 0..14)
}

fn options(slots: u32, replicas: usize, filler: Filler, spread: Spread) -> SlotOptions {
    SlotOptions { slots: Some(slots), replicas, filler, spread, hash: KeyHash::Fm1 }
}

fn any_options() -> impl Strategy<Value = SlotOptions> {
    let spread = prop_oneof![Just(Spread::Balance), Just(Spread::Domains)];
    let filler = prop_oneof![Just(Filler::Coordinated), Just(Filler::Coordinated), Just(Filler::Rendezvous { cap_percent: None })];
    let hash = prop_oneof![Just(KeyHash::Fm1), any::<[u8; 16]>().prop_map(KeyHash::Sip)];
    (1u32..9, 1usize..5, filler, spread, hash)
        .prop_map(|(bits, replicas, filler, spread, hash)| SlotOptions { hash, ..options(1 << bits, replicas, filler, spread) })
}

/// What is true of every map, whoever filled it.
fn sound(map: &SlotMap) {
    let standing = map.standing();
    assert_eq!(standing.columns, map.options().replicas.min(map.len()));
    let label = |node: u16| {
        let node = map.node(node).unwrap();
        let labels: Vec<&[u8]> = node.domain.split(|byte| *byte == b'/').collect();
        let known = !node.domain.is_empty() && labels.len() >= standing.level && standing.level > 0;
        if known { (labels[..standing.level].concat(), Vec::new()) } else { (Vec::new(), node.name.to_vec()) }
    };
    for slot in 0..map.slots() {
        let (full, vacant) = map.row(slot).split_at(standing.columns);
        assert!(vacant.iter().all(|node| *node == NO_NODE));
        assert!(full.iter().all(|node| usize::from(*node) < map.len()), "{full:?} of {}", map.len());
        assert_eq!(full.iter().map(|node| label(*node)).collect::<BTreeSet<_>>().len(), full.len(), "slot {slot} at level {}", standing.level);
    }
}

/// Loads and first places are the floor or the ceiling of what the weights ask for.
fn balanced(map: &SlotMap) {
    let (slots, columns) = (u64::from(map.slots()), map.standing().columns as u64);
    let total: u64 = map.iter().map(|node| u64::from(node.weight)).sum();
    for ((node, load), owned) in map.iter().zip(map.loads()).zip(map.owned()) {
        let (load, owned) = (u64::from(load), u64::from(owned));
        if map.standing().capped == 0 {
            let due = slots * columns * u64::from(node.weight);
            assert!((due / total..=due.div_ceil(total)).contains(&load), "{load} of {slots} x {columns}, weight {} of {total}", node.weight);
            let due = slots * u64::from(node.weight);
            assert!((due / total..=due.div_ceil(total)).contains(&owned), "first in {owned} of {slots}, weight {} of {total}", node.weight);
        }
        assert!((load / columns..=load.div_ceil(columns)).contains(&owned), "first in {owned} of {load}");
        assert!(load <= slots);
    }
}

/// No map of `after`'s quotas could have moved less from `before`, replicas apart.
fn least_possible(before: &SlotMap, after: &SlotMap) -> u64 {
    let (slots, total) = (u64::from(after.slots()), after.iter().map(|node| u64::from(node.weight)).sum::<u64>());
    let had = before.loads();
    let times = u64::from(after.slots() / before.slots());
    let (mut comes, mut goes) = (0, 0);
    for node in after.iter() {
        let had = before.number(node.name).map_or(0, |number| u64::from(had[usize::from(number)]) * times);
        let due = slots * u64::from(node.weight);
        comes += (due / total).saturating_sub(had);
        goes += had.saturating_sub(due.div_ceil(total));
    }
    goes += before
        .iter()
        .filter(|node| after.number(node.name).is_none())
        .map(|node| u64::from(had[usize::from(before.number(node.name).unwrap())]) * times)
        .sum::<u64>();
    if before.is_empty() { slots } else { comes.max(goes) }
}

fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = fm1(&seed.to_le_bytes());
    *seed % below
}

/// Joins, leavings and changes of weight: nothing moves in vain, and every load is right.
#[test]
fn histories_move_the_least_there_is() {
    let mut seed = 1;
    for history in 0..10_000 {
        let slots = 1 << (2 + random(&mut seed, 6));
        let mut map = SlotMap::with_options(options(slots, 1, Filler::Coordinated, Spread::Balance)).unwrap();
        for _ in 0..6 {
            let name = [b'a' + random(&mut seed, 12) as u8];
            let weight = if random(&mut seed, 2) == 0 { 1 } else { 1 + random(&mut seed, 20) as u32 };
            let after = match random(&mut seed, 3) {
                0 if map.number(&name).is_some() => map.without(&name).unwrap(),
                _ => map.with(&name, weight).unwrap(),
            };
            let plan = map.plan(&after).unwrap();
            if !after.is_empty() {
                balanced(&after);
                assert_eq!(plan.moved_slots, least_possible(&map, &after), "history {history}");
            }
            assert_eq!(plan.moved_slots, plan.least_slots);
            map = after;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_map_is_sound(options in any_options(), histories in vec(members(), 1..5)) {
        let mut map = SlotMap::with_options(options).unwrap();
        for (change, members) in histories.iter().enumerate() {
            let after = map.next(nodes(members)).unwrap();
            sound(&after);
            if options.filler == Filler::Coordinated {
                if !after.is_empty() {
                    balanced(&after);
                }
                prop_assert!(after.epoch() <= change as u64 + 1);
                prop_assert_eq!(after.epoch(), map.epoch() + u64::from(after != map));
            }
            let plan = map.plan(&after).unwrap();
            prop_assert!(plan.least_slots <= plan.moved_slots && plan.moved_slots <= plan.whole_slots);
            agrees(&map, &after, &plan);
            map = after;
        }
    }

    #[test]
    fn rendezvous_knows_no_past(replicas in 1usize..4, old in members(), new in members(), cap in prop_oneof![Just(None), (0u32..60).prop_map(Some)]) {
        let cap_percent = cap.filter(|_| replicas == 1);
        let empty = SlotMap::with_options(options(64, replicas, Filler::Rendezvous { cap_percent }, Spread::Balance)).unwrap();
        let straight = empty.next(nodes(&new)).unwrap();
        let roundabout = nodes(&new).fold(empty.next(nodes(&old)).unwrap(), |map, node| map.with_node(node).unwrap());
        let roundabout = old.keys().filter(|name| !new.contains_key(*name)).fold(roundabout, |map, name| map.without(name).unwrap());
        prop_assert_eq!(&straight, &roundabout);
        prop_assert_eq!(straight.digest(), roundabout.digest());
        if let Some(percent) = cap_percent {
            let total: u64 = straight.iter().map(|node| u64::from(node.weight)).sum();
            for (node, load) in straight.iter().zip(straight.loads()) {
                prop_assert!(u64::from(load) <= (64 * u64::from(node.weight) * u64::from(100 + percent)).div_ceil(100 * total));
            }
        } else if replicas == 1 {
            // Who joins takes, and nothing else moves.
            let more = straight.with(b"the new one", 3).unwrap();
            for each in straight.plan(&more).unwrap().moves {
                prop_assert_eq!(more.node(each.to.unwrap()).unwrap().name, b"the new one");
            }
        }
    }

    #[test]
    fn bytes_come_back_and_nothing_else_passes(options in any_options(), members in members(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let map = SlotMap::with_options(options).unwrap().next(nodes(&members)).unwrap();
        let mut bytes = map.to_bytes();
        let back = SlotMap::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &map);
        prop_assert_eq!(back.digest(), map.digest());
        prop_assert_eq!(&back.to_bytes(), &bytes);
        let at = at.index(bytes.len());
        prop_assert!(SlotMap::from_bytes(&bytes[..at]).is_err());
        bytes[at] ^= flip;
        prop_assert!(SlotMap::from_bytes(&bytes).is_err());
    }

    /// With a right digest too, whatever the bytes: refused or a sound map that can go on.
    #[test]
    fn forged_bytes_never_panic(options in any_options(), members in members(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), other in members()) {
        let map = SlotMap::with_options(options).unwrap().next(nodes(&members)).unwrap();
        let mut body = codec::body(&map.table);
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.extend(codec::digest(&body));
        if let Ok(forged) = SlotMap::from_bytes(&body) {
            forged.candidates(b"key").for_each(drop);
            let next = forged.next(nodes(&other)).unwrap();
            sound(&next);
            let _ = (forged.plan(&next), next.plan(&map), forged.digest());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = SlotMap::from_bytes(&bytes);
        let _ = SlotMap::from_bytes(&[b"FMSM\x01", &bytes[..]].concat());
    }

    #[test]
    fn candidates_name_each_node_once(options in any_options(), members in members(), key in any::<[u8; 4]>()) {
        let map = SlotMap::with_options(options).unwrap().next(nodes(&members)).unwrap();
        let line: Vec<u16> = map.candidates(&key).collect();
        prop_assert_eq!(line.iter().collect::<BTreeSet<_>>().len(), map.len());
        prop_assert_eq!(line.len(), map.len());
        prop_assert_eq!(&line[..map.standing().columns], &map.replicas_of(&key)[..map.standing().columns]);
        prop_assert_eq!(map.locate(&key), line.first().map(|node| map.node(*node).unwrap().name));
        prop_assert_eq!(map.row(map.slot_of(&key)), map.replicas_of(&key));
    }
}

/// Every slot of every column against the plan, one by one.
fn agrees(before: &SlotMap, after: &SlotMap, plan: &Plan) {
    let slots = before.slots().max(after.slots());
    let holders = |map: &SlotMap, slot: u32| -> BTreeSet<Vec<u8>> {
        let row = map.row(slot / (slots / map.slots()));
        row.iter().filter_map(|node| map.node(*node)).map(|node| node.name.to_vec()).collect()
    };
    let mut comes = vec![BTreeSet::new(); slots as usize];
    let mut goes = comes.clone();
    for each in &plan.moves {
        assert_eq!(
            (each.hash_lo, each.hash_hi.wrapping_add(1)),
            (u64::from(each.slot_lo) << (64 - slots.trailing_zeros()), (u64::from(each.slot_hi) + 1).checked_shl(64 - slots.trailing_zeros()).unwrap_or(0))
        );
        for slot in each.slot_lo..=each.slot_hi {
            if let Some(node) = each.to {
                assert!(comes[slot as usize].insert(after.node(node).unwrap().name.to_vec()), "slot {slot}: comes twice");
            }
            if let Some(node) = each.from {
                assert!(goes[slot as usize].insert(before.node(node).unwrap().name.to_vec()), "slot {slot}: goes twice");
            }
        }
    }
    for slot in 0..slots {
        let (old, new) = (holders(before, slot), holders(after, slot));
        assert_eq!(comes[slot as usize], new.difference(&old).cloned().collect(), "slot {slot}");
        assert_eq!(goes[slot as usize], old.difference(&new).cloned().collect(), "slot {slot}");
    }
}

fn fleet(many: usize) -> Vec<String> {
    (0..many).map(|at| format!("10.0.{}.{}:4000", at / 250, at % 250)).collect()
}

#[test]
fn the_trait_tells_the_same_by_owners() {
    let (a, b) = (SlotMap::new().with(b"a", 1).unwrap(), SlotMap::new().with(b"b", 1).unwrap());
    let whole = Move { lo: 0, hi: u64::MAX, from: Some(b"a"[..].into()), to: Some(b"b"[..].into()) };
    assert_eq!(a.diff(&b).unwrap(), [whole]);
    assert_eq!((a.moved(&b).unwrap(), a.moved(&a).unwrap()), (1.0, 0.0));
    let two = a.with(b"b", 3).unwrap();
    assert_eq!(a.moved(&two).unwrap(), 0.75);
    assert_eq!(Placement::nodes(&two), [(&b"a"[..], 1), (&b"b"[..], 3)]);
    assert_eq!(two.with(b"b", 3).unwrap(), two);
    assert_eq!(two.without(b"c").unwrap_err().kind(), ErrorKind::BadArguments);
    assert_eq!(SlotMap::new().locate(b"key"), None);
    assert_eq!(two.locate_n(b"key", 9).len(), 2);
}

#[test]
fn slots_double_as_nodes_come_and_nothing_moves_for_it() {
    let names = fleet(300);
    let few = SlotMap::new().next(names[..128].iter().map(SlotNode::new)).unwrap();
    assert_eq!(few.slots(), 16_384);
    let more = few.with_node(SlotNode::new(&names[128])).unwrap();
    assert_eq!(more.slots(), 32_768);
    balanced(&more);
    let plan = few.plan(&more).unwrap();
    assert_eq!(plan.moved_slots, least_possible(&few, &more));
    assert!((plan.moved() - 1.0 / 129.0).abs() < 0.0001, "{}", plan.moved());
    assert!(plan.moves.iter().all(|each| more.node(each.to.unwrap()).unwrap().name == names[128].as_bytes()));
}

/// Three zones with 3, 3 and 2 nodes: three full zones do not fit the weights, and the caller says what gives way.
#[test]
fn what_cannot_be_spread_is_told() {
    let zone = ["a", "a", "a", "b", "b", "b", "c", "c"];
    let names = fleet(8);
    let eight = || names.iter().zip(zone).map(|(name, zone)| SlotNode::new(name).domain(zone));
    let domains = SlotMap::with_options(options(1024, 3, Filler::Coordinated, Spread::Domains)).unwrap().next(eight()).unwrap();
    assert_eq!(domains.standing(), Standing { columns: 3, level: 1, capped: 2 });
    sound(&domains);
    assert_eq!(domains.loads().iter().filter(|load| **load == 512).count(), 2);
    let balance = SlotMap::with_options(options(1024, 3, Filler::Coordinated, Spread::Balance)).unwrap().next(eight()).unwrap();
    assert_eq!(balance.standing(), Standing { columns: 3, level: 0, capped: 0 });
    sound(&balance);
    assert!(balance.loads().iter().all(|load| *load == 384));
    let alone = SlotMap::with_options(options(1024, 3, Filler::Coordinated, Spread::Balance)).unwrap().with(b"a", 1).unwrap();
    assert_eq!(alone.standing().columns, 1);
    // The heavy one cannot hold a slot twice.
    let heavy = alone.with(b"b", 1).unwrap().with(b"c", 1).unwrap().with(b"d", 100).unwrap();
    assert_eq!((heavy.standing().capped, heavy.loads()[3]), (1, 1024));
    balanced(&heavy);
}

/// A node that fails leaves its slots to those that hold them already, and few replicas move beyond the least.
#[test]
fn replicas_move_little_and_step_in() {
    let names = fleet(200);
    let of = |at: usize| SlotNode::new(&names[at]).domain(["a", "b", "c", "d"][at % 4]);
    let map = SlotMap::with_options(options(16_384, 3, Filler::Coordinated, Spread::Balance)).unwrap().next((0..200).map(of)).unwrap();
    assert_eq!(map.standing(), Standing { columns: 3, level: 1, capped: 0 });
    sound(&map);
    balanced(&map);
    let less = map.without(names[7].as_bytes()).unwrap();
    sound(&less);
    balanced(&less);
    let plan = map.plan(&less).unwrap();
    assert!(plan.moved_slots <= plan.least_slots + plan.least_slots / 10, "{} moved, least {}", plan.moved_slots, plan.least_slots);
    assert!(plan.promoted_slots >= 60);
    let back = less.with_node(of(7)).unwrap();
    let plan = less.plan(&back).unwrap();
    sound(&back);
    assert!(plan.moved_slots <= plan.least_slots + plan.least_slots / 10, "{} moved, least {}", plan.moved_slots, plan.least_slots);
}

#[test]
fn lots_fall_in_proportion() {
    let names = fleet(50);
    let empty = SlotMap::with_options(options(1 << 16, 1, Filler::Rendezvous { cap_percent: None }, Spread::Balance)).unwrap();
    let weight = |at: usize| 1 + (at % 5) as u32;
    let map = empty.next(names.iter().enumerate().map(|(at, name)| SlotNode::new(name).weight(weight(at)))).unwrap();
    let (mut chi, total) = (0.0, 150.0);
    for (node, load) in map.iter().zip(map.loads()) {
        let due = 65_536.0 * f64::from(node.weight) / total;
        chi += (f64::from(load) - due).powi(2) / due;
    }
    // 49 degrees of freedom: 49 plus or minus 10; a fair lot is beyond 100 once in 25,000.
    assert!((20.0..100.0).contains(&chi), "{chi}");
}

#[test]
fn bounded_loads_stay_bounded() {
    let map = SlotMap::new().next(fleet(20).iter().map(SlotNode::new)).unwrap();
    let mut loads = [0u64; 20];
    for key in 0..10_000u64 {
        let name = map.bounded(b"the one hot key", key, |node| loads[usize::from(node)], 1.25).unwrap().unwrap();
        loads[usize::from(map.number(name).unwrap())] += 1;
    }
    assert_eq!(loads.iter().sum::<u64>(), 10_000);
    assert!(loads.iter().all(|load| *load <= 625), "{loads:?}");
    for c in [0.99, f64::NAN, f64::INFINITY] {
        assert_eq!(map.bounded(b"key", 0, |_| 0, c).unwrap_err().kind(), ErrorKind::BadArguments);
    }
    assert_eq!(SlotMap::new().bounded(b"key", 0, |_| 0, 1.0), Ok(None));
    // What the caller counts wrongly still gives a node.
    assert_eq!(map.bounded(b"key", 0, |_| u64::MAX, 1.0).unwrap(), map.locate(b"key"));
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let kind =
        |slots, replicas, filler| SlotMap::with_options(SlotOptions { slots: Some(slots), replicas, filler, ..SlotOptions::default() }).unwrap_err().kind();
    assert_eq!(kind(1, 1, Filler::Coordinated), ErrorKind::BadArguments);
    assert_eq!(kind(1000, 1, Filler::Coordinated), ErrorKind::BadArguments);
    assert_eq!(kind(1 << 21, 1, Filler::Coordinated), ErrorKind::LimitExceeded);
    assert_eq!(kind(64, 0, Filler::Coordinated), ErrorKind::BadArguments);
    assert_eq!(kind(64, 9, Filler::Coordinated), ErrorKind::LimitExceeded);
    assert_eq!(kind(64, 2, Filler::Rendezvous { cap_percent: Some(5) }), ErrorKind::BadArguments);
    assert_eq!(kind(64, 1, Filler::Rendezvous { cap_percent: Some(1001) }), ErrorKind::LimitExceeded);
    let map = SlotMap::new();
    let kind = |node: SlotNode<'_>| map.with_node(node).unwrap_err().kind();
    assert_eq!(kind(SlotNode::new("a").weight(0)), ErrorKind::BadArguments);
    assert_eq!(kind(SlotNode::new("a").weight(1001)), ErrorKind::BadArguments);
    assert_eq!(kind(SlotNode::new(&[0; 4097])), ErrorKind::LimitExceeded);
    assert_eq!(kind(SlotNode::new("a").domain(&[b'a'; 1025])), ErrorKind::LimitExceeded);
    assert_eq!(kind(SlotNode::new("a").domain("1/2/3/4/5/6/7/8/9")), ErrorKind::LimitExceeded);
    let many: Vec<[u8; 4]> = (0..65_536u32).map(u32::to_le_bytes).collect();
    assert_eq!(map.next(many.iter().map(|name| SlotNode::new(&name[..]))).unwrap_err().kind(), ErrorKind::LimitExceeded);
    let two = SlotMap::with_options(SlotOptions { replicas: 2, ..SlotOptions::default() }).unwrap();
    assert_eq!(map.plan(&two).unwrap_err().kind(), ErrorKind::BadArguments);
    let keyed = SlotMap::with_options(SlotOptions { hash: KeyHash::Sip([7; 16]), ..SlotOptions::default() }).unwrap();
    assert_eq!(map.plan(&keyed).unwrap_err().kind(), ErrorKind::BadArguments);
    assert_eq!(map.diff(&keyed).unwrap_err().kind(), ErrorKind::BadArguments);
    assert_eq!(map.locate_batch(&["a"], &mut []).unwrap_err().kind(), ErrorKind::BadArguments);
    assert_eq!(SlotMap::from_bytes(b"FMSM\x02").unwrap_err().kind(), ErrorKind::UnknownFormat);
    assert_eq!(SlotMap::from_bytes(b"something").unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_thousand_nodes_fit_fifty_kibibytes() {
    let map = SlotMap::with_options(SlotOptions { slots: Some(16_384), ..SlotOptions::default() }).unwrap();
    let map = map.next(fleet(1000).iter().map(SlotNode::new)).unwrap();
    assert!(map.memory_bytes() <= 51_200 + 2_048, "{}", map.memory_bytes());
}
