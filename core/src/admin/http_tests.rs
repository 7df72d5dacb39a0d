//! The admin door over real loopback sockets. Where a deadline has to pass, tokio's clock is made to.

use super::http::{Options, serve};
use super::tests::Fake;
use super::view::{Mode, Source};
use crate::error::ErrorKind;
use crate::limits::ADMIN_HEAD_BYTES_MAX;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "0123456789abcdef";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<crate::Result<()>>,
}

async fn start(source: impl Source + 'static, options: Options) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, Arc::new(source), options, async move {
        let _ = stopped.await;
    }));
    Running { address, stop, task }
}

/// Everything that comes back; empty also if the connection was cut.
async fn rest(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out).await;
    String::from_utf8(out).unwrap()
}

async fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

async fn get(address: SocketAddr, target: &str, headers: &str) -> (u16, String, String) {
    let reply = send(address, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes()).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (status(head), head.into(), body.into())
}

fn status(reply: &str) -> u16 {
    assert!(reply.starts_with("HTTP/1.1 "), "{reply:?}");
    reply[9..12].parse().unwrap()
}

#[tokio::test]
async fn everything_is_found() {
    let running = start(Fake::default(), Options::default()).await;
    for (target, expected, kind, part) in [
        ("/commands", 200, "text/html", "<a href=\"/commands/zabstate\">"),
        ("/commands/", 200, "text/html", "<a href="),
        ("/commands/ruok", 200, "application/json", "\"command\" : \"ruok\""),
        ("/commands/stmk?traceMask=7", 200, "application/json", "\"tracemask\" : 7"),
        ("/commands/stmk?x&=&traceMask=%37", 200, "application/json", "\"tracemask\" : 7"),
        ("/commands/no%22ne", 200, "application/json", "Unknown command: no\\\"ne"),
        ("/commands/snapshot", 401, "application/json", "Auth info is missing"),
        ("/metrics", 200, "text/plain; version=0.0.4", "# TYPE znode_count gauge\nznode_count 7\n"),
        ("/health", 200, "application/json", "{\"status\":\"ok\"}"),
        ("/ready", 200, "application/json", "{\"status\":\"ok\",\"details\":{\"role\":\"standalone\",\"hasLeader\":true}}"),
        ("/", 404, "text/plain", "/commands"),
        ("/commandsx", 404, "text/plain", ""),
    ] {
        let (status, head, body) = get(running.address, target, "").await;
        assert_eq!(status, expected, "{target}");
        assert!(head.contains(&format!("\r\nContent-Type: {kind}")) && head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains(part), "{target}: {body}");
    }
    let (status, head, _) = get(running.address, "/commands/snap?streaming=false", "Authorization: digest root:secret\r\n").await;
    assert!(status == 200 && head.contains("\r\nlast_zxid: 0x108\r\nsnapshot_size: 500\r\n"), "{head}");
}

#[tokio::test]
async fn methods() {
    let running = start(Fake::default(), Options::default()).await;
    let ask = async |method: &str, target: &str| send(running.address, format!("{method} {target} HTTP/1.0\r\n\r\n").as_bytes()).await;
    let got = ask("GET", "/commands/ruok").await;
    let head = ask("HEAD", "/commands/ruok").await;
    assert_eq!(head, got.split_inclusive("\r\n\r\n").next().unwrap());
    assert_eq!(status(&ask("POST", "/commands/srst").await), 200);
    assert_eq!(status(&ask("GET", "/commands/restore").await), 405);
    for method in ["PUT", "DELETE", "TRACE", "OPTIONS", "get"] {
        let reply = ask(method, "/commands/ruok").await;
        assert!(status(&reply) == 405 && reply.contains("\r\nAllow: GET, HEAD, POST\r\n"), "{reply}");
    }
    // What comes after the head is not read, and does not cost the answer.
    let body = "x".repeat(100_000);
    let reply =
        send(running.address, format!("POST /commands/ruok HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    assert!(reply.contains("\"command\" : \"ruok\""), "{reply}");
}

#[tokio::test]
async fn hostile_heads_cost_their_own_connection() {
    let running = start(Fake::default(), Options::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(ADMIN_HEAD_BYTES_MAX));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(100));
    let endless = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(ADMIN_HEAD_BYTES_MAX));
    let name = "GET / HTTP/1.1\r\nHost: localhost\r\na\u{0}b: c\r\n\r\n";
    for (bytes, expected) in [
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
        (endless.as_bytes(), 431),
        (name.as_bytes(), 400),
        (b"\x16\x03\x01\x02\n\x00\x01\x00\n\n", 400),
        (b"ruok\n\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nhost: evil\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
    ] {
        let reply = send(running.address, bytes).await;
        assert_eq!(status(&reply), expected, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
        assert_eq!(get(running.address, "/health", "").await.0, 200);
    }
    // Who leaves in the middle gets nothing.
    let mut gone = TcpStream::connect(running.address).await.unwrap();
    gone.write_all(b"GET / HT").await.unwrap();
    gone.shutdown().await.unwrap();
    assert_eq!(rest(&mut gone).await, "");
    // A head that comes in pieces is a head.
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        slow.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(status(&rest(&mut slow).await), 200);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_a_timeout() {
    let running = start(Fake::default(), Options::default()).await;
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nHost: loc"] {
        assert_eq!(status(&send(running.address, bytes).await), 408);
    }
}

#[tokio::test]
async fn the_oldest_idle_connection_gives_way() {
    let running = start(Fake::default(), Options { connections: 2, ..Options::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    assert_eq!(rest(&mut silent[0]).await, "");
    assert_eq!(get(running.address, "/health", "").await.0, 200);
    assert_eq!(rest(&mut silent[1]).await, "");
    silent[2].write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(status(&rest(&mut silent[2]).await), 200);
}

#[tokio::test]
async fn a_token_opens_everything() {
    let running = start(Fake::default(), Options { token: Some(TOKEN.into()), ..Options::default() }).await;
    for wrong in ["", "Authorization: Bearer\r\n", "Authorization: Bearer 0123456789abcdee\r\n", "Authorization: Basic 0123456789abcdef\r\n"] {
        for target in ["/commands/ruok", "/metrics", "/nowhere"] {
            let (status, head, _) = get(running.address, target, wrong).await;
            assert!(status == 401 && head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{wrong}");
        }
    }
    let right = format!("Authorization: bearer {TOKEN}\r\n");
    assert_eq!(get(running.address, "/commands/ruok", &right).await.0, 200);
    assert_eq!(get(running.address, "/commands/snapshot?streaming=false", &right).await.0, 200);
    assert_eq!(get(running.address, "/ready", "").await.0, 200);
    // Who has the token is no page of another site.
    let named = format!("GET /commands/ruok HTTP/1.1\r\nHost: zk.example\r\n{right}\r\n");
    assert_eq!(status(&send(running.address, named.as_bytes()).await), 200);
}

#[tokio::test]
async fn other_sites_pages_are_refused() {
    let source = Arc::new(Fake::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, source.clone(), Options::default(), pending()));
    for headers in ["Host: evil.example\r\n", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "Host: localhost\r\nSec-Fetch-Site: same-site\r\n"] {
        let reply = send(address, format!("GET /commands/srst HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(status(&reply), 403);
    }
    assert!(source.done.lock().unwrap().is_empty());
    assert_eq!(get(address, "/commands/srst", "Sec-Fetch-Site: none\r\n").await.0, 200);
    assert_eq!(*source.done.lock().unwrap(), ["reset_statistics"]);
}

#[tokio::test]
async fn readiness() {
    for (source, expected, part) in [
        (Fake { stopped: true, ..Fake::default() }, 503, "\"hasLeader\":false"),
        (Fake { mode: Mode::ReadOnly, ..Fake::default() }, 200, "\"role\":\"read-only\",\"hasLeader\":false"),
        (Fake { mode: Mode::Follower, ..Fake::default() }, 200, "\"role\":\"follower\",\"hasLeader\":true"),
    ] {
        let running = start(source, Options::default()).await;
        let (status, _, body) = get(running.address, "/ready", "").await;
        assert_eq!(status, expected);
        assert!(body.contains(part), "{body}");
        assert_eq!(get(running.address, "/health", "").await.0, 200);
    }
}

#[tokio::test]
async fn a_door_to_the_world_needs_a_token() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = serve(listener, Arc::new(Fake::default()), Options::default(), pending()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::BadArguments);
}

#[tokio::test]
async fn stopping_ends_every_connection() {
    let running = start(Fake::default(), Options::default()).await;
    let mut open = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(get(running.address, "/health", "").await.0, 200); // the one above was accepted before
    running.stop.send(()).unwrap();
    running.task.await.unwrap().unwrap();
    assert_eq!(rest(&mut open).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
}

/// A fault of ours in one answer is that connection's alone. (The panic's words in the output are meant.)
#[tokio::test]
async fn a_panic_is_one_failed_answer() {
    let running = start(Fake { cheap: true, ..Fake::default() }, Options::default()).await;
    for _ in 0..10 {
        assert_eq!(get(running.address, "/commands/dump", "").await.0, 500);
    }
    assert_eq!(get(running.address, "/commands/ruok", "").await.0, 200);
}
