//! The program `folkmoot`, as a user starts it.
#![cfg(all(feature = "cli", unix))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_folkmoot");

struct Serving {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Serving {
    fn start(args: &[&str]) -> Serving {
        let mut child = Command::new(PROGRAM).arg("serve").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.strip_prefix("ready ") else {
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("{line}{err}");
        };
        Serving { child, out, address: address.trim_end().into() }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends the signal and gives the exit code, what else stood on standard output, and standard error.
    fn stop(mut self, signal: &str) -> (Option<i32>, String, String) {
        self.signal(signal);
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bench(serving: &Serving, operation: &str, more: &[&str]) -> Output {
    let pid = serving.child.id().to_string();
    let args = ["bench", operation, "--servers", &serving.address, "--pids", &pid, "--seconds", "0.1", "--warmup", "0", "--json"];
    Command::new(PROGRAM).args(args).args(more).output().unwrap()
}

#[test]
fn it_serves_in_memory_whatever_bench_asks_until_it_is_told_to_stop() {
    let serving = Serving::start(&["--memory", "--listen", "127.0.0.1:0"]);
    for operation in ["create", "set", "get", "exists", "children", "mixed", "connect-storm", "watch-fanout", "idle"] {
        let ran = bench(&serving, operation, &["--conns", "3", "--inflight", "8"]);
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && out.starts_with(&format!("{{\"op\":\"{operation}\"")), "{operation}: {out}{err}");
    }
    assert_eq!(serving.stop("-TERM"), (Some(0), String::new(), String::new()));
}

#[test]
fn it_serves_a_directory_as_a_zoo_cfg_says() {
    let ground = tempfile::tempdir().unwrap();
    let directory = ground.path().join("data");
    let file = ground.path().join("zoo.cfg");
    std::fs::write(&file, format!("tickTime=2000\ninitLimit=5\ndataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\nserver.1=a:1:2\n", directory.display()))
        .unwrap();
    let config = file.to_str().unwrap();
    for signal in ["-INT", "-TERM"] {
        let serving = Serving::start(&["--config", config]);
        assert!(bench(&serving, "set", &[]).status.success());
        let (code, out, err) = serving.stop(signal);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert!(err.contains("line 6: server.1 is not honoured") && err.contains("initLimit (line 2)"), "{err}");
    }
    assert!(Path::new(&directory).is_dir());
}

/// A frame of ZooKeeper's protocol from its integers.
fn frame(ints: &[i32]) -> Vec<u8> {
    std::iter::once(4 * ints.len() as i32).chain(ints.iter().copied()).flat_map(i32::to_be_bytes).collect()
}

fn answer(connection: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    connection.read_exact(&mut length).expect("an answer");
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    connection.read_exact(&mut body).expect("a whole answer");
    body
}

/// Signs of life that came while the member stood still are read before anybody is judged for silence.
#[test]
fn a_member_that_was_stopped_ends_no_session_for_its_own_silence() {
    const TIMEOUT_MS: i32 = 400;
    let ground = tempfile::tempdir().unwrap();
    let file = ground.path().join("zoo.cfg");
    std::fs::write(&file, format!("tickTime=100\ndataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\n", ground.path().join("data").display())).unwrap();
    let serving = Serving::start(&["--config", file.to_str().unwrap()]);
    let mut connection = TcpStream::connect(&serving.address).unwrap();
    connection.write_all(&frame(&[0, 0, 0, TIMEOUT_MS, 0, 0, 16, 0, 0, 0, 0])).unwrap();
    assert_eq!(answer(&mut connection)[4..8], TIMEOUT_MS.to_be_bytes());
    for _ in 0..4 {
        serving.signal("-STOP");
        let stopped = Instant::now();
        connection.write_all(&frame(&[-2, 11])).unwrap();
        while stopped.elapsed() < 3 * Duration::from_millis(TIMEOUT_MS as u64) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        serving.signal("-CONT");
        assert_eq!(answer(&mut connection)[..4], (-2_i32).to_be_bytes());
        // The session is still there: it is told what stands at "/".
        connection.write_all(&frame(&[7, 3, 1, i32::from_be_bytes([b'/', 0, 0, 0])])[..]).unwrap();
        let found = answer(&mut connection);
        assert_eq!((&found[..4], &found[12..16]), (&7_i32.to_be_bytes()[..], &0_i32.to_be_bytes()[..]));
    }
}

#[test]
fn what_cannot_be_served_is_said_and_ends_it() {
    let run = |args: &[&str]| {
        let ran = Command::new(PROGRAM).args(args).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, out, err) = run(&["serve"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--data DIR, or --memory"), "{err}");
    let serving = Serving::start(&["--memory", "--listen", "127.0.0.1:0"]);
    let (code, out, err) = run(&["serve", "--memory", "--listen", &serving.address]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains(&serving.address), "{err}");
}

/// A directory of `count` znodes whose log has rotted in the middle.
fn rotten(directory: &Path, count: usize) {
    let session = folkmoot::open(directory.to_str().unwrap()).unwrap();
    for number in 0..count {
        session.create_blocking(&format!("/{number}"), b"here", folkmoot::request::CreateMode::Persistent).unwrap();
    }
    session.close_blocking().unwrap();
    drop(session);
    let log =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log-"));
    let log = log.unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(3).position(|window| window == b"/12").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
}

#[test]
fn a_damaged_directory_opens_once_that_is_asked_for() {
    let ground = tempfile::tempdir().unwrap();
    let recover = |directory: &Path| {
        let ran = Command::new(PROGRAM).arg("recover").arg(directory).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let absent = ground.path().join("absent");
    let (code, _, err) = recover(&absent);
    assert!(code == Some(1) && err.contains("no such directory") && !absent.exists(), "{err}");
    for by_program in [true, false] {
        let directory = ground.path().join(format!("data-{by_program}"));
        rotten(&directory, 20);
        let target = directory.to_str().unwrap();
        let refused = folkmoot::open(target).err().unwrap();
        assert_eq!(refused.kind(), folkmoot::ErrorKind::Corrupt);
        assert!(refused.to_string().contains("recover=yes"), "{refused}");
        let member = if by_program {
            let (code, out, err) = recover(&directory);
            assert!(code == Some(0) && out.contains("later ones are lost") && out.contains("log-00000001.damaged"), "{out}{err}");
            let (code, out, _) = recover(&directory);
            assert!(code == Some(0) && out.contains("nothing is damaged"), "{out}");
            folkmoot::Member::open(target).unwrap()
        } else {
            let member = folkmoot::Member::open(&format!("{target}?recover=yes")).unwrap();
            let told = member.recovery().unwrap();
            assert!(told.contains("later ones are lost") && told.contains("offset"), "{told}");
            member
        };
        let session = member.session(folkmoot::SessionOptions::default()).unwrap();
        let left = session.children_blocking("/", false).unwrap().0;
        assert_eq!(left.iter().filter(|name| *name != "zookeeper").count(), 12, "{left:?}");
        session.create_blocking("/12", b"again", folkmoot::request::CreateMode::Persistent).unwrap();
        let (code, _, err) = recover(&directory);
        assert!(code == Some(1) && err.contains("is held by process"), "{err}");
        drop((session, member));
        let session = folkmoot::open(target).unwrap();
        assert_eq!(session.get_blocking("/12", false).unwrap().0.as_deref(), Some(&b"again"[..]));
    }
}
