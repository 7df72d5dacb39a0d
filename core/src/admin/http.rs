//! The admin door: commands, metrics and health over HTTP/1.1, one request a connection.
//!
//! | path | answers |
//! |---|---|
//! | `/commands`, `/commands/NAME` | what ZooKeeper's AdminServer does |
//! | `/metrics` | Prometheus' text format |
//! | `/health` | 200 while this process can answer at all |
//! | `/ready` | 200 while requests are served, else 503 |
//!
//! Who can reach a loopback address may ask everything but what needs rights on the root znode, as with
//! ZooKeeper. Any other address needs a token, shown as `Authorization: Bearer TOKEN`; it also stands for those rights.
//! `/health` and `/ready` never ask for it: what probes them seldom can show one.
//! Without a token, pages that a browser on this machine happens to show must not reach us either: a `Host` that is a
//! name other than `localhost` is refused (it may have been made to mean this machine), and so is what a browser
//! marks as sent by another site.
//!
//! What always holds: a client that is slow, silent or wrong costs its own connection, for no longer than the
//! deadlines; nothing is read of a request but its head.
//!
//! Not here: TLS (put a proxy before it), what the answers say.

use super::commands::{self, Call};
use super::monitor;
use super::view::{Mode, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{ADMIN_COMMANDS_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_BYTES_MAX, ADMIN_HEADERS_MAX, ADMIN_TOKEN_BYTES_MIN};
use std::collections::VecDeque;
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

/// How the door is kept.
#[derive(Clone)]
pub struct Options {
    /// What must be shown; none: nothing, and then only loopback addresses are listened on.
    pub token: Option<String>,
    /// Connections at once.
    pub connections: usize,
    /// Within what time a request's head must have come.
    pub head_deadline: Duration,
    /// Within what time an answer must have been taken.
    pub reply_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, connections: ADMIN_CONNECTIONS_MAX, head_deadline: Duration::from_secs(5), reply_deadline: Duration::from_secs(30) }
    }
}

// By hand: the token does not belong in a log.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "...");
        let Self { connections, head_deadline, reply_deadline, .. } = self;
        write!(f, "Options {{ token: {token:?}, connections: {connections}, head_deadline: {head_deadline:?}, reply_deadline: {reply_deadline:?} }}")
    }
}

impl Options {
    /// Whether one may listen at `address` with these.
    ///
    /// # Errors
    /// [`ErrorKind::BadArguments`] if it is not a loopback address and there is no token, or the token is too short or cannot stand in a header.
    pub fn check(&self, address: IpAddr) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::BadArguments, why));
        match &self.token {
            None if !address.to_canonical().is_loopback() => {
                refuse(format!("the admin door at {address} can be reached from other machines and needs a token"))
            }
            Some(token) if token.len() < ADMIN_TOKEN_BYTES_MIN => {
                refuse(format!("the admin door's token has {} bytes, of at least {ADMIN_TOKEN_BYTES_MIN}", token.len()))
            }
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                refuse("the admin door's token has a character that cannot stand in a header".into())
            }
            _ => Ok(()),
        }
    }
}

/// Answers at `listener` until `stop` completes or this future is dropped; then every connection ends.
///
/// The runtime needs its I/O and time drivers. The source is asked in threads that may block.
///
/// # Errors
/// Those of [`Options::check`] for the listener's address; [`ErrorKind::SystemError`] if it has none.
pub async fn serve(listener: TcpListener, source: Arc<dyn Source>, options: Options, stop: impl Future<Output = ()>) -> Result<()> {
    let address = listener.local_addr().map_err(|why| Error::new(ErrorKind::SystemError, format!("the admin door's address: {why}")))?;
    options.check(address.ip())?;
    let door = Arc::new(Door { source, options, commands: Arc::new(Semaphore::new(ADMIN_COMMANDS_MAX)) });
    let mut accepting = pin!(accept(listener, door));
    let mut stop = pin!(stop);
    poll_fn(|context| {
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        accepting.as_mut().poll(context)
    })
    .await;
    Ok(())
}

struct Door {
    source: Arc<dyn Source>,
    options: Options,
    commands: Arc<Semaphore>,
}

/// Ends when dropped, and with it every connection.
async fn accept(listener: TcpListener, door: Arc<Door>) {
    let mut tasks = JoinSet::new();
    // The oldest first. The mark says that a command is being carried out for it; otherwise it is the client who is waited for.
    let mut open: VecDeque<(AbortHandle, Arc<AtomicBool>)> = VecDeque::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(why) => {
                // Out of descriptors, most likely: waiting is all there is to do.
                tracing::warn!(%why, "the admin door could not accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        open.retain(|(task, _)| !task.is_finished());
        if open.len() >= door.options.connections {
            let idle = open.iter().position(|(_, busy)| !busy.load(Ordering::Relaxed));
            match idle.and_then(|idle| open.remove(idle)) {
                Some((task, _)) => task.abort(),
                None => continue,
            }
        }
        let busy = Arc::new(AtomicBool::new(false));
        let task = tasks.spawn(connection(stream, peer.ip().to_canonical(), door.clone(), busy.clone()));
        open.push_back((task, busy));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Post,
}

#[derive(Debug)]
struct Head {
    method: Method,
    path: String,
    query: String,
    host: Option<String>,
    authorization: Option<String>,
    site: Option<String>,
}

struct Answer {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

impl Answer {
    fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind, headers: Vec::new(), body: body.into() }
    }

    fn refusal(status: u16, why: &str) -> Self {
        Self::new(status, TEXT, format!("{why}\n"))
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Other",
    }
}

async fn connection(mut stream: TcpStream, peer: IpAddr, door: Arc<Door>, busy: Arc<AtomicBool>) {
    let read = timeout(door.options.head_deadline, read_head(&mut stream)).await;
    let (answer, bare) = match read {
        Err(_) => (Answer::refusal(408, "no whole request came in time"), false),
        Ok(None) => return,
        Ok(Some(Err(refusal))) => (refusal, false),
        Ok(Some(Ok(head))) => {
            let bare = head.method == Method::Head;
            busy.store(true, Ordering::Relaxed);
            let answer = door.answer(head, peer).await;
            busy.store(false, Ordering::Relaxed);
            (answer, bare)
        }
    };
    // Whoever does not take an answer is let go, answered or not.
    let _ = timeout(door.options.reply_deadline, write(&mut stream, answer, bare)).await;
}

/// The head; a refusal; or none if the client left.
async fn read_head(stream: &mut TcpStream) -> Option<std::result::Result<Head, Answer>> {
    let mut buffer = [0; ADMIN_HEAD_BYTES_MAX];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await.ok().filter(|count| *count > 0)?;
        let line_ended = buffer[filled..filled + count].contains(&b'\n');
        filled += count;
        // Only a line end can complete anything; so whoever sends byte by byte does not have it all parsed again for each.
        if line_ended && let Some(parsed) = parse(&buffer[..filled]) {
            return Some(parsed);
        }
        if filled == buffer.len() {
            return Some(Err(Answer::refusal(431, "the head of the request is too large")));
        }
    }
}

/// None if there is more to come.
fn parse(bytes: &[u8]) -> Option<std::result::Result<Head, Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; ADMIN_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Some(Err(Answer::refusal(431, "there are too many headers"))),
        Err(httparse::Error::Version) => return Some(Err(Answer::refusal(505, "this is HTTP/1.1"))),
        Err(why) => return Some(Err(Answer::refusal(400, &format!("this is no request: {why}")))),
    }
    Some(understand(&request))
}

fn understand(request: &httparse::Request<'_, '_>) -> std::result::Result<Head, Answer> {
    let refuse = |why: &str| Err(Answer::refusal(400, why));
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("POST") => Method::Post,
        _ => {
            let mut answer = Answer::refusal(405, "GET, HEAD and POST are known here");
            answer.headers.push(("Allow", "GET, HEAD, POST".into()));
            return Err(answer);
        }
    };
    let target = request.path.unwrap_or_default();
    if !target.starts_with('/') {
        return refuse("the target is not a path");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut head = Head { method, path: path.into(), query: query.into(), host: None, authorization: None, site: None };
    for header in request.headers.iter() {
        let place = match header.name {
            name if name.eq_ignore_ascii_case("host") => &mut head.host,
            name if name.eq_ignore_ascii_case("authorization") => &mut head.authorization,
            name if name.eq_ignore_ascii_case("sec-fetch-site") => &mut head.site,
            _ => continue,
        };
        let Ok(value) = std::str::from_utf8(header.value) else {
            return refuse("a header is not text");
        };
        if place.replace(value.trim().into()).is_some() {
            return refuse("a header that may stand once stands twice");
        }
    }
    if head.host.is_none() && request.version == Some(1) {
        return refuse("there is no Host");
    }
    Ok(head)
}

async fn write(stream: &mut TcpStream, answer: Answer, bare: bool) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", answer.status, reason(answer.status), answer.kind, answer.body.len());
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    if !bare {
        stream.write_all(&answer.body).await?;
    }
    stream.shutdown().await?;
    // Closing over unread bytes would reset the connection, and the answer might be lost with it. So the rest of a body, or
    // of a head that was too large, is thrown away; not for ever.
    let drain = async {
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    timeout(Duration::from_secs(1), drain).await.unwrap_or(Ok(()))
}

/// Takes as long for a wrong token as for the right one, however much of it is right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let mut difference = given.len() ^ token.len();
    for (at, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ token[at % token.len()]);
    }
    black_box(difference) == 0
}

/// Whether a `Host` cannot be a name that someone else made to mean this machine.
fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok()
}

/// `%XX` and `+` undone; what is not UTF-8 is replaced.
fn decoded(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if plus && bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Door {
    async fn answer(&self, head: Head, peer: IpAddr) -> Answer {
        match head.path.as_str() {
            "/health" => return Answer::new(200, JSON, "{\"status\":\"ok\"}"),
            "/ready" => {
                let source = self.source.clone();
                return spawn_blocking(move || ready(&*source)).await.unwrap_or_else(|_| Answer::refusal(500, "that failed"));
            }
            _ => {}
        }
        let trusted = match &self.options.token {
            Some(token) => {
                let shown = head.authorization.as_deref().and_then(|given| given.split_once(' '));
                if !shown.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && same(given.trim().as_bytes(), token.as_bytes())) {
                    let mut answer = Answer::refusal(401, "show the token");
                    answer.headers.push(("WWW-Authenticate", "Bearer".into()));
                    return answer;
                }
                true
            }
            None => {
                if !head.host.as_deref().is_none_or(is_local_host) {
                    return Answer::refusal(403, "ask by address or as localhost, or set a token");
                }
                if head.site.as_deref().is_some_and(|site| !["same-origin", "none"].contains(&site)) {
                    return Answer::refusal(403, "another site's page may not ask");
                }
                false
            }
        };
        let Ok(permit) = self.commands.clone().acquire_owned().await else {
            return Answer::refusal(503, "closing");
        };
        let source = self.source.clone();
        let done = spawn_blocking(move || {
            let _permit = permit;
            route(&head, peer, trusted, &*source)
        });
        done.await.unwrap_or_else(|_| Answer::refusal(500, "that failed"))
    }
}

/// The shape is that of ClickHouse Keeper's, so that probes made for it fit.
fn ready(source: &dyn Source) -> Answer {
    let serving = source.serving();
    let mode = source.statistics().mode;
    let (status, word) = if serving { (200, "ok") } else { (503, "not serving") };
    let body = format!("{{\"status\":\"{word}\",\"details\":{{\"role\":\"{}\",\"hasLeader\":{}}}}}", mode.name(), serving && mode != Mode::ReadOnly);
    Answer::new(status, JSON, body)
}

fn route(head: &Head, peer: IpAddr, trusted: bool, source: &dyn Source) -> Answer {
    match head.path.as_str() {
        "/metrics" => Answer::new(200, "text/plain; version=0.0.4; charset=utf-8", monitor::prometheus(source)),
        "/commands" | "/commands/" => Answer::new(200, "text/html; charset=utf-8", commands::index()),
        path => match path.strip_prefix("/commands/") {
            Some(name) => {
                let parameters: Vec<_> = head
                    .query
                    .split('&')
                    .filter(|pair| !pair.is_empty())
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                    .map(|(key, value)| (decoded(key, true), decoded(value, true)))
                    .collect();
                let call = Call {
                    name: &decoded(name, false),
                    parameters: &parameters,
                    post: head.method == Method::Post,
                    trusted,
                    authorization: head.authorization.as_deref(),
                    peer,
                };
                let done = commands::run(&call, source);
                Answer { status: done.status, kind: JSON, headers: done.headers, body: done.body }
            }
            None => Answer::refusal(404, "there are /commands, /metrics, /ready and /health"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80"] {
            assert!(is_local_host(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:x", "[::1"] {
            assert!(!is_local_host(host), "{host}");
        }
    }

    #[test]
    fn tokens() {
        assert!(same(b"abcd", b"abcd"));
        for given in [&b""[..], b"abc", b"abcda", b"abcdabcd", b"abce", b"xbcd"] {
            assert!(!same(given, b"abcd"));
        }
    }

    #[test]
    fn percent() {
        for (text, plain) in
            [("a%20b", "a b"), ("a+b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "% 1"), ("%e2%82%ac", "\u{20ac}"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decoded(text, true), plain);
        }
        assert_eq!(decoded("a+b", false), "a+b");
    }

    #[test]
    fn doors() {
        let open = Options::default();
        assert!(open.check("127.0.0.1".parse().unwrap()).is_ok() && open.check("::1".parse().unwrap()).is_ok());
        assert!(open.check("::ffff:127.0.0.1".parse().unwrap()).is_ok());
        for address in ["0.0.0.0", "::", "192.168.0.1"] {
            let address = address.parse().unwrap();
            assert_eq!(open.check(address).unwrap_err().kind(), ErrorKind::BadArguments);
            assert!(Options { token: Some("0123456789abcdef".into()), ..Options::default() }.check(address).is_ok());
        }
        for token in ["", "short", "0123456789 abcdef", "0123456789abcde\n"] {
            assert!(Options { token: Some(token.into()), ..Options::default() }.check("127.0.0.1".parse().unwrap()).is_err());
        }
        assert!(!format!("{:?}", Options { token: Some("0123456789abcdef".into()), ..Options::default() }).contains("0123"));
    }
}
