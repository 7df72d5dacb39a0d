//! Who is told of what, on which connection.

use crate::client::*;
use folkmoot::request::{CreateMode, EventKind};
use folkmoot::wire::records::op;
use folkmoot::{Member, SessionOptions};
use std::net::SocketAddr;

fn member() -> (Member, SocketAddr) {
    let member = Member::open("memory:").expect("a member");
    let address = member.listen("127.0.0.1:0").expect("a listener");
    (member, address)
}

fn set_watches(zxid: i64, data: &[&str], exist: &[&str], child: &[&str]) -> Body {
    Body::new().long(zxid).texts(data).texts(exist).texts(child)
}

#[test]
fn a_recursive_watch_names_the_znode_that_changed() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    client.done(op::ADD_WATCH, Body::new().text("/a").int(1));
    client.done(op::CREATE, create("/a/b", 0));
    client.done(op::CREATE, create("/a/b/c", 0));
    client.done(op::SET_DATA, set("/a/b/c", b"y"));
    client.done(op::DELETE, versioned("/a/b/c", -1));
    client.done(op::CREATE, create("/ab", 0));
    let path = |path: &str| path.to_owned();
    assert_eq!(client.events(), [(CREATED, path("/a/b")), (CREATED, path("/a/b/c")), (CHANGED, path("/a/b/c")), (DELETED, path("/a/b/c"))]);
}

#[test]
fn a_persistent_watch_is_told_of_children_too() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::ADD_WATCH, Body::new().text("/a").int(0));
    client.done(op::CREATE, create("/a", 0));
    client.done(op::CREATE, create("/a/b", 0));
    client.done(op::SET_DATA, set("/a", b"y"));
    client.done(op::DELETE, versioned("/a/b", -1));
    client.done(op::DELETE, versioned("/a", -1));
    let kinds: Vec<_> = client.events().into_iter().map(|(kind, path)| (kind, path == "/a")).collect();
    assert_eq!(kinds, [(CREATED, true), (CHILDREN, true), (CHANGED, true), (CHILDREN, true), (DELETED, true)]);
}

#[test]
fn a_deleted_child_is_told_to_the_parents_watcher_even_if_it_was_the_last() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/p", 0));
    client.done(op::CREATE, create("/p/only", 0));
    client.done(op::GET_CHILDREN2, read("/p", true));
    client.done(op::DELETE, versioned("/p/only", -1));
    assert_eq!(client.event(), (CHILDREN, "/p".into()));
    // Once.
    client.done(op::CREATE, create("/p/other", 0));
    assert_eq!(client.events(), []);
}

#[test]
fn a_watch_on_what_is_missing_is_kept_and_one_on_what_is_hidden_is_not() {
    let (_member, address) = member();
    let mut owner = Client::open(address);
    owner.done(op::AUTH, auth("digest", b"owner:pw"));
    owner.done(op::CREATE, create_with("/hidden", b"", &[(31, "auth", "")], 0));
    let mut client = Client::open(address);
    assert_eq!(client.ask(op::EXISTS, read("/hidden", true)).code, -102);
    assert_eq!(client.ask(op::EXISTS, read("/missing", true)).code, -101);
    assert_eq!(client.ask(op::GET_DATA, read("/none", true)).code, -101);
    owner.done(op::SET_DATA, set("/hidden", b"y"));
    owner.done(op::CREATE, create("/missing", 0));
    owner.done(op::CREATE, create("/none", 0));
    assert_eq!(client.events(), [(CREATED, "/missing".into())]);
}

#[test]
fn events_are_kept_from_those_who_may_not_read() {
    let (_member, address) = member();
    let mut owner = Client::open(address);
    owner.done(op::AUTH, auth("digest", b"owner:pw"));
    let mut other = Client::open(address);
    for client in [&mut owner, &mut other] {
        client.done(op::ADD_WATCH, Body::new().text("/").int(1));
    }
    owner.done(op::CREATE, create_with("/secret", b"", &[(31, "auth", "")], 0));
    owner.done(op::SET_DATA, set("/secret", b"y"));
    owner.done(op::CREATE, create("/open", 0));
    owner.done(op::DELETE, versioned("/secret", -1));
    assert_eq!(other.events(), [(CREATED, "/open".into())]);
    assert_eq!(owner.events().len(), 4);
}

#[test]
fn one_connection_is_told_once_of_a_deletion() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    client.done(op::GET_DATA, read("/a", true));
    client.done(op::GET_CHILDREN, read("/a", true));
    client.done(op::EXISTS, read("/a", true));
    client.done(op::DELETE, versioned("/a", -1));
    assert_eq!(client.events(), [(DELETED, "/a".into())]);
}

#[test]
fn an_event_carries_the_transaction_that_caused_it() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/a", 0));
    client.done(op::GET_DATA, read("/a", true));
    let xid = client.send(op::SET_DATA, set("/a", b"y"));
    let event = client.raw.message().expect("an event");
    let reply = client.raw.message().expect("a reply");
    assert_eq!((event.xid, event.zxid, event.code), (-1, reply.zxid, 0));
    assert_eq!((reply.xid, reply.code), (xid, 0));
}

#[test]
fn set_watches_tells_what_has_changed_and_watches_the_rest() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    for path in ["/data-same", "/data-changed", "/data-gone", "/exist-same-missing", "/child-same", "/child-changed", "/child-gone"] {
        if path != "/exist-same-missing" {
            client.done(op::CREATE, create(path, 0));
        }
    }
    let seen = client.done(op::SYNC, Body::new().text("/")).zxid;
    client.done(op::SET_DATA, set("/data-changed", b"y"));
    client.done(op::DELETE, versioned("/data-gone", -1));
    client.done(op::CREATE, create("/exist-made", 0));
    client.done(op::CREATE, create("/child-changed/x", 0));
    // Data changed: no concern of a watch on children; and a new child none of one on data.
    client.done(op::SET_DATA, set("/child-same", b"y"));
    client.done(op::CREATE, create("/data-same/x", 0));
    client.done(op::DELETE, versioned("/child-gone", -1));
    let mut again = Client::attach(address, &client.connected).expect("attached");
    let body = set_watches(
        seen,
        &["/data-same", "/data-changed", "/data-gone"],
        &["/exist-same-missing", "/exist-made"],
        &["/child-same", "/child-changed", "/child-gone"],
    );
    again.send_as(-8, op::SET_WATCHES, body);
    let reply = again.reply(-8);
    assert_eq!((reply.code, reply.body.len()), (0, 0));
    // What has changed is told before the reply, in any order.
    let mut told: Vec<_> = again.events.drain(..).map(|event| (event.event(), event.zxid)).collect();
    told.sort();
    let event = |kind, path: &str| ((kind, path.to_owned()), -1);
    assert_eq!(
        told,
        [
            event(CREATED, "/exist-made"),
            event(DELETED, "/child-gone"),
            event(DELETED, "/data-gone"),
            event(CHANGED, "/data-changed"),
            event(CHILDREN, "/child-changed"),
        ]
    );
    // Those are used up; the others are set.
    for path in ["/data-same", "/data-changed", "/child-same", "/child-changed"] {
        again.done(op::SET_DATA, set(path, b"z"));
        again.done(op::CREATE, create(&format!("{path}/new"), 0));
    }
    again.done(op::CREATE, create("/exist-same-missing", 0));
    again.done(op::SET_DATA, set("/exist-made", b"z"));
    assert_eq!(again.events(), [(CHANGED, "/data-same".into()), (CHILDREN, "/child-same".into()), (CREATED, "/exist-same-missing".into())]);
}

#[test]
fn set_watches_2_sets_lasting_ones_and_replays_nothing() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/p", 0));
    client.done(op::CREATE, create("/r", 0));
    client.send_as(-8, op::SET_WATCHES2, set_watches(0, &[], &[], &[]).texts(&["/p"]).texts(&["/r"]));
    assert_eq!((client.reply(-8).code, client.events()), (0, vec![]));
    for path in ["/p/a", "/r/a"] {
        client.done(op::CREATE, create(path, 0));
        client.done(op::SET_DATA, set(path, b"y"));
    }
    assert_eq!(client.events(), [(CHILDREN, "/p".into()), (CREATED, "/r/a".into()), (CHANGED, "/r/a".into())]);
}

#[test]
fn set_watches_may_come_several_times_and_behind_credentials() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    let paths: Vec<_> = (0..2000).map(|number| format!("/some/long/path/of/a/znode/{number}")).collect();
    let mut bytes = request(-4, op::AUTH, auth("digest", b"me:pw"));
    let parts: Vec<_> = paths.chunks(500).map(|part| part.iter().map(String::as_str).collect::<Vec<_>>()).collect();
    for part in &parts {
        bytes.extend(request(-8, op::SET_WATCHES, set_watches(0, &[], part, &[])));
    }
    client.raw.send(&bytes);
    assert_eq!(client.reply(-4).code, 0);
    parts.iter().for_each(|_| assert_eq!(client.reply(-8).code, 0));
    for part in ["/some", "/some/long", "/some/long/path", "/some/long/path/of", "/some/long/path/of/a", "/some/long/path/of/a/znode", &paths[1999]] {
        client.done(op::CREATE, create(part, 0));
    }
    assert_eq!(client.events(), [(CREATED, paths[1999].clone())]);
}

#[test]
fn set_watches_behind_writes_sees_them() {
    let (_member, address) = member();
    let mut client = Client::open(address);
    let seen = client.done(op::CREATE, create("/a", 0)).zxid;
    let mut bytes = request(1, op::SET_DATA, set("/a", b"y"));
    bytes.extend(request(-8, op::SET_WATCHES, set_watches(seen, &["/a"], &[], &[])));
    bytes.extend(request(3, op::GET_DATA, read("/a", false)));
    client.raw.send(&bytes);
    client.reply(1);
    assert_eq!(client.raw.message().expect("an event").event(), (CHANGED, "/a".into()));
    assert_eq!(client.reply(-8).code, 0);
    client.reply(3);
}

#[test]
fn one_change_is_told_inside_and_outside() {
    let (member, address) = member();
    let inside = member.session(SessionOptions::default()).expect("a session");
    let mut outside = Client::open(address);
    outside.done(op::EXISTS, read("/", false));
    assert_eq!(outside.ask(op::EXISTS, read("/a", true)).code, -101);
    inside.exists_blocking("/a", true).expect("watched");
    inside.create_blocking("/a", b"from inside", CreateMode::Persistent).expect("created");
    assert_eq!(outside.event(), (CREATED, "/a".into()));
    let event = inside.events().try_next().expect("told before the write was answered");
    assert_eq!((event.kind, &*event.path), (EventKind::Created, "/a"));

    let stat = inside.exists_blocking("/a", true).expect("watched").expect("there");
    let (data, seen) = outside.done(op::GET_DATA, read("/a", true)).data();
    assert_eq!((&data[..], seen.czxid), (&b"from inside"[..], stat.czxid.0));
    let written = outside.done(op::SET_DATA, set("/a", b"from outside"));
    assert_eq!(outside.event(), (CHANGED, "/a".into()));
    let event = inside.events().try_next().expect("told before the write was answered");
    assert_eq!((event.kind, event.zxid.0), (EventKind::DataChanged, written.zxid));
    assert_eq!(inside.get_blocking("/a", false).expect("there").0.as_deref(), Some(&b"from outside"[..]));
}

#[test]
fn watches_end_with_their_connection() {
    let (_member, address) = member();
    let mut gone = Client::open(address);
    gone.done(op::CREATE, create("/a", 0));
    gone.done(op::GET_DATA, read("/a", true));
    gone.done(op::ADD_WATCH, Body::new().text("/").int(1));
    drop(gone.raw);
    let mut again = Client::attach(address, &gone.connected).expect("attached");
    again.done(op::SET_DATA, set("/a", b"y"));
    for kind in 1..=5 {
        assert_eq!(again.ask(op::CHECK_WATCHES, Body::new().text("/a").int(kind)).code, -121);
    }
    assert_eq!(again.events(), []);
}
