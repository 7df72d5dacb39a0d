//! Conversations with a real ZooKeeper, byte for byte: see `tests/recorder/wire.py`.
//!
//! Every frame that it sent is read and written again, and must come out the same; and every conversation is had once more, with
//! a member, whose answers must be the same but for times, passwords and the numbers of sessions.

use crate::client::*;
use folkmoot::Member;
use folkmoot::ids::{SessionId, Zxid};
use folkmoot::request::{Request, Stat};
use folkmoot::wire::Options;
use folkmoot::wire::records::{self, Ask, Connect, Connected, Form, XID_AUTH, XID_NOTIFICATION, XID_PING, op};
use folkmoot::{ErrorKind, request::Reply};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

/// Answers that differ on purpose: file, line, reason.
const DECLARED: &[(&str, usize, &str)] = &[
    ("multi", 77, "behind a code that is not 0 there is nothing, where ZooKeeper leaves an empty result that nobody reads"),
    ("operations", 103, "no version is ever -1, as that of the config's ACL is in ZooKeeper: it would be the wildcard"),
];

fn is_declared(name: &str, number: usize) -> bool {
    DECLARED.iter().any(|(file, line, _)| (*file, *line) == (name, number))
}

enum Line {
    Sent(Vec<u8>),
    Received(Vec<u8>),
    Closed,
}

/// The lines of every conversation: number, connection, what.
fn conversations() -> Vec<(String, Vec<(usize, char, Line)>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/wire");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("tests/data/wire").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the conversations are there");
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits")).collect();
    let line = |(number, line): (usize, &str)| {
        let (who, what) = line.split_once(' ').expect("who, and what");
        let what = match what.split_at(2.min(what.len())) {
            ("> ", hex) => Line::Sent(bytes(hex)),
            ("< ", hex) => Line::Received(bytes(hex)),
            _ if what == "closed" => Line::Closed,
            _ => panic!("line {number}: {line}"),
        };
        (number + 1, who.parse().expect("one letter"), what)
    };
    let read = |file: &std::path::PathBuf| {
        let content = std::fs::read_to_string(file).expect("text");
        let lines = content.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(line).collect();
        (file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned(), lines)
    };
    files.iter().map(read).collect()
}

/// What is still to be answered on a connection, and in what form.
#[derive(Default)]
struct Waiting {
    greeted: bool,
    forms: VecDeque<(i32, Form)>,
}

impl Waiting {
    /// Something was sent; what it asks for, unless it is the first frame.
    fn sent<'a>(&mut self, frame: &'a [u8]) -> Option<(i32, Ask<'a>)> {
        if !std::mem::replace(&mut self.greeted, true) {
            return None;
        }
        let (xid, op, body) = records::header(&frame[4..]).ok()?;
        let ask = records::ask(op, body);
        let form = match &ask {
            Ask::Request(_, form) => form.clone(),
            Ask::Get(..) => Form::Data,
            // A token, or rather none, is a buffer, as the path of a sync is.
            Ask::Sasl(_) => Form::Sync(None),
            _ => Form::Empty,
        };
        self.forms.push_back((xid, form));
        Some((xid, ask))
    }

    /// The form of a reply. ZooKeeper answers credentials before what is still on its way.
    fn form(&mut self, xid: i32) -> Form {
        let at = self.forms.iter().position(|(other, _)| *other == xid).expect("a request with that number");
        assert!(at == 0 || xid == XID_AUTH, "replies come in the order of the requests");
        self.forms.remove(at).expect("there").1
    }
}

/// A reply, taken apart.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Event(folkmoot::request::Event),
    Reply { xid: i32, zxid: Zxid, result: Result<Reply, ErrorKind> },
}

fn read_frame(frame: &[u8], waiting: &mut Waiting) -> (Said, Form) {
    let (header, rest) = records::reply_header(&frame[4..]).expect("a header");
    if header.xid == XID_NOTIFICATION {
        return (Said::Event(records::read_notification(&header, rest).expect("an event")), Form::Empty);
    }
    let form = waiting.form(header.xid);
    let result = records::read_reply(&form, header.code, rest).unwrap_or_else(|_| panic!("a reply of the form {form:?}: {frame:?}"));
    (Said::Reply { xid: header.xid, zxid: header.zxid, result: result.map_err(|error| error.kind()) }, form)
}

#[test]
fn what_zookeeper_sent_is_read_and_written_again_to_the_same_bytes() {
    let (mut frames, mut requests) = (0, 0);
    for (name, lines) in conversations() {
        let mut links: BTreeMap<char, (Waiting, bool)> = BTreeMap::new();
        for (number, link, line) in lines {
            let (waiting, greeted) = links.entry(link).or_default();
            let mut again = Vec::new();
            match line {
                Line::Sent(frame) if !waiting.greeted => {
                    waiting.sent(&frame);
                    let connect = Connect::read(&frame[4..]).expect("a first frame");
                    connect.write(&mut again);
                    // A password that is null is read as an empty one.
                    assert!(again == frame || connect.password.is_empty(), "{name}:{number}");
                }
                Line::Sent(frame) => {
                    let Some((xid, Ask::Request(request, form))) = waiting.sent(&frame) else { continue };
                    let expressible = !matches!(request, Request::Refused(_)) && name != "odd";
                    if expressible && records::write_request(&mut again, xid, &request, &form).is_ok() && again == frame {
                        requests += 1;
                    }
                }
                Line::Received(frame) if !*greeted => {
                    *greeted = true;
                    Connected::read(&frame[4..]).expect("an answer to the first frame").write(&mut again);
                    assert_eq!(again, frame, "{name}:{number}");
                    frames += 1;
                }
                Line::Received(frame) => {
                    match read_frame(&frame, waiting) {
                        (Said::Event(event), _) => records::notification(&mut again, &event),
                        (Said::Reply { xid, zxid, result }, form) => records::reply(&mut again, xid, zxid, &form, &result.map_err(Into::into)),
                    }
                    assert!(again == frame || is_declared(&name, number), "{name}:{number}: {again:?} for {frame:?}");
                    frames += 1;
                }
                Line::Closed => {}
            }
        }
    }
    assert!(frames > 600 && requests > 200, "{frames} frames, {requests} requests");
}

/// The numbers and passwords of sessions, as recorded and as they are now.
#[derive(Default)]
struct Sessions(Vec<(Connected, Connected)>);

impl Sessions {
    fn now(&self, recorded: SessionId) -> Option<&(Connected, Connected)> {
        self.0.iter().find(|(then, _)| then.session == recorded)
    }

    fn stat(&self, stat: &mut Stat, is_recorded: bool) {
        (stat.ctime, stat.mtime) = (0, 0);
        if is_recorded && let Some((_, now)) = self.now(SessionId(stat.ephemeral_owner)) {
            stat.ephemeral_owner = now.session.0;
        }
    }

    /// Takes out what may differ.
    fn plain(&self, reply: &mut Reply, is_recorded: bool) {
        match reply {
            Reply::Created { stat, .. } | Reply::Stat(stat) | Reply::Data { stat, .. } | Reply::Acl { stat, .. } => self.stat(stat, is_recorded),
            Reply::Children { names, stat } => {
                names.sort();
                self.stat(stat, is_recorded);
            }
            Reply::Multi(results) => results.iter_mut().flatten().for_each(|reply| self.plain(reply, is_recorded)),
            Reply::MultiRead(results) => results.iter_mut().flatten().for_each(|reply| self.plain(reply, is_recorded)),
            Reply::Paths(paths) => paths.sort(),
            Reply::Identities(identities) => identities.sort(),
            _ => {}
        }
    }

    fn said(&self, frame: &[u8], waiting: &mut Waiting, is_recorded: bool) -> Said {
        let (mut said, _) = read_frame(frame, waiting);
        if let Said::Reply { result: Ok(reply), .. } = &mut said {
            self.plain(reply, is_recorded);
        }
        said
    }
}

struct Link {
    raw: Raw,
    greeted: bool,
    then: Waiting,
    now: Waiting,
}

#[test]
fn a_member_answers_what_zookeeper_answered() {
    let mut differences = Vec::new();
    for (name, lines) in conversations() {
        let member = Member::open("memory:").expect("a member");
        let options =
            Options { tick_ms: 2000, max_client_connections: 0, super_digest: Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".into()), ..Options::default() };
        let address = member.listen_with("127.0.0.1:0", options).expect("a listener");
        let mut sessions = Sessions::default();
        let mut links: BTreeMap<char, Link> = BTreeMap::new();
        for (number, letter, line) in lines {
            let link =
                links.entry(letter).or_insert_with(|| Link { raw: Raw::open(address), greeted: false, then: Waiting::default(), now: Waiting::default() });
            let mut differ = |then: String, now: String| {
                if !is_declared(&name, number) {
                    differences.push(format!("{name}:{number}\n  ZooKeeper: {then}\n  here:      {now}"));
                }
            };
            match line {
                Line::Sent(frame) if !link.then.greeted => {
                    link.then.sent(&frame);
                    link.now.sent(&frame);
                    let mut connect = Connect::read(&frame[4..]).expect("a first frame");
                    if let Some((then, now)) = sessions.now(connect.session) {
                        if connect.password == then.password {
                            connect.password = now.password.to_vec();
                        }
                        connect.session = now.session;
                    }
                    let mut bytes = Vec::new();
                    connect.write(&mut bytes);
                    link.raw.send(&bytes);
                }
                Line::Sent(frame) => {
                    link.then.sent(&frame);
                    link.now.sent(&frame);
                    link.raw.send_anyway(&frame);
                }
                Line::Received(then) if !link.greeted => {
                    link.greeted = true;
                    let then = Connected::read(&then[4..]).expect("recorded");
                    let Some(now) = link.raw.frame() else {
                        differ(format!("{then:?}"), "closed".into());
                        break;
                    };
                    let now = Connected::read(&now).expect("an answer to the first frame");
                    let plain = |connected: &Connected| (connected.timeout_ms, connected.read_only, connected.session == SessionId(0));
                    if plain(&then) != plain(&now) {
                        differ(format!("{then:?}"), format!("{now:?}"));
                    }
                    if then.session != SessionId(0) {
                        sessions.0.push((then, now));
                    }
                }
                Line::Received(then) => {
                    let then = sessions.said(&then, &mut link.then, true);
                    let Some(now) = link.raw.frame() else {
                        differ(format!("{then:?}"), "closed".into());
                        break;
                    };
                    let now = sessions.said(&Body(now).frame(), &mut link.now, false);
                    if then != now {
                        differ(format!("{then:?}"), format!("{now:?}"));
                    }
                }
                Line::Closed => {
                    let more = link.raw.rest();
                    if !more.is_empty() {
                        differ("closed".into(), format!("{more:?}"));
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn the_numbers_of_what_needs_no_answer_are_as_recorded() {
    // The recordings were made by a program that shares no code with this one.
    assert_eq!((XID_PING, XID_AUTH, records::XID_SET_WATCHES), (-2, -4, -8));
    let sent: Vec<_> = conversations()
        .into_iter()
        .flat_map(|(_, lines)| lines)
        .filter_map(|(_, _, line)| if let Line::Sent(frame) = line { Some(frame) } else { None })
        .collect();
    let has = |xid: i32, op: i32| sent.iter().any(|frame| records::header(&frame[4..]).is_ok_and(|(x, o, _)| (x, o) == (xid, op)));
    assert!(has(XID_PING, op::PING) && has(XID_AUTH, op::AUTH) && has(records::XID_SET_WATCHES, op::SET_WATCHES2));
}
