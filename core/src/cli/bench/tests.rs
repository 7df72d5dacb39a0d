//! That right replies make a row and wrong ones an error: against a server of few words, made here.

use super::wire::{Reply, first_frame, op};
use super::*;
use crate::ids::SessionId;
use crate::wire::frame::Writer;
use crate::wire::records::Connected;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Tree = Arc<Mutex<BTreeMap<String, (Vec<u8>, i32)>>>;
/// What becomes of the reply (xid, zxid, error, body) to an operation on a path.
type Fault = fn(i32, &str, &mut Vec<u8>);

fn serve(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tree = Tree::default();
    tree.lock().unwrap().insert("/".into(), (Vec::new(), 0));
    // Ends with the process: a test has no other way to stop accept().
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tree = tree.clone();
            std::thread::spawn(move || attend(stream, &tree, fault));
        }
    });
    address
}

fn attend(mut stream: TcpStream, tree: &Tree, fault: Fault) -> Option<()> {
    let mut input = Vec::new();
    let mut greeted = false;
    loop {
        let mut some = [0; 4096];
        let bytes = stream.read(&mut some).ok().filter(|bytes| *bytes > 0)?;
        input.extend_from_slice(&some[..bytes]);
        while let Ok(Some((frame, taken))) = first_frame(&input) {
            let mut out = Vec::new();
            if greeted {
                let reply = answer(Reply::new(frame), tree, fault).ok()?;
                Writer::frame(&mut out, |out| out.raw(&reply));
            } else {
                greeted = true;
                Connected { timeout_ms: 10_000, session: SessionId(7), password: [0; 16], read_only: Some(false) }.write(&mut out);
            }
            input.drain(..taken);
            stream.write_all(&out).ok()?;
        }
    }
}

fn answer(mut request: Reply<'_>, tree: &Tree, fault: Fault) -> Result<Vec<u8>, String> {
    let (xid, kind) = (request.int()?, request.int()?);
    let path = if [op::PING, op::CLOSE_SESSION].contains(&kind) { String::new() } else { String::from_utf8_lossy(request.bytes()?).into_owned() };
    let mut tree = tree.lock().unwrap();
    let children: Vec<_> =
        tree.keys().filter_map(|key| key.strip_prefix(&path)?.strip_prefix('/')).filter(|name| !name.contains('/')).map(str::to_owned).collect();
    let mut bytes = Vec::new();
    let mut out = Writer::new(&mut bytes);
    let stat = |out: &mut Writer<'_>, (data, version): &(Vec<u8>, i32)| {
        out.raw(&[0; 32]);
        out.i32(*version);
        out.raw(&[0; 16]);
        out.i32(data.len() as i32);
        out.i32(children.len() as i32);
        out.i64(0);
    };
    out.i32(xid);
    out.i64(1);
    out.i32(0);
    match kind {
        op::CREATE => {
            out.string(&path);
            tree.insert(path.clone(), (request.bytes()?.to_vec(), 0));
        }
        op::SET_DATA => {
            let znode = tree.get_mut(&path).ok_or("no node")?;
            *znode = (request.bytes()?.to_vec(), znode.1 + 1);
            stat(&mut out, znode);
        }
        op::DELETE => {
            tree.remove(&path).ok_or("no node")?;
        }
        op::GET_DATA => {
            out.buffer(Some(&tree[&path].0));
            stat(&mut out, &tree[&path]);
        }
        op::EXISTS => stat(&mut out, &tree[&path]),
        op::GET_CHILDREN2 => {
            out.i32(children.len() as i32);
            children.iter().for_each(|name| out.string(name));
            stat(&mut out, &tree[&path]);
        }
        _ => {}
    }
    fault(kind, &path, &mut bytes);
    Ok(bytes)
}

fn bench(operation: &str, fault: Fault) -> Result<String, String> {
    bench_at(&serve(fault), operation, &[])
}

fn bench_at(server: &str, operation: &str, more: &[&str]) -> Result<String, String> {
    let args = [operation, "--servers", server, "--conns=2", "--inflight=3", "--seconds=0.01", "--warmup=0", "--json"];
    let mut out = Vec::new();
    match run(lexopt::Parser::from_args(args.iter().chain(more)), &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(Failure::Usage(text)) => panic!("{text}"),
        Err(Failure::Error(error)) => Err(error.to_string()),
    }
}

#[test]
fn right_replies_make_a_row() {
    for operation in ["create", "set", "get", "exists", "children", "mixed", "connect-storm", "idle"] {
        let row = bench(operation, |_, _, _| {}).unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert!(row.starts_with(&format!("{{\"op\":\"{operation}\",\"conns\":2,")), "{row}");
    }
}

#[test]
fn a_tree_is_filled() {
    let row = bench_at(&serve(|_, _, _| {}), "fill", &["--count=2003"]).unwrap();
    assert!(row.contains("\"ops\":2003,"), "{row}");
    let wrong: Fault = |kind, path, reply| {
        if kind == op::CREATE && path.ends_with("/n7") {
            *reply.last_mut().unwrap() ^= 1;
        }
    };
    assert!(bench_at(&serve(wrong), "fill", &["--count=2003"]).unwrap_err().contains("another path"));
}

#[test]
#[cfg(unix)]
fn the_first_read_of_a_server_that_is_started() {
    // The program that is started is none; what answers is here already.
    let row = bench_at(&serve(|_, _, _| {}), "first-read", &["--", "sleep", "600"]).unwrap();
    assert!(row.contains("\"p50_us\":"), "{row}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(bench_at(&nobody, "first-read", &["--", "false"]).unwrap_err().contains("it has ended"));
}

/// Each fault is put into one kind of reply, at a znode of the second connection.
#[test]
fn a_wrong_reply_is_an_error() {
    fn lane(path: &str) -> bool {
        path.contains("/1/") || path.ends_with("/1")
    }
    let faults: [(&str, Fault, &str); 13] = [
        (
            "create",
            |kind, path, reply| {
                if kind == op::CREATE && lane(path) {
                    *reply.last_mut().unwrap() ^= 1
                }
            },
            "was answered with",
        ),
        (
            "create",
            |kind, path, reply| {
                if kind == op::CREATE && path.contains("/1/n") {
                    reply[15] = 0x92
                }
            },
            "error 146",
        ),
        (
            "create",
            |kind, path, reply| {
                if kind == op::CREATE && path.contains("/1/n") {
                    reply[3] ^= 1
                }
            },
            "where that to",
        ),
        (
            "create",
            |kind, path, reply| {
                if kind == op::CREATE && path.contains("/1/n") {
                    reply[..4].fill(0xff)
                }
            },
            "an event came",
        ),
        (
            "get",
            |kind, path, reply| {
                if kind == op::GET_DATA && lane(path) {
                    reply[4..12].fill(0)
                }
            },
            "at zxid 0x0, after one at 0x1",
        ),
        (
            "set",
            |kind, path, reply| {
                if kind == op::SET_DATA && lane(path) {
                    reply[16 + 35] ^= 1
                }
            },
            "version",
        ),
        (
            "set",
            |kind, path, reply| {
                if kind == op::SET_DATA && lane(path) {
                    reply.push(0)
                }
            },
            "too many",
        ),
        (
            "set",
            |kind, path, reply| {
                if kind == op::SET_DATA && lane(path) {
                    reply.truncate(40)
                }
            },
            "too early",
        ),
        (
            "get",
            |kind, path, reply| {
                if kind == op::GET_DATA && lane(path) {
                    reply[16 + 4 + 99] ^= 1
                }
            },
            "other data",
        ),
        (
            "mixed",
            |kind, path, reply| {
                if kind == op::GET_DATA && lane(path) {
                    reply[16 + 4] ^= 0x80
                }
            },
            "other data",
        ),
        (
            "exists",
            |kind, path, reply| {
                if kind == op::EXISTS && lane(path) {
                    reply[16 + 55] ^= 1
                }
            },
            "bytes were due",
        ),
        (
            "children",
            |kind, path, reply| {
                if kind == op::GET_CHILDREN2 && lane(path) {
                    reply[16 + 4 + 4] = b'y'
                }
            },
            "none of ours",
        ),
        (
            "children",
            |kind, path, reply| {
                if kind == op::GET_CHILDREN2 && lane(path) {
                    reply[16 + 4 + 4 + 1] = b'1'
                }
            },
            "were due",
        ),
    ];
    for (operation, fault, words) in faults {
        let error = bench(operation, fault).expect_err(operation);
        assert!(error.contains(words), "{operation}: {error}; {words} was to be in it");
    }
}

#[test]
fn a_row_in_words_and_in_json() {
    let row = Row { name: "get", figures: vec![("conns", 2.0), ("p50_us", 1.5)] };
    assert_eq!(row.text(false), "get conns=2 p50_us=1.50\n");
    assert_eq!(row.text(true), "{\"op\":\"get\",\"conns\":2,\"p50_us\":1.50}\n");
}

#[test]
fn arguments() {
    let settled = |args: &[&str]| {
        settle(lexopt::Parser::from_args(args)).map_err(|failure| match failure {
            Failure::Usage(text) => text,
            Failure::Error(error) => error.to_string(),
        })
    };
    let plan = settled(&["mixed", "--servers", "a:1,b:2", "--conns=3", "--seconds", "0.5", "--pids", "1,2"]).unwrap();
    assert_eq!((plan.operation, plan.server(3), plan.time, &plan.pids), (Operation::Mixed, "b:2", Duration::from_millis(500), &vec![1, 2]));
    for (args, words) in [
        (&["get"][..], "--servers"),
        (&["--servers", "a:1"], "create"),
        (&["get", "--servers", "a:1", "--conns", "0"], "--conns"),
        (&["get", "--servers", "a:1", "--seconds", "-1"], "--seconds"),
        (&["watch-fanout", "--servers", "a:1"], "2 at least"),
        (&["first-read", "--servers", "a:1"], "command"),
    ] {
        let refused = settled(args).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}
