//! Sessions, their time, and the ways in which a caller can wait. Time is virtual wherever it matters.

use folkmoot::error::ErrorKind;
use folkmoot::limits::IN_FLIGHT_MAX;
use folkmoot::request::{Acl, CreateMode, Event, EventKind, Reply, Request, SessionState, WatchMode};
use folkmoot::{CreateOptions, Error, Heartbeat, Member, Session, SessionOptions};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn virtual_member() -> Member {
    Member::open("memory:?time=virtual").expect("a member")
}

fn auto(member: &Member) -> Session {
    member.session(SessionOptions::default()).expect("a session")
}

fn manual(member: &Member, timeout_ms: u32) -> Session {
    member.session(SessionOptions { timeout_ms, heartbeat: Heartbeat::Manual, ..SessionOptions::default() }).expect("a session")
}

fn set(path: &str, data: &[u8]) -> Request {
    Request::Set { path: path.into(), data: Some(data.into()), version: -1 }
}

fn create(path: &str, mode: CreateMode) -> Request {
    Request::Create { path: path.into(), data: Some([].into()), acl: Acl::open(), mode, ttl_ms: 0 }
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn drain(session: &Session) -> Vec<Event> {
    std::iter::from_fn(|| session.events().try_next()).collect()
}

/// Runs what must not hang; a hang is a failure of the test, not of the run.
fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(run())));
    result.recv_timeout(LONG).unwrap_or_else(|error| panic!("{what}: {error}"))
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A silent session ends when its timeout has passed: not a millisecond earlier or later.
#[test]
fn silence_ends_a_session_at_its_timeout() {
    let member = virtual_member();
    let (watcher, silent) = (auto(&member), manual(&member, 2000));
    assert_eq!(silent.timeout_ms(), 2000);
    watcher.create_blocking("/p", b"", CreateMode::Persistent).expect("/p");
    watcher.create_blocking("/q", b"", CreateMode::Persistent).expect("/q");
    for path in ["/p/1", "/q/1", "/q/2"] {
        silent.create_blocking(path, b"", CreateMode::Ephemeral).expect("an ephemeral");
    }
    let zxid = watcher.zxid().expect("a zxid").0;
    watcher.children_blocking("/q", true).expect("children");
    member.advance(1999).expect("time passes");
    assert_eq!(silent.state(), SessionState::Connected);
    assert!(watcher.exists_blocking("/p/1", false).expect("an answer").is_some());
    member.advance(1).expect("time passes");
    assert_eq!(silent.state(), SessionState::Expired);
    assert_eq!(watcher.zxid().expect("a zxid").0, zxid + 1, "one transaction");
    for path in ["/p", "/q"] {
        let (names, stat) = watcher.children_blocking(path, false).expect("children");
        assert!(names.is_empty() && stat.pzxid.0 == zxid + 1, "{path}: {names:?} {stat:?}");
    }
    let events = drain(&watcher);
    assert!(events.len() == 1 && events[0].kind == EventKind::ChildrenChanged && events[0].zxid.0 == zxid + 1, "{events:?}");

    let events = drain(&silent);
    assert!(events.len() == 1 && events[0].kind == EventKind::Session && events[0].state == SessionState::Expired, "{events:?}");
    assert!(silent.events().is_finished());
    assert_eq!(block_on(silent.events().next()), None);
    for error in [
        kind(silent.get_blocking("/p", false)),
        kind(silent.set_blocking("/p", b"", -1)),
        kind(silent.touch()),
        kind(silent.close_blocking()),
        kind(silent.watch("/p", WatchMode::Persistent)),
        kind(silent.add_watch_blocking("/p", WatchMode::Persistent)),
        kind(block_on(silent.sync("/"))),
    ] {
        assert_eq!(error, Some(ErrorKind::SessionExpired));
    }
}

/// Touching counts, and so does any request: from then on the whole timeout is left.
#[test]
fn any_sign_of_life_starts_the_timeout_anew() {
    type Sign = fn(&Session);
    let signs: [(&str, Sign); 6] = [
        ("touch", |session| session.touch().expect("a touch")),
        ("a read", |session| assert!(session.exists_blocking("/", false).expect("an answer").is_some())),
        ("a write", |session| assert!(session.set_blocking("/", b"", -1).expect("a set").version > 0)),
        ("a failed write", |session| assert_eq!(kind(session.set_blocking("/none", b"", -1)), Some(ErrorKind::NoNode))),
        ("an awaited read", |session| drop(block_on(session.children("/", false)).expect("an answer"))),
        ("sync", |session| session.sync_blocking("/").expect("an answer")),
    ];
    for (name, sign) in signs {
        let member = virtual_member();
        let session = manual(&member, 3000);
        for _ in 0..3 {
            member.advance(2999).expect("time passes");
            sign(&session);
        }
        member.advance(2999).expect("time passes");
        assert_eq!(session.state(), SessionState::Connected, "{name}");
        member.advance(1).expect("time passes");
        assert_eq!(session.state(), SessionState::Expired, "{name}");
    }
}

/// Many sessions, touched and left alone at random: each ends exactly when it must, in that order.
#[test]
fn each_of_many_sessions_ends_in_its_own_time() {
    let mut chance = 42_u64;
    let mut next = move |most: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % most
    };
    let member = virtual_member();
    let watcher = auto(&member);
    let mut sessions: Vec<(Session, i64)> = Vec::new();
    for number in 0..40 {
        let session = manual(&member, 1000 + next(5000) as u32);
        session.create_blocking(&format!("/s{number}"), b"", CreateMode::Ephemeral).expect("an ephemeral");
        let deadline = i64::from(session.timeout_ms());
        sessions.push((session, deadline));
    }
    let watch = watcher.watch("/", WatchMode::Recursive).expect("a watch");
    let mut ended: Vec<(i64, usize)> = Vec::new();
    for _ in 0..400 {
        let before = member.now_ms();
        member.advance(next(120)).expect("time passes");
        let now = member.now_ms();
        for (number, (session, deadline)) in sessions.iter_mut().enumerate() {
            let is_over = *deadline <= now;
            assert_eq!(session.state() == SessionState::Expired, is_over, "session {number} was to end at {deadline}, it is {now}");
            if is_over && *deadline > before {
                ended.push((*deadline, number));
            }
            if !is_over && now < 20_000 && next(20) == 0 {
                session.touch().expect("a touch");
                *deadline = now + i64::from(session.timeout_ms());
            }
        }
    }
    member.advance(40_000).expect("time passes");
    assert!(sessions.iter().all(|(session, _)| session.state() == SessionState::Expired));
    ended.sort_unstable();
    let paths: Vec<_> =
        std::iter::from_fn(|| watch.events().try_next()).filter(|event| event.kind == EventKind::Deleted).map(|event| event.path.to_string()).collect();
    assert_eq!(paths.len(), 40);
    let told: Vec<_> = paths.iter().take(ended.len()).cloned().collect();
    let when = |path: &String| ended.iter().find(|(_, number)| *path == format!("/s{number}")).map(|(deadline, _)| *deadline);
    assert!(told.windows(2).all(|two| when(&two[0]) <= when(&two[1])), "{told:?}");
}

/// Time moved by several threads at once forgets no session.
#[test]
fn time_moved_from_several_threads_ends_every_session() {
    for _ in 0..20 {
        let member = virtual_member();
        let sessions: Vec<_> = (0..200).map(|number| manual(&member, 1000 + number % 7)).collect();
        in_time("advancing", {
            let member = member.clone();
            move || {
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| (0..20).for_each(|_| member.advance(100).expect("time passes")));
                    }
                });
            }
        });
        member.advance(10).expect("time passes");
        let left = sessions.iter().filter(|session| session.state() != SessionState::Expired).count();
        assert_eq!(left, 0, "sessions were forgotten at {} ms", member.now_ms());
    }
}

#[test]
fn an_auto_session_outlives_any_silence() {
    let member = virtual_member();
    let session = auto(&member);
    session.create_blocking("/e", b"", CreateMode::Ephemeral).expect("/e");
    member.advance(10_000_000_000).expect("time passes");
    assert_eq!(session.state(), SessionState::Connected);
    assert_eq!(session.ephemerals_blocking("/").expect("an answer"), ["/e"]);
}

#[test]
fn all_the_time_there_is_can_pass() {
    in_time("advance to the end of time", || {
        let member = virtual_member();
        let session = auto(&member);
        let silent = manual(&member, 1000);
        session.create_blocking("/t", b"", CreateOptions { mode: CreateMode::Ttl, ttl_ms: 5, ..CreateOptions::default() }).expect("/t");
        member.advance(u64::MAX).expect("time passes");
        member.advance(u64::MAX).expect("no more of it");
        assert_eq!(silent.state(), SessionState::Expired);
        assert_eq!(session.exists_blocking("/t", false).expect("an answer"), None);
        session.create_blocking("/t", b"", CreateOptions { mode: CreateMode::Ttl, ttl_ms: 5, ..CreateOptions::default() }).expect("/t");
        assert_eq!(manual(&member, 1000).state(), SessionState::Connected);
    });
}

#[test]
fn real_time_cannot_be_moved() {
    let member = Member::open("memory:").expect("a member");
    assert_eq!(kind(member.advance(1)), Some(ErrorKind::InvalidState));
}

/// With real time a silent session ends by itself, and not early.
#[test]
fn silence_ends_a_session_in_real_time_too() {
    let member = Member::open("memory:").expect("a member");
    let before = std::time::Instant::now();
    let silent = manual(&member, 1000);
    let event = silent.events().next_blocking(LONG).expect("it ends");
    assert_eq!((event.kind, event.state), (EventKind::Session, SessionState::Expired));
    assert!(before.elapsed() >= Duration::from_millis(999), "after {:?}", before.elapsed());
}

#[test]
fn timeouts_are_clamped() {
    let member = virtual_member();
    for (asked, granted) in [(0, 10_000), (1, 1000), (1000, 1000), (12_345, 12_345), (u32::MAX, 40_000)] {
        assert_eq!(manual(&member, asked).timeout_ms(), granted);
    }
}

#[test]
fn a_closed_session_is_closed_and_its_ephemerals_go_in_one_transaction() {
    let member = virtual_member();
    let (other, session) = (auto(&member), auto(&member));
    let twin = session.clone();
    session.create_blocking("/p", b"", CreateMode::Persistent).expect("/p");
    session.create_blocking("/p/1", b"", CreateMode::Ephemeral).expect("/p/1");
    session.create_blocking("/2", b"", CreateMode::Ephemeral).expect("/2");
    let watch = session.watch("/", WatchMode::Recursive).expect("a watch");
    let zxid = other.zxid().expect("a zxid").0;
    session.close_blocking().expect("closed");
    assert_eq!(other.zxid().expect("a zxid").0, zxid + 1);
    assert_eq!(other.count_descendants_blocking("/").expect("a count"), 4);
    session.close_blocking().expect("closing twice is no mistake");
    assert_eq!(other.zxid().expect("a zxid").0, zxid + 1);
    for session in [&session, &twin] {
        assert_eq!(session.state(), SessionState::Closed);
        assert_eq!(kind(session.get_blocking("/", false)), Some(ErrorKind::Closed));
        assert_eq!(kind(session.set_blocking("/", b"", -1)), Some(ErrorKind::Closed));
        assert_eq!(kind(session.touch()), Some(ErrorKind::Closed));
    }
    let events = drain(&session);
    assert!(events.len() == 1 && events[0].state == SessionState::Closed, "{events:?}");
    let mut last = None;
    while let Some(event) = block_on(watch.next()) {
        last = Some(event);
    }
    assert_eq!(last.map(|event| event.state), Some(SessionState::Closed), "its other watches end with it");
}

#[test]
fn the_last_handle_closes_its_session() {
    let member = virtual_member();
    let (other, session) = (auto(&member), auto(&member));
    let twin = session.clone();
    other.exists_blocking("/e", true).expect("an answer");
    session.create_blocking("/e", b"", CreateMode::Ephemeral).expect("/e");
    assert_eq!(other.events().next_blocking(LONG).map(|event| event.kind), Some(EventKind::Created));
    drop(session);
    other.exists_blocking("/e", true).expect("an answer").expect("one handle is left");
    drop(twin);
    assert_eq!(other.events().next_blocking(LONG).map(|event| event.kind), Some(EventKind::Deleted));
}

/// What was asked after a close is refused, whatever was still on its way, and leaves nothing behind.
#[test]
fn nothing_passes_a_close_in_the_queue() {
    in_time("requests behind a close", || {
        let member = virtual_member();
        let (session, other) = (auto(&member), auto(&member));
        let hold = Hold::new(&other);
        let write = session.call(create("/before", CreateMode::Persistent));
        let closed = std::thread::scope(|scope| {
            // The close is in the queue once the future was polled.
            let mut close = Box::pin(session.close());
            let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
            assert!(close.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let after = [session.call(create("/after", CreateMode::Persistent)), session.call(Request::Get { path: "/".into(), watch: true })];
            hold.release();
            let closed = scope.spawn(move || block_on(close)).join().expect("an end");
            for call in after {
                let error = call.wait().expect_err("refused");
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
            }
            closed
        });
        closed.expect("closed");
        write.wait().expect("what was asked before is done");
        assert!(other.exists_blocking("/before", false).expect("an answer").is_some());
        assert!(other.exists_blocking("/after", false).expect("an answer").is_none());
    });
}

#[test]
fn a_container_goes_after_its_last_child() {
    let member = virtual_member();
    let session = auto(&member);
    session.create_blocking("/box", b"", CreateMode::Container).expect("/box");
    member.advance(1_000_000).expect("time passes");
    assert!(session.exists_blocking("/box", false).expect("an answer").is_some(), "it never had a child");
    session.create_blocking("/box/a", b"", CreateMode::Persistent).expect("/box/a");
    session.create_blocking("/box/b", b"", CreateMode::Container).expect("/box/b");
    session.create_blocking("/box/b/c", b"", CreateMode::Persistent).expect("/box/b/c");
    session.delete_blocking("/box/a", -1).expect("/box/a goes");
    member.advance(1_000_000).expect("time passes");
    assert!(session.exists_blocking("/box", true).expect("an answer").is_some(), "it has a child");
    session.delete_blocking("/box/b/c", -1).expect("/box/b/c goes");
    member.advance(1).expect("time passes");
    assert_eq!(session.exists_blocking("/box", false).expect("an answer"), None, "both are gone, one after the other");
    assert_eq!(drain(&session).last().map(|event| (event.kind, event.path.to_string())), Some((EventKind::Deleted, "/box".into())));
}

#[test]
fn a_ttl_znode_goes_at_its_time_and_a_set_starts_it_anew() {
    let member = virtual_member();
    let session = auto(&member);
    let options = |ttl_ms| CreateOptions { mode: CreateMode::Ttl, ttl_ms, ..CreateOptions::default() };
    let is_there = |path: &str| session.exists_blocking(path, false).expect("an answer").is_some();
    session.create_blocking("/t", b"", options(5000)).expect("/t");
    session.create_blocking("/parent", b"", options(1000)).expect("/parent");
    session.create_blocking("/parent/child", b"", CreateMode::Persistent).expect("/parent/child");
    member.advance(3000).expect("time passes");
    session.set_blocking("/t", b"x", -1).expect("a set");
    assert!(is_there("/parent"), "it has a child");
    session.delete_blocking("/parent/child", -1).expect("the child goes");
    member.advance(5000).expect("time passes");
    assert!(!is_there("/parent"));
    assert!(is_there("/t"), "ZooKeeper's comparison: more than the TTL must have passed");
    member.advance(1).expect("time passes");
    assert!(!is_there("/t"));
    for ttl_ms in [0, -1, 1 << 40] {
        assert_eq!(kind(session.create_blocking("/u", b"", options(ttl_ms))), Some(ErrorKind::BadArguments));
    }
}

/// Whoever reads a change has the event of it already.
/// Method: one thread writes; another, who watches, reads until it sees the new value, and then must have the event.
#[test]
fn events_come_before_the_change_can_be_read() {
    let member = Member::open("memory:").expect("a member");
    let (writer, reader) = (auto(&member), auto(&member));
    writer.create_blocking("/a", b"", CreateMode::Persistent).expect("/a");
    let (go, gone) = mpsc::channel::<i32>();
    let thread = std::thread::spawn(move || {
        for version in gone {
            writer.set_blocking("/a", b"x", version).expect("a set");
        }
    });
    for version in 0..2000 {
        let (_, stat) = reader.get_blocking("/a", true).expect("/a");
        assert_eq!(stat.version, version);
        go.send(version).expect("the writer listens");
        loop {
            let (_, stat) = reader.get_blocking("/a", false).expect("/a");
            if stat.version > version {
                let event = reader.events().try_next().expect("the event is there");
                assert_eq!((event.kind, event.zxid), (EventKind::DataChanged, stat.mzxid));
                break;
            }
            std::thread::yield_now();
        }
    }
    drop(go);
    thread.join().expect("the writer ends well");
    assert!(reader.events().is_empty());
}

#[test]
fn every_operation_can_be_awaited_without_an_executor() {
    in_time("awaiting", || {
        let member = virtual_member();
        let session = auto(&member);
        block_on(async {
            let (path, stat) = session.create("/a-", b"1", CreateMode::PersistentSequential).await?;
            assert_eq!((path.as_str(), stat.version), ("/a-0000000000", 0));
            assert_eq!(session.set(&path, b"2", 0).await?.version, 1);
            assert_eq!(session.set(&path, b"3", 0).await.expect_err("stale").kind(), ErrorKind::BadVersion);
            assert_eq!(session.get(&path, true).await?.0.as_deref(), Some(&b"2"[..]));
            assert_eq!(session.children("/", false).await?.0, ["zookeeper", "a-0000000000"]);
            session.delete(&path, 1).await?;
            assert_eq!(session.events().next().await.map(|event| event.kind), Some(EventKind::Deleted));
            assert_eq!(session.exists(&path, false).await?, None);
            session.close().await
        })
        .expect("all goes well");
    });
}

/// A session's requests take effect in their order, and a read sees the writes made before it.
#[test]
fn pipelined_requests_keep_their_order() {
    for target in ["memory:", "directory"] {
        let folder = tempfile::tempdir().expect("a directory");
        let member = Member::open(if target == "directory" { folder.path().to_str().expect("a path") } else { target }).expect("a member");
        let session = auto(&member);
        let noise = auto(&member);
        session.create_blocking("/own", b"", CreateMode::Persistent).expect("/own");
        std::thread::scope(|scope| {
            scope.spawn(|| (0..200).for_each(|_| drop(noise.create_blocking("/noise-", b"", CreateMode::PersistentSequential).expect("noise"))));
            for round in 0..20_usize {
                let calls: Vec<_> = (0..50_usize).map(|_| session.call(create("/own/n-", CreateMode::PersistentSequential))).collect();
                let read = session.call(Request::Children { path: "/own".into(), watch: false });
                // The read is awaited first.
                let Ok(Reply::Children { names, .. }) = block_on(read) else { panic!("children") };
                assert_eq!(names.len(), (round + 1) * 50);
                let mut before = 0;
                for (number, call) in calls.into_iter().enumerate() {
                    let Ok(Reply::Created { path, stat }) = block_on(call) else { panic!("a znode") };
                    assert_eq!(path, format!("/own/n-{:010}", round * 50 + number));
                    assert!(stat.czxid.0 > before);
                    before = stat.czxid.0;
                }
            }
        });
    }
}

#[test]
fn a_failed_multi_changes_nothing_and_a_good_one_is_one_transaction() {
    let member = virtual_member();
    let session = auto(&member);
    session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
    let before = session.get_blocking("/a", true).expect("/a");
    let root = session.exists_blocking("/", false).expect("an answer");
    let writes = |last: i32| {
        vec![
            set("/a", b"1"),
            create("/a/b-", CreateMode::EphemeralSequential),
            create("/c", CreateMode::Persistent),
            Request::Delete { path: "/c".into(), version: 0 },
            Request::Check { path: "/a".into(), version: last },
            set("/a", b"2"),
        ]
    };
    let results = session.multi_blocking(writes(7)).expect("an answer");
    assert_eq!(results[4], Err(ErrorKind::BadVersion));
    assert_eq!(results[5], Err(ErrorKind::RuntimeInconsistency));
    assert!(results[..4].iter().all(|result| *result == Ok(Reply::Done)));
    assert_eq!(session.get_blocking("/a", false).expect("/a"), before);
    assert_eq!(session.exists_blocking("/", false).expect("an answer"), root);
    assert!(session.events().is_empty() && session.ephemerals_blocking("/").expect("an answer").is_empty());

    let results = session.multi_blocking(writes(1)).expect("an answer");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let (data, stat) = session.get_blocking("/a", false).expect("/a");
    assert_eq!((data.as_deref(), stat.version), (Some(&b"2"[..]), 2));
    assert_eq!(session.ephemerals_blocking("/").expect("an answer"), ["/a/b-0000000000"]);
    let events = drain(&session);
    assert!(events.len() == 1 && events[0].zxid == stat.mzxid && stat.pzxid == stat.mzxid, "{events:?} {stat:?}");
}

/// Keeps the member from committing until released: a completion that waits, which nobody should write.
struct Hold(mpsc::Sender<()>);

impl Hold {
    fn new(session: &Session) -> Hold {
        let (release, released) = mpsc::channel::<()>();
        let (inside, is_inside) = mpsc::channel();
        session.submit(
            set("/", b""),
            Box::new(move |_| {
                let _ = inside.send(());
                let _ = released.recv_timeout(LONG);
            }),
        );
        is_inside.recv_timeout(LONG).expect("the completion runs");
        Hold(release)
    }

    fn release(&self) {
        let _ = self.0.send(());
    }
}

#[test]
fn too_many_requests_under_way_are_refused_and_the_rest_is_answered() {
    in_time("a full session", || {
        let member = Member::open("memory:").expect("a member");
        let (session, other) = (auto(&member), auto(&member));
        let hold = Hold::new(&other);
        let calls: Vec<_> = (0..IN_FLIGHT_MAX).map(|_| session.call(create("/n-", CreateMode::PersistentSequential))).collect();
        for request in [create("/n-", CreateMode::PersistentSequential), Request::Get { path: "/".into(), watch: false }] {
            let error = session.call(request).wait().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        }
        let more = other.call(set("/", b"x"));
        hold.release();
        for call in calls {
            call.wait().expect("a znode");
        }
        more.wait().expect("another session has room of its own");
        assert_eq!(session.children_blocking("/", false).expect("children").0.len(), IN_FLIGHT_MAX + 1);
    });
}

/// A completion that asks for anything that would have to wait for the completion itself is told so.
#[test]
fn a_completion_cannot_wait() {
    in_time("waiting in a completion", || {
        for target in ["memory:?time=virtual", "directory"] {
            let folder = tempfile::tempdir().expect("a directory");
            let member = Member::open(if target == "directory" { folder.path().to_str().expect("a path") } else { target }).expect("a member");
            let session = auto(&member);
            session.create_blocking("/box", b"", CreateMode::Container).expect("/box");
            session.create_blocking("/box/x", b"", CreateMode::Persistent).expect("/box/x");
            session.delete_blocking("/box/x", -1).expect("/box/x goes");
            let kinds = Arc::new(Mutex::new(Vec::new()));
            let (done, is_done) = mpsc::channel();
            let (told, mine, its) = (kinds.clone(), session.clone(), member.clone());
            session.submit(
                set("/", b"x"),
                Box::new(move |result| {
                    result.expect("a set");
                    let mut kinds = told.lock().expect("no panic");
                    kinds.push(kind(mine.set_blocking("/", b"y", -1)));
                    kinds.push(kind(mine.multi_blocking(vec![])));
                    kinds.push(kind(its.session(SessionOptions::default())));
                    kinds.push(kind(mine.close_blocking()));
                    kinds.push(kind(its.snapshot()));
                    kinds.push(kind(its.close()));
                    kinds.push(kind(its.advance(1_000_000)).filter(|kind| *kind != ErrorKind::InvalidState).or(Some(ErrorKind::WouldDeadlock)));
                    drop(kinds);
                    done.send(()).expect("the test listens");
                }),
            );
            is_done.recv_timeout(LONG / 2).expect("the completion ends");
            let kinds = kinds.lock().expect("no panic");
            assert_eq!(*kinds, vec![Some(ErrorKind::WouldDeadlock); 7], "{target}");
            // It is as alive as before.
            session.set_blocking("/", b"z", -1).expect("a set");
        }
    });
}

/// A completion may be the last to hold the member.
#[test]
fn the_last_handle_may_go_in_a_completion() {
    in_time("the last handle", || {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a directory");
            let session = folkmoot::open(folder.path().to_str().expect("a path")).expect("a session");
            let (done, is_done) = mpsc::channel();
            let mine = session.clone();
            session.submit(
                create("/a", CreateMode::Persistent),
                Box::new(move |result| {
                    drop(mine);
                    done.send(result).expect("the test listens");
                }),
            );
            drop(session);
            is_done.recv_timeout(LONG / 2).expect("the completion ends").expect("/a");
            // The directory is let go of as soon as the member's thread has ended.
            let before = std::time::Instant::now();
            let again = loop {
                match Member::open(folder.path().to_str().expect("a path")) {
                    Ok(member) => break member,
                    Err(error) => assert!(error.kind() == ErrorKind::InUse && before.elapsed() < LONG / 2, "{error}"),
                }
                std::thread::yield_now();
            };
            assert!(auto(&again).exists_blocking("/a", false).expect("an answer").is_some());
        }
    });
}

/// A completion that panics takes nobody with it.
#[test]
fn a_panic_in_a_completion_stays_there() {
    in_time("after a panic", || {
        let member = Member::open("memory:").expect("a member");
        let session = auto(&member);
        session.submit(set("/", b"x"), Box::new(|_| panic!("on purpose")));
        session.set_blocking("/", b"y", -1).expect("a set");
        assert_eq!(block_on(session.get("/", false)).expect("the root").1.version, 2);
    });
}

/// A dropped call is a request all the same; a closed member answers every call.
#[test]
fn every_call_is_answered_when_the_member_closes() {
    in_time("closing amid calls", || {
        for _ in 0..50 {
            let member = Member::open("memory:").expect("a member");
            let session = auto(&member);
            let calls: Vec<_> = (0..100).map(|_| session.call(create("/n-", CreateMode::PersistentSequential))).collect();
            drop(session.call(create("/n-", CreateMode::PersistentSequential)));
            let closer = std::thread::spawn(move || member.close());
            let late: Vec<_> = (0..100).map(|_| session.call(create("/n-", CreateMode::PersistentSequential))).collect();
            closer.join().expect("no panic").expect("closed");
            for call in calls {
                call.wait().expect("asked before the close");
            }
            for call in late {
                if let Err(error) = call.wait() {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                }
            }
        }
    });
}

/// What the member does by itself never waits for someone who waits for the member.
/// Method: blocking writers keep the committer busy while containers empty; then only an awaited request is left.
#[test]
fn sweeps_beside_blocking_writers_are_always_done() {
    for target in ["memory:", "directory"] {
        in_time("sweeps beside writers", move || {
            let folder = tempfile::tempdir().expect("a directory");
            let member = Member::open(if target == "directory" { folder.path().to_str().expect("a path") } else { target }).expect("a member");
            let session = auto(&member);
            for number in 0..100 {
                let path = format!("/box{number}");
                session.create_blocking(&path, b"", CreateMode::Container).expect("a container");
                session.create_blocking(&format!("{path}/x"), b"", CreateMode::Persistent).expect("a child");
                session.delete_blocking(&format!("{path}/x"), -1).expect("the child goes");
                session.set_blocking("/", b"x", -1).expect("a set");
                block_on(session.set("/", b"y", -1)).expect("an awaited set");
            }
            // Each is swept without anybody writing any more.
            for number in 0..100 {
                while session.exists_blocking(&format!("/box{number}"), false).expect("an answer").is_some() {
                    std::thread::yield_now();
                }
            }
        });
    }
}

#[test]
fn a_member_closes_though_much_is_due() {
    in_time("closing amid sweeps", || {
        for _ in 0..30 {
            let member = Member::open("memory:").expect("a member");
            let session = auto(&member);
            for number in 0..50 {
                session.create_blocking(&format!("/box{number}"), b"", CreateMode::Container).expect("a container");
                session.create_blocking(&format!("/box{number}/x"), b"", CreateMode::Persistent).expect("a child");
            }
            let deletions = (0..50).map(|number| Request::Delete { path: format!("/box{number}/x"), version: -1 }).collect();
            session.multi_blocking(deletions).expect("all are empty at once");
            member.close().expect("closed");
        }
    });
}

/// However deep a multi is nested, it is refused and not walked into.
#[test]
fn a_multi_in_a_multi_is_refused_at_any_depth() {
    let session = folkmoot::open("memory:").unwrap();
    let mut nested = Request::Multi(vec![]);
    for _ in 0..1_000 {
        nested = Request::Multi(vec![nested]);
    }
    assert_eq!(session.call_blocking(nested).unwrap_err().kind(), ErrorKind::MarshallingError);
    assert!(session.multi_blocking(vec![]).unwrap().is_empty());
}

/// What is shown while writes are under way counts for whatever was asked for after it.
#[test]
fn an_identity_counts_for_every_later_request_of_a_pipeline() {
    let session = folkmoot::open("memory:").unwrap();
    let mut calls = Vec::new();
    for round in 0..50 {
        let user = format!("user{round}:secret");
        calls.push(session.call(create(&format!("/a{round}"), CreateMode::Persistent)));
        calls.push(session.call(Request::AddAuth { scheme: "digest".into(), credential: user.into_bytes() }));
        let acl = Acl::creator();
        calls.push(session.call(Request::Create { path: format!("/b{round}"), data: None, acl, mode: CreateMode::Persistent, ttl_ms: 0 }));
        calls.push(session.call(Request::GetAcl { path: format!("/b{round}") }));
    }
    for (number, call) in calls.into_iter().enumerate() {
        let reply = call.wait().unwrap();
        if let Reply::Acl { acl, .. } = reply {
            assert_eq!(acl.len(), number / 4 + 1);
        }
    }
}
