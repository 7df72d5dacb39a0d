//! A client of ZooKeeper's protocol that is as plain as can be: it writes its requests by itself, so that what the
//! server reads is not what the same crate has written.

use folkmoot::ids::{SessionId, Zxid};
use folkmoot::wire::frame::{Frame, split};
use folkmoot::wire::records::{Connect, Connected};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing here takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(30);
/// A timeout that no session reaches in a test.
pub const TIMEOUT_MS: i32 = 40_000;

/// Bytes of a request, put together.
#[derive(Clone, Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn int(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn long(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn flag(mut self, value: bool) -> Self {
        self.0.push(value.into());
        self
    }
    pub fn data(mut self, value: Option<&[u8]>) -> Self {
        match value {
            None => self.int(-1),
            Some(value) => {
                self = self.int(value.len() as i32);
                self.0.extend(value);
                self
            }
        }
    }
    pub fn text(self, value: &str) -> Self {
        self.data(Some(value.as_bytes()))
    }
    pub fn texts(self, values: &[&str]) -> Self {
        values.iter().fold(self.int(values.len() as i32), |body, value| body.text(value))
    }
    pub fn acl(self, entries: &[(i32, &str, &str)]) -> Self {
        entries.iter().fold(self.int(entries.len() as i32), |body, (perms, scheme, id)| body.int(*perms).text(scheme).text(id))
    }
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    /// An operation of a multi.
    pub fn op(self, op: i32, body: Body) -> Self {
        self.int(op).flag(false).int(-1).raw(&body.0)
    }
    /// The end of a multi.
    pub fn end(self) -> Self {
        self.int(-1).flag(true).int(-1)
    }
    /// With its length before it.
    pub fn frame(self) -> Vec<u8> {
        Body::new().int(self.0.len() as i32).raw(&self.0).0
    }
}

pub const OPEN: &[(i32, &str, &str)] = &[(31, "world", "anyone")];

pub fn create(path: &str, flags: i32) -> Body {
    create_with(path, b"x", OPEN, flags)
}
pub fn create_with(path: &str, data: &[u8], acl: &[(i32, &str, &str)], flags: i32) -> Body {
    Body::new().text(path).data(Some(data)).acl(acl).int(flags)
}
pub fn versioned(path: &str, version: i32) -> Body {
    Body::new().text(path).int(version)
}
pub fn set(path: &str, data: &[u8]) -> Body {
    Body::new().text(path).data(Some(data)).int(-1)
}
/// A read of a path, with or without a watch.
pub fn read(path: &str, watch: bool) -> Body {
    Body::new().text(path).flag(watch)
}
pub fn auth(scheme: &str, credential: &[u8]) -> Body {
    Body::new().int(0).text(scheme).data(Some(credential))
}

/// What came: a reply or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub xid: i32,
    pub zxid: i64,
    pub code: i32,
    pub body: Vec<u8>,
}

impl Message {
    pub fn is_event(&self) -> bool {
        self.xid == -1
    }
    /// Kind and path of a notification.
    pub fn event(&self) -> (i32, String) {
        assert!(self.is_event(), "{self:?} is no event");
        let mut fields = Fields(&self.body);
        let (kind, state) = (fields.int(), fields.int());
        assert_eq!((self.code, state), (0, 3), "a notification says no more than that");
        let path = fields.text();
        assert!(fields.0.is_empty(), "nothing follows the path");
        (kind, path)
    }
    pub fn fields(&self) -> Fields<'_> {
        assert_eq!(self.code, 0, "{self:?}");
        Fields(&self.body)
    }
    /// Data and Stat.
    pub fn data(&self) -> (Vec<u8>, Stat) {
        let mut fields = self.fields();
        (fields.data().expect("data"), fields.stat())
    }
}

pub const CREATED: i32 = 1;
pub const DELETED: i32 = 2;
pub const CHANGED: i32 = 3;
pub const CHILDREN: i32 = 4;

/// Takes a body apart.
pub struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk::<N>().expect("more bytes");
        self.0 = rest;
        *taken
    }
    pub fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }
    pub fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }
    pub fn flag(&mut self) -> bool {
        self.take::<1>() != [0]
    }
    pub fn data(&mut self) -> Option<Vec<u8>> {
        let length = self.int();
        (length >= 0).then(|| {
            let (taken, rest) = self.0.split_at(length as usize);
            self.0 = rest;
            taken.to_vec()
        })
    }
    pub fn text(&mut self) -> String {
        String::from_utf8(self.data().expect("text")).expect("UTF-8")
    }
    pub fn texts(&mut self) -> Vec<String> {
        (0..self.int()).map(|_| self.text()).collect()
    }
    pub fn stat(&mut self) -> Stat {
        Stat {
            czxid: self.long(),
            mzxid: self.long(),
            ctime: self.long(),
            mtime: self.long(),
            version: self.int(),
            cversion: self.int(),
            aversion: self.int(),
            owner: self.long(),
            length: self.int(),
            children: self.int(),
            pzxid: self.long(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub owner: i64,
    pub length: i32,
    pub children: i32,
    pub pzxid: i64,
}

/// A connection, whatever is said on it.
pub struct Raw {
    pub stream: TcpStream,
    inbox: Vec<u8>,
}

impl Raw {
    pub fn open(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect_timeout(&address, LONG).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(LONG)).expect("a deadline");
        stream.set_write_timeout(Some(LONG)).expect("a deadline");
        Raw { stream, inbox: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// Sends to someone who may have gone already.
    pub fn send_anyway(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The body of the next frame; none if the server has closed the connection.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Frame::Whole(body, rest) = split(&self.inbox, usize::MAX) {
                let (body, rest) = (body.to_vec(), rest.to_vec());
                self.inbox = rest;
                return Some(body);
            }
            let mut part = [0; 64 * 1024];
            match self.stream.read(&mut part) {
                Ok(0) => {
                    assert!(self.inbox.is_empty(), "closed in the middle of a frame");
                    return None;
                }
                Ok(count) => self.inbox.extend(&part[..count]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => panic!("no answer within {LONG:?}"),
                Err(_) => return None,
            }
        }
    }

    pub fn message(&mut self) -> Option<Message> {
        let frame = self.frame()?;
        let mut fields = Fields(&frame);
        Some(Message { xid: fields.int(), zxid: fields.long(), code: fields.int(), body: fields.0.to_vec() })
    }

    /// Waits for the server to close; what came before.
    pub fn rest(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.message()).collect()
    }

    pub fn assert_closed(&mut self) {
        assert_eq!(self.rest(), [], "nothing but the end");
    }
}

/// A first frame.
pub fn hello(session: SessionId, password: &[u8], timeout_ms: i32) -> Connect {
    Connect { protocol_version: 0, last_zxid: Zxid(0), timeout_ms, session, password: password.to_vec(), read_only: Some(false) }
}

/// A connection with a session.
pub struct Client {
    pub raw: Raw,
    pub connected: Connected,
    pub events: Vec<Message>,
    xid: i32,
}

impl Client {
    /// With a session of its own.
    pub fn open(address: SocketAddr) -> Client {
        Self::say(address, &hello(SessionId(0), &[0; 16], TIMEOUT_MS)).expect("a session")
    }

    /// With the session of another.
    pub fn attach(address: SocketAddr, other: &Connected) -> Option<Client> {
        Self::say(address, &hello(other.session, &other.password, TIMEOUT_MS))
    }

    /// None if there is no such session; the server has closed the connection then.
    pub fn say(address: SocketAddr, connect: &Connect) -> Option<Client> {
        let mut raw = Raw::open(address);
        let mut bytes = Vec::new();
        connect.write(&mut bytes);
        raw.send(&bytes);
        let connected = Connected::read(&raw.frame().expect("an answer to the first frame")).expect("well formed");
        if connected.session == SessionId(0) {
            assert_eq!(connected, Connected { read_only: connect.read_only, ..Connected::default() }, "all zero");
            raw.assert_closed();
            return None;
        }
        Some(Client { raw, connected, events: Vec::new(), xid: 0 })
    }

    pub fn session(&self) -> SessionId {
        self.connected.session
    }

    /// Sends a request; its xid.
    pub fn send(&mut self, op: i32, body: Body) -> i32 {
        self.xid += 1;
        self.send_as(self.xid, op, body);
        self.xid
    }

    pub fn send_as(&mut self, xid: i32, op: i32, body: Body) {
        self.raw.send(&request(xid, op, body));
    }

    /// The next reply; events before it are kept.
    pub fn reply(&mut self, xid: i32) -> Message {
        loop {
            let message = self.raw.message().expect("a reply, not the end");
            if message.is_event() {
                self.events.push(message);
                continue;
            }
            assert_eq!(message.xid, xid, "replies come in the order of the requests");
            return message;
        }
    }

    pub fn ask(&mut self, op: i32, body: Body) -> Message {
        let xid = self.send(op, body);
        self.reply(xid)
    }

    /// Asks for what must succeed.
    pub fn done(&mut self, op: i32, body: Body) -> Message {
        let reply = self.ask(op, body);
        assert_eq!(reply.code, 0, "operation {op}");
        reply
    }

    /// The next event, which must come before anything else.
    pub fn event(&mut self) -> (i32, String) {
        match self.events.is_empty() {
            true => self.raw.message().expect("an event, not the end").event(),
            false => self.events.remove(0).event(),
        }
    }

    /// The events so far: all that were written before the answer to a ping that is sent now.
    pub fn events(&mut self) -> Vec<(i32, String)> {
        self.send_as(-2, 11, Body::new());
        self.reply(-2);
        self.events.drain(..).map(|event| event.event()).collect()
    }
}

/// A whole request.
pub fn request(xid: i32, op: i32, body: Body) -> Vec<u8> {
    Body::new().int(xid).int(op).raw(&body.0).frame()
}

/// Waits for a condition that no message tells of, giving way to other threads.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what}: not within {LONG:?}");
        std::thread::yield_now();
    }
}
