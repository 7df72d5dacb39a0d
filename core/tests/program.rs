//! The program `folkmoot`, as a user starts it.
#![cfg(all(feature = "cli", unix))]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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

    /// Sends the signal and gives the exit code, what else stood on standard output, and standard error.
    fn stop(mut self, signal: &str) -> (Option<i32>, String, String) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
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
