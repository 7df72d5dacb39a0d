//! What single operations answer, byte for byte.

use crate::client::*;
use folkmoot::Member;
use folkmoot::wire::Options;
use folkmoot::wire::records::op;

fn client() -> (Member, Client) {
    let member = Member::open("memory:").expect("a member");
    let address = member.listen("127.0.0.1:0").expect("a listener");
    let client = Client::open(address);
    (member, client)
}

fn stat(client: &mut Client, path: &str) -> Stat {
    client.done(op::EXISTS, read(path, false)).fields().stat()
}

#[test]
fn an_unknown_operation_is_answered_unimplemented_and_closed() {
    // 13 (check) is one outside of a multi; 20 (deleteContainer) is not for clients.
    for unknown in [13, 20, 10, 23, 99, 108, 500, 504, -1, -10, i32::MAX, i32::MIN, 0] {
        let (_member, mut client) = client();
        client.done(op::CREATE, create("/a", 4));
        let mut bytes = request(7, unknown, versioned("/a", -1));
        bytes.extend(request(8, op::GET_DATA, read("/", false)));
        client.raw.send(&bytes);
        let said = client.raw.rest();
        let [reply] = &said[..] else { panic!("{unknown}: {said:?}") };
        assert_eq!((reply.xid, reply.code, reply.body.len()), (7, -6, 0), "{unknown}");
    }
}

#[test]
fn a_failed_multi_tells_of_every_operation() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/a", 0));
    let body = Body::new()
        .op(op::CREATE, create("/b", 0))
        .op(op::CHECK, versioned("/a", 7))
        .op(op::SET_DATA, set("/a", b"never"))
        .op(op::DELETE, versioned("/a", -1))
        .end();
    let reply = client.ask(op::MULTI, body);
    let error = |code| Body::new().int(-1).flag(false).int(code).int(code).0;
    let expected = [error(0), error(-103), error(-2), error(-2), Body::new().end().0].concat();
    assert_eq!((reply.code, reply.body), (0, expected));
    assert_eq!(client.ask(op::EXISTS, read("/b", false)).code, -101);
    assert_eq!(client.done(op::GET_DATA, read("/a", false)).data().0, b"x");
}

#[test]
fn results_of_a_multi_have_the_types_that_clients_know() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/old", 0));
    let ttl = |path: &str, flags| create(path, flags).long(60_000);
    let body = Body::new()
        .op(op::CREATE, create("/plain", 0))
        .op(op::CREATE2, create("/with-stat", 0))
        .op(op::CREATE_CONTAINER, create("/container", 4))
        .op(op::CREATE_TTL, ttl("/ttl", 5))
        .op(op::CREATE_TTL, ttl("/ttl-", 6))
        .op(op::CREATE, create("/seq-", 2))
        .op(op::SET_DATA, set("/old", b"y"))
        .op(op::CHECK, versioned("/old", 1))
        .op(op::DELETE, versioned("/old", 1))
        .end();
    let reply = client.done(op::MULTI, body);
    let mut fields = reply.fields();
    let mut item = |expected| {
        assert_eq!((fields.int(), fields.flag(), fields.int()), (expected, false, 0));
        let path = matches!(expected, op::CREATE | op::CREATE2).then(|| fields.text());
        let stat = matches!(expected, op::CREATE2 | op::SET_DATA).then(|| fields.stat());
        (path, stat)
    };
    let zxid = reply.zxid;
    assert_eq!(item(op::CREATE), (Some("/plain".into()), None));
    for path in ["/with-stat", "/container", "/ttl", "/ttl-0000000005"] {
        let (named, stat) = item(op::CREATE2);
        let stat = stat.expect("a Stat");
        // Nor does it show that some are to be swept.
        assert_eq!((named.as_deref(), stat.owner, stat.czxid), (Some(path), 0, zxid));
    }
    assert_eq!(item(op::CREATE), (Some("/seq-0000000006".into()), None));
    assert_eq!(item(op::SET_DATA).1.map(|stat| (stat.version, stat.mzxid)), Some((1, zxid)));
    item(op::CHECK);
    item(op::DELETE);
    assert_eq!((fields.int(), fields.flag(), fields.int()), (-1, true, -1));
    assert!(fields.0.is_empty());
}

#[test]
fn an_empty_multi_answers_with_its_end() {
    let (_member, mut client) = client();
    for operation in [op::MULTI, op::MULTI_READ] {
        assert_eq!(client.done(operation, Body::new().end()).body, Body::new().end().0);
    }
}

#[test]
fn a_multi_that_cannot_be_read_is_a_marshalling_error_and_the_connection_stays() {
    let (_member, mut client) = client();
    let mixed = Body::new().op(op::CREATE, create("/a", 0)).op(op::GET_DATA, read("/", false)).end();
    let reads = Body::new().op(op::GET_DATA, read("/", false)).end();
    let writes = Body::new().op(op::CREATE, create("/a", 0)).end();
    let endless = Body::new().op(op::CREATE, create("/a", 0));
    for (operation, body) in [(op::MULTI, mixed.clone()), (op::MULTI_READ, mixed), (op::MULTI, reads), (op::MULTI_READ, writes), (op::MULTI, endless)] {
        assert_eq!(client.ask(operation, body.clone()).code, -5, "{operation}: {body:?}");
    }
    assert_eq!(client.ask(op::EXISTS, read("/a", false)).code, -101);
}

#[test]
fn a_read_that_fails_in_a_multi_read_does_not_stop_the_others() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/a", 0));
    let a = client.done(op::GET_DATA, read("/a", false)).body;
    let children = client.done(op::GET_CHILDREN, read("/", false)).body;
    let body = Body::new()
        .op(op::GET_DATA, read("/a", false))
        .op(op::GET_DATA, read("/none", false))
        .op(op::GET_CHILDREN, read("/", false))
        .op(op::GET_CHILDREN, read("/none", false))
        .end();
    let good = |op, body: &[u8]| Body::new().int(op).flag(false).int(0).raw(body).0;
    let bad = Body::new().int(-1).flag(false).int(-101).int(-101).0;
    let expected = [good(op::GET_DATA, &a), bad.clone(), good(op::GET_CHILDREN, &children), bad, Body::new().end().0].concat();
    assert_eq!(client.done(op::MULTI_READ, body).body, expected);
}

#[test]
fn operations_on_watches_have_the_bodies_that_clients_wait_for() {
    let (_member, mut client) = client();
    assert_eq!(client.done(op::ADD_WATCH, Body::new().text("/a").int(0)).body, [0; 4]);
    assert_eq!(client.done(op::CHECK_WATCHES, Body::new().text("/a").int(4)).body.len(), 0);
    assert_eq!(client.done(op::REMOVE_WATCHES, Body::new().text("/a").int(4)).body.len(), 0);
    for operation in [op::CHECK_WATCHES, op::REMOVE_WATCHES] {
        let reply = client.ask(operation, Body::new().text("/a").int(4));
        assert_eq!((reply.code, reply.body.len()), (-121, 0));
    }
    assert_eq!(client.ask(op::ADD_WATCH, Body::new().text("/a").int(2)).code, -5);
}

#[test]
fn children_leave_their_marks_on_the_parent() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/p", 0));
    let born = stat(&mut client, "/p");
    assert_eq!((born.cversion, born.children, born.pzxid), (0, 0, born.czxid));
    let made = client.done(op::CREATE, create("/p/c", 0)).zxid;
    let with = stat(&mut client, "/p");
    assert_eq!((with.cversion, with.children, with.pzxid, with.mzxid), (1, 1, made, born.mzxid));
    // What happens in a child is the child's.
    client.done(op::SET_DATA, set("/p/c", b"y"));
    assert_eq!(stat(&mut client, "/p"), with);
    let gone = client.done(op::DELETE, versioned("/p/c", -1)).zxid;
    let without = stat(&mut client, "/p");
    assert_eq!((without.cversion, without.children, without.pzxid), (2, 0, gone));
}

#[test]
fn a_sequence_counts_every_child_there_ever_was() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/q", 0));
    client.done(op::CREATE, create("/q/plain", 0));
    client.done(op::CREATE, create("/q/gone", 0));
    client.done(op::DELETE, versioned("/q/gone", -1));
    let made = client.done(op::CREATE, create("/q/n-", 2));
    // Two were made before; the parent's cversion is at three, and is not what counts.
    assert_eq!(made.fields().text(), "/q/n-0000000002");
    client.done(op::DELETE, versioned("/q/n-0000000002", -1));
    assert_eq!(client.done(op::CREATE, create("/q/", 3)).fields().text(), "/q/0000000003");
    assert_eq!(stat(&mut client, "/q").cversion, 6);
}

#[test]
fn nothing_can_be_made_below_an_ephemeral() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/e", 1));
    for flags in 0..4 {
        assert_eq!(client.ask(op::CREATE, create("/e/child", flags)).code, -108);
    }
}

#[test]
fn a_delete_is_checked_in_zookeepers_order() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/p", 0));
    client.done(op::CREATE, create("/p/full", 0));
    client.done(op::CREATE, create("/p/full/child", 0));
    client.done(op::CREATE_CONTAINER, create("/plain", 4));
    // Its children must not be deleted.
    client.done(op::SET_ACL, Body::new().text("/p").acl(&[(31 & !8, "world", "anyone")]).int(-1));
    assert_eq!(client.ask(op::DELETE, versioned("/none/there", 9)).code, -101, "the parent first");
    assert_eq!(client.ask(op::DELETE, versioned("/p/none", 9)).code, -102, "then the right");
    client.done(op::SET_ACL, Body::new().text("/p").acl(OPEN).int(-1));
    assert_eq!(client.ask(op::DELETE, versioned("/p/none", 9)).code, -101, "then the znode");
    assert_eq!(client.ask(op::DELETE, versioned("/p/full", 9)).code, -103, "then its version");
    assert_eq!(client.ask(op::DELETE, versioned("/p/full", 0)).code, -111, "then its children");
    assert_eq!(client.ask(op::DELETE, versioned("/", -1)).code, -8);
    assert_eq!(client.ask(op::DELETE, versioned("/zookeeper", -1)).code, -8);
}

#[test]
fn a_create_is_checked_in_zookeepers_order() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/closed", 0));
    client.done(op::SET_ACL, Body::new().text("/closed").acl(&[(1, "world", "anyone")]).int(-1));
    let code = |client: &mut Client, path: &str, acl: &[(i32, &str, &str)], flags| client.ask(op::CREATE, create_with(path, b"", acl, flags)).code;
    assert_eq!(code(&mut client, "/closed/..", &[], 9), -8, "what is to be made");
    assert_eq!(code(&mut client, "/none/there", &[], 0), -114, "then the ACL");
    assert_eq!(code(&mut client, "/none/there", OPEN, 0), -101, "then the parent");
    assert_eq!(code(&mut client, "/closed/a", OPEN, 0), -102, "then the right");
    assert_eq!(code(&mut client, "/a/", OPEN, 0), -101, "a slash more is a znode less");
    client.done(op::CREATE, create("/a", 0));
    assert_eq!(code(&mut client, "/a/..", OPEN, 0), -8, "then the path");
    assert_eq!(code(&mut client, "/a", OPEN, 1), -110, "then whether it is there");
    assert_eq!(code(&mut client, "/", OPEN, 0), -110);
}

#[test]
fn reserved_znodes_are_there() {
    let (_member, mut client) = client();
    assert_eq!(client.done(op::GET_CHILDREN, read("/", false)).fields().texts(), ["zookeeper"]);
    let mut below = client.done(op::GET_CHILDREN2, read("/zookeeper", false)).fields().texts();
    below.sort();
    assert_eq!(below, ["config", "quota"]);
    let reply = client.done(op::GET_DATA, read("/zookeeper/config", false));
    let config = String::from_utf8(reply.fields().data().unwrap_or_default()).expect("text");
    // A single server has no members to list, and ZooKeeper leaves its config empty.
    assert!(config.is_empty() || config.contains("version="), "{config}");
}

#[test]
fn null_data_is_not_empty_data() {
    let (_member, mut client) = client();
    client.done(op::CREATE, Body::new().text("/null").data(None).acl(OPEN).int(0));
    client.done(op::CREATE, create_with("/empty", b"", OPEN, 0));
    assert_eq!(client.done(op::GET_DATA, read("/null", false)).fields().data(), None);
    assert_eq!(client.done(op::GET_DATA, read("/empty", false)).fields().data(), Some(vec![]));
}

#[test]
fn every_operation_answers_whatever_its_body() {
    let (_member, mut client) = client();
    let bodies = [
        Body::new(),
        Body::new().int(-1),
        Body::new().int(i32::MAX),
        Body::new().int(-2),
        Body::new().text(""),
        Body::new().text("no slash"),
        Body::new().text("/\0"),
        Body::new().text("/a").int(i32::MAX),
        Body::new().text("/").int(-1).int(-1).int(-1).long(-1),
        Body::new().data(Some(&[0xff, 0xfe])).flag(true),
        Body::new().raw(&[0xff; 64]),
        Body::new().raw(&[0; 64]),
    ];
    let operations = (1..=22).chain(101..=107).filter(|operation| ![10, 11, 13, 20].contains(operation));
    for operation in operations {
        for body in &bodies {
            // Whatever it says, it says it to this request, and the connection lives.
            client.ask(operation, body.clone());
        }
    }
    client.done(op::CREATE, create("/still-here", 0));
}

#[test]
fn a_sync_answers_with_its_path() {
    let (_member, mut client) = client();
    let zxid = client.done(op::CREATE, create("/a", 0)).zxid;
    let reply = client.done(op::SYNC, Body::new().text("/anything/at all"));
    assert_eq!((reply.zxid, reply.fields().text()), (zxid, "/anything/at all".into()));
    assert_eq!(client.done(op::SYNC, Body::new().data(None)).body, [0xff; 4]);
}

#[test]
fn failed_writes_take_a_transaction_and_reads_do_not() {
    let (_member, mut client) = client();
    let zxid = client.done(op::CREATE, create("/a", 0)).zxid;
    assert_eq!(client.ask(op::CREATE, create("/a", 0)).zxid, zxid + 1);
    assert_eq!(client.ask(op::GET_DATA, read("/none", false)).zxid, zxid + 1);
    assert_eq!(client.ask(op::GET_DATA, Body::new()).zxid, zxid + 1);
    assert_eq!(client.ask(op::SET_DATA, Body::new().data(None).data(None).int(-1)).zxid, zxid + 2);
    assert_eq!(client.done(op::CREATE, create("/b", 0)).zxid, zxid + 3);
}

#[test]
fn ttl_znodes_are_not_made_where_they_are_switched_off() {
    let member = Member::open("memory:").expect("a member");
    let address = member.listen_with("127.0.0.1:0", Options { extended_types: false, ..Options::default() }).expect("a listener");
    let mut client = Client::open(address);
    assert_eq!(client.ask(op::CREATE_TTL, create("/ttl", 5).long(1000)).code, -6);
    let reply = client.done(op::MULTI, Body::new().op(op::CREATE, create("/a", 0)).op(op::CREATE_TTL, create("/ttl", 5).long(1000)).end());
    let mut fields = reply.fields();
    let error = |fields: &mut Fields<'_>| (fields.int(), fields.flag(), fields.int(), fields.int());
    assert_eq!([error(&mut fields), error(&mut fields)], [(-1, false, 0, 0), (-1, false, -6, -6)]);
    // Nor is the connection closed for it, and containers are as ever.
    client.done(op::CREATE_CONTAINER, create("/container", 4));
    assert_eq!(client.done(op::GET_CHILDREN, read("/", false)).fields().texts().len(), 2);
}

#[test]
fn reconfiguring_is_refused() {
    let (_member, mut client) = client();
    let body = Body::new().text("server.9=127.0.0.1:1:2;3").data(None).data(None).long(-1);
    assert_eq!(client.ask(op::RECONFIG, body).code, -123);
}

#[test]
fn ephemerals_and_descendants_are_told() {
    let (_member, mut client) = client();
    client.done(op::CREATE, create("/d", 0));
    client.done(op::CREATE, create("/d/e1", 1));
    client.done(op::CREATE, create("/d/e2", 1));
    client.done(op::CREATE, create("/other", 1));
    let mut mine = client.done(op::GET_EPHEMERALS, Body::new().text("/d")).fields().texts();
    mine.sort();
    assert_eq!(mine, ["/d/e1", "/d/e2"]);
    client.done(op::CREATE, create("/e", 1));
    // A prefix of nothing but what Java's `trim` takes away is none.
    for prefix in ["", " ", "\0", "\u{1f}\t", " / "] {
        assert_eq!(client.done(op::GET_EPHEMERALS, Body::new().text(prefix)).fields().texts().len(), 4, "{prefix:?}");
    }
    // But one that has more keeps its blanks.
    assert!(client.done(op::GET_EPHEMERALS, Body::new().text(" /d")).fields().texts().is_empty());
    assert_eq!(client.done(op::GET_ALL_CHILDREN_NUMBER, Body::new().text("/d")).body, 2i32.to_be_bytes());
}
