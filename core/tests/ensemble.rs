//! Members among members, over real sockets and files.

use folkmoot::request::CreateMode;
use folkmoot::{ErrorKind, Member, SessionOptions};

fn address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn target(directory: &std::path::Path, id: u8, addresses: &[String]) -> String {
    let peers: Vec<_> = addresses.iter().enumerate().map(|(at, address)| format!("peer={}={address}", at + 1)).collect();
    format!("ensemble:{}?id={id}&{}", directory.display(), peers.join("&"))
}

#[test]
fn one_member_alone_is_an_ensemble_and_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let target = target(directory.path(), 1, &[address()]);
    let member = Member::open(&target).unwrap();
    let session = member.session(SessionOptions::default()).unwrap();
    session.create_blocking("/a", b"1", CreateMode::Persistent).unwrap();
    session.create_blocking("/a/e", b"", CreateMode::Ephemeral).unwrap();
    session.set_blocking("/a", b"2", 0).unwrap();
    session.sync_blocking("/a").unwrap();
    assert_eq!(session.get_blocking("/a", false).unwrap().0.as_deref(), Some(&b"2"[..]));
    member.snapshot().unwrap();
    session.set_blocking("/a", b"3", 1).unwrap();
    member.close().unwrap();
    drop((session, member));

    let member = Member::open(&target).unwrap();
    let session = member.session(SessionOptions::default()).unwrap();
    assert_eq!(session.get_blocking("/a", false).unwrap().0.as_deref(), Some(&b"3"[..]));
    assert_eq!(session.exists_blocking("/a/e", false).unwrap(), None);
    drop((session, member));
    let refused = Member::open(directory.path().to_str().unwrap()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::BadArguments, "{refused}");
}

#[test]
fn a_directory_of_one_member_alone_becomes_the_first_of_an_ensemble() {
    let directory = tempfile::tempdir().unwrap();
    let session = folkmoot::open(directory.path().to_str().unwrap()).unwrap();
    session.create_blocking("/kept", b"x", CreateMode::Persistent).unwrap();
    drop(session);
    let session = folkmoot::open(&target(directory.path(), 1, &[address()])).unwrap();
    assert_eq!(session.get_blocking("/kept", false).unwrap().0.as_deref(), Some(&b"x"[..]));
    session.create_blocking("/more", b"", CreateMode::Persistent).unwrap();
}
