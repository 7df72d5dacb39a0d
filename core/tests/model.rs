//! The machine against a naive one: random writes, refused ones, sessions, sweeps and watches.
//!
//! Method: after each step the whole tree is compared with a map from path to znode that keeps every counter the
//! plain way and copies itself to undo a multi; the events with two naive watch tables. Beside it a
//! machine with another seed is given the same entries, and one that is saved and loaded again on the way.

use folkmoot::error::ErrorKind;
use folkmoot::ids::{SessionId, Zxid};
use folkmoot::machine::{Entry, Machine, Write};
use folkmoot::request::{Acl, Change, CreateMode, Data, EventKind, Identity, Reply, Request, Requester, Stat, perms};
use folkmoot::watch::{WatcherId, Watches, Which};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SESSIONS: usize = 3;
const WATCHERS: u64 = 3;

#[derive(Clone, Debug, PartialEq)]
struct Node {
    data: Data,
    acl: Vec<Acl>,
    stat: Stat,
    mode: CreateMode,
    ttl_ms: i64,
    creates: i32,
    /// Oldest first.
    children: Vec<String>,
}

type Tree = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
struct Model {
    tree: Tree,
    zxid: i64,
    open: BTreeSet<usize>,
    now: i64,
}

#[derive(Clone, Debug)]
enum Version {
    Any,
    Current,
    Stale,
}

/// A write whose version is settled when it is made.
#[derive(Clone, Debug)]
enum Op {
    Create(String, CreateMode, usize, u8),
    Delete(String, Version),
    Set(String, Option<u8>, Version),
    SetAcl(String, usize, Version),
    Check(String, Version),
    Multi(Vec<Op>),
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Op),
    Open(usize),
    Close(usize, bool),
    /// Time passes, and what is due is swept.
    Pass(i64),
    Watch(u64, String, bool),
    /// The third machine is saved and loaded.
    Reload,
}

fn id(session: usize) -> SessionId {
    SessionId(0x100 + session as i64)
}

/// The second session has shown an identity, the third is `super`.
fn identities(session: usize) -> Vec<Identity> {
    match session {
        1 => vec![Identity::new("digest", "ann:hash")],
        2 => vec![Identity::new("super", "")],
        _ => Vec::new(),
    }
}

fn acls(number: usize) -> Vec<Acl> {
    let entry = |perms, scheme: &str, id: &str| Acl { perms, identity: Identity::new(scheme, id) };
    match number {
        0..=3 => Acl::open(),
        4 => Acl::read(),
        5 => vec![entry(perms::ALL, "digest", "ann:hash")],
        6 => vec![entry(perms::ALL & !perms::DELETE, "world", "anyone"), entry(perms::DELETE, "digest", "ann:hash")],
        7 => vec![entry(perms::ALL & !perms::CREATE, "world", "anyone")],
        _ => Vec::new(),
    }
}

fn allows(acl: &[Acl], perm: u32, shown: &[Identity]) -> bool {
    shown.iter().any(|identity| identity.scheme == "super")
        || acl.iter().any(|entry| entry.perms & perm != 0 && (entry.identity.scheme == "world" || shown.contains(&entry.identity)))
}

fn parent_of(path: &str) -> (String, String) {
    let (parent, name) = path.rsplit_once('/').expect("a slash");
    (if parent.is_empty() { "/".into() } else { parent.into() }, name.into())
}

fn below(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

/// Who did it, when.
struct By<'a> {
    session: SessionId,
    shown: &'a [Identity],
    zxid: i64,
    now: i64,
}

fn permitted(node: &Node, perm: u32, by: &By<'_>) -> Result<(), ErrorKind> {
    if allows(&node.acl, perm, by.shown) { Ok(()) } else { Err(ErrorKind::NoAuth) }
}

fn at_version(now: i32, named: i32) -> Result<(), ErrorKind> {
    if named == -1 || named == now { Ok(()) } else { Err(ErrorKind::BadVersion) }
}

fn touch_parent(tree: &mut Tree, path: &str, zxid: i64) -> String {
    let (parent, name) = parent_of(path);
    let above = tree.get_mut(&parent).expect("a parent");
    above.stat.cversion += 1;
    above.stat.pzxid = Zxid(zxid);
    if let Some(at) = above.children.iter().position(|other| *other == name) {
        above.children.remove(at);
    } else {
        above.children.push(name);
        above.creates += 1;
    }
    above.stat.num_children = above.children.len() as i32;
    parent
}

fn remove(tree: &mut Tree, path: &str, zxid: i64) {
    tree.remove(path);
    touch_parent(tree, path, zxid);
}

/// What one write comes to. Checks come first, in ZooKeeper's order.
fn write(tree: &mut Tree, request: &Request, by: &By<'_>, changes: &mut Vec<(EventKind, String)>) -> Result<Reply, ErrorKind> {
    match request {
        Request::Create { path, data, acl, mode, ttl_ms } => {
            if acl.is_empty() {
                return Err(ErrorKind::InvalidAcl);
            }
            let (parent, _) = parent_of(path);
            let above = tree.get(&parent).ok_or(ErrorKind::NoNode)?;
            permitted(above, perms::CREATE, by)?;
            let path = if mode.is_sequential() { format!("{path}{:010}", above.creates) } else { path.clone() };
            if tree.contains_key(&path) {
                return Err(ErrorKind::NodeExists);
            }
            if above.mode.is_ephemeral() {
                return Err(ErrorKind::NoChildrenForEphemerals);
            }
            let zxid = Zxid(by.zxid);
            let stat = Stat {
                czxid: zxid,
                mzxid: zxid,
                pzxid: zxid,
                ctime: by.now,
                mtime: by.now,
                ephemeral_owner: if mode.is_ephemeral() { by.session.0 } else { 0 },
                data_length: data.as_ref().map_or(0, |data| data.len() as i32),
                ..Stat::default()
            };
            tree.insert(path.clone(), Node { data: data.clone(), acl: acl.clone(), stat, mode: *mode, ttl_ms: *ttl_ms, creates: 0, children: Vec::new() });
            touch_parent(tree, &path, by.zxid);
            changes.push((EventKind::Created, path.clone()));
            Ok(Reply::Created { path, stat })
        }
        Request::Delete { path, version } => {
            let (parent, _) = parent_of(path);
            permitted(tree.get(&parent).ok_or(ErrorKind::NoNode)?, perms::DELETE, by)?;
            let node = tree.get(path).ok_or(ErrorKind::NoNode)?;
            at_version(node.stat.version, *version)?;
            if !node.children.is_empty() {
                return Err(ErrorKind::NotEmpty);
            }
            remove(tree, path, by.zxid);
            changes.push((EventKind::Deleted, path.clone()));
            Ok(Reply::Done)
        }
        Request::Set { path, data, version } => {
            let node = tree.get_mut(path).ok_or(ErrorKind::NoNode)?;
            permitted(node, perms::WRITE, by)?;
            at_version(node.stat.version, *version)?;
            node.data = data.clone();
            node.stat.version += 1;
            node.stat.mzxid = Zxid(by.zxid);
            node.stat.mtime = by.now;
            node.stat.data_length = data.as_ref().map_or(0, |data| data.len() as i32);
            changes.push((EventKind::DataChanged, path.clone()));
            Ok(Reply::Stat(node.stat))
        }
        Request::SetAcl { path, acl, version } => {
            if acl.is_empty() {
                return Err(ErrorKind::InvalidAcl);
            }
            let node = tree.get_mut(path).ok_or(ErrorKind::NoNode)?;
            permitted(node, perms::ADMIN, by)?;
            at_version(node.stat.aversion, *version)?;
            node.acl = acl.clone();
            node.stat.aversion += 1;
            Ok(Reply::Stat(node.stat))
        }
        Request::Check { path, version } => {
            let node = tree.get(path).ok_or(ErrorKind::NoNode)?;
            permitted(node, perms::READ, by)?;
            at_version(node.stat.version, *version)?;
            Ok(Reply::Done)
        }
        other => panic!("{other:?}"),
    }
}

impl Model {
    /// The znodes that every tree has are taken as they are found; what happens to them is the model's.
    fn new(machine: &Machine) -> Self {
        let mut tree = walk(machine);
        tree.retain(|path, _| path == "/");
        Self { tree, zxid: machine.zxid().0, open: BTreeSet::new(), now: 1000 }
    }

    fn version(&self, path: &str, version: &Version, of_acl: bool) -> i32 {
        let now = self.tree.get(path).map_or(0, |node| if of_acl { node.stat.aversion } else { node.stat.version });
        match version {
            Version::Any => -1,
            Version::Current => now,
            Version::Stale => now + 1,
        }
    }

    fn request(&self, op: &Op) -> Request {
        match op {
            Op::Create(path, mode, acl, data) => {
                Request::Create { path: path.clone(), data: Some(vec![*data; *data as usize].into()), acl: acls(*acl), mode: *mode, ttl_ms: 50 }
            }
            Op::Delete(path, version) => Request::Delete { path: path.clone(), version: self.version(path, version, false) },
            Op::Set(path, data, version) => {
                Request::Set { path: path.clone(), data: data.map(|data| vec![data; data as usize].into()), version: self.version(path, version, false) }
            }
            Op::SetAcl(path, acl, version) => Request::SetAcl { path: path.clone(), acl: acls(*acl), version: self.version(path, version, true) },
            Op::Check(path, version) => Request::Check { path: path.clone(), version: self.version(path, version, false) },
            Op::Multi(ops) => Request::Multi(ops.iter().map(|op| self.request(op)).collect()),
        }
    }

    fn write(&mut self, session: usize, request: &Request, changes: &mut Vec<(EventKind, String)>) -> Result<Reply, ErrorKind> {
        self.zxid += 1;
        if !self.open.contains(&session) {
            return Err(ErrorKind::SessionExpired);
        }
        let shown = identities(session);
        let by = By { session: id(session), shown: &shown, zxid: self.zxid, now: self.now };
        match request {
            Request::Check { .. } => Err(ErrorKind::Unimplemented),
            Request::Multi(requests) => {
                let before = self.tree.clone();
                let mut results: Vec<Result<Reply, ErrorKind>> = Vec::new();
                for request in requests {
                    match write(&mut self.tree, request, &by, changes) {
                        Ok(reply) => results.push(Ok(reply)),
                        Err(kind) => {
                            self.tree = before;
                            changes.clear();
                            results.iter_mut().for_each(|result| *result = Ok(Reply::Done));
                            results.push(Err(kind));
                            results.resize(requests.len(), Err(ErrorKind::RuntimeInconsistency));
                            break;
                        }
                    }
                }
                Ok(Reply::Multi(results))
            }
            request => write(&mut self.tree, request, &by, changes),
        }
    }

    fn ephemerals(&self, session: usize) -> Vec<String> {
        self.tree.iter().filter(|(_, node)| node.stat.ephemeral_owner == id(session).0).map(|(path, _)| path.clone()).collect()
    }

    fn due(&self) -> BTreeSet<String> {
        let is_due = |node: &Node| {
            node.children.is_empty()
                && match node.mode {
                    CreateMode::Container => node.creates > 0,
                    CreateMode::Ttl | CreateMode::TtlSequential => node.stat.mtime + node.ttl_ms < self.now,
                    _ => false,
                }
        };
        self.tree.iter().filter(|(_, node)| is_due(node)).map(|(path, _)| path.clone()).collect()
    }
}

/// Everything a `super` can read, but what lies below `/zookeeper`.
fn walk(machine: &Machine) -> Tree {
    let who = Requester { session: SessionId(0), identities: [Identity::new("super", "")].into() };
    let mut tree = Tree::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(Reply::Data { data, stat }) = machine.read(&Request::Get { path: path.clone(), watch: false }, &who) else { panic!("{path}: no data") };
        let Ok(Reply::Acl { acl, .. }) = machine.read(&Request::GetAcl { path: path.clone() }, &who) else { panic!("{path}: no ACL") };
        let Ok(Reply::Children { names, .. }) = machine.read(&Request::Children { path: path.clone(), watch: false }, &who) else {
            panic!("{path}: no children")
        };
        waiting.extend(names.iter().map(|name| below(&path, name)).filter(|path| path != "/zookeeper"));
        tree.insert(path, Node { data, acl, stat, mode: CreateMode::Persistent, ttl_ms: 0, creates: 0, children: names });
    }
    tree
}

/// Only what can be read.
fn readable(tree: &Tree) -> Tree {
    let plain = |node: &Node| Node { mode: CreateMode::Persistent, ttl_ms: 0, creates: 0, ..node.clone() };
    tree.iter().map(|(path, node)| (path.clone(), plain(node))).collect()
}

fn saved(machine: &Machine) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    machine
        .freeze()
        .records(&mut |record| {
            records.push(record.to_vec());
            Ok(())
        })
        .expect("records");
    records
}

fn loaded(records: &[Vec<u8>], seed: u64) -> Machine {
    let mut machine = Machine::to_load(seed, false);
    records.iter().for_each(|record| machine.load(record).expect("a record"));
    assert!(machine.is_complete());
    machine
}

/// Naive watch tables: (path, watcher).
#[derive(Default)]
struct Naive {
    data: BTreeSet<(String, u64)>,
    child: BTreeSet<(String, u64)>,
}

impl Naive {
    fn take(table: &mut BTreeSet<(String, u64)>, path: &str) -> BTreeSet<u64> {
        let taken: BTreeSet<_> = table.iter().filter(|(other, _)| other == path).map(|(_, watcher)| *watcher).collect();
        table.retain(|(other, _)| other != path);
        taken
    }

    /// By watcher, kind and path.
    fn fire(&mut self, kind: EventKind, path: &str) -> BTreeSet<(u64, i32, String)> {
        let mut told = Self::take(&mut self.data, path);
        if kind == EventKind::Deleted {
            told.extend(Self::take(&mut self.child, path));
        }
        let mut events: BTreeSet<_> = told.into_iter().map(|watcher| (watcher, kind as i32, path.to_owned())).collect();
        if kind != EventKind::DataChanged {
            let (parent, _) = parent_of(path);
            events.extend(Self::take(&mut self.child, &parent).into_iter().map(|watcher| (watcher, EventKind::ChildrenChanged as i32, parent.clone())));
        }
        events
    }
}

struct World {
    model: Model,
    machine: Machine,
    twin: Machine,
    loaded: Machine,
    watches: Watches,
    naive: Naive,
    numbers: [u64; SESSIONS],
}

impl World {
    fn new() -> Self {
        let mut machines = [1, 0xdead_beef, 3].map(|seed| Machine::new(seed, false));
        machines.iter_mut().for_each(|machine| drop(machine.apply(&Entry::Begin { secret: [7; 32], time_ms: 0 })));
        let [machine, twin, loaded] = machines;
        Self { model: Model::new(&machine), machine, twin, loaded, watches: Watches::new(), naive: Naive::default(), numbers: [0; SESSIONS] }
    }

    fn apply(&mut self, entry: &Entry) -> (Result<Reply, ErrorKind>, Vec<Change>) {
        let applied = self.machine.apply(entry);
        for other in [&mut self.twin, &mut self.loaded] {
            let also = other.apply(entry);
            assert_eq!((&also.outcome, also.zxid, &also.changes), (&applied.outcome, applied.zxid, &applied.changes), "equal machines differ at {entry:?}");
        }
        (applied.outcome.map_err(|error| error.kind()), applied.changes)
    }

    /// Compares what an entry did with what it was to do.
    fn settle(&mut self, step: &Step, changes: &[Change], expected: &[(EventKind, String)]) {
        let told: Vec<_> = changes.iter().map(|change| (change.kind, change.path.to_string())).collect();
        assert_eq!(told, expected, "{step:?}");
        for change in changes {
            assert_eq!(change.zxid.0, self.model.zxid);
            let mut events = Vec::new();
            self.watches.fire(change, &mut |watcher, event, _| events.push((watcher.0, event.kind as i32, event.path.to_string())));
            events.sort();
            let expected: Vec<_> = self.naive.fire(change.kind, &change.path).into_iter().collect();
            assert_eq!(events, expected, "{step:?}: {change:?}");
        }
        assert_eq!(self.machine.zxid().0, self.model.zxid, "{step:?}");
        assert_eq!(walk(&self.machine), readable(&self.model.tree), "{step:?}");
        // `/zookeeper` and two below it are not the model's.
        assert_eq!(self.machine.tree().len(), self.model.tree.len() + 3, "{step:?}");
        for session in 0..SESSIONS {
            let who = Requester { session: id(session), identities: [].into() };
            assert_eq!(self.machine.read(&Request::Ephemerals { prefix: "/".into() }, &who), Ok(Reply::Paths(self.model.ephemerals(session))), "{step:?}");
        }
        assert_eq!(self.machine.tree().due(self.model.now, usize::MAX).into_iter().collect::<BTreeSet<_>>(), self.model.due(), "{step:?}");
        let watched = (1..=WATCHERS).map(|watcher| self.watches.count(WatcherId(watcher))).sum::<usize>();
        assert_eq!(watched, self.naive.data.len() + self.naive.child.len(), "{step:?}");
    }

    fn step(&mut self, step: &Step) {
        let mut expected = Vec::new();
        match step {
            Step::Write(session, op) => {
                let request = self.model.request(op);
                let is_open = self.model.open.contains(session);
                // Of a session that is over, too, it is a new one: an earlier one would be answered as the first time.
                let number = self.numbers[*session] + 1;
                self.numbers[*session] += u64::from(is_open);
                let entry = Entry::Write(Box::new(Write {
                    session: id(*session),
                    attachment: 0,
                    number,
                    answered: number.saturating_sub(2),
                    time_ms: self.model.now,
                    identities: identities(*session).into(),
                    request: request.clone(),
                }));
                let wanted = self.model.write(*session, &request, &mut expected);
                let (outcome, changes) = self.apply(&entry);
                assert_eq!(outcome, wanted, "{request:?} by {session}");
                self.settle(step, &changes, &expected);
                if is_open {
                    // The same write once more is answered and not done again.
                    let (again, changes) = self.apply(&entry);
                    assert_eq!(again, wanted, "a repeated {request:?}");
                    self.settle(step, &changes, &[]);
                }
            }
            Step::Open(session) => {
                let (outcome, changes) = self.apply(&Entry::Open { session: id(*session), timeout_ms: 1000, in_process: true, time_ms: self.model.now });
                let is_new = self.model.open.insert(*session);
                self.model.zxid += i64::from(is_new);
                // Twice is as once, as long as nothing else has happened to it.
                assert_eq!(outcome.is_ok(), is_new || self.numbers[*session] == 0);
                if is_new {
                    self.numbers[*session] = 0;
                }
                self.settle(step, &changes, &expected);
            }
            Step::Close(session, expired) => {
                let was_open = self.model.open.remove(session);
                self.model.zxid += i64::from(was_open);
                if was_open {
                    for path in self.model.ephemerals(*session) {
                        remove(&mut self.model.tree, &path, self.model.zxid);
                        expected.push((EventKind::Deleted, path));
                    }
                }
                let (outcome, changes) = self.apply(&Entry::Close { session: id(*session), expired: *expired, time_ms: self.model.now });
                assert_eq!(outcome, if was_open { Ok(Reply::Done) } else { Err(ErrorKind::SessionExpired) });
                self.settle(step, &changes, &expected);
            }
            Step::Pass(ms) => {
                self.model.now += ms;
                while let Some(path) = self.model.due().pop_first() {
                    self.model.zxid += 1;
                    remove(&mut self.model.tree, &path, self.model.zxid);
                    let (outcome, changes) = self.apply(&Entry::Sweep { path: path.clone(), time_ms: self.model.now });
                    assert_eq!(outcome, Ok(Reply::Done), "{path}");
                    self.settle(step, &changes, &[(EventKind::Deleted, path)]);
                }
                // What is not due is left alone, whoever says so.
                for path in self.model.tree.keys().cloned().collect::<Vec<_>>() {
                    self.model.zxid += 1;
                    let (outcome, changes) = self.apply(&Entry::Sweep { path, time_ms: self.model.now });
                    assert!(outcome.is_err());
                    self.settle(step, &changes, &[]);
                }
            }
            Step::Watch(watcher, path, of_children) => {
                let which = if *of_children { Which::Children } else { Which::Data };
                self.watches.add(path, WatcherId(*watcher), which).expect("a watch");
                let table = if *of_children { &mut self.naive.child } else { &mut self.naive.data };
                table.insert((path.clone(), *watcher));
            }
            Step::Reload => {
                let records = saved(&self.loaded);
                let fresh = loaded(&records, self.model.zxid as u64);
                assert_eq!(saved(&fresh), records, "saved twice, it is the same");
                assert_eq!(walk(&fresh), walk(&self.machine));
                assert_eq!(fresh.sessions().collect::<Vec<_>>(), self.machine.sessions().collect::<Vec<_>>());
                self.loaded = fresh;
            }
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..4).prop_map(|names| names.iter().map(|name| format!("/{name}")).collect())
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![4 => Just(Version::Any), 4 => Just(Version::Current), 1 => Just(Version::Stale)]
}

fn acl() -> impl Strategy<Value = usize> {
    prop_oneof![8 => Just(0_usize), 1 => 4..9_usize]
}

fn op() -> impl Strategy<Value = Op> {
    let mode = (0..7).prop_map(|flag| CreateMode::from_flag(flag).expect("a mode"));
    // A sequential name is short, so that it meets the others.
    prop_oneof![
        5 => (path(), mode, acl(), 0..4_u8).prop_map(|(path, mode, acl, data)| Op::Create(path, mode, acl, data)),
        3 => (path(), version()).prop_map(|(path, version)| Op::Delete(path, version)),
        2 => (path(), proptest::option::of(0..4_u8), version()).prop_map(|(path, data, version)| Op::Set(path, data, version)),
        1 => (path(), 0..9_usize, version()).prop_map(|(path, acl, version)| Op::SetAcl(path, acl, version)),
        1 => (path(), version()).prop_map(|(path, version)| Op::Check(path, version)),
        1 => version().prop_map(|version| Op::Set("/".into(), Some(1), version)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let op = prop_oneof![3 => op(), 1 => vec(op(), 0..7).prop_map(Op::Multi)];
    prop_oneof![
        20 => (0..SESSIONS, op).prop_map(|(session, op)| Step::Write(session, op)),
        2 => (0..SESSIONS).prop_map(Step::Open),
        1 => (0..SESSIONS, any::<bool>()).prop_map(|(session, expired)| Step::Close(session, expired)),
        1 => (0..120_i64).prop_map(Step::Pass),
        6 => (1..=WATCHERS, prop_oneof![6 => path(), 1 => Just("/".to_owned())], any::<bool>()).prop_map(|(watcher, path, of_children)| Step::Watch(watcher, path, of_children)),
        1 => Just(Step::Reload),
    ]
}

fn cases(number: u32) -> ProptestConfig {
    // Failures are printed with their steps; a file beside the test would only be noise.
    let number = std::env::var("FOLKMOOT_CASES").ok().map_or(number, |text| text.parse().expect("FOLKMOOT_CASES is a number"));
    ProptestConfig { cases: number, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    /// Outcomes, changes, events, counters and everything that can be read are the naive machine's.
    #[test]
    fn the_machine_is_the_naive_one(steps in vec(step(), 1..120)) {
        let mut world = World::new();
        (0..SESSIONS).for_each(|session| world.step(&Step::Open(session)));
        steps.iter().for_each(|step| world.step(step));
        world.step(&Step::Reload);
        prop_assert_eq!(walk(&world.twin), walk(&world.machine));
    }

    /// What is frozen stays as it was, whatever is written meanwhile.
    #[test]
    fn a_frozen_machine_does_not_change(first in vec(step(), 1..60), later in vec(step(), 1..60)) {
        let mut world = World::new();
        (0..SESSIONS).for_each(|session| world.step(&Step::Open(session)));
        first.iter().for_each(|step| world.step(step));
        let (records, frozen) = (saved(&world.machine), world.machine.freeze());
        later.iter().for_each(|step| world.step(step));
        let mut after = Vec::new();
        frozen.records(&mut |record| { after.push(record.to_vec()); Ok(()) }).expect("records");
        prop_assert_eq!(records, after);
    }

    /// A snapshot that says anything at all is refused or taken: no panic, no endless walk.
    #[test]
    fn hostile_snapshots_are_refused_or_taken(
        steps in vec(step(), 1..60),
        harm in vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut world = World::new();
        (0..SESSIONS).for_each(|session| world.step(&Step::Open(session)));
        steps.iter().for_each(|step| world.step(step));
        let mut records = saved(&world.machine);
        for (which, place, byte, how) in harm {
            let at = which.index(records.len());
            let place = place.index(records[at].len().max(1));
            match how {
                0 => drop(records.remove(at)),
                1 => records[at].truncate(place),
                2 if place < records[at].len() => records[at].insert(place, byte),
                _ => if let Some(old) = records[at].get_mut(place) { *old = byte },
            }
            if records.is_empty() {
                return Ok(());
            }
        }
        let mut machine = Machine::to_load(9, false);
        if records.iter().try_for_each(|record| machine.load(record)).is_ok() && machine.is_complete() {
            exercise(&mut machine);
        }
    }
}

/// Reads and writes whatever there is.
fn exercise(machine: &mut Machine) {
    let who = Requester { session: id(2), identities: [Identity::new("super", "")].into() };
    let (mut waiting, mut paths) = (vec!["/".to_owned()], Vec::new());
    while let Some(path) = waiting.pop() {
        if let Ok(Reply::Children { names, .. }) = machine.read(&Request::Children { path: path.clone(), watch: false }, &who)
            && paths.len() < 2000
        {
            waiting.extend(names.iter().map(|name| below(&path, name)));
        }
        let _ = machine.read(&Request::Get { path: path.clone(), watch: false }, &who);
        let _ = machine.read(&Request::GetAcl { path: path.clone() }, &who);
        paths.push(path);
    }
    let _ = machine.tree().next_due_ms();
    let due = machine.tree().due(i64::MAX, 1000);
    due.into_iter().for_each(|path| drop(machine.apply(&Entry::Sweep { path, time_ms: i64::MAX })));
    let sessions: Vec<_> = machine.sessions().map(|(id, record)| (id, record.attachment, record.number)).collect();
    for (session, attachment, number) in sessions {
        for (more, path) in paths.iter().rev().enumerate() {
            let Some(number) = number.checked_add(more as u64 + 1) else { break };
            let acl = acls(5);
            let request = match more % 3 {
                0 => Request::SetAcl { path: path.clone(), acl, version: -1 },
                1 => Request::Create { path: below(path, "new-"), data: None, acl, mode: CreateMode::PersistentSequential, ttl_ms: 0 },
                _ => Request::Delete { path: path.clone(), version: -1 },
            };
            let multi = Request::Multi(vec![request.clone(), Request::Check { path: "/none".into(), version: 0 }]);
            let request = if more % 2 == 0 { multi } else { request };
            let identities = who.identities.to_vec();
            machine.apply(&Entry::Write(Box::new(Write {
                session,
                attachment,
                number,
                answered: number - 1,
                time_ms: 5,
                identities: identities.into(),
                request,
            })));
        }
        machine.apply(&Entry::Close { session, expired: true, time_ms: 6 });
    }
    saved(machine);
}
