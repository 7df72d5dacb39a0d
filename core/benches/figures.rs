//! The figures that are promised, measured: one table, each beside its target.
//!
//! `cargo bench -p folkmoot --bench figures`; `FIGURES_QUICK=1` takes small sizes, `FIGURES_DIR` says on which
//! disk (default: cargo's target directory). What is durable is set against a raw loop of one pwrite and one
//! fdatasync over blocks that were written before, its rounds taken in turn with the member's: a disk has moods.
//! What takes less than a microsecond is timed in batches of 500 calls; a round is the median of its batches,
//! the figure the least of the rounds: what the code costs when nothing else has the processor.
//! The rows of C and Python come from `doors.c` and `doors.py` beside this file, by the same method; `make bench` builds
//! them and says where they are (`FIGURES_C`, a program; `FIGURES_PYTHON`, an interpreter that has the module).
//! Exits with 1 when a target is missed, but not in quick mode.
#![allow(unsafe_code, clippy::print_stdout, missing_docs, clippy::unwrap_used)]

use folkmoot::ids::SessionId;
use folkmoot::machine::{Entry, Machine, Write};
use folkmoot::request::{Acl, CreateMode, Request};
use folkmoot::{Member, Session, SessionOptions};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Counts the bytes that are asked for, while [`COUNTING`].
struct Counting;
static COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);

fn count(bytes: usize, sign: i64) {
    if COUNTING.load(Ordering::Relaxed) {
        LIVE.fetch_add(sign * bytes as i64, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed on to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise, handed on; `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SECTOR: usize = 512;
const DATA: [u8; 100] = [7; 100];
const CHILDREN: usize = 100;

struct Table {
    missed: usize,
}

impl Table {
    /// One line. `good`: whether the target is met; none where there is no target.
    fn row(&mut self, what: &str, figure: String, ratio: Option<f64>, target: &str, good: Option<bool>) {
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}x"));
        let verdict = match good {
            Some(true) => "met",
            Some(false) => {
                self.missed += 1;
                "MISSED"
            }
            None => "",
        };
        println!("{what:<46} {figure:>18} {ratio:>9}  {target:<28} {verdict}");
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

const BATCH: usize = 500;

/// Nanoseconds a call: the least of the rounds' medians over batches.
fn least(rounds: usize, paths: &[String], call: impl Fn(&str)) -> f64 {
    let round = || {
        let batch = |paths: &[String]| {
            let start = Instant::now();
            paths.iter().for_each(|path| call(path));
            start.elapsed().as_nanos() as f64 / paths.len() as f64
        };
        median(paths.chunks(BATCH).map(batch).collect())
    };
    (0..rounds).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// The raw loop's file: blocks written and synced before.
struct Raw {
    file: File,
    at: u64,
}

impl Raw {
    const BYTES: u64 = 16 << 20;

    fn new(directory: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(directory.join("raw")).unwrap();
        file.write_all_at(&vec![0; Self::BYTES as usize], 0).unwrap();
        file.sync_all().unwrap();
        Self { file, at: 0 }
    }

    /// Durable writes a second.
    fn round(&mut self, time: Duration) -> f64 {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < time {
            self.file.write_all_at(&[done as u8; SECTOR], self.at).unwrap();
            self.file.sync_data().unwrap();
            self.at = (self.at + SECTOR as u64) % Self::BYTES;
            done += 1;
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    }
}

fn sessions(member: &Member, many: usize) -> Vec<Session> {
    (0..many).map(|_| member.session(SessionOptions::default()).unwrap()).collect()
}

/// Sets a second by `threads` that each wait for the answer.
fn blocking_round(open: &[Session], time: Duration) -> f64 {
    let start = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = open
            .iter()
            .enumerate()
            .map(|(number, session)| {
                scope.spawn(move || {
                    let (path, mut done) = (format!("/set{number}"), 0);
                    while start.elapsed() < time {
                        session.set_blocking(&path, &DATA, -1).unwrap();
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    done as f64 / start.elapsed().as_secs_f64()
}

/// A writer that makes its next write once the last was answered, until `until`; then it says how many it made.
fn writer(session: Session, path: Arc<str>, until: Instant, done: u64, tell: Sender<u64>) {
    if Instant::now() >= until {
        return tell.send(done).unwrap();
    }
    let request = Request::Set { path: path.to_string(), data: Some(Arc::from(DATA)), version: -1 };
    session.clone().submit(
        request,
        Box::new(move |result| {
            result.unwrap();
            writer(session, path, until, done + 1, tell);
        }),
    );
}

/// Sets a second by `writers` that wait for nothing, over these sessions.
fn async_round(open: &[Session], writers: usize, time: Duration) -> f64 {
    let start = Instant::now();
    let (tell, hear) = channel();
    for number in 0..writers {
        writer(open[number % open.len()].clone(), format!("/set{}", number % 16).into(), start + time, 0, tell.clone());
    }
    drop(tell);
    let done: u64 = hear.iter().sum();
    done as f64 / start.elapsed().as_secs_f64()
}

fn durable(table: &mut Table, directory: &Path, quick: bool) {
    let (rounds, time) = if quick { (3, Duration::from_millis(100)) } else { (9, Duration::from_millis(400)) };
    let mut raw = Raw::new(directory);
    let member = Member::open(directory.join("durable").to_str().unwrap()).unwrap();
    let open = sessions(&member, 16);
    for number in 0..16 {
        open[0].create_blocking(&format!("/set{number}"), &DATA, CreateMode::Persistent).unwrap();
    }
    // Past the small segments that a new log begins with.
    async_round(&open, 256, time);
    let mut figures = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        figures[0].push(raw.round(time));
        figures[1].push(blocking_round(&open[..1], time));
        figures[2].push(blocking_round(&open, time));
        figures[3].push(async_round(&open[..8], 256, time));
    }
    let one_over_raw = median(figures[0].iter().zip(&figures[1]).map(|(raw, one)| raw / one).collect());
    let [raw, one, sixteen, many] = figures.map(median);
    let each = |rate: f64| format!("{:.1} us", 1e6 / rate);
    let a_second = |rate: f64| format!("{rate:.0}/s");
    table.row("raw pwrite + fdatasync", each(raw), Some(1.0), "", None);
    table.row("durable set, 1 writer, blocking", each(one), Some(one_over_raw), "<= 1.30x raw time", Some(one_over_raw <= 1.3));
    table.row("durable set, 16 threads, blocking", a_second(sixteen), Some(sixteen / raw), "", None);
    table.row(
        "durable set, 256 in flight, 8 sessions",
        a_second(many),
        Some(many / raw),
        ">= 50x one writer or 300,000/s",
        Some(many >= 300_000.0 || many >= 50.0 * one),
    );
    drop(open);
    member.close().unwrap();
}

/// Names of 12 bytes; the n-th of `many` paths.
fn path(number: usize) -> String {
    format!("/p{:011}/c{:011}", number / CHILDREN, number % CHILDREN)
}

fn shuffled(many: usize, take: usize) -> Vec<String> {
    let mut at = 1_u64;
    (0..take)
        .map(|_| {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            path((at >> 33) as usize % many)
        })
        .collect()
}

fn create(path: String) -> Request {
    Request::Create { path, data: Some(Arc::from(DATA)), acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 }
}

/// Makes `many` children and their parents, in multis, four of them under way.
fn fill(session: &Session, many: usize) {
    let mut calls = std::collections::VecDeque::new();
    let requests: Vec<usize> = (0..many.div_ceil(CHILDREN)).collect();
    for parents in requests.chunks(10) {
        let mut multi = Vec::new();
        for parent in parents {
            multi.push(create(format!("/p{parent:011}")));
            multi.extend((0..CHILDREN).map(|child| create(path(parent * CHILDREN + child))));
        }
        calls.push_back(session.call(Request::Multi(multi)));
        if calls.len() == 4 {
            calls.pop_front().map(|call| call.wait().unwrap());
        }
    }
    calls.into_iter().for_each(|call| drop(call.wait().unwrap()));
}

fn memory_of(table: &mut Table, many: usize) {
    let mut machine = Machine::new(1, false);
    machine.apply(&Entry::Open { session: SessionId(1), timeout_ms: 10_000, in_process: true, time_ms: 0 });
    let mut number = 0;
    COUNTING.store(true, Ordering::SeqCst);
    let before = LIVE.load(Ordering::SeqCst);
    let mut make = |request| {
        number += 1;
        let write = Write { session: SessionId(1), attachment: 0, number, answered: number - 1, time_ms: 0, identities: [].into(), request };
        machine.apply(&Entry::Write(Box::new(write))).outcome.unwrap();
    };
    for parent in 0..many / CHILDREN {
        make(create(format!("/p{parent:011}")));
        (0..CHILDREN).for_each(|child| make(create(path(parent * CHILDREN + child))));
    }
    let bytes = LIVE.load(Ordering::SeqCst) - before;
    COUNTING.store(false, Ordering::SeqCst);
    let znodes = many + many / CHILDREN;
    let each = bytes as f64 / znodes as f64 - 112.0;
    table.row(&format!("bytes a znode beyond name and data, {many}"), format!("{each:.1}"), None, "<= 180", Some(each <= 180.0));
    black_box(&machine);
}

fn in_memory(table: &mut Table, quick: bool) {
    let most = if quick { 10_000 } else { 1_000_000 };
    for many in [1000, most] {
        let member = Member::open("memory:").unwrap();
        let session = member.session(SessionOptions::default()).unwrap();
        fill(&session, many);
        let paths = shuffled(many, 100_000);
        let get = least(9, &paths, |path| drop(black_box(session.get_blocking(black_box(path), false).unwrap())));
        let (target, good) = if many == 1000 { ("< 200 ns", Some(get < 200.0)) } else { ("", None) };
        table.row(&format!("get, in memory, random of {many}"), format!("{get:.0} ns"), None, target, good);
        let set = least(5, &paths, |path| {
            session.set_blocking(black_box(path), &DATA, -1).unwrap();
        });
        table.row(&format!("set, in memory, random of {many}"), format!("{set:.0} ns"), None, "", None);
        let (mut rates, time) = (Vec::new(), Duration::from_millis(200));
        let open = sessions(&member, 8);
        for number in 0..16 {
            session.create_blocking(&format!("/set{number}"), &DATA, CreateMode::Persistent).unwrap();
        }
        (0..3).for_each(|_| rates.push(async_round(&open, 256, time)));
        table.row("set, in memory, 256 in flight, 8 sessions", format!("{:.0}/s", median(rates)), None, "", None);
    }
}

/// The same from C and Python, each by a program of its own.
fn doors(table: &mut Table) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/doors.py");
    let c = std::env::var_os("FIGURES_C").map(Command::new);
    let python = std::env::var_os("FIGURES_PYTHON").map(|interpreter| {
        let mut command = Command::new(interpreter);
        command.arg(script);
        command
    });
    for (door, command, target) in [("C", c, 300.0), ("Python", python, 1500.0)] {
        let Some(mut command) = command else {
            table.row(&format!("get, set, in memory, {door}"), "not built".into(), None, "", None);
            continue;
        };
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", output.status);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let (what, figure) = line.split_once(' ').unwrap();
            let figure: f64 = figure.parse().unwrap();
            let (target, good) = if what == "get" { (format!("< {target:.0} ns"), Some(figure < target)) } else { (String::new(), None) };
            table.row(&format!("{what}, in memory, random of 1000, {door}"), format!("{figure:.0} ns"), None, &target, good);
        }
    }
}

/// How long this session's sets took, in milliseconds, made one after the other until `stop`.
fn each(session: &Session, paths: &[String], stop: &AtomicBool) -> Vec<f64> {
    let mut took = Vec::new();
    for path in paths.iter().cycle() {
        let start = Instant::now();
        session.set_blocking(path, &DATA, -1).unwrap();
        took.push(start.elapsed().as_secs_f64() * 1e3);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    took
}

/// The one that so many of a thousand are not longer than.
fn permille(sorted: &[f64], many: usize) -> f64 {
    sorted[(sorted.len() * many).div_ceil(1000).clamp(1, sorted.len()) - 1]
}

fn snapshot(table: &mut Table, directory: &Path, quick: bool) {
    let many = if quick { 20_000 } else { 1_000_000 };
    let target = format!("{}?snapshot_bytes=100000000000", directory.join("snapshot").to_str().unwrap());
    let member = Member::open(&target).unwrap();
    let session = member.session(SessionOptions::default()).unwrap();
    fill(&session, many);
    let paths = shuffled(many, 100_000);
    let stall = |work: &dyn Fn()| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| each(&session, &paths, &stop));
            let start = Instant::now();
            work();
            let took = start.elapsed();
            stop.store(true, Ordering::Relaxed);
            (writing.join().unwrap(), took)
        })
    };
    // Enough for the oldest to be let go of: more than are kept.
    let rounds = if quick { 1 } else { 6 };
    let (mut beside, mut took) = (Vec::new(), Duration::ZERO);
    for _ in 0..rounds {
        let (writes, time) = stall(&|| member.snapshot().unwrap());
        beside.extend(writes);
        took += time;
    }
    let (mut alone, _) = stall(&|| std::thread::sleep(took));
    let made = beside.len();
    for writes in [&mut beside, &mut alone] {
        writes.sort_by(f64::total_cmp);
    }
    let tail = |writes: &[f64]| format!("{:.1} / {:.1} ms", permille(writes, 999), permille(writes, 1000));
    let worst = permille(&beside, 1000);
    table.row("write, p99.9 / longest, no snapshot, as long", tail(&alone), None, "", None);
    table.row(&format!("  beside a snapshot of {many}"), tail(&beside), None, "longest <= 50 ms", Some(worst <= 50.0));
    table.row("  the snapshot itself, with writes beside", format!("{:.0} ms", took.as_secs_f64() * 1e3 / f64::from(rounds)), None, "", None);
    table.row("  writes beside it", format!("{}", made / rounds as usize), None, "", None);
    session.close_blocking().unwrap();
    drop(session);
    member.snapshot().unwrap();
    member.close().unwrap();
    drop(member);
    let mut times = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        let member = Member::open(&target).unwrap();
        times.push(start.elapsed().as_secs_f64());
        member.close().unwrap();
    }
    let time = median(times);
    table.row(&format!("reopen from a snapshot of {many}"), format!("{:.0} ms", time * 1e3), None, "<= 1300 ms", Some(time <= 1.3));
}

fn main() {
    let quick = std::env::var_os("FIGURES_QUICK").is_some();
    // `cargo test` runs benches too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let base = std::env::var_os("FIGURES_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let directory = tempfile::tempdir_in(base).unwrap();
    let mut table = Table { missed: 0 };
    println!("{:<46} {:>18} {:>9}  {:<28}", "", "", "to raw", "target");
    if wanted("durable") {
        durable(&mut table, directory.path(), quick);
    }
    if wanted("memory") {
        in_memory(&mut table, quick);
        doors(&mut table);
    }
    if wanted("bytes") {
        for many in if quick { [1000, 10_000] } else { [100_000, 1_000_000] } {
            memory_of(&mut table, many);
        }
    }
    if wanted("snapshot") {
        snapshot(&mut table, directory.path(), quick);
    }
    drop(directory);
    if table.missed > 0 && !quick {
        println!("{} missed", table.missed);
        std::process::exit(1);
    }
}
