//! What a whole member does when its disk fails or is full, and when more is asked of it than it takes.
//!
//! Method: the member's own disk is simulated and fails when it is told to; time is virtual.
#![cfg(feature = "simulation")]

use folkmoot::error::ErrorKind;
use folkmoot::ids::SessionId;
use folkmoot::limits::{EVENTS_MAX, IN_FLIGHT_MAX, QUEUE_BYTES_MAX, QUEUE_MAX};
use folkmoot::log::SimulatedDisk;
use folkmoot::member::Call;
use folkmoot::request::{Acl, CreateMode, EventKind, Outcome, Request, SessionState, WatchMode};
use folkmoot::{Error, Heartbeat, Member, Session, SessionOptions};
use std::sync::mpsc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn open(disk: &SimulatedDisk) -> Member {
    Member::open_on(disk, "time=virtual").expect("a member")
}

fn auto(member: &Member) -> Session {
    member.session(SessionOptions::default()).expect("a session")
}

fn manual(member: &Member, timeout_ms: u32) -> Session {
    member.session(SessionOptions { timeout_ms, heartbeat: Heartbeat::Manual, ..SessionOptions::default() }).expect("a session")
}

fn create(path: &str, bytes: usize) -> Request {
    Request::Create { path: path.into(), data: Some(vec![7; bytes].into()), acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 }
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn wait(call: Call) -> Result<(), Error> {
    call.wait_for(LONG).expect("an answer").map(drop)
}

/// The committer is held from here until the sender is told something.
fn hold(session: &Session) -> mpsc::Sender<()> {
    let (inside, is_inside) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    session.submit(
        Request::Set { path: "/".into(), data: None, version: -1 },
        Box::new(move |_| {
            let _ = inside.send(());
            let _ = released.recv_timeout(LONG);
        }),
    );
    is_inside.recv_timeout(LONG).expect("the completion runs");
    release
}

/// Whoever waits for the next event would wait for ever.
#[test]
fn the_end_of_a_member_ends_the_queues_of_sessions_that_a_failed_disk_keeps_open() {
    for closes in [true, false] {
        let disk = SimulatedDisk::new(1);
        let member = open(&disk);
        let session = auto(&member);
        let watch = session.watch("/", WatchMode::Persistent).expect("a watch");
        let queues = [session.events(), watch.events().clone()];
        disk.fail_sync(0);
        assert_eq!(kind(session.set_blocking("/", b"x", -1)), Some(ErrorKind::OutcomeUnknown));
        if closes {
            member.close().expect("closed");
        } else {
            drop((session, member));
        }
        for events in queues {
            assert_eq!(events.try_next().map(|event| event.state), Some(SessionState::Closed));
            assert!(events.is_finished());
        }
    }
}

#[test]
fn what_became_of_a_write_can_be_asked_after_the_disk_has_failed_under_it() {
    let (mut done, mut never) = (0, 0);
    for seed in 0..40 {
        let disk = SimulatedDisk::new(seed);
        let member = open(&disk);
        let session = auto(&member);
        session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
        disk.fail_sync(0);
        let lost = session.set_blocking("/a", b"1", 0).expect_err("the disk failed under it");
        assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
        let (id, number) = lost.write().expect("it says which write");
        assert_eq!((id, number), (session.id(), 2));
        assert!(matches!(member.outcome(id, 1).expect("asked"), Outcome::Done(Ok(_))), "kept until the next write says that it has arrived");
        assert_eq!(member.outcome(id, number).expect("asked"), Outcome::Pending, "not known before it is opened again");
        drop((session, member));
        let member = open(&disk.crash());
        let outcome = member.outcome(id, number).expect("asked");
        let value = auto(&member).get_blocking("/a", false).expect("/a").0;
        match outcome {
            Outcome::Done(Ok(_)) => {
                assert_eq!(value.as_deref(), Some(&b"1"[..]));
                done += 1;
            }
            Outcome::Never => {
                assert_eq!(value.as_deref(), Some(&b"0"[..]));
                never += 1;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(member.outcome(SessionId(77), 1).expect("asked"), Outcome::Forgotten);
        // It can be asked for ten minutes.
        member.advance(599_000).expect("time passes");
        auto(&member).close_blocking().expect("closed");
        assert_eq!(member.outcome(id, number).expect("asked"), outcome);
        member.advance(2_000).expect("time passes");
        auto(&member).close_blocking().expect("closed");
        assert_eq!(member.outcome(id, number).expect("asked"), Outcome::Forgotten);
    }
    assert!(done > 0 && never > 0, "{done} were on the disk, {never} were not");
}

#[test]
fn a_failed_sync_ends_writing_and_not_reading() {
    for seed in 0..8 {
        let disk = SimulatedDisk::new(seed);
        let member = open(&disk);
        let (session, other) = (auto(&member), auto(&member));
        session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
        disk.fail_sync(0);
        assert_eq!(kind(session.set_blocking("/a", b"1", -1)), Some(ErrorKind::OutcomeUnknown), "it may be on the disk");
        let syncs = disk.syncs();
        for session in [&session, &other] {
            assert_eq!(kind(session.set_blocking("/a", b"2", -1)), Some(ErrorKind::DiskFailed));
            assert_eq!(kind(wait(session.call(create("/b", 0)))), Some(ErrorKind::DiskFailed));
            assert_eq!(session.get_blocking("/a", true).expect("data").0.as_deref(), Some(&b"0"[..]), "what is not known to be on disk is not shown");
            assert!(session.exists_blocking("/b", false).expect("an answer").is_none());
        }
        assert_eq!(kind(member.session(SessionOptions::default())), Some(ErrorKind::DiskFailed));
        assert_eq!(kind(member.snapshot()), Some(ErrorKind::DiskFailed));
        member.advance(60_000).expect("time passes");
        assert_eq!(disk.syncs(), syncs, "never tried again");
        member.close().expect("closed");
        assert_eq!(kind(session.get_blocking("/a", false)), Some(ErrorKind::Closed));
        drop((session, other, member));

        let member = open(&disk.crash());
        let data = auto(&member).get_blocking("/a", false).expect("data").0.expect("bytes");
        assert!(matches!(&data[..], b"0" | b"1"), "{data:?}");
    }
}

/// Of a group whose sync fails all writes are unknown, and what came after is refused; reads in between are answered.
#[test]
fn a_failed_sync_under_a_group() {
    let disk = SimulatedDisk::new(0);
    let member = open(&disk);
    let (session, other) = (auto(&member), auto(&member));
    let release = hold(&other);
    let writes = [session.call(create("/a", 9)), session.call(create("/b", 9))];
    let read = session.call(Request::Exists { path: "/".into(), watch: false });
    disk.fail_sync(0);
    release.send(()).expect("the holder waits");
    for call in writes {
        assert_eq!(kind(wait(call)), Some(ErrorKind::OutcomeUnknown));
    }
    wait(read).expect("a read needs no disk");
    assert_eq!(kind(session.set_blocking("/", b"", -1)), Some(ErrorKind::DiskFailed));
}

/// A snapshot that meets a failing disk stops writes before anything of them is written: their outcome is known.
#[test]
fn a_failed_sync_of_a_snapshot_refuses_writes() {
    let disk = SimulatedDisk::new(0);
    let member = open(&disk);
    let session = auto(&member);
    session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
    disk.fail_sync(0);
    assert_eq!(kind(member.snapshot()), Some(ErrorKind::DiskFailed));
    let operations = disk.operations();
    assert_eq!(kind(session.set_blocking("/a", b"1", -1)), Some(ErrorKind::DiskFailed));
    assert_eq!(disk.operations(), operations);
    assert_eq!(session.get_blocking("/a", false).expect("data").0.as_deref(), Some(&b"0"[..]));
}

/// Fills the log until not even the shortest entry has room.
fn fill(disk: &SimulatedDisk, session: &Session) -> usize {
    disk.set_capacity(Some(disk.used()));
    let mut made = 0;
    for bytes in [200_000, 10_000, 0] {
        loop {
            match session.call_blocking(create(&format!("/filler-{made}"), bytes)) {
                Ok(_) => made += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
                    break;
                }
            }
        }
    }
    made
}

#[test]
fn a_full_disk_changes_nothing_and_takes_again() {
    let disk = SimulatedDisk::new(3);
    let member = open(&disk);
    let (session, silent) = (auto(&member), manual(&member, 2000));
    silent.create_blocking("/silent", b"", CreateMode::Ephemeral).expect("an ephemeral");
    session.add_watch_blocking("/", WatchMode::Recursive).expect("a watch");
    let made = fill(&disk, &session);
    let (names, stat) = session.children_blocking("/", false).expect("children");
    assert_eq!(names.len(), made + 2, "the fillers, /zookeeper and /silent");
    let zxid = session.zxid().expect("a zxid");
    while session.events().try_next().is_some() {}
    for _ in 0..3 {
        assert_eq!(kind(session.set_blocking("/", b"no", -1)), Some(ErrorKind::DiskFull));
        assert_eq!(kind(wait(session.call(create("/no", 9)))), Some(ErrorKind::DiskFull));
        assert_eq!(kind(member.session(SessionOptions::default())), Some(ErrorKind::DiskFull));
    }
    assert_eq!(session.children_blocking("/", false).expect("children"), (names, stat));
    assert_eq!((session.zxid().expect("a zxid"), session.events().try_next()), (zxid, None));

    // Due meanwhile, it ends once there is room: tried every second.
    member.advance(2500).expect("time passes");
    assert_eq!(silent.state(), SessionState::Connected);
    assert!(session.exists_blocking("/silent", false).expect("an answer").is_some());
    disk.set_capacity(None);
    member.advance(499).expect("time passes");
    assert_eq!(silent.state(), SessionState::Connected);
    member.advance(1).expect("time passes");
    assert_eq!(silent.state(), SessionState::Expired);
    assert!(session.exists_blocking("/silent", false).expect("an answer").is_none());
    session.set_blocking("/", b"yes", -1).expect("there is room");
    session.close_blocking().expect("closed");
    drop((session, silent, member));

    let member = open(&disk.crash());
    let session = auto(&member);
    assert_eq!(session.get_blocking("/", false).expect("data").0.as_deref(), Some(&b"yes"[..]));
    assert_eq!(session.children_blocking("/", false).expect("children").0.len(), made + 1);
}

/// A TTL znode that is due while the disk is full goes when there is room.
#[test]
fn a_sweep_is_tried_again_once_there_is_room() {
    let disk = SimulatedDisk::new(3);
    let member = open(&disk);
    let session = auto(&member);
    let ttl = Request::Create { path: "/ttl".into(), data: None, acl: Acl::open(), mode: CreateMode::Ttl, ttl_ms: 500 };
    session.call_blocking(ttl).expect("/ttl");
    fill(&disk, &session);
    member.advance(5000).expect("time passes");
    assert!(session.exists_blocking("/ttl", false).expect("an answer").is_some());
    disk.set_capacity(None);
    member.advance(1000).expect("time passes");
    assert!(session.exists_blocking("/ttl", false).expect("an answer").is_none());
}

#[test]
fn too_many_events_end_in_one_mark() {
    let member = Member::open("memory:?time=virtual").expect("a member");
    let (session, writer) = (auto(&member), auto(&member));
    session.add_watch_blocking("/", WatchMode::Recursive).expect("a watch");
    let own = session.watch("/few", WatchMode::Persistent).expect("a watch");
    let set = || Request::Set { path: "/".into(), data: None, version: -1 };
    for _ in 0..EVENTS_MAX / 8192 + 1 {
        writer.multi_blocking((0..8192).map(|_| set()).collect()).expect("sets");
    }
    writer.create_blocking("/few", b"", CreateMode::Persistent).expect("/few");
    let events = session.events();
    assert_eq!(events.len(), EVENTS_MAX);
    for number in 1..=EVENTS_MAX {
        let event = events.try_next().expect("an event");
        let overflow = event.kind == EventKind::Overflow;
        assert_eq!(overflow, number == EVENTS_MAX, "the last one, once: {number}, {event:?}");
    }
    assert_eq!(events.try_next(), None);
    writer.call_blocking(set()).expect("a set");
    assert_eq!(events.try_next().map(|event| event.kind), Some(EventKind::DataChanged), "then it goes on");
    assert_eq!(own.events().try_next().map(|event| event.kind), Some(EventKind::Created), "another queue is not touched");
}

#[test]
fn a_full_queue_refuses_whoever_asks() {
    let member = Member::open("memory:?time=virtual").expect("a member");
    let holder = auto(&member);
    let sessions: Vec<_> = (0..QUEUE_MAX / IN_FLIGHT_MAX).map(|_| auto(&member)).collect();
    let late = auto(&member);
    let release = hold(&holder);
    let set = || Request::Set { path: "/".into(), data: None, version: -1 };
    let mut calls = Vec::new();
    for session in &sessions {
        calls.extend((0..IN_FLIGHT_MAX).map(|_| session.call(set())));
        let error = session.call(set()).wait().expect_err("too many of this session");
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    }
    let error = late.call(set()).wait().expect_err("too many of all");
    assert!(error.kind() == ErrorKind::Throttled && error.to_string().contains(&QUEUE_MAX.to_string()), "{error}");
    late.get_blocking("/", false).expect("reads do not queue");
    release.send(()).expect("the holder waits");
    calls.into_iter().for_each(|call| wait(call).expect("a set"));
    late.call_blocking(set()).expect("there is room");
    assert_eq!(late.get_blocking("/", false).expect("data").1.version as usize, QUEUE_MAX + 2, "each once");
}

#[test]
fn large_writes_fill_the_queue_by_their_bytes() {
    const BYTES: usize = 1_000_000;
    let member = Member::open("memory:?time=virtual").expect("a member");
    let (holder, session, late) = (auto(&member), auto(&member), auto(&member));
    let release = hold(&holder);
    // One buffer for all: it is what they count that is looked at.
    let data: std::sync::Arc<[u8]> = vec![7; BYTES].into();
    let set = || Request::Set { path: "/".into(), data: Some(data.clone()), version: -1 };
    let mut calls: Vec<_> = (0..QUEUE_BYTES_MAX / (BYTES + 100)).map(|_| session.call(set())).collect();
    let refused = loop {
        match late.call(set()).wait_for(Duration::ZERO) {
            Some(outcome) => break outcome.expect_err("too many bytes"),
            None => calls.push(late.call(set())),
        }
        assert!(calls.len() < 2 * QUEUE_BYTES_MAX / BYTES, "no bound");
    };
    assert!(refused.kind() == ErrorKind::Throttled && refused.to_string().contains(&QUEUE_BYTES_MAX.to_string()), "{refused}");
    release.send(()).expect("the holder waits");
    calls.into_iter().for_each(|call| match wait(call) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::Throttled),
    });
    late.call_blocking(set()).expect("there is room");
}

/// A member of an ensemble, which is all of it.
fn alone(disk: &SimulatedDisk) -> Member {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    Member::open_on(disk, &format!("id=1&peer=1=127.0.0.1:{port}")).expect("a member")
}

/// What waits is told at once, not when its patience is over; what comes after is refused; what is applied is still read.
#[test]
fn a_member_whose_disk_fails_takes_no_part_any_more_and_says_so() {
    for seed in 0..4 {
        let disk = SimulatedDisk::new(seed);
        let member = alone(&disk);
        let session = auto(&member);
        session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
        disk.fail_sync(0);
        let calls = [session.call(create("/b", 9)), session.call(Request::Exists { path: "/".into(), watch: false }), session.call(create("/c", 9))];
        let [first, read, second] = calls.map(|call| call.wait_for(LONG).expect("an answer"));
        let (first, second) = (first.expect_err("/b"), second.expect_err("/c"));
        assert_eq!((first.kind(), first.write()), (ErrorKind::OutcomeUnknown, Some((session.id(), 2))));
        // Whether it was submitted before that was known is a matter of time.
        assert!([ErrorKind::OutcomeUnknown, ErrorKind::DiskFailed].contains(&second.kind()), "{second}");
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::DiskFailed));
        assert_eq!(kind(session.set_blocking("/a", b"1", -1)), Some(ErrorKind::DiskFailed));
        assert_eq!(kind(session.sync_blocking("/a")), Some(ErrorKind::DiskFailed));
        assert_eq!(kind(member.session(SessionOptions::default())), Some(ErrorKind::DiskFailed));
        assert_eq!(session.get_blocking("/a", false).expect("data").0.as_deref(), Some(&b"0"[..]));
        member.close().expect("closed");
        drop((session, member));
        let session = auto(&alone(&disk.crash()));
        assert_eq!(session.get_blocking("/a", false).expect("data").0.as_deref(), Some(&b"0"[..]));
    }
}

#[test]
fn a_member_whose_disk_is_full_goes_on_when_there_is_room() {
    let disk = SimulatedDisk::new(1);
    let member = alone(&disk);
    let session = auto(&member);
    disk.set_capacity(Some(disk.used()));
    let calls: Vec<_> = (0..4).map(|number| session.call(create(&format!("/{number}"), 900_000))).collect();
    // What has been ordered cannot be taken back: it waits.
    assert!(calls.last().expect("four").wait_for(Duration::ZERO).is_none());
    disk.set_capacity(None);
    for call in calls {
        wait(call).expect("there is room");
    }
}
