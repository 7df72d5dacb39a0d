//! What was acknowledged is still there after the process was killed, at any moment.
//!
//! Method: a child process (this same program) writes with several threads and sessions and tells each
//! acknowledged write on its output after it was acknowledged; the parent kills it with SIGKILL after some of
//! them, opens the directory and looks for all it was told, in this round and before. `FOLKMOOT_ROUNDS=<n>` asks
//! for more rounds, `FOLKMOOT_SEED=<n>` for other moments. (The kernel outlives the process: what is lost
//! with the machine is `traced`'s and the simulated disk's.)
#![allow(clippy::print_stderr)]

use folkmoot::member::Call;
use folkmoot::request::{Acl, CreateMode, Reply, Request};
use folkmoot::{Member, Session, SessionOptions};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const PLACE: &str = "FOLKMOOT_SIGKILL_PLACE";
const ROUND: &str = "FOLKMOOT_SIGKILL_ROUND";
const THREADS: usize = 4;

/// One line in one write: a killed process leaves at most its last line unfinished.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\n@ {line}\n").as_bytes());
    let _ = out.flush();
}

fn create(path: String, data: String, mode: CreateMode) -> Request {
    Request::Create { path, data: Some(data.as_bytes().into()), acl: Acl::open(), mode, ttl_ms: 0 }
}

fn told(reply: Reply, data: &str) {
    match reply {
        Reply::Created { path, stat } => tell(&format!("created {path} {} {data}", stat.czxid.0)),
        Reply::Stat(stat) => tell(&format!("set {data} {} {}", stat.version, stat.mzxid.0)),
        Reply::Done => tell(&format!("deleted {data}")),
        other => panic!("{other:?}"),
    }
}

fn write_for_ever(session: &Session, thread: usize, round: &str) {
    session.create_blocking(&format!("/here-{thread}"), b"", CreateMode::Ephemeral).expect("an ephemeral");
    let mut waiting: VecDeque<(Call, String)> = VecDeque::new();
    // Half of the threads block, half keep some writes under way.
    let most = if thread.is_multiple_of(2) { 1 } else { 8 };
    for number in 0_u64.. {
        let data = format!("{round}.{thread}.{number}");
        let counter = format!("/counter-{thread}");
        let (request, data) = match number % 5 {
            0 | 1 => (create("/all/n-".into(), data.clone(), CreateMode::PersistentSequential), data),
            2 => (create(format!("/own-{thread}/{data}"), data.clone(), CreateMode::Persistent), data),
            3 => (Request::Set { path: counter.clone(), data: Some(data.as_bytes().into()), version: -1 }, format!("{counter} {data}")),
            _ => (
                Request::Delete { path: format!("/own-{thread}/{round}.{thread}.{}", number - 2), version: -1 },
                format!("/own-{thread}/{round}.{thread}.{}", number - 2),
            ),
        };
        if most == 1 {
            told(session.call_blocking(request).expect("a write"), &data);
            continue;
        }
        waiting.push_back((session.call(request), data));
        if waiting.len() == most {
            let (call, data) = waiting.pop_front().expect("one waits");
            told(call.wait().expect("a write"), &data);
        }
    }
}

/// Not a test by itself: what the child does.
#[test]
fn child() {
    let (Ok(place), Ok(round)) = (std::env::var(PLACE), std::env::var(ROUND)) else { return };
    let member = Member::open(&place).expect("the child opens the directory");
    tell("opened");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (member, round) = (&member, &round);
            scope.spawn(move || {
                let session = member.session(SessionOptions::default()).expect("a session");
                write_for_ever(&session, thread, round);
            });
        }
    });
}

/// What the parent was told so far.
#[derive(Default)]
struct Told {
    /// By path: transaction and data.
    created: BTreeMap<String, (i64, String)>,
    deleted: HashSet<String>,
    /// By path: version, transaction and data of the last set.
    set: BTreeMap<String, (i32, i64, String)>,
    zxid: i64,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["created", path, zxid, data] => {
                let zxid = zxid.parse().expect("a zxid");
                let before = self.created.insert((*path).into(), (zxid, (*data).into()));
                assert_eq!(before, None, "{path} was created twice");
                self.zxid = self.zxid.max(zxid);
            }
            ["set", path, data, version, zxid] => {
                let (version, zxid) = (version.parse().expect("a version"), zxid.parse().expect("a zxid"));
                if let Some((older, before, _)) = self.set.get(*path) {
                    assert!(version > *older && zxid > *before, "{path}: version {version} after {older}");
                }
                self.set.insert((*path).into(), (version, zxid, (*data).into()));
                self.zxid = self.zxid.max(zxid);
            }
            ["deleted", path] => drop(self.deleted.insert((*path).into())),
            ["opened"] => {}
            other => panic!("{other:?}"),
        }
    }

    fn check(&self, session: &Session, what: &str) {
        assert!(session.zxid().expect("a zxid").0 > self.zxid, "{what}: zxids went back");
        for (path, (zxid, data)) in &self.created {
            match session.get_blocking(path, false) {
                Ok((found, stat)) => {
                    assert!(!self.deleted.contains(path), "{what}: {path} was deleted, and is there");
                    assert_eq!((stat.czxid.0, found.as_deref()), (*zxid, Some(data.as_bytes())), "{what}: {path}");
                }
                // Its deletion may be done and not told.
                Err(error) => assert!(path.starts_with("/own-"), "{what}: {path} was acknowledged, then lost: {error}"),
            }
        }
        for (path, (version, zxid, data)) in &self.set {
            let (found, stat) = session.get_blocking(path, false).expect("a counter");
            assert!(stat.version >= *version && stat.mzxid.0 >= *zxid, "{what}: {path} is at {} and was told at {version}", stat.version);
            if stat.version == *version {
                assert_eq!(found.as_deref(), Some(data.as_bytes()), "{what}: {path}");
            }
        }
        // Order: numbers without a gap, transactions that only go up, and each thread's writes in its own order.
        let (names, stat) = session.children_blocking("/all", false).expect("/all");
        assert_eq!(stat.cversion as usize, names.len(), "{what}");
        let mut before = 0;
        let mut last: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(*name, format!("n-{number:010}"), "{what}");
            let (data, stat) = session.get_blocking(&format!("/all/{name}"), false).expect("a member of /all");
            assert!(stat.czxid.0 > before, "{what}: {name} is out of order");
            before = stat.czxid.0;
            let data = String::from_utf8(data.expect("data").to_vec()).expect("text");
            let mut parts: Vec<String> = data.split('.').map(str::to_owned).collect();
            let number: u64 = parts.pop().expect("a number").parse().expect("a number");
            if let Some(before) = last.insert(parts, number) {
                assert!(before < number, "{what}: {data} came after {before}");
            }
        }
        for thread in 0..THREADS {
            assert_eq!(session.exists_blocking(&format!("/here-{thread}"), false).expect("an answer"), None, "{what}: an ephemeral outlived its process");
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn run(dir: &Path, query: &str, rounds: u64, seed: u64) {
    let place = format!("{}{query}", dir.display());
    {
        let session = folkmoot::open(&place).expect("a session");
        session.create_blocking("/all", b"", CreateMode::Persistent).expect("/all");
        for thread in 0..THREADS {
            session.create_blocking(&format!("/counter-{thread}"), b"", CreateMode::Persistent).expect("a counter");
            session.create_blocking(&format!("/own-{thread}"), b"", CreateMode::Persistent).expect("a parent");
        }
    }
    let mut told = Told::default();
    let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for round in 0..rounds {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        // Sometimes at once, sometimes while it opens, mostly in the midst of writing.
        let after = match chance % 10 {
            0 => 0,
            1 => 1,
            _ => 2 + (chance >> 8) % 200,
        };
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(PLACE, &place)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let (mut heard, mut is_killed) = (0, false);
        let mut line = String::new();
        loop {
            if heard >= after && !is_killed {
                child.kill().expect("killed");
                is_killed = true;
            }
            line.clear();
            if out.read_line(&mut line).expect("its output") == 0 || !line.ends_with('\n') {
                break;
            }
            if let Some(line) = line.trim_end().strip_prefix("@ ") {
                told.hear(line);
                heard += 1;
            }
        }
        let status = child.wait().expect("its end");
        assert!(is_killed, "seed {seed}, round {round}: the child ended by itself: {status}");
        let member = Member::open(&place).expect("opened after the kill");
        let session = member.session(SessionOptions::default()).expect("a session");
        told.check(&session, &format!("seed {seed}, round {round}, killed after {after}"));
    }
    eprintln!("{rounds} kills: {} creations, {} deletions told and found", told.created.len(), told.deleted.len());
}

#[test]
fn acknowledged_writes_outlive_kills() {
    let folder = tempfile::tempdir().expect("a directory");
    run(folder.path(), "", number("FOLKMOOT_ROUNDS", 40), number("FOLKMOOT_SEED", 1));
}

/// The same, with a snapshot every few writes.
#[test]
fn acknowledged_writes_outlive_kills_amid_snapshots() {
    let folder = tempfile::tempdir().expect("a directory");
    run(folder.path(), "?snapshot_bytes=4096", number("FOLKMOOT_ROUNDS", 40), number("FOLKMOOT_SEED", 2));
}
