//! What one client can do to others: nothing.

use crate::client::*;
use folkmoot::ids::SessionId;
use folkmoot::limits::{FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX};
use folkmoot::request::CreateMode;
use folkmoot::wire::Options;
use folkmoot::wire::records::op;
use folkmoot::{Member, SessionOptions};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

fn served(options: Options) -> (Member, SocketAddr) {
    let member = Member::open("memory:").expect("a member");
    let address = member.listen_with("127.0.0.1:0", options).expect("a listener");
    (member, address)
}

/// Reads to the end, whatever comes.
fn drain(mut raw: Raw) -> usize {
    let mut part = vec![0; 1 << 20];
    let mut all = 0;
    loop {
        match raw.stream.read(&mut part) {
            Ok(0) => return all,
            Ok(count) => all += count,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => panic!("not closed within {LONG:?}"),
            Err(_) => return all,
        }
    }
}

#[test]
fn frames_of_impossible_lengths_close_their_connection_only() {
    let (_member, address) = served(Options::default());
    let mut other = Client::open(address);
    for length in [-1, i32::MIN, FRAME_BYTES_MAX as i32 + 1, i32::MAX] {
        let mut client = Client::open(address);
        client.done(op::CREATE, create(&format!("/e{length}"), 1));
        let mut bytes = request(1, op::GET_DATA, read("/", false));
        bytes.extend(length.to_be_bytes());
        bytes.extend(request(2, op::GET_DATA, read("/", false)));
        client.raw.send(&bytes);
        assert!(client.raw.rest().iter().all(|reply| reply.xid == 1), "nothing behind it is looked at");
        // The session is not at fault.
        let mut again = Client::attach(address, &client.connected).expect("the session is there");
        again.done(op::EXISTS, read(&format!("/e{length}"), false));
        other.done(op::GET_DATA, read("/", false));
    }
}

#[test]
fn frames_without_a_header_close_their_connection_only() {
    let (_member, address) = served(Options::default());
    let mut other = Client::open(address);
    for length in [0, 4, 7] {
        let mut client = Client::open(address);
        client.raw.send(&Body::new().raw(&vec![0; length]).frame());
        client.raw.assert_closed();
        other.done(op::GET_DATA, read("/", false));
    }
}

#[test]
fn a_frame_may_be_as_long_as_zookeepers() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    let room = FRAME_BYTES_MAX - 8 - (4 + 2) - 4 - 4;
    let data: Vec<_> = (0..room).map(|at| at as u8).collect();
    let bytes = request(1, op::SET_DATA, set("/a", &data));
    assert_eq!(bytes.len(), 4 + FRAME_BYTES_MAX);
    client.raw.send(&bytes);
    assert_eq!(client.reply(1).code, 0);
    assert!(client.done(op::GET_DATA, read("/a", false)).data().0 == data, "all of it comes back");
    client.raw.send_anyway(&request(2, op::SET_DATA, set("/a", &vec![0; room + 1])));
    assert_eq!(drain(client.raw), 0);
}

#[test]
fn garbage_for_a_first_frame_closes_the_connection() {
    let (_member, address) = served(Options::default());
    let mut too_long = Vec::new();
    hello(SessionId(0), &[0; HANDSHAKE_BYTES_MAX], TIMEOUT_MS).write(&mut too_long);
    let lying = Body::new().int(0).long(0).int(TIMEOUT_MS).long(0).int(i32::MAX).raw(&[0; 16]).frame();
    let short = Body::new().int(0).long(0).frame();
    let first: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc],
        &[0xff; 64],
        &[0; 4],
        &[0, 0, 0, 1, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &too_long,
        &lying,
        &short,
    ];
    for bytes in first {
        let mut raw = Raw::open(address);
        raw.send_anyway(bytes);
        assert_eq!(raw.frame(), None, "{:?}", &bytes[..bytes.len().min(20)]);
    }
    Client::open(address).done(op::GET_DATA, read("/", false));
}

#[test]
fn whoever_does_not_say_who_they_are_is_closed() {
    let (_member, address) = served(Options { handshake_timeout: Duration::from_millis(50), ..Options::default() });
    let mut bytes = Vec::new();
    hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
    for part in [0, 3, 4, bytes.len() - 1] {
        let mut raw = Raw::open(address);
        raw.send(&bytes[..part]);
        assert_eq!(raw.frame(), None, "after {part} bytes");
    }
}

#[test]
fn a_session_may_be_silent_longer_than_a_handshake() {
    let (_member, address) = served(Options { handshake_timeout: Duration::from_millis(300), max_client_connections: 2, ..Options::default() });
    until("somebody is quick enough", || {
        let mut bytes = Vec::new();
        hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
        let mut raw = Raw::open(address);
        raw.send_anyway(&bytes);
        if raw.frame().is_none() {
            return false;
        }
        // By the time a silent one has been closed, so would this have been.
        let mut silent = Raw::open(address);
        assert_eq!(silent.frame(), None);
        raw.send(&request(1, op::GET_DATA, read("/", false)));
        assert_eq!(raw.message().map(|reply| (reply.xid, reply.code)), Some((1, 0)));
        true
    });
}

#[test]
fn connections_are_limited_by_address_and_in_all() {
    let by_address = Options { max_client_connections: 3, ..Options::default() };
    let in_all = Options { max_client_connections: 0, max_connections: 3, ..Options::default() };
    for options in [by_address, in_all] {
        let (_member, address) = served(options);
        let mut clients: Vec<_> = (0..3).map(|_| Client::open(address)).collect();
        let mut bytes = Vec::new();
        hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
        for _ in 0..10 {
            let mut raw = Raw::open(address);
            raw.send_anyway(&bytes);
            assert_eq!(raw.frame(), None, "one too many");
        }
        clients.iter_mut().for_each(|client| drop(client.done(op::GET_DATA, read("/", false))));
        // A place that has become free is given again.
        clients.pop();
        until("there is room again", || {
            let mut raw = Raw::open(address);
            raw.send_anyway(&bytes);
            raw.frame().is_some()
        });
    }
}

#[test]
fn connections_that_have_said_nothing_count_too() {
    let (_member, address) = served(Options { max_client_connections: 2, ..Options::default() });
    let silent = [Raw::open(address), Raw::open(address)];
    let mut third = Raw::open(address);
    assert_eq!(third.frame(), None);
    drop(silent);
    until("their places are free", || {
        let mut raw = Raw::open(address);
        let mut bytes = Vec::new();
        hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
        raw.send_anyway(&bytes);
        raw.frame().is_some()
    });
}

/// Bytes of the znode that is asked for again and again.
const BIG: usize = 100_000;
/// Nobody who is held back gets rid of as many bytes of requests.
const TOO_MUCH: usize = 64 << 20;

/// Sends requests for `/big` and reads no answer, until no more are taken: how many bytes were, how many requests are begun, and
/// what is left of the last. `others` is asked in between: nothing being taken while somebody else was answered many times is the end.
fn fill(client: &mut Client, others: &mut Client) -> (usize, i32, Vec<u8>) {
    client.raw.stream.set_nonblocking(true).expect("not blocking");
    let (mut sent, mut xid, mut idle) = (0, 0, 0);
    let mut pending = Vec::new();
    while idle < 300 && sent < TOO_MUCH {
        if pending.is_empty() {
            xid += 1;
            // As long as may be, so that the system's buffers hold few of them.
            pending = request(xid, op::GET_DATA, read("/big", false).raw(&[0; 2000]));
        }
        match client.raw.stream.write(&pending) {
            Ok(count) => {
                sent += count;
                pending.drain(..count);
                idle = 0;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                others.done(op::EXISTS, read("/big", false));
                idle += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    client.raw.stream.set_nonblocking(false).expect("blocking");
    (sent, xid, pending)
}

#[test]
fn a_reader_who_is_slow_is_not_read_from() {
    let (_member, address) = served(Options::default());
    let mut other = Client::open(address);
    other.done(op::CREATE, create_with("/big", &[7; BIG], OPEN, 0));
    let mut client = Client::open(address);
    let (sent, xid, pending) = fill(&mut client, &mut other);
    assert!(sent < TOO_MUCH / 2, "{sent} bytes of requests were taken from somebody who reads no answers");
    // Whoever begins to read gets all that was asked for.
    let mut stream = client.raw.stream.try_clone().expect("another handle");
    let rest = std::thread::spawn(move || stream.write_all(&pending).expect("taken now"));
    for number in 1..=xid {
        let reply = client.reply(number);
        assert_eq!((reply.code, reply.body.len()), (0, 4 + BIG + 68));
    }
    rest.join().expect("all was sent");
}

#[test]
fn a_connection_that_is_over_does_not_wait_for_ever_to_be_read() {
    let member = Member::open("memory:?time=virtual").expect("a member");
    let door = member.listen("127.0.0.1:0").expect("a listener");
    let narrow = Options { max_client_connections: 1, handshake_timeout: Duration::from_millis(500), ..Options::default() };
    let narrow = member.listen_with("127.0.0.1:0", narrow).expect("a listener");
    let mut other = Client::open(door);
    other.done(op::CREATE, create_with("/big", &[7; BIG], OPEN, 0));
    let mut bytes = Vec::new();
    hello(SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
    let admitted = || {
        let mut raw = Raw::open(narrow);
        raw.send_anyway(&bytes);
        raw.frame().is_some()
    };
    let mut client = Client::open(narrow);
    fill(&mut client, &mut other);
    assert!(!admitted(), "there is but one place");
    // The session ends; what was to be said on its connection is still not fetched.
    member.advance(TIMEOUT_MS as u64).expect("virtual time");
    until("its place is free", admitted);
}

#[test]
fn a_multi_read_cannot_ask_for_more_than_can_be_answered() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    client.done(op::CREATE, create_with("/big", &[7; 1_000_000], OPEN, 0));
    let reads = |count| (0..count).fold(Body::new(), |body, _| body.op(op::GET_DATA, read("/big", false))).end();
    assert_eq!(client.done(op::MULTI_READ, reads(16)).body.len(), 16 * (9 + 4 + 1_000_000 + 68) + 9);
    for count in [17, 40_000] {
        let reply = client.ask(op::MULTI_READ, reads(count));
        assert_eq!((reply.code, reply.body.len()), (-8, 0), "{count} reads");
    }
}

#[test]
fn writes_without_end_from_somebody_who_reads_nothing_wait_too() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    const MANY: i32 = 60_000;
    let mut stream = client.raw.stream.try_clone().expect("another handle");
    let writing = std::thread::spawn(move || {
        for number in 1..=MANY {
            let body = if number % 4 == 0 { request(number, op::GET_DATA, read("/a", false)) } else { request(number, op::SET_DATA, set("/a", b"y")) };
            stream.write_all(&body).expect("taken in the end");
        }
    });
    for number in 1..=MANY {
        assert_eq!(client.reply(number).code, 0);
    }
    writing.join().expect("all was sent");
}

#[test]
fn a_flood_of_events_that_nobody_fetches_costs_that_connection_only() {
    let (member, address) = served(Options::default());
    let writer = member.session(SessionOptions::default()).expect("a session");
    let path = format!("/{}", "long".repeat(15_000));
    writer.create_blocking(&path, b"", CreateMode::Persistent).expect("created");
    let mut idle = Client::open(address);
    idle.done(op::CREATE, create("/mine", 1));
    idle.done(op::ADD_WATCH, Body::new().text("/").int(1));
    let mut other = Client::open(address);
    other.done(op::ADD_WATCH, Body::new().text(&path).int(0));
    for _ in 0..2000 {
        writer.set_blocking(&path, b"", -1).expect("set");
        assert_eq!(other.event().0, CHANGED);
    }
    // The one is told no more, and its memory is free; its session is not gone for it.
    let told = drain(idle.raw);
    assert!(told < 2000 * path.len(), "{told} bytes");
    let mut again = Client::attach(address, &idle.connected).expect("the session is there");
    again.done(op::EXISTS, read("/mine", false));
}

#[test]
fn closing_the_member_closes_every_connection() {
    let (member, address) = served(Options::default());
    let mut clients: Vec<_> = (0..10).map(|_| Client::open(address)).collect();
    let mut silent = Raw::open(address);
    member.close().expect("closed");
    clients.iter_mut().for_each(|client| client.raw.assert_closed());
    assert_eq!(silent.frame(), None);
    assert!(std::net::TcpStream::connect_timeout(&address, LONG).is_err(), "nobody listens any more");
}

#[test]
fn a_port_that_is_taken_is_an_error_and_another_door_can_be_opened() {
    let (member, address) = served(Options::default());
    let error = member.listen(&address.to_string()).expect_err("taken");
    assert_eq!(error.kind(), folkmoot::ErrorKind::SystemError);
    assert_eq!(member.listen("no such place").expect_err("no address").kind(), folkmoot::ErrorKind::BadArguments);
    let second = member.listen("127.0.0.1:0").expect("another");
    let first = Client::open(address);
    let mut moved = Client::attach(second, &first.connected).expect("a session is the member's, not the door's");
    moved.done(op::GET_DATA, read("/", false));
}
