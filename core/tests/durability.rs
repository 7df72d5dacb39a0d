//! What was acknowledged is there after closing, after a crash, and after SIGKILL; what was not finished is
//! cut and told; what is damaged is refused by name.

use folkmoot::request::CreateMode;
use folkmoot::{ErrorKind, Member, Session, SessionOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

fn open(folder: &Path) -> (Member, Session) {
    let member = Member::open(folder.to_str().expect("UTF-8")).expect("the directory opens");
    let session = member.session(SessionOptions::default()).expect("a session");
    (member, session)
}

#[test]
fn a_directory_gives_back_what_was_written_and_drops_dead_sessions() {
    let folder = tempfile::tempdir().expect("a directory");
    let before = {
        let (member, session) = open(folder.path());
        session.create_blocking("/a", b"1", CreateMode::Persistent).expect("/a");
        for version in 0..3 {
            session.set_blocking("/a", b"2", version).expect("a version");
        }
        session.create_blocking("/a/s-", b"", CreateMode::PersistentSequential).expect("a number");
        member.snapshot().expect("a snapshot");
        session.create_blocking("/a/s-", b"", CreateMode::PersistentSequential).expect("a number");
        session.create_blocking("/gone", b"", CreateMode::Ephemeral).expect("an ephemeral");
        let stat = session.get_blocking("/a", false).expect("/a").1;
        let refused = Member::open(folder.path().to_str().expect("UTF-8")).err().expect("the directory is in use");
        assert_eq!(refused.kind(), ErrorKind::InUse);
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        stat
    };
    let (_member, session) = open(folder.path());
    let (data, stat) = session.get_blocking("/a", false).expect("/a is back");
    assert_eq!((data.as_deref(), stat), (Some(&b"2"[..]), before));
    assert_eq!(session.exists_blocking("/gone", false).expect("an answer"), None);
    let (next, _) = session.create_blocking("/a/s-", b"", CreateMode::PersistentSequential).expect("a number");
    assert_eq!(next, "/a/s-0000000002");
}

#[test]
fn a_closed_member_frees_its_directory_and_answers_closed() {
    let folder = tempfile::tempdir().expect("a directory");
    let (member, session) = open(folder.path());
    member.close().expect("it closes");
    assert_eq!(session.create_blocking("/a", b"", CreateMode::Persistent).expect_err("closed").kind(), ErrorKind::Closed);
    open(folder.path());
}

/// Goal: whoever holds the log for something else than writing leaves no write unnoticed. Method: one writer
/// that blocks, and nobody else who would look into the queue, beside snapshots.
#[test]
fn writes_go_on_beside_snapshots() {
    let folder = tempfile::tempdir().expect("a directory");
    let (member, session) = open(folder.path());
    session.create_blocking("/n", b"", CreateMode::Persistent).expect("/n");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let made: u32 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..1)
            .map(|_| {
                let session = member.session(SessionOptions::default()).expect("a session");
                let stop = &stop;
                scope.spawn(move || {
                    let mut made = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        session.set_blocking("/n", b"x", -1).expect("a write");
                        made += 1;
                    }
                    made
                })
            })
            .collect();
        for _ in 0..200 {
            member.snapshot().expect("a snapshot");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).sum()
    });
    assert_eq!(session.get_blocking("/n", false).expect("/n").1.version, i32::try_from(made).expect("few"));
}

/// Goal: no acknowledged write is lost to SIGKILL. Method: this very program, started again as the writer below,
/// prints the number of each write once it is acknowledged, and is killed while it goes on.
#[test]
fn acknowledged_writes_outlive_sigkill() {
    let rounds = std::env::var("FOLKMOOT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a directory");
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["writer_for_sigkill", "--exact", "--nocapture"])
            .env("FOLKMOOT_WRITER", folder.path())
            .env("FOLKMOOT_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut acknowledged = Vec::new();
        let wanted = 20 + 37 * round % 150;
        for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
            let line = line.expect("a line");
            if let Some(path) = line.strip_prefix("ack ") {
                acknowledged.push(path.to_owned());
            }
            if acknowledged.len() == wanted {
                child.kill().expect("SIGKILL");
            }
        }
        child.wait().expect("it is dead");
        assert!(acknowledged.len() >= wanted, "the writer wrote {} of {wanted}", acknowledged.len());
        let (_member, session) = open(folder.path());
        for path in &acknowledged {
            let found = session.exists_blocking(path, false).expect("an answer");
            assert!(found.is_some(), "round {round}: {path} was acknowledged and is lost");
        }
    }
}

#[test]
fn writer_for_sigkill() {
    let Some(folder) = std::env::var_os("FOLKMOOT_WRITER") else { return };
    let round = std::env::var("FOLKMOOT_ROUND").expect("the round");
    let (member, _session) = open(Path::new(&folder));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let session = member.session(SessionOptions::default()).expect("a session");
            let round = &round;
            scope.spawn(move || {
                for number in 0.. {
                    let path = format!("/r{round}-{writer}-{number}");
                    session.create_blocking(&path, b"x", CreateMode::Persistent).expect("a write");
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "ack {path}").and_then(|()| out.flush()).expect("the pipe");
                }
            });
        }
    });
}
