//! The hot paths, each by itself: `cargo bench -p folkmoot --bench paths`.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use folkmoot::ids::{SessionId, Zxid};
use folkmoot::machine::{Entry, Machine, Write};
use folkmoot::request::{Acl, Change, CreateMode, EventKind, Request, Requester, WatchMode};
use folkmoot::watch::{WatcherId, Watches, Which};
use std::hint::black_box;
use std::sync::Arc;

const DATA: [u8; 100] = [7; 100];
const PARENTS: u64 = 100;

fn path(number: u64) -> String {
    format!("/p{:011}/c{:011}", number % PARENTS, number / PARENTS % 100)
}

fn write(number: u64, request: Request) -> Entry {
    Entry::Write(Box::new(Write { session: SessionId(1), attachment: 0, number, answered: number - 1, time_ms: 0, identities: [].into(), request }))
}

fn set(path: String) -> Request {
    Request::Set { path, data: Some(Arc::from(DATA)), version: -1 }
}

/// 10,000 znodes under 100 parents, and the number of the next write.
fn machine() -> (Machine, u64) {
    let mut machine = Machine::new(1, false);
    machine.apply(&Entry::Open { session: SessionId(1), timeout_ms: 10_000, in_process: true, time_ms: 0 });
    let paths = (0..PARENTS).map(|parent| format!("/p{parent:011}")).chain((0..PARENTS * 100).map(path));
    let mut number = 1;
    for path in paths {
        let request = Request::Create { path, data: Some(Arc::from(DATA)), acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 };
        machine.apply(&write(number, request)).outcome.unwrap();
        number += 1;
    }
    (machine, number)
}

fn paths(criterion: &mut Criterion) {
    let (mut machine, mut number) = machine();
    let who = Requester::default();
    let mut at = 0;
    let asked: Vec<_> = (0..PARENTS * 100).map(path).collect();
    criterion.bench_function("tree lookup", |bench| {
        bench.iter(|| {
            at = (at + 7919) % asked.len();
            black_box(machine.tree().get(black_box(&asked[at]), &who).unwrap());
        });
    });
    criterion.bench_function("set apply", |bench| {
        bench.iter_batched(
            || {
                number += 1;
                write(number - 1, set(path(number)))
            },
            |entry| machine.apply(&entry).outcome.unwrap(),
            // One at a time: a session's writes come in order.
            BatchSize::PerIteration,
        );
    });
    let entry = write(1, set(path(1)));
    criterion.bench_function("entry encode", |bench| bench.iter(|| postcard::to_stdvec(black_box(&entry)).unwrap()));

    let change = |path: &str| Change { kind: EventKind::DataChanged, path: path.into(), zxid: Zxid(1), acl: Arc::from([]), parent_acl: Arc::from([]) };
    let (watched, other) = (change(&path(1)), change("/p/q/r/s"));
    let mut watches = Watches::new();
    criterion.bench_function("watch fire, one-shot, and set again", |bench| {
        bench.iter(|| {
            watches.add(&watched.path, WatcherId(1), Which::Data).unwrap();
            let mut told = 0;
            watches.fire(black_box(&watched), &mut |_, _, _| told += 1);
            told
        });
    });
    (0..1000).for_each(|watcher| watches.add_lasting(&watched.path, WatcherId(watcher), WatchMode::Persistent).unwrap());
    let mut fire = |name, change: &Change| {
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                let mut told = 0;
                watches.fire(black_box(change), &mut |_, _, _| told += 1);
                told
            });
        });
    };
    fire("watch fire, 1000 watchers", &watched);
    fire("watch fire, nobody there", &other);
}

criterion_group!(benches, paths);
criterion_main!(benches);
