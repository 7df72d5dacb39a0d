//! Nothing is acknowledged before it is on disk.
//!
//! Method: a child process (this same program) runs under `strace` and tells each acknowledged write on its output.
//! In the trace, before a write is told there is a `pwrite64` with its data that has ended, and after that one an
//! `fdatasync` of the same file that began later and ended well. Skipped where there is no strace, or it may not trace.
#![allow(clippy::print_stderr)]

use folkmoot::request::{Acl, CreateMode, Request};
use folkmoot::{Member, SessionOptions};
use std::collections::HashMap;
use std::io::Write;
use std::process::Command;
use std::sync::mpsc;

const PLACE: &str = "FOLKMOOT_TRACED_PLACE";
const THREADS: usize = 3;
const WRITES: usize = 60;

fn tell(name: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\n@ {name}!\n").as_bytes());
    let _ = out.flush();
}

/// Twice, apart, so that the mark of a sector cuts one of them at most.
fn data(name: &str) -> Vec<u8> {
    format!("<{name}>{}<{name}>", ".".repeat(60)).into_bytes()
}

/// Not a test by itself: what the child does.
#[test]
fn child() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let member = Member::open(&place).expect("the child opens the directory");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let member = &member;
            scope.spawn(move || {
                let session = member.session(SessionOptions::default()).expect("a session");
                let (done, is_done) = mpsc::channel();
                for number in 0..WRITES {
                    let name = format!("w{thread}x{number}");
                    let path = format!("/{name}");
                    if number % 3 == 2 {
                        // Told in the completion, and the next follows without waiting.
                        let done = done.clone();
                        let request = Request::Create { path, data: Some(data(&name).into()), acl: Acl::open(), mode: CreateMode::Persistent, ttl_ms: 0 };
                        session.submit(
                            request,
                            Box::new(move |result| {
                                result.expect("a write");
                                tell(&name);
                                let _ = done.send(());
                            }),
                        );
                    } else {
                        session.create_blocking(&path, &data(&name), CreateMode::Persistent).expect("a write");
                        tell(&name);
                    }
                }
                is_done.iter().take(WRITES / 3).for_each(drop);
            });
        }
    });
}

/// One system call: its first and last line in the trace.
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

impl Call {
    /// The file of its first argument.
    fn file(&self) -> &str {
        self.text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(file, _)| file)
    }
}

fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut under_way: HashMap<&str, usize> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(number) = under_way.remove(pid) {
                calls[number].ended = at;
                calls[number].text.push_str(rest.split_once("resumed>").map_or("", |(_, rest)| rest));
            }
        } else if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            under_way.insert(pid, calls.len());
            calls.push(Call { began: at, ended: usize::MAX, text: begun.into() });
        } else {
            calls.push(Call { began: at, ended: at, text: rest.into() });
        }
    }
    calls
}

#[test]
fn every_acknowledgement_follows_a_sync_that_covers_it() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no strace here");
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let trace = folder.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-y", "-s", "1000000", "-e", "trace=pwrite64,write,fdatasync", "-e", "signal=none", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(PLACE, folder.path().join("d"))
        .output()
        .expect("strace runs");
    let text = String::from_utf8_lossy(&std::fs::read(&trace).unwrap_or_default()).into_owned();
    if !output.status.success() && !text.contains("pwrite64") {
        eprintln!("skipped: strace may not trace here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let calls = calls(&text);
    let mut told = 0;
    for thread in 0..THREADS {
        for number in 0..WRITES {
            let name = format!("w{thread}x{number}");
            let (answer, wanted) = (format!("@ {name}!"), format!("<{name}>"));
            let answer =
                calls.iter().find(|call| call.text.starts_with("write(1") && call.text.contains(&answer)).unwrap_or_else(|| panic!("{name} was not told"));
            let written =
                calls.iter().find(|call| call.text.starts_with("pwrite64(") && call.text.contains(&wanted)).unwrap_or_else(|| panic!("{name} was not written"));
            let is_covered = calls.iter().any(|call| {
                call.text.starts_with("fdatasync(")
                    && call.file() == written.file()
                    && call.began > written.ended
                    && call.ended < answer.began
                    && call.text.trim_end().ends_with("= 0")
            });
            assert!(is_covered, "{name}: written in lines {}-{}, told in line {}, and no sync between", written.began, written.ended, answer.began);
            told += 1;
        }
    }
    let syncs = calls.iter().filter(|call| call.text.starts_with("fdatasync(")).count();
    eprintln!("{told} acknowledgements, {syncs} syncs");
    assert!(told == THREADS * WRITES);
}
