//! What a directory gives back when it is opened again, and what is refused.
//!
//! A crash is a copy of the files made while the member is open: nothing is closed, nothing said good-bye.

use folkmoot::error::ErrorKind;
use folkmoot::request::{Acl, CreateMode, Data, EventKind, Identity, Reply, Request, Stat, perms};
use folkmoot::{CreateOptions, Member, Session, SessionOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

type Znode = (Data, Stat, Vec<Acl>, Vec<String>);

fn target(dir: &Path) -> String {
    dir.display().to_string()
}

fn superuser(member: &Member) -> Session {
    member.session(SessionOptions { superuser: true, ..SessionOptions::default() }).expect("a session")
}

/// Everything there is.
fn walk(member: &Member) -> BTreeMap<String, Znode> {
    let session = superuser(member);
    let mut all = BTreeMap::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        let (data, stat) = session.get_blocking(&path, false).expect("data");
        let (acl, _) = session.get_acl_blocking(&path).expect("an ACL");
        let (names, _) = session.children_blocking(&path, false).expect("children");
        waiting.extend(names.iter().map(|name| if path == "/" { format!("/{name}") } else { format!("{path}/{name}") }));
        all.insert(path, (data, stat, acl, names));
    }
    all
}

/// The directory as a crash now would leave it.
fn crashed(dir: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(dir).expect("the directory") {
        let name = entry.expect("an entry").file_name();
        let is_passing = [".new", ".old"].iter().any(|end| name.to_string_lossy().ends_with(end));
        if name != "LOCK" {
            match std::fs::copy(dir.join(&name), to.join(&name)) {
                // A file being made ready got its own name meanwhile, or one given back is gone; nothing is in it.
                Err(error) if is_passing && error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("a copy")),
            }
        }
    }
    to.to_owned()
}

/// The files but the lock, by name. One that a member removes meanwhile is not among them.
fn files(dir: &Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with(prefix) && name != "LOCK")
        .filter_map(|name| match std::fs::read(dir.join(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some((name, read.expect("a file"))),
        })
        .collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// One of everything.
fn fill(session: &Session) {
    session.add_auth_blocking("digest", b"ann:secret").expect("auth");
    session.create_blocking("/a", b"0", CreateMode::Persistent).expect("/a");
    for version in 0..3 {
        session.set_blocking("/a", format!("{}", version + 1).as_bytes(), version).expect("a set");
    }
    session.call_blocking(Request::Create { path: "/null".into(), data: None, acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 }).expect("/null");
    session.create_blocking("/empty", b"", CreateMode::Persistent).expect("/empty");
    session.create_blocking("/mine", b"x", CreateOptions { acl: Acl::creator(), ..CreateOptions::default() }).expect("/mine");
    session.set_acl_blocking("/a", vec![Acl { perms: perms::READ | perms::CREATE, identity: Identity::new("world", "anyone") }], 0).expect("an ACL");
    session.create_blocking("/seq", b"", CreateMode::Persistent).expect("/seq");
    for _ in 0..5 {
        session.create_blocking("/seq/n-", b"", CreateMode::PersistentSequential).expect("a member of /seq");
    }
    session.delete_blocking("/seq/n-0000000004", -1).expect("the last goes");
    session.delete_blocking("/seq/n-0000000001", -1).expect("one in the middle goes");
    session.create_blocking("/box", b"", CreateMode::Container).expect("/box");
    session.create_blocking("/box/in", b"", CreateMode::Persistent).expect("/box/in");
    session.create_blocking("/hour", b"", CreateOptions { mode: CreateMode::Ttl, ttl_ms: 3_600_000, ..CreateOptions::default() }).expect("/hour");
}

/// Data, versions, ACLs, counters and the nature of znodes survive a close, a crash and a second opening.
#[test]
fn everything_comes_back() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    fill(&session);
    let before = walk(&member);
    let crash = crashed(&dir, &folder.path().join("crash"));
    member.close().expect("closed");
    for dir in [&dir, &crash, &dir] {
        let member = Member::open(&target(dir)).expect("opened again");
        assert_eq!(member.recovery(), None);
        assert_eq!(walk(&member), before, "{}", dir.display());
    }

    let member = Member::open(&target(&dir)).expect("opened again");
    let session = superuser(&member);
    let (path, _) = session.create_blocking("/seq/n-", b"", CreateMode::PersistentSequential).expect("the next");
    assert_eq!(path, "/seq/n-0000000005", "a number once given is not given again");
    let watch = session.watch("/box", folkmoot::request::WatchMode::Persistent).expect("a watch");
    session.delete_blocking("/box/in", -1).expect("/box/in goes");
    loop {
        let event = watch.events().next_blocking(Duration::from_secs(20)).expect("the container goes");
        if event.kind == EventKind::Deleted {
            break;
        }
    }
    assert_eq!(session.exists_blocking("/box", false).expect("an answer"), None);
    assert!(session.exists_blocking("/hour", false).expect("an answer").is_some());
}

/// A TTL that runs while nobody has the directory is counted from the last change, not from the opening.
#[test]
fn a_ttl_goes_on_through_a_reopening() {
    let folder = tempfile::tempdir().expect("a directory");
    let member = Member::open(&target(folder.path())).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    let (_, stat) = session.create_blocking("/t", b"", CreateOptions { mode: CreateMode::Ttl, ttl_ms: 800, ..CreateOptions::default() }).expect("/t");
    drop(session);
    member.close().expect("closed");
    let member = Member::open(&target(folder.path())).expect("opened again");
    let session = member.session(SessionOptions::default()).expect("a session");
    if session.exists_blocking("/t", true).expect("an answer").is_some() {
        let event = session.events().next_blocking(Duration::from_secs(20)).expect("it goes");
        assert_eq!(event.kind, EventKind::Deleted);
    }
    let after = member.now_ms() - stat.mtime;
    assert!(after > 800, "gone after {after} ms");
}

/// Sessions of a process that is gone take their ephemerals along, each session in one transaction.
#[test]
fn ephemerals_of_a_dead_process_are_gone_at_the_next_opening() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let (one, two) = (member.session(SessionOptions::default()).expect("a session"), member.session(SessionOptions::default()).expect("a session"));
    for parent in ["/p", "/q", "/r"] {
        one.create_blocking(parent, b"", CreateMode::Persistent).expect("a parent");
    }
    for name in ["/p/1", "/q/1", "/q/2"] {
        one.create_blocking(name, b"", CreateMode::Ephemeral).expect("an ephemeral");
    }
    two.create_blocking("/r/1-", b"", CreateMode::EphemeralSequential).expect("an ephemeral");
    let last = member_zxid(&one);
    let crash = crashed(&dir, &folder.path().join("crash"));

    let again = Member::open(&target(&crash)).expect("opened again");
    let session = again.session(SessionOptions::default()).expect("a session");
    assert_eq!(member_zxid(&session), last + 3, "one transaction for each end, one for the new session");
    let pzxid = |path: &str| {
        let (names, stat) = session.children_blocking(path, false).expect("children");
        assert!(names.is_empty(), "{path} has {names:?}");
        stat.pzxid.0
    };
    assert_eq!(pzxid("/p"), pzxid("/q"));
    assert_ne!(pzxid("/p"), pzxid("/r"));
    assert!(session.ephemerals_blocking("/").expect("an answer").is_empty());
    // The first member knows nothing of this.
    assert_eq!(two.ephemerals_blocking("/").expect("an answer").len(), 1);
}

fn member_zxid(session: &Session) -> i64 {
    session.zxid().expect("a zxid").0
}

#[test]
fn a_snapshot_and_what_came_after_it_come_back() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    fill(&session);
    member.snapshot().expect("a snapshot");
    member.snapshot().expect("one more of the same");
    let at_snapshot = crashed(&dir, &folder.path().join("at"));
    assert_eq!(files(&at_snapshot, "snapshot-").len(), 1);
    let then = walk(&member);
    for number in 0..50 {
        session.create_blocking(&format!("/later{number}"), b"x", CreateMode::Persistent).expect("a znode");
        if number % 10 == 0 {
            member.snapshot().expect("a snapshot");
        }
    }
    session.delete_blocking("/empty", -1).expect("/empty goes");
    let now = walk(&member);
    let later = crashed(&dir, &folder.path().join("later"));
    member.close().expect("closed");
    assert_eq!(walk(&Member::open(&target(&at_snapshot)).expect("opened again")), then);
    for dir in [&later, &dir] {
        assert!((1..=3).contains(&files(dir, "snapshot-").len()), "three are kept");
        assert_eq!(walk(&Member::open(&target(dir)).expect("opened again")), now);
    }
}

/// A damaged snapshot is made good by the one before it and the log.
#[test]
fn a_damaged_snapshot_does_not_lose_anything() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    fill(&session);
    member.snapshot().expect("a snapshot");
    session.create_blocking("/after", b"", CreateMode::Persistent).expect("/after");
    let before = walk(&member);
    member.close().expect("closed");
    let (name, bytes) = files(&dir, "snapshot-").pop_first().expect("a snapshot");
    for at in [0, 20, 512, 600, bytes.len() / 2, bytes.len() - 1] {
        let broken = crashed(&dir, &folder.path().join(format!("broken{at}")));
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        std::fs::write(broken.join(&name), bytes).expect("written");
        assert_eq!(walk(&Member::open(&target(&broken)).expect("opened again")), before, "byte {at}");
    }
}

/// Snapshots are written by themselves as the log grows, beside the writes.
#[test]
fn snapshots_are_written_as_the_log_grows() {
    let folder = tempfile::tempdir().expect("a directory");
    let place = format!("{}?snapshot_bytes=4096", folder.path().display());
    let member = Member::open(&place).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    session.create_blocking("/a", b"", CreateMode::Persistent).expect("/a");
    let mut writes = 0;
    while files(folder.path(), "snapshot-").keys().filter(|name| !name.ends_with(".new")).count() < 2 {
        session.set_blocking("/a", &[7; 500], -1).expect("a set");
        writes += 1;
        assert!(writes < 20_000, "no second snapshot in {writes} writes");
    }
    let before = walk(&member);
    drop(session);
    member.close().expect("closed");
    assert_eq!(walk(&Member::open(&place).expect("opened again")), before);
}

/// A blocking write that meets a snapshot is not forgotten in the queue.
/// Method: one writer, nobody else to wake it, and snapshots without a pause.
#[test]
fn a_write_beside_snapshots_is_always_answered() {
    let folder = tempfile::tempdir().expect("a directory");
    let member = Member::open(&target(folder.path())).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    session.create_blocking("/a", b"", CreateMode::Persistent).expect("/a");
    let (told, tells) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        for _ in 0..300 {
            session.set_blocking("/a", b"x", -1).expect("a set");
            told.send(()).expect("the test listens");
        }
        session
    });
    let mut answered = 0;
    while answered < 300 {
        member.snapshot().expect("a snapshot");
        while tells.try_recv().is_ok() {
            answered += 1;
        }
        if answered < 300 && tells.recv_timeout(Duration::from_secs(20)).is_ok() {
            answered += 1;
        } else {
            assert_eq!(answered, 300, "a write was never answered");
        }
    }
    drop(writer.join().expect("the writer ends well"));
}

#[test]
fn a_directory_in_use_is_refused_by_pid_and_free_after_close() {
    let folder = tempfile::tempdir().expect("a directory");
    let member = Member::open(&target(folder.path())).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    let error = Member::open(&target(folder.path())).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.to_string().contains(&format!("{}", std::process::id())), "{error}");
    // The refusal did no harm.
    session.create_blocking("/a", b"", CreateMode::Persistent).expect("/a");

    member.close().expect("closed");
    let second = Member::open(&target(folder.path())).expect("free again, though handles are left");
    for error in [
        session.get_blocking("/a", false).err(),
        session.create_blocking("/b", b"", CreateMode::Persistent).err(),
        member.session(SessionOptions::default()).err(),
        member.snapshot().err(),
    ] {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Closed));
    }
    member.close().expect("closing twice is no mistake");
    drop((session, member));
    let third = superuser(&second);
    drop(second);
    // A session keeps its member.
    third.create_blocking("/c", b"", CreateMode::Persistent).expect("/c");
    assert_eq!(Member::open(&target(folder.path())).err().map(|error| error.kind()), Some(ErrorKind::InUse));
    drop(third);
    let last = Member::open(&target(folder.path())).expect("free: the last handle is gone");
    assert!(superuser(&last).exists_blocking("/c", false).expect("an answer").is_some());
}

/// A group that a crash cut short is cut off and told; what was acknowledged before it stays.
#[test]
fn a_torn_end_is_cut_and_told() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    session.create_blocking("/a", b"before", CreateMode::Persistent).expect("/a");
    session.set_blocking("/a", &[b'z'; 4000], -1).expect("a set of several sectors");
    let whole = crashed(&dir, &folder.path().join("whole"));
    let (name, bytes) = files(&whole, "log-").into_iter().find(|(_, bytes)| find(bytes, &[b'z'; 300]).is_some()).expect("the segment");
    let first = find(&bytes, &[b'z'; 300]).expect("the group") / 512;
    let last = bytes.chunks(512).rposition(|sector| sector.iter().any(|byte| *byte != 0)).expect("a sector");
    assert!(last >= first + 7, "sectors {first} to {last}");
    // Every way in which sectors of the last group can be missing, a few of them.
    for missing in [vec![last], vec![first], vec![first + 3], (first + 1..=last).collect(), (first..last).collect()] {
        let torn = crashed(&whole, &folder.path().join(format!("torn{missing:?}")));
        let mut bytes = bytes.clone();
        missing.iter().for_each(|sector| bytes[sector * 512..(sector + 1) * 512].fill(0));
        std::fs::write(torn.join(&name), bytes).expect("written");
        let again = Member::open(&target(&torn)).expect("opened again");
        let told = again.recovery().expect("it is told");
        assert!(told.contains(&name) && told.contains(&format!("offset {}", first * 512)), "{told}");
        let session = superuser(&again);
        assert_eq!(session.get_blocking("/a", false).expect("/a").0.as_deref(), Some(&b"before"[..]));
        session.set_blocking("/a", b"after", 0).expect("a set");
        drop(session);
        again.close().expect("closed");
        let once_more = Member::open(&target(&torn)).expect("opened once more");
        assert_eq!(once_more.recovery(), None, "told once");
        assert_eq!(superuser(&once_more).get_blocking("/a", false).expect("/a").0.as_deref(), Some(&b"after"[..]));
    }
    let whole = Member::open(&target(&whole)).expect("opened again");
    assert_eq!(whole.recovery(), None);
    assert_eq!(superuser(&whole).get_blocking("/a", false).expect("/a").1.version, 1);
}

/// Damage is not a torn end: it is refused by file and offset, and nothing is touched.
#[test]
fn a_flipped_byte_is_refused_by_file_and_offset() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path().join("d");
    let member = Member::open(&target(&dir)).expect("a member");
    let session = member.session(SessionOptions::default()).expect("a session");
    for number in 0..20 {
        session.create_blocking(&format!("/n{number}"), format!("payload-{number}-payload").as_bytes(), CreateMode::Persistent).expect("a znode");
    }
    let whole = crashed(&dir, &folder.path().join("whole"));
    for number in [0, 7, 19] {
        let payload = format!("payload-{number}-payload");
        let (name, mut bytes) = files(&whole, "log-").into_iter().find(|(_, bytes)| find(bytes, payload.as_bytes()).is_some()).expect("the segment");
        let at = find(&bytes, payload.as_bytes()).expect("the payload");
        bytes[at + 3] ^= 1;
        let broken = crashed(&whole, &folder.path().join(format!("broken{number}")));
        std::fs::write(broken.join(&name), bytes).expect("written");
        let before = files(&broken, "");
        let error = Member::open(&target(&broken)).err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&name) && error.to_string().contains(&format!("offset {}", at / 512 * 512)), "{error}, the byte is {at}");
        assert!(files(&broken, "") == before, "nothing was changed");
    }
}

/// Writes larger than a sector, many at once and from many threads, and a failed multi among them.
#[test]
fn groups_of_many_threads_come_back_whole() {
    let folder = tempfile::tempdir().expect("a directory");
    let member = Member::open(&target(folder.path())).expect("a member");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let session = member.session(SessionOptions::default()).expect("a session");
            scope.spawn(move || {
                for number in 0..30 {
                    let path = format!("/t{thread}-{number}");
                    session.create_blocking(&path, &vec![thread; usize::from(number) * 997], CreateMode::Persistent).expect("a znode");
                    let set = Request::Set { path, data: Some([number].as_slice().into()), version: i32::from(number % 2) };
                    let results = session.multi_blocking(vec![set.clone(), Request::Check { path: "/".into(), version: 0 }]).expect("an answer");
                    assert_eq!(results.iter().all(Result::is_ok), number % 2 == 0, "{set:?}: {results:?}");
                    assert!(matches!(results[0], Ok(Reply::Stat(_)) | Err(_)));
                }
            });
        }
    });
    let before = walk(&member);
    member.close().expect("closed");
    assert_eq!(walk(&Member::open(&target(folder.path())).expect("opened again")), before);
}
