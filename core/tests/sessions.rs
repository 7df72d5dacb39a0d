//! Sessions and time: silence ends a session exactly when it should, and everything of its goes at once.

use folkmoot::request::{CreateMode, EventKind, Request, SessionState, WatchMode};
use folkmoot::{CreateOptions, ErrorKind, Heartbeat, Member, SessionOptions};

fn manual(member: &Member, timeout_ms: u32) -> folkmoot::Session {
    member.session(SessionOptions { timeout_ms, heartbeat: Heartbeat::Manual, ..SessionOptions::default() }).expect("a session")
}

#[test]
fn a_silent_session_expires_on_time_with_all_its_ephemerals() {
    let member = Member::open("memory:?time=virtual").expect("a member");
    let watcher = member.session(SessionOptions::default()).expect("a session");
    let silent = manual(&member, 5000);
    silent.create_blocking("/a", b"", CreateMode::Ephemeral).expect("/a");
    silent.create_blocking("/b", b"", CreateMode::Ephemeral).expect("/b");
    let watch = watcher.watch("/", WatchMode::Recursive).expect("a watch");
    member.advance(4999).expect("time");
    assert_eq!(silent.state(), SessionState::Connected);
    silent.touch().expect("a heartbeat");
    member.advance(4999).expect("time");
    assert!(watcher.exists_blocking("/a", false).expect("an answer").is_some());
    member.advance(1).expect("time");
    assert_eq!(silent.state(), SessionState::Expired);
    assert_eq!(silent.touch().expect_err("over").kind(), ErrorKind::SessionExpired);
    let gone: Vec<_> = std::iter::from_fn(|| watch.events().try_next()).collect();
    assert_eq!(gone.iter().map(|event| (event.kind, &*event.path)).collect::<Vec<_>>(), [(EventKind::Deleted, "/a"), (EventKind::Deleted, "/b")]);
    assert_eq!(gone[0].zxid, gone[1].zxid, "one transaction");
    let last = std::iter::from_fn(|| silent.events().try_next()).last().expect("news");
    assert_eq!((last.kind, last.state), (EventKind::Session, SessionState::Expired));
    member.advance(1_000_000).expect("time");
    assert_eq!(watcher.state(), SessionState::Connected, "the member keeps its own alive");
}

#[test]
fn containers_and_ttl_znodes_go_when_due() {
    let member = Member::open("memory:?time=virtual").expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    session.create_blocking("/c", b"", CreateMode::Container).expect("/c");
    session.create_blocking("/c/x", b"", CreateMode::Persistent).expect("/c/x");
    session.create_blocking("/t", b"", CreateOptions { mode: CreateMode::Ttl, ttl_ms: 100, ..CreateOptions::default() }).expect("/t");
    member.advance(60).expect("time");
    assert!(session.exists_blocking("/c", false).expect("an answer").is_some());
    session.set_blocking("/t", b"again", -1).expect("/t is there");
    session.delete_blocking("/c/x", -1).expect("/c/x");
    member.advance(100).expect("time");
    assert!(session.exists_blocking("/c", false).expect("an answer").is_none(), "its last child is gone");
    assert!(session.exists_blocking("/t", false).expect("an answer").is_some(), "it was set 100 ms ago");
    member.advance(1).expect("time");
    assert!(session.exists_blocking("/t", false).expect("an answer").is_none());
}

#[test]
fn requests_under_way_keep_their_order_and_completions_do_not_wait() {
    let member = Member::open("memory:").expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    session.create_blocking("/n", b"", CreateMode::Persistent).expect("/n");
    let calls: Vec<_> =
        (0..1000).map(|n: u32| session.call(Request::Set { path: "/n".into(), data: Some(n.to_le_bytes().as_slice().into()), version: -1 })).collect();
    let (data, _) = session.get_blocking("/n", false).expect("/n");
    assert_eq!(data.as_deref(), Some(&999_u32.to_le_bytes()[..]), "a read sees the session's own writes");
    for call in calls {
        call.wait().expect("a write");
    }
    let (told, answer) = std::sync::mpsc::channel();
    let inner = session.clone();
    let request = Request::Delete { path: "/n".into(), version: -1 };
    session.submit(request, Box::new(move |_| told.send(inner.create_blocking("/m", b"", CreateMode::Persistent)).expect("a listener")));
    assert_eq!(answer.recv().expect("an answer").expect_err("it would wait for itself").kind(), ErrorKind::WouldDeadlock);
}

#[test]
fn time_is_moved_only_if_it_is_virtual() {
    let member = Member::open("memory:").expect("a member");
    assert_eq!(member.advance(1).expect_err("real time").kind(), ErrorKind::InvalidState);
}
