//! Four-letter words at the door for clients. What they answer is tested where they are.

use crate::client::*;
use folkmoot::Member;
use folkmoot::wire::Options;
use folkmoot::wire::records::op;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

fn served(words: &[&str]) -> (Member, SocketAddr) {
    let member = Member::open("memory:").expect("a member");
    let options = Options { four_letter_words: words.iter().map(|word| (*word).to_owned()).collect(), ..Options::default() };
    let address = member.listen_with("127.0.0.1:0", options).expect("a listener");
    (member, address)
}

/// Sends some parts, reads to the end.
fn say(address: SocketAddr, parts: &[&[u8]], half_closed: bool) -> String {
    let mut stream = Raw::open(address).stream;
    parts.iter().for_each(|part| stream.write_all(part).expect("taken"));
    if half_closed {
        stream.shutdown(Shutdown::Write).expect("half closed");
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and the end");
    text
}

#[test]
fn a_word_is_answered_and_the_connection_closed() {
    let (_member, address) = served(&["*"]);
    assert_eq!(say(address, &[b"ruok"], false), "imok");
    assert_eq!(say(address, &[b"r", b"u", b"o", b"k"], false), "imok");
    // As netcat sends it: with the end of a line, and nothing more to come.
    assert_eq!(say(address, &[b"ruok\n"], true), "imok");
    assert_eq!(say(address, &[b"isro\r\n"], true), "rw");
    assert!(say(address, &[b"srvr"], false).contains("\nMode: standalone\n"));
    assert_eq!(say(address, &[b"\xff\xf4\xff\xfd"], false), "");
}

#[test]
fn a_word_that_is_not_allowed_says_so() {
    let (_member, address) = served(&["ruok"]);
    assert_eq!(say(address, &[b"dump"], false), "dump is not executed because it is not in the whitelist.\n");
    assert_eq!(say(address, &[b"stmk"], false), "stmk is not executed because it is not in the whitelist.\n");
    assert_eq!(say(address, &[b"ruok"], false), "imok");
    assert!(say(address, &[b"srvr"], false).starts_with("Zookeeper version: "), "the one that is always allowed");
}

#[test]
fn a_word_is_one_only_at_the_very_beginning_of_a_connection() {
    let (_member, address) = served(&["*"]);
    let mut client = Client::open(address);
    let zxid = client.done(op::CREATE, create("/a", 0)).zxid;
    // There it is the length of a frame, and too great a one.
    client.raw.send(b"ruok");
    client.raw.assert_closed();
    // Letters that are no word are too.
    assert_eq!(say(address, &[b"RUOK"], false), "");
    // And none of it has opened a session.
    let mut again = Client::attach(address, &client.connected).expect("the session is there");
    assert_eq!(again.done(op::SYNC, Body::new().text("/")).zxid, zxid);
}

#[test]
fn a_session_is_seen_by_its_number_from_the_outside() {
    let (_member, address) = served(&["*"]);
    let mut client = Client::open(address);
    client.done(op::CREATE, create("/e", 1));
    client.done(op::GET_DATA, read("/e", true));
    let number = format!("{:#x}", client.session().0);
    let dump = say(address, &[b"dump"], false);
    assert!(dump.contains(&number) && dump.contains("\t/e\n"), "{dump}");
    assert!(say(address, &[b"wchc"], false).starts_with(&number));
    assert!(say(address, &[b"cons"], false).contains(&format!("sid={number}")));
    // The password is nowhere to be seen.
    let password: String = client.connected.password.iter().map(|byte| format!("{byte:02x}")).collect();
    for word in [&b"dump"[..], b"cons", b"conf", b"envi", b"mntr", b"wchc", b"stat"] {
        assert!(!say(address, &[word], false).contains(&password));
    }
}
