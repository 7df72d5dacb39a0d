//! Sessions: opened, moved, silent, over. Time is virtual wherever it matters.

use crate::client::*;
use folkmoot::ids::{SessionId, Zxid};
use folkmoot::request::CreateMode;
use folkmoot::wire::Options;
use folkmoot::wire::records::{Connect, op};
use folkmoot::{Member, SessionOptions};
use std::net::SocketAddr;

fn member() -> (Member, SocketAddr) {
    served("memory:", Options::default())
}

fn virtual_member() -> (Member, SocketAddr) {
    served("memory:?time=virtual", Options::default())
}

fn served(target: &str, options: Options) -> (Member, SocketAddr) {
    let member = Member::open(target).expect("a member");
    let address = member.listen_with("127.0.0.1:0", options).expect("a listener");
    (member, address)
}

fn exists(client: &mut Client, path: &str) -> bool {
    match client.ask(op::EXISTS, read(path, false)).code {
        0 => true,
        -101 => false,
        code => panic!("exists answered {code}"),
    }
}

#[test]
fn a_reconnect_keeps_the_session_and_its_ephemerals() {
    let (_member, address) = virtual_member();
    let mut first = Client::open(address);
    first.done(op::CREATE, create("/lock", 0));
    first.done(op::CREATE, create("/lock/me-", 3));
    drop(first.raw);
    let mut again = Client::attach(address, &first.connected).expect("the session is there");
    assert_eq!(again.connected, first.connected);
    let mut other = Client::open(address);
    let stat = other.done(op::EXISTS, read("/lock/me-0000000000", false)).fields().stat();
    assert_eq!(stat.owner, again.session().0);
    again.done(op::SET_DATA, set("/lock/me-0000000000", b"still mine"));
}

#[test]
fn a_reattached_session_takes_no_transaction_number() {
    let (_member, address) = member();
    let mut first = Client::open(address);
    let before = first.done(op::CREATE, create("/a", 0)).zxid;
    let mut again = Client::attach(address, &first.connected).expect("the session is there");
    assert_eq!(again.done(op::CREATE, create("/b", 0)).zxid, before + 1);
}

#[test]
fn a_reconnect_after_expiry_is_told_so_and_closed() {
    let (member, address) = virtual_member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/e", 1));
    member.advance(TIMEOUT_MS as u64 + 1).expect("virtual time");
    client.raw.assert_closed();
    assert!(Client::attach(address, &client.connected).is_none(), "it has expired");
    assert!(!exists(&mut Client::open(address), "/e"));
}

#[test]
fn a_wrong_password_answers_like_an_expired_session() {
    let (_member, address) = member();
    let mut owner = Client::open(address);
    owner.done(op::CREATE, create("/e", 1));
    let mut close = owner.connected.password;
    close[15] ^= 1;
    let mut long = owner.connected.password.to_vec();
    long.push(0);
    for wrong in [&[0; 16][..], &close, &[], &owner.connected.password[..15], &long] {
        assert!(Client::say(address, &hello(owner.session(), wrong, TIMEOUT_MS)).is_none(), "{wrong:?}");
    }
    // And nothing has happened to the one that has the right one.
    assert!(exists(&mut owner, "/e"));
}

#[test]
fn session_numbers_that_are_none_are_expired_and_harm_nobody() {
    let (_member, address) = member();
    for number in [-1, 1, i64::MIN, i64::MAX, 0x0123_4567_89ab_cdef] {
        assert!(Client::say(address, &hello(SessionId(number), &[7; 16], TIMEOUT_MS)).is_none(), "{number}");
    }
    Client::open(address).done(op::CREATE, create("/fine", 0));
}

#[test]
fn passwords_cannot_be_worked_out_from_session_numbers() {
    let (_one, at_one) = member();
    let (_other, at_other) = member();
    let (first, second) = (Client::open(at_one), Client::open(at_one));
    assert_ne!(first.connected.password, second.connected.password);
    // Another member, asked with a number of the first's, knows nothing of it.
    assert!(Client::attach(at_other, &first.connected).is_none());
}

#[test]
fn a_44_byte_connect_gets_a_36_byte_reply() {
    let (_member, address) = member();
    let ask = |connect: &Connect| {
        let mut bytes = Vec::new();
        connect.write(&mut bytes);
        let mut raw = Raw::open(address);
        raw.send(&bytes);
        (bytes.len() - 4, raw.frame().expect("a reply").len())
    };
    let new = hello(SessionId(0), &[0; 16], TIMEOUT_MS);
    let over = hello(SessionId(5), &[0; 16], TIMEOUT_MS);
    for connect in [new, over] {
        assert_eq!(ask(&connect), (45, 37));
        assert_eq!(ask(&Connect { read_only: Some(true), ..connect.clone() }), (45, 37));
        assert_eq!(ask(&Connect { read_only: None, ..connect }), (44, 36));
    }
}

#[test]
fn a_client_that_has_seen_more_than_there_is_gets_no_answer() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    let last = client.done(op::CREATE, create("/a", 0)).zxid;
    for (session, password) in [(SessionId(0), [0; 16]), (client.session(), client.connected.password)] {
        let mut raw = Raw::open(address);
        let mut bytes = Vec::new();
        Connect { last_zxid: Zxid(last + 1), ..hello(session, &password, TIMEOUT_MS) }.write(&mut bytes);
        raw.send(&bytes);
        raw.assert_closed();
    }
    // What there is may have been seen; and whoever was refused took nothing over.
    client.done(op::EXISTS, read("/a", false));
    assert!(Client::say(address, &Connect { last_zxid: Zxid(last), ..hello(SessionId(0), &[0; 16], TIMEOUT_MS) }).is_some());
}

#[test]
fn a_takeover_closes_the_first_connection_and_its_late_writes_do_nothing() {
    let (_member, address) = member();
    let mut first = Client::open(address);
    first.done(op::CREATE, create("/e", 1));
    first.done(op::GET_DATA, read("/e", true));
    let mut second = Client::attach(address, &first.connected).expect("taken over");
    first.raw.send_anyway(&request(9, op::SET_DATA, set("/e", b"too late")));
    assert_eq!(first.raw.rest(), [], "the old connection ends without another word");
    assert_eq!(second.done(op::GET_DATA, read("/e", false)).data().0, b"x");
    // Watches belong to the connection that set them.
    second.done(op::SET_DATA, set("/e", b"y"));
    assert_eq!(second.events(), []);
}

#[test]
fn sessions_change_hands_many_times_and_lose_nothing() {
    let (_member, address) = member();
    let mut holder = Client::open(address);
    holder.done(op::CREATE, create("/seat", 1));
    for round in 0..50 {
        // Writes of the old connection are on their way while the new one comes.
        holder.raw.send(&request(7, op::SET_DATA, set("/seat", format!("{round}").as_bytes())));
        let mut next = Client::attach(address, &holder.connected).expect("taken over");
        let late = holder.raw.rest();
        assert!(late.len() <= 1 && late.iter().all(|reply| reply.xid == 7), "{late:?}");
        let data = next.done(op::GET_DATA, read("/seat", false)).data().0;
        if late.iter().any(|reply| reply.code == 0) {
            assert_eq!(data, format!("{round}").as_bytes(), "what was acknowledged is there");
        }
        holder = next;
    }
    assert!(exists(&mut holder, "/seat"));
}

#[test]
fn an_in_process_session_cannot_be_attached_from_the_wire() {
    let (member, address) = member();
    let inside = member.session(SessionOptions::default()).expect("a session");
    inside.create_blocking("/inside", b"", CreateMode::Ephemeral).expect("created");
    // Its password is nobody's to know; a wire session's, or none, does not open it either.
    let outside = Client::open(address);
    for password in [outside.connected.password, [0; 16]] {
        assert!(Client::say(address, &hello(inside.id(), &password, TIMEOUT_MS)).is_none());
    }
    assert!(inside.exists_blocking("/inside", false).expect("alive").is_some());
}

#[test]
fn timeouts_are_clamped_and_returned() {
    let options = |min, max| Options { tick_ms: 2000, min_session_timeout_ms: min, max_session_timeout_ms: max, ..Options::default() };
    for (options, asked, granted) in [
        (options(None, None), 1, 4000),
        (options(None, None), -5, 4000),
        (options(None, None), 10_000, 10_000),
        (options(None, None), i32::MAX, 40_000),
        (options(Some(100), Some(200)), 1, 100),
        (options(Some(100), Some(200)), 150, 150),
        (options(Some(100), Some(200)), 1000, 200),
        (Options { tick_ms: 3000, ..Options::default() }, i32::MAX, 60_000),
    ] {
        let (_member, address) = served("memory:", options);
        let client = Client::say(address, &hello(SessionId(0), &[0; 16], asked)).expect("a session");
        assert_eq!(client.connected.timeout_ms, granted, "asked for {asked}");
        // A session that moves is asked anew.
        let again = Client::say(address, &hello(client.session(), &client.connected.password, asked)).expect("attached");
        assert_eq!(again.connected.timeout_ms, granted, "attached with {asked}");
    }
}

#[test]
fn pings_alone_keep_a_session_and_silence_ends_it() {
    let (member, address) = virtual_member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/e", 1));
    for _ in 0..10 {
        member.advance(TIMEOUT_MS as u64 - 1).expect("virtual time");
        assert_eq!(client.events(), []);
    }
    let mut other = Client::open(address);
    assert!(exists(&mut other, "/e"));
    // Its connection stays open, but nothing is said: not a millisecond before the timeout is over, and then at once.
    member.advance(TIMEOUT_MS as u64 - 1).expect("virtual time");
    assert!(exists(&mut other, "/e"));
    member.advance(1).expect("virtual time");
    assert!(!exists(&mut other, "/e"));
    client.raw.assert_closed();
}

#[test]
fn a_session_lives_a_whole_timeout_after_its_connection_has_gone() {
    let (member, address) = virtual_member();
    let client = Client::open(address);
    let mut other = Client::open(address);
    other.done(op::CREATE, create("/lives", 0));
    member.advance(1000).expect("virtual time");
    drop(client.raw);
    other.events();
    member.advance(TIMEOUT_MS as u64 - 1001).expect("virtual time");
    other.events();
    let again = Client::attach(address, &client.connected).expect("in time");
    drop(again.raw);
    member.advance(TIMEOUT_MS as u64).expect("virtual time");
    assert!(Client::attach(address, &client.connected).is_none(), "too late");
}

#[test]
fn a_moved_session_is_held_to_the_timeout_of_its_last_connection() {
    let (member, address) = virtual_member();
    let first = Client::open(address);
    let short = Client::say(address, &hello(first.session(), &first.connected.password, 1000)).expect("attached");
    assert_eq!(short.connected.timeout_ms, 1000);
    let mut other = Client::open(address);
    other.done(op::CREATE, create("/a", 0));
    member.advance(1000).expect("virtual time");
    assert!(Client::attach(address, &short.connected).is_none());
}

#[test]
fn expiry_removes_ephemerals_and_tells_watchers() {
    let options = Options { min_session_timeout_ms: Some(1), ..Options::default() };
    let (_member, address) = served("memory:", options);
    let mut watcher = Client::open(address);
    watcher.done(op::CREATE, create("/group", 0));
    let mut silent = Client::open(address);
    silent.done(op::CREATE, create("/group/one", 1));
    silent.done(op::CREATE, create("/group/two", 1));
    watcher.done(op::EXISTS, read("/group/one", true));
    watcher.done(op::EXISTS, read("/group/two", true));
    watcher.done(op::GET_CHILDREN, read("/group", true));
    // Moved to a connection that grants it next to no silence.
    let mut short = Client::say(address, &hello(silent.session(), &silent.connected.password, 50)).expect("attached");
    let messages: Vec<_> = (0..3).map(|_| watcher.raw.message().expect("an event")).collect();
    assert!(messages.iter().all(|message| message.zxid == messages[0].zxid), "both go in one transaction: {messages:?}");
    let mut events: Vec<_> = messages.iter().map(Message::event).collect();
    events.sort();
    assert_eq!(events, [(DELETED, "/group/one".into()), (DELETED, "/group/two".into()), (CHILDREN, "/group".into())]);
    assert!(!exists(&mut watcher, "/group/one") && !exists(&mut watcher, "/group/two"));
    short.raw.assert_closed();
}

#[test]
fn closing_answers_after_its_events_and_then_ends_the_connection() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    let mut watcher = Client::open(address);
    client.done(op::CREATE, create("/d", 0));
    client.done(op::CREATE, create("/d/one", 1));
    client.done(op::CREATE, create("/d/two", 1));
    client.done(op::GET_DATA, read("/d/one", true));
    watcher.done(op::ADD_WATCH, Body::new().text("/d").int(1));
    let before = watcher.done(op::SYNC, Body::new().text("/")).zxid;
    let xid = client.send(op::CLOSE_SESSION, Body::new());
    let said = client.raw.rest();
    let [event, reply] = &said[..] else { panic!("{said:?}") };
    assert_eq!((event.event(), event.zxid), ((DELETED, "/d/one".into()), before + 1));
    assert_eq!((reply.xid, reply.code, reply.zxid, reply.body.len()), (xid, 0, before + 1, 0));
    let mut told = Vec::new();
    for _ in 0..2 {
        let message = watcher.raw.message().expect("an event");
        assert_eq!(message.zxid, before + 1);
        told.push(message.event().1);
    }
    told.sort();
    assert_eq!(told, ["/d/one", "/d/two"]);
    assert!(Client::attach(address, &client.connected).is_none(), "closed is closed");
}

#[test]
fn requests_behind_the_end_of_a_session_are_not_done() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    let mut bytes = request(1, op::CREATE, create("/before", 0));
    bytes.extend(request(2, op::CLOSE_SESSION, Body::new()));
    bytes.extend(request(3, op::CREATE, create("/behind", 0)));
    bytes.extend(request(4, op::GET_DATA, read("/", false)));
    client.raw.send(&bytes);
    let xids: Vec<_> = client.raw.rest().iter().map(|reply| reply.xid).collect();
    assert_eq!(xids, [1, 2]);
    let mut other = Client::open(address);
    assert!(exists(&mut other, "/before") && !exists(&mut other, "/behind"));
}

#[test]
fn wire_sessions_outlive_the_member_on_a_directory() {
    let folder = tempfile::tempdir().expect("a directory");
    let target = folder.path().display().to_string();
    let (member, address) = served(&target, Options::default());
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/e", 1));
    let mut leaver = Client::open(address);
    leaver.done(op::CREATE, create("/left", 1));
    let inside = member.session(SessionOptions::default()).expect("a session");
    inside.create_blocking("/inside", b"", CreateMode::Ephemeral).expect("created");
    leaver.send(op::CLOSE_SESSION, Body::new());
    leaver.raw.rest();
    member.close().expect("closed");
    client.raw.assert_closed();
    drop(inside);
    drop(member);

    let (_member, address) = served(&target, Options::default());
    let mut again = Client::attach(address, &client.connected).expect("the session is there");
    assert_eq!(again.connected, client.connected);
    let stat = again.done(op::EXISTS, read("/e", false)).fields().stat();
    assert_eq!(stat.owner, client.session().0);
    again.done(op::SET_DATA, set("/e", b"again"));
    assert!(!exists(&mut again, "/left") && !exists(&mut again, "/inside"));
    assert!(Client::attach(address, &leaver.connected).is_none());
    // Numbers are not given out twice.
    assert!(Client::open(address).session() > client.session());
}

#[test]
fn opening_and_closing_take_one_transaction_each() {
    let (_member, address) = member();
    let mut watcher = Client::open(address);
    let before = watcher.done(op::CREATE, create("/a", 0)).zxid;
    let mut short = Client::open(address);
    assert_eq!(short.done(op::SYNC, Body::new().text("/")).zxid, before + 1);
    let xid = short.send(op::CLOSE_SESSION, Body::new());
    assert_eq!(short.reply(xid).zxid, before + 2);
}

#[test]
fn a_thousand_sessions_come_and_go() {
    let (_member, address) = served("memory:", Options { max_client_connections: 0, ..Options::default() });
    let mut bytes = Vec::new();
    hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
    // The first request is sent with the first frame, before there is a session.
    bytes.extend(request(1, op::CREATE, create("/e-", 3)));
    let mut clients: Vec<_> = (0..200).map(|_| Raw::open(address)).collect();
    for _ in 0..5 {
        clients.iter_mut().for_each(|client| client.send(&bytes));
        for client in &mut clients {
            client.frame().expect("a session");
            assert_eq!(client.message().map(|reply| (reply.xid, reply.code)), Some((1, 0)));
            client.send(&request(2, op::CLOSE_SESSION, Body::new()));
        }
        for client in &mut clients {
            assert_eq!(client.rest().iter().map(|reply| (reply.xid, reply.code)).collect::<Vec<_>>(), [(2, 0)]);
            *client = Raw::open(address);
        }
    }
    let mut last = Client::open(address);
    assert_eq!(last.done(op::GET_CHILDREN, read("/", false)).fields().texts(), ["zookeeper"]);
}
