//! What placing keys costs: `cargo bench --bench hashing`, and for load-free figures `python3 core/benches/instructions.py`.
//!
//! Called with `--count WHAT NODES TIMES` it does one thing so often and ends: that is what instructions are counted of.

use criterion::{BenchmarkId, Criterion, Throughput};
use folkmoot::hashing::{Dialect, Filler, Ketama, Placement, Ring, SlotMap, SlotNode, SlotOptions, redis_slot};
use std::hint::black_box;

fn fleet(many: usize) -> Vec<String> {
    (0..many).map(|at| format!("10.{}.{}.{}:4000", at / 62_500, at / 250 % 250, at % 250)).collect()
}

/// 20 bytes each.
fn keys() -> Vec<String> {
    (0..4096u64).map(|key| format!("user:{:015}", key * 7919)).collect()
}

fn map(many: usize, replicas: usize, slots: Option<u32>, filler: Filler) -> SlotMap {
    let domains = ["a", "b", "c", "d", "e"];
    let names = fleet(many);
    let nodes = names.iter().enumerate().map(|(at, name)| SlotNode::new(name).domain(if replicas > 1 { domains[at % 5] } else { "" }));
    let options = SlotOptions { slots, replicas, filler, ..SlotOptions::default() };
    SlotMap::with_options(options).and_then(|map| map.next(nodes)).expect("within bounds")
}

/// Sums what `look` says of each key: as little around a lookup as there can be.
#[inline(never)]
fn sum(keys: &[String], times: usize, look: impl Fn(&[u8]) -> usize) -> usize {
    let mut sum = 0;
    for _ in 0..times / keys.len() {
        for key in keys {
            sum += look(key.as_bytes());
        }
    }
    sum
}

fn count(what: &str, nodes: usize, times: usize) {
    let keys = keys();
    let sum = match what {
        "locate" => {
            let map = map(nodes, 1, None, Filler::Coordinated);
            sum(&keys, times, |key| map.locate(key).map_or(0, <[u8]>::len))
        }
        "number" => {
            let map = map(nodes, 1, None, Filler::Coordinated);
            sum(&keys, times, |key| usize::from(map.locate_number(key)))
        }
        "replicas" => {
            let map = map(nodes, 3, None, Filler::Coordinated);
            sum(&keys, times, |key| usize::from(map.replicas_of(key)[2]))
        }
        "ring" => {
            let ring = Ring::new().with_all(fleet(nodes).into_iter().map(|name| (name, 1))).expect("within bounds");
            sum(&keys, times, |key| ring.locate(key).map_or(0, <[u8]>::len))
        }
        _ => sum(&keys, times, <[u8]>::len),
    };
    black_box(sum);
}

fn lookups(criterion: &mut Criterion) {
    let keys = keys();
    let mut next = keys.iter().cycle();
    let mut key = || next.next().map_or(&b""[..], |key| key.as_bytes());
    let mut group = criterion.benchmark_group("lookup");
    for nodes in [10, 100, 1_000, 10_000] {
        let one = map(nodes, 1, None, Filler::Coordinated);
        group.bench_function(BenchmarkId::new("locate", nodes), |bench| bench.iter(|| one.locate(key()).map(<[u8]>::len)));
    }
    let three = map(1_000, 3, None, Filler::Coordinated);
    group.bench_function("three replicas", |bench| bench.iter(|| three.replicas_of(key())[2]));
    let ketama = Ketama::new(Dialect::Weighted, &fleet(100).iter().map(|name| (name, 1)).collect::<Vec<_>>()).expect("within bounds");
    group.bench_function("ketama", |bench| bench.iter(|| ketama.locate(key())));
    group.bench_function("redis slot", |bench| bench.iter(|| redis_slot(key())));
    let one = map(1_000, 1, None, Filler::Coordinated);
    let (batch, mut owners) = (&keys[..1000], [0; 1000]);
    group.throughput(Throughput::Elements(1000));
    group.bench_function("batch of 1000", |bench| bench.iter(|| one.locate_batch(batch, &mut owners)));
    group.finish();
}

fn changes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change, 1000 nodes, 16384 slots");
    for replicas in [1, 3] {
        let before = map(1_000, replicas, Some(16_384), Filler::Coordinated);
        let after = before.with(b"10.9.9.9:4000", 1).expect("within bounds");
        group.bench_function(format!("join, {replicas} replicas"), |bench| bench.iter(|| before.with(b"10.9.9.9:4000", 1)));
        group.bench_function(format!("leave, {replicas} replicas"), |bench| bench.iter(|| after.without(b"10.9.9.9:4000")));
        group.bench_function(format!("plan, {replicas} replicas"), |bench| bench.iter(|| before.plan(&after)));
        group.bench_function(format!("cold, {replicas} replicas"), |bench| bench.iter(|| map(1_000, replicas, Some(16_384), Filler::Coordinated)));
    }
    let lots = Filler::Rendezvous { cap_percent: None };
    group.bench_function("cold by lot", |bench| bench.iter(|| map(1_000, 1, Some(16_384), lots)));
    group.bench_function("cold by lot, 3 replicas", |bench| bench.iter(|| map(1_000, 3, Some(16_384), lots)));
    let capped = Filler::Rendezvous { cap_percent: Some(25) };
    group.bench_function("cold by lot, capped", |bench| bench.iter(|| map(1_000, 1, Some(16_384), capped)));
    let one = map(1_000, 1, Some(16_384), Filler::Coordinated);
    group.bench_function("to bytes", |bench| bench.iter(|| one.to_bytes()));
    let bytes = one.to_bytes();
    group.bench_function("from bytes", |bench| bench.iter(|| SlotMap::from_bytes(&bytes)));
    group.finish();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, what, nodes, times, ..] = &arguments[..]
        && flag == "--count"
    {
        return count(what, nodes.parse().unwrap_or(1), times.parse().unwrap_or(0));
    }
    let mut criterion = Criterion::default().configure_from_args();
    lookups(&mut criterion);
    changes(&mut criterion);
    criterion.final_summary();
}
