//! In what order answers and events are written.

use crate::client::*;
use folkmoot::wire::Options;
use folkmoot::wire::records::op;
use folkmoot::{Member, SessionOptions};
use std::net::SocketAddr;

fn member(target: &str) -> (Member, SocketAddr) {
    let member = Member::open(target).expect("a member");
    let address = member.listen_with("127.0.0.1:0", Options::default()).expect("a listener");
    (member, address)
}

/// A mixture of everything, the same for the same number.
fn mixed(number: i32) -> (i32, Body) {
    let path = format!("/m{}", number % 7);
    match number % 10 {
        0 => (op::CREATE, create(&path, 0)),
        1 => (op::GET_DATA, read(&path, number % 3 == 0)),
        2 => (op::SET_DATA, set(&path, number.to_string().as_bytes())),
        3 => (op::EXISTS, read(&path, true)),
        4 => (op::GET_CHILDREN2, read("/", true)),
        5 => (op::MULTI, Body::new().op(op::CHECK, versioned(&path, -1)).op(op::SET_DATA, set(&path, b"multi")).end()),
        6 => (op::SYNC, Body::new().text(&path)),
        7 => (op::DELETE, versioned(&path, -1)),
        8 => (op::GET_DATA, Body::new()),
        _ => (op::CREATE2, create(&path, 2)),
    }
}

#[test]
fn a_thousand_requests_in_one_segment_are_answered_in_order() {
    for target in ["memory:".into(), tempfile::tempdir().expect("a directory").path().display().to_string()] {
        let (_member, address) = member(&target);
        let mut client = Client::open(address);
        let mut bytes = Vec::new();
        for number in 1..=1000 {
            let (op, body) = mixed(number);
            bytes.extend(request(number, op, body));
        }
        client.raw.send(&bytes);
        let mut zxid = 0;
        for number in 1..=1000 {
            let reply = client.reply(number);
            assert!(reply.zxid >= zxid, "transactions never go back");
            zxid = reply.zxid;
        }
        // As many writes as there were, each with its own transaction, and nothing else.
        let writes = (1..=1000).filter(|number| matches!(number % 10, 0 | 2 | 5 | 7 | 9)).count() as i64;
        assert_eq!(client.done(op::SYNC, Body::new().text("/")).zxid, 1 + writes);
    }
}

#[test]
fn requests_may_be_cut_anywhere() {
    let (_member, address) = member("memory:");
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    let mut bytes = request(1, op::SET_DATA, set("/a", b"some data"));
    bytes.extend(request(2, op::GET_DATA, read("/a", false)));
    bytes.extend(request(-2, op::PING, Body::new()));
    for at in 0..=bytes.len() {
        client.raw.send(&bytes[..at]);
        client.raw.send(&bytes[at..]);
        assert_eq!(client.reply(1).code, 0);
        assert_eq!(client.reply(2).data().0, b"some data", "cut at {at}");
        client.reply(-2);
    }
    // And everywhere at once.
    bytes.iter().for_each(|byte| client.raw.send(&[*byte]));
    client.reply(1);
    client.reply(2);
    client.reply(-2);
}

#[test]
fn a_first_frame_may_be_cut_anywhere_and_be_followed_at_once() {
    let (_member, address) = member("memory:");
    let mut bytes = Vec::new();
    hello(folkmoot::ids::SessionId(0), &[0; 16], TIMEOUT_MS).write(&mut bytes);
    let first = bytes.len();
    bytes.extend(request(1, op::CREATE, create("/seq-", 2)));
    bytes.extend(request(2, op::GET_DATA, read("/", false)));
    for at in [1, 3, 4, 5, 20, first - 1, first, first + 1, bytes.len() - 1, bytes.len()] {
        let mut raw = Raw::open(address);
        raw.send(&bytes[..at]);
        raw.send(&bytes[at..]);
        raw.frame().expect("a session");
        let xids: Vec<_> = (0..2).map(|_| raw.message().expect("a reply")).map(|reply| (reply.xid, reply.code)).collect();
        assert_eq!(xids, [(1, 0), (2, 0)], "cut at {at}");
    }
}

#[test]
fn a_ping_behind_writes_is_answered_behind_them() {
    let folder = tempfile::tempdir().expect("a directory");
    let (_member, address) = member(&folder.path().display().to_string());
    let mut client = Client::open(address);
    let mut bytes = Vec::new();
    for number in 1..=50 {
        bytes.extend(request(number, op::CREATE, create(&format!("/a{number}"), 0)));
        bytes.extend(request(-2, op::PING, Body::new()));
    }
    client.raw.send(&bytes);
    for number in 1..=50 {
        let zxid = client.reply(number).zxid;
        // The answer to a ping says how far we are, and shows what was written before it.
        let ping = client.reply(-2);
        assert_eq!((ping.code, ping.body.len()), (0, 0));
        assert!(ping.zxid >= zxid, "{} after {zxid}", ping.zxid);
    }
}

#[test]
fn pings_and_credentials_have_the_numbers_that_clients_know_them_by() {
    let (_member, address) = member("memory:");
    let mut client = Client::open(address);
    let zxid = client.done(op::CREATE, create("/a", 0)).zxid;
    client.send_as(-2, op::PING, Body::new());
    let ping = client.reply(-2);
    assert_eq!((ping.zxid, ping.code, ping.body.len()), (zxid, 0, 0));
    client.send_as(-4, op::AUTH, auth("digest", b"me:pw"));
    let shown = client.reply(-4);
    assert_eq!((shown.zxid, shown.code, shown.body.len()), (0, 0, 0));
}

#[test]
fn a_session_reads_what_it_has_written() {
    let folder = tempfile::tempdir().expect("a directory");
    let (_member, address) = member(&folder.path().display().to_string());
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    let mut bytes = Vec::new();
    for number in (1..600).step_by(3) {
        bytes.extend(request(number, op::SET_DATA, set("/a", number.to_string().as_bytes())));
        bytes.extend(request(number + 1, op::GET_DATA, read("/a", false)));
        bytes.extend(request(number + 2, op::EXISTS, read("/a", false)));
    }
    client.raw.send(&bytes);
    for number in (1..600).step_by(3) {
        let written = client.reply(number).fields().stat();
        let (data, stat) = client.reply(number + 1).data();
        assert_eq!((data, stat), (number.to_string().into_bytes(), written));
        assert_eq!(client.reply(number + 2).fields().stat(), written);
    }
}

#[test]
fn an_event_is_written_before_any_read_that_shows_its_change() {
    let (member, address) = member("memory:");
    let writer = member.session(SessionOptions::default()).expect("a session");
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    for round in 1..300u32 {
        let mut version = client.done(op::GET_DATA, read("/a", true)).data().1.version;
        let session = writer.clone();
        let writing = std::thread::spawn(move || session.set_blocking("/a", &round.to_be_bytes(), -1).expect("set").version);
        // Reads without watches, until one shows the change: by then the event has come.
        let mut xid = 0;
        while version == client_version(round) {
            xid += 1;
            client.send_as(xid, op::EXISTS, read("/a", false));
            version = client.reply(xid).fields().stat().version;
            assert_eq!(client.events.is_empty(), version == client_version(round), "round {round}");
        }
        assert_eq!(client.event(), (CHANGED, "/a".into()));
        assert_eq!(writing.join().expect("written"), version);
    }
}

/// The version before round `round` has written.
fn client_version(round: u32) -> i32 {
    round as i32 - 1
}

#[test]
fn an_event_stands_behind_the_answer_that_set_its_watch() {
    let folder = tempfile::tempdir().expect("a directory");
    let (_member, address) = member(&folder.path().display().to_string());
    let mut client = Client::open(address);
    let mut bytes = Vec::new();
    for number in (1..300).step_by(3) {
        let path = format!("/w{number}");
        bytes.extend(request(number, op::EXISTS, read(&path, true)));
        bytes.extend(request(number + 1, op::CREATE, create(&path, 0)));
        bytes.extend(request(number + 2, op::GET_DATA, read(&path, false)));
    }
    client.raw.send(&bytes);
    for number in (1..300).step_by(3) {
        let next = |client: &mut Client| client.raw.message().expect("more");
        assert_eq!((next(&mut client).xid, number), (number, number));
        let event = next(&mut client);
        let reply = next(&mut client);
        assert_eq!((event.event(), event.zxid), ((CREATED, format!("/w{number}")), reply.zxid));
        assert_eq!((reply.xid, reply.code), (number + 1, 0));
        assert_eq!(next(&mut client).xid, number + 2);
    }
}

#[test]
fn many_clients_write_at_once_and_each_sees_its_own_order() {
    let (_member, address) = member("memory:");
    Client::open(address).done(op::CREATE, create("/n", 0));
    let threads: Vec<_> = (0..8)
        .map(|me| {
            std::thread::spawn(move || {
                let mut client = Client::open(address);
                let mut bytes = Vec::new();
                for number in 1..=200 {
                    bytes.extend(request(2 * number, op::CREATE, create(&format!("/n/{me}-"), 2)));
                    bytes.extend(request(2 * number + 1, op::GET_DATA, read("/n", false)));
                }
                client.raw.send(&bytes);
                let mut last = String::new();
                for number in 1..=200 {
                    let reply = client.reply(2 * number);
                    let name = reply.fields().text();
                    assert!(name > last, "{name} after {last}");
                    last = name;
                    assert!(client.reply(2 * number + 1).data().1.pzxid >= reply.zxid);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every answer is in order"));
    let stat = Client::open(address).done(op::EXISTS, read("/n", false)).fields().stat();
    assert_eq!((stat.children, stat.cversion), (1600, 1600));
}

/// Where ZooKeeper still goes by the ACL before: an ACL counts for whatever comes after it, even in one breath.
#[test]
fn an_acl_counts_for_the_next_request_of_a_pipeline() {
    let member = Member::open("memory:").expect("a member");
    let mut client = Client::open(member.listen("127.0.0.1:0").expect("a listener"));
    client.done(op::CREATE, create("/a", 0));
    let close = Body::new().text("/a").acl(&[(31, "ip", "10.0.0.1")]).int(-1);
    let open = Body::new().text("/a").acl(&[(31, "world", "anyone")]).int(-1);
    let mut both = request(101, op::SET_ACL, close);
    both.extend(request(102, op::SET_ACL, open));
    client.raw.send(&both);
    assert_eq!([client.reply(101).code, client.reply(102).code], [0, -102]);
}
