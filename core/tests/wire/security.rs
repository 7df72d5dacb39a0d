//! Who may do what from the wire.

use crate::client::*;
use folkmoot::Member;
use folkmoot::wire::Options;
use folkmoot::wire::records::op;
use std::net::SocketAddr;

/// `super:test`.
const SUPER: &str = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

fn served(options: Options) -> (Member, SocketAddr) {
    let member = Member::open("memory:").expect("a member");
    let address = member.listen_with("127.0.0.1:0", options).expect("a listener");
    (member, address)
}

fn acl_of(client: &mut Client, path: &str) -> Vec<(i32, String, String)> {
    let reply = client.done(op::GET_ACL, Body::new().text(path));
    let mut fields = reply.fields();
    (0..fields.int()).map(|_| (fields.int(), fields.text(), fields.text())).collect()
}

fn show(client: &mut Client, credential: &[u8]) {
    client.send_as(-4, op::AUTH, auth("digest", credential));
    assert_eq!(client.reply(-4).code, 0);
}

#[test]
fn a_refused_credential_is_answered_and_the_connection_closed() {
    for (scheme, credential) in [("nosuch", &b"x"[..]), ("world", b"anyone"), ("super", b"super:test"), ("auth", b"x"), ("", b"")] {
        let (_member, address) = served(Options::default());
        let mut client = Client::open(address);
        client.done(op::CREATE, create("/e", 1));
        let mut bytes = request(-4, op::AUTH, auth(scheme, credential));
        bytes.extend(request(2, op::CREATE, create("/behind", 0)));
        client.raw.send(&bytes);
        let said = client.raw.rest();
        let [reply] = &said[..] else { panic!("{scheme}: {said:?}") };
        assert_eq!((reply.xid, reply.zxid, reply.code, reply.body.len()), (-4, 0, -115, 0), "{scheme}");
        // The session is not over.
        let mut again = Client::attach(address, &client.connected).expect("the session is there");
        again.done(op::EXISTS, read("/e", false));
        assert_eq!(again.ask(op::EXISTS, read("/behind", false)).code, -101);
    }
}

#[test]
fn credentials_count_for_the_requests_behind_them_and_not_before() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    let mine = |path: &str| create_with(path, b"", &[(31, "auth", "")], 0);
    let mut bytes = request(1, op::CREATE, mine("/too-early"));
    bytes.extend(request(-4, op::AUTH, auth("digest", b"me:pw")));
    bytes.extend(request(2, op::CREATE, mine("/mine")));
    bytes.extend(request(3, op::GET_DATA, read("/mine", false)));
    client.raw.send(&bytes);
    let mut said: Vec<_> = (0..4).map(|_| client.raw.message().expect("an answer")).map(|reply| (reply.xid, reply.code)).collect();
    // The answer to a credential waits for no log, and clients know it by its number.
    said.sort_by_key(|(xid, _)| *xid);
    assert_eq!(said, [(-4, 0), (1, -114), (2, 0), (3, 0)]);
}

#[test]
fn credentials_belong_to_the_connection() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    show(&mut client, b"me:pw");
    client.done(op::CREATE, create_with("/mine", b"", &[(31, "auth", "")], 0));
    let mut again = Client::attach(address, &client.connected).expect("attached");
    assert_eq!(again.ask(op::GET_DATA, read("/mine", false)).code, -102);
    show(&mut again, b"me:pw");
    again.done(op::GET_DATA, read("/mine", false));
}

#[test]
fn everyone_may_do_what_everyone_is_allowed_and_no_more() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    client.done(op::CREATE, create_with("/r", b"", &[(1, "world", "anyone")], 0));
    client.done(op::GET_DATA, read("/r", false));
    client.done(op::GET_CHILDREN, read("/r", false));
    assert_eq!(client.ask(op::SET_DATA, set("/r", b"")).code, -102);
    assert_eq!(client.ask(op::CREATE, create("/r/c", 0)).code, -102);
    assert_eq!(client.ask(op::SET_ACL, Body::new().text("/r").acl(OPEN).int(-1)).code, -102);
    client.done(op::CREATE, create_with("/w", b"", &[(2, "world", "anyone")], 0));
    client.done(op::SET_DATA, set("/w", b""));
    assert_eq!(client.ask(op::GET_DATA, read("/w", false)).code, -102);
    assert_eq!(client.ask(op::EXISTS, read("/w", false)).code, -102);
    assert_eq!(client.ask(op::GET_CHILDREN, read("/w", false)).code, -102);
    assert_eq!(client.ask(op::GET_ALL_CHILDREN_NUMBER, Body::new().text("/w")).code, -102);
}

#[test]
fn auth_stands_for_everyone_shown_to_be_and_for_nobody_is_refused() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    let code = |client: &mut Client, acl: &[(i32, &str, &str)]| client.ask(op::CREATE, create_with("/x", b"", acl, 0)).code;
    assert_eq!(code(&mut client, &[(31, "auth", "")]), -114);
    assert_eq!(code(&mut client, &[]), -114);
    assert_eq!(client.ask(op::CREATE, Body::new().text("/x").data(None).int(-1).int(0)).code, -114, "a null list");
    assert_eq!(code(&mut client, &[(31, "nosuch", "x")]), -114);
    show(&mut client, b"one:pw");
    show(&mut client, b"two:pw");
    client.done(op::CREATE, create_with("/both", b"", &[(31, "auth", ""), (31, "auth", ""), (1, "world", "anyone"), (1, "world", "anyone")], 0));
    let mut acl: Vec<_> =
        acl_of(&mut client, "/both").into_iter().map(|(perms, scheme, id)| (perms, scheme, id.split(':').next().unwrap_or("").to_owned())).collect();
    acl.sort();
    let entry = |perms, scheme: &str, id: &str| (perms, scheme.to_owned(), id.to_owned());
    assert_eq!(acl, [entry(1, "world", "anyone"), entry(31, "digest", "one"), entry(31, "digest", "two")]);
}

#[test]
fn a_digest_is_shown_only_to_those_who_may_change_it() {
    let (_member, address) = served(Options::default());
    let mut owner = Client::open(address);
    show(&mut owner, b"owner:pw");
    owner.done(op::CREATE, create_with("/a", b"", &[(31, "auth", ""), (1, "world", "anyone")], 0));
    let shown = acl_of(&mut owner, "/a");
    assert!(shown[0].2.starts_with("owner:") && shown[0].2 != "owner:x", "{shown:?}");
    assert_eq!(acl_of(&mut Client::open(address), "/a")[0], (31, "digest".into(), "owner:x".into()));
}

#[test]
fn a_session_is_told_who_it_has_shown_to_be_and_nothing_that_proves_it() {
    let (_member, address) = served(Options { super_digest: Some(SUPER.into()), ..Options::default() });
    let mut client = Client::open(address);
    show(&mut client, b"me:secret");
    let reply = client.done(op::WHO_AM_I, Body::new());
    let mut fields = reply.fields();
    let mut who: Vec<_> = (0..fields.int()).map(|_| (fields.text(), fields.text())).collect();
    who.sort();
    assert_eq!(who, [("digest".into(), "me".into()), ("ip".into(), "127.0.0.1".into())]);
}

#[test]
fn super_may_do_everything() {
    let (_member, address) = served(Options { super_digest: Some(SUPER.into()), ..Options::default() });
    let mut client = Client::open(address);
    client.done(op::CREATE, create_with("/locked", b"x", &[(1, "digest", "nobody:can")], 0));
    assert_eq!(client.ask(op::GET_DATA, read("/locked", false)).code, -102);
    show(&mut client, b"super:wrong");
    assert_eq!(client.ask(op::GET_DATA, read("/locked", false)).code, -102);
    show(&mut client, b"super:test");
    client.done(op::GET_DATA, read("/locked", false));
    client.done(op::DELETE, versioned("/locked", -1));
}

#[test]
fn where_a_scheme_is_demanded_nothing_is_done_without_it() {
    let options = Options { required_schemes: vec!["digest".into()], ..Options::default() };
    let (_member, address) = served(options);
    for (op, body) in [(op::CREATE, create("/a", 0)), (op::GET_DATA, read("/", false)), (op::SYNC, Body::new().text("/"))] {
        let mut client = Client::open(address);
        let mut bytes = request(5, op, body.clone());
        bytes.extend(request(6, op, body));
        client.raw.send(&bytes);
        let said = client.raw.rest();
        let [reply] = &said[..] else { panic!("{said:?}") };
        assert_eq!((reply.xid, reply.code, reply.body.len()), (5, -124, 0));
    }
    let mut client = Client::open(address);
    show(&mut client, b"me:pw");
    client.done(op::CREATE, create("/b", 0));
    assert_eq!(client.ask(op::EXISTS, read("/a", false)).code, -101);
}

#[test]
fn too_many_credentials_are_refused() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    for number in 0..folkmoot::limits::IDENTITIES_MAX + 1 {
        client.raw.send_anyway(&request(-4, op::AUTH, auth("digest", format!("user{number}:pw").as_bytes())));
    }
    let codes: Vec<_> = client.raw.rest().iter().map(|reply| reply.code).collect();
    // One place is that of the address.
    let good = folkmoot::limits::IDENTITIES_MAX - 1;
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), good);
    assert_eq!(codes[good..], [-115]);
}

#[test]
fn sasl_without_users_is_answered_with_nothing() {
    let (_member, address) = served(Options::default());
    let mut client = Client::open(address);
    let reply = client.ask(op::SASL, Body::new().data(Some(b"")));
    assert_eq!((reply.code, reply.body), (0, vec![0xff; 4]));
}
