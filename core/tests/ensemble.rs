//! Members among members, over real sockets and files.

use folkmoot::request::{CreateMode, Outcome, Request};
use folkmoot::roster::{Enrolled, Reconfig};
use folkmoot::{ErrorKind, Member, SessionOptions};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

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

struct Three {
    directories: Vec<tempfile::TempDir>,
    addresses: Vec<String>,
    members: Vec<Option<Member>>,
}

impl Three {
    fn open() -> Three {
        let mut three =
            Three { directories: (0..3).map(|_| tempfile::tempdir().unwrap()).collect(), addresses: (0..3).map(|_| address()).collect(), members: Vec::new() };
        three.members = (0..3).map(|at| Some(three.start(at))).collect();
        three
    }

    fn start(&self, at: usize) -> Member {
        let target = target(self.directories[at].path(), at as u8 + 1, &self.addresses);
        Member::open(&format!("{target}&priority={}", 10 * (at + 1))).unwrap()
    }

    fn member(&self, at: usize) -> &Member {
        self.members[at].as_ref().unwrap()
    }
}

#[test]
fn three_members_agree_and_one_may_go() {
    let mut three = Three::open();
    let sessions: Vec<_> = (0..3).map(|at| three.member(at).session(SessionOptions::default()).unwrap()).collect();
    sessions[0].create_blocking("/a", b"0", CreateMode::Persistent).unwrap();
    for round in 0..30 {
        let (writer, reader) = (&sessions[round % 3], &sessions[(round + 1) % 3]);
        let value = round.to_string();
        writer.set_blocking("/a", value.as_bytes(), -1).unwrap();
        reader.sync_blocking("/a").unwrap();
        assert_eq!(reader.get_blocking("/a", false).unwrap().0.as_deref(), Some(value.as_bytes()));
    }
    sessions[2].create_blocking("/a/ephemeral", b"", CreateMode::Ephemeral).unwrap();
    three.members[2].take().unwrap().close().unwrap();
    sessions[0].set_blocking("/a", b"two are enough", -1).unwrap();
    sessions[0].sync_blocking("/a").unwrap();
    assert_eq!(sessions[0].exists_blocking("/a/ephemeral", false).unwrap(), None, "its session was closed with its member");
    three.members[2] = Some(three.start(2));
    let again = three.member(2).session(SessionOptions::default()).unwrap();
    again.sync_blocking("/a").unwrap();
    assert_eq!(again.get_blocking("/a", false).unwrap().0.as_deref(), Some(&b"two are enough"[..]));
}

fn joining(ids: &[u8], addresses: &[String]) -> Reconfig {
    let joining = ids.iter().map(|id| (*id, Enrolled { address: addresses[usize::from(*id) - 1].clone(), clients: String::new() }));
    Reconfig { joining: joining.collect(), from: -1, ..Reconfig::default() }
}

fn voters(member: &Member) -> Vec<u8> {
    member.ensemble().unwrap().membership.voters
}

/// From one process's directory to three members, and on without the first: nothing is lost, and nobody stops.
#[test]
fn an_ensemble_grows_out_of_one_member_and_goes_on_without_it() {
    let directories: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let addresses: Vec<_> = (0..4).map(|_| address()).collect();
    let alone = folkmoot::open(directories[0].path().to_str().unwrap()).unwrap();
    alone.create_blocking("/kept", b"x", CreateMode::Persistent).unwrap();
    drop(alone);
    let open =
        |id: u8, of: usize, more: &str| Member::open(&format!("{}{more}", target(directories[usize::from(id) - 1].path(), id, &addresses[..of]))).unwrap();
    let first = open(1, 1, "&priority=9");
    let writer = first.session(SessionOptions::default()).unwrap();
    writer.set_blocking("/kept", b"y", -1).unwrap();

    let config = first.reconfigure(joining(&[2, 3], &addresses)).unwrap();
    assert!(config.starts_with(&format!("server.1={}:", addresses[0])) && config.contains("server.3="), "{config}");
    let told = writer.get_blocking("/zookeeper/config", false).unwrap().0.unwrap();
    assert_eq!(config.as_bytes(), &told[..]);
    // Nobody is there yet, and nobody is waited for.
    writer.set_blocking("/kept", b"z", -1).unwrap();
    let (second, third) = (open(2, 3, "&join=yes"), open(3, 3, "&join=yes&priority=5"));
    until(|| [&first, &second, &third].iter().all(|member| voters(member) == [1, 2, 3]));
    let session = second.session(SessionOptions::default()).unwrap();
    session.sync_blocking("/").unwrap();
    assert_eq!(session.get_blocking("/kept", false).unwrap().0.as_deref(), Some(&b"z"[..]));

    // The one that leads leaves.
    second.reconfigure(Reconfig { leaving: vec![1], from: -1, ..Reconfig::default() }).unwrap();
    until(|| [&second, &third].iter().all(|member| voters(member) == [2, 3]));
    session.set_blocking("/kept", b"without the first", -1).unwrap();
    let over = kind_of_write(&first);
    assert!(over.is_some(), "whoever has left takes no writes");
    // Its number is not given out again; another takes its place.
    let again = third.reconfigure(joining(&[1], &addresses)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::BadArguments, "{again}");
    third.reconfigure(joining(&[4], &addresses)).unwrap();
    let fourth = open(4, 4, "&join=yes");
    until(|| voters(&fourth) == [2, 3, 4]);

    // Where all stand is told by the log and not by what a target says that is out of date.
    drop((session, second));
    let second = open(2, 2, "");
    until(|| voters(&second) == [2, 3, 4]);
    let session = second.session(SessionOptions::default()).unwrap();
    session.sync_blocking("/").unwrap();
    assert_eq!(session.get_blocking("/kept", false).unwrap().0.as_deref(), Some(&b"without the first"[..]));
}

/// Why a write at a member fails, if it does.
fn kind_of_write(member: &Member) -> Option<ErrorKind> {
    let session = member.session(SessionOptions::default()).map_err(|error| error.kind());
    session.and_then(|session| session.set_blocking("/kept", b"no", -1).map_err(|error| error.kind())).err()
}

#[test]
fn members_that_have_certificates_agree_by_tls() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let ground = tempfile::tempdir().unwrap();
    let file = |name: &str| ground.path().join(name).display().to_string();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file("ca.pem"), authority.pem()).unwrap();
    let addresses = [address(), address()];
    let members: Vec<_> = (1..=2)
        .map(|id| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![format!("member-{id}")]).unwrap();
            let (certificate, own) = (file(&format!("{id}.pem")), file(&format!("{id}.key")));
            std::fs::write(&certificate, params.signed_by(&key, &authority).unwrap().pem()).unwrap();
            std::fs::write(&own, key.serialize_pem()).unwrap();
            let target = target(&ground.path().join(id.to_string()), id, &addresses);
            Member::open(&format!("{target}&peer_certificate={certificate}&peer_key={own}&peer_authorities={}", file("ca.pem"))).unwrap()
        })
        .collect();
    let session = members[0].session(SessionOptions::default()).unwrap();
    session.create_blocking("/secret", b"s", CreateMode::Persistent).unwrap();
    let other = members[1].session(SessionOptions::default()).unwrap();
    other.sync_blocking("/secret").unwrap();
    assert_eq!(other.get_blocking("/secret", false).unwrap().0.as_deref(), Some(&b"s"[..]));
}

#[track_caller]
fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "it never came to that");
        std::thread::yield_now();
    }
}

#[test]
fn every_member_sees_who_leads_and_who_is_silent() {
    let mut three = Three::open();
    let seen = |three: &Three, at: usize| three.member(at).ensemble().unwrap();
    for at in 0..3 {
        until(|| seen(&three, at).standing.leader == Some(3) && seen(&three, at).peers.iter().all(|peer| peer.heard_ms.is_some() && !peer.suspected));
        let members = seen(&three, at).members();
        assert_eq!(members.iter().map(|member| (member.id, member.priority)).collect::<Vec<_>>(), [(1, 10), (2, 20), (3, 30)]);
        assert!(members.iter().all(|member| member.is_voter && member.is_self == (usize::from(member.id) == at + 1)));
        assert_eq!(members.iter().filter(|member| member.role == Some(folkmoot::log::replica::Role::Leader)).map(|member| member.id).collect::<Vec<_>>(), [3]);
    }
    until(|| seen(&three, 2).followers() == [(1, true), (2, true)]);
    assert_eq!(seen(&three, 0).followers(), [], "only the leader can tell");
    three.members[2].take().unwrap().close().unwrap();
    for at in 0..2 {
        until(|| seen(&three, at).members()[2].suspected && seen(&three, at).standing.leader == Some(2));
        assert!(!seen(&three, at).members()[1 - at].suspected, "followers hear each other too");
    }
    assert!(Member::open("memory:").unwrap().ensemble().is_none());
}

/// What `mntr` says of a key.
fn monitored(port: u16, key: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"mntr").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

/// Whoever submits while others are answered overtakes nobody: not a write by a read, nor either by a sync or what is shown.
#[test]
fn a_session_is_answered_in_the_order_in_which_it_asked() {
    let directory = tempfile::tempdir().unwrap();
    let member = Member::open(&target(directory.path(), 1, &[address()])).unwrap();
    let session = member.session(SessionOptions::default()).unwrap();
    let (tell, told) = mpsc::channel();
    for number in 0..4_000 {
        let request = match number % 5 {
            0 => Request::Set { path: "/".into(), data: Some(number.to_string().into_bytes().into()), version: -1 },
            1 | 2 => Request::Get { path: "/".into(), watch: false },
            3 => Request::Sync { path: "/".into() },
            _ => Request::AddAuth { scheme: "digest".into(), credential: b"ann:secret".to_vec() },
        };
        let tell = tell.clone();
        loop {
            let (again, taken) = mpsc::channel();
            let tell = tell.clone();
            session.submit(
                request.clone(),
                Box::new(move |result| {
                    let is_throttled = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Throttled);
                    let _ = again.send(is_throttled);
                    if !is_throttled {
                        let _ = tell.send((number, result));
                    }
                }),
            );
            // Only what is refused is told before this returns.
            if !taken.try_recv().unwrap_or(false) {
                break;
            }
        }
    }
    for number in 0..4_000 {
        let (answered, result) = told.recv_timeout(LONG).unwrap();
        assert_eq!(answered, number);
        if let folkmoot::request::Reply::Data { data, .. } = result.unwrap() {
            assert_eq!(data.as_deref(), Some((number / 5 * 5).to_string().as_bytes()), "it sees its own writes, and no later ones");
        }
    }
}

/// Without a majority nothing is waited for longer than a session's timeout, and what was asked for meanwhile leaves nothing behind.
#[test]
fn without_a_majority_calls_end_and_their_outcome_can_be_asked_for_later() {
    let mut three = Three::open();
    let options = SessionOptions { timeout_ms: 1_000, ..SessionOptions::default() };
    let session = three.member(0).session(options.clone()).unwrap();
    session.create_blocking("/a", b"0", CreateMode::Persistent).unwrap();
    let port = three.member(0).listen_with("127.0.0.1:0", folkmoot::wire::Options::from_settings("4lw.commands.whitelist=*").unwrap()).unwrap().port();
    for at in [1, 2] {
        three.members[at].take().unwrap().close().unwrap();
    }
    let (set, behind) = (session.call(Request::Set { path: "/a".into(), data: None, version: -1 }), session.call(Request::Sync { path: "/a".into() }));
    let lost = set.wait_for(LONG).unwrap().unwrap_err();
    assert_eq!((lost.kind(), lost.write()), (ErrorKind::OutcomeUnknown, Some((session.id(), 2))), "{lost}");
    assert_eq!(behind.wait_for(LONG).unwrap().unwrap_err().kind(), ErrorKind::ConnectionLoss);
    assert_eq!(session.get_blocking("/a", false).unwrap().0.as_deref(), Some(&b"0"[..]), "what is known here is still read");
    assert_eq!(three.member(0).outcome(session.id(), 2).unwrap(), Outcome::Pending);
    assert_eq!(three.member(0).session(options).err().unwrap().kind(), ErrorKind::OutcomeUnknown);

    three.members[1] = Some(three.start(1));
    until(|| matches!(three.member(0).outcome(session.id(), 2).unwrap(), Outcome::Done(Ok(_))));
    session.set_blocking("/a", b"2", -1).unwrap();
    assert!(matches!(three.member(0).outcome(session.id(), 2).unwrap(), Outcome::Done(Ok(_))), "kept, for nobody has been told");
    until(|| monitored(port, "zk_global_sessions").as_deref() == Some("1"));
    session.close_blocking().unwrap();
}
