//! One client: its bytes in, answers and events out.
//!
//! All requests of what one read brings are looked at under one lock of the state. Reads are answered there and then; writes
//! go to the member's queue, and so do reads behind them, which keeps answers in the order of requests. Everything to be
//! sent is gathered in `Out` and written with one call.
//!
//! What always holds: an event stands before the answer to any read that shows its change, and behind the answer that set
//! its watch, for both are put down with the state locked; no more is read from a client who does not fetch what
//! is for them, and one who lets events pile up is dropped; a client can cost only their own connection.
//!
//! Not here: what requests do (`member`), accepting (`server`), the formats (`frame`, `records`).

use super::frame::{self, Frame};
use super::records::{self, Ask, Connect, Connected, Form, op};
use super::sasl::{Exchange, NONCE_BYTES, Step};
use super::server::Door;
use super::ticket::{Kind, Ticket};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::{
    CONNECTION_EVENT_BYTES_MAX, CONNECTION_IN_FLIGHT_MAX, CONNECTION_OUT_BYTES, CONNECTION_QUEUED_BYTES_MAX, CONNECTION_QUEUED_READS_MAX, IDENTITIES_MAX,
};
use crate::member::engine::{Asker, Item, Listener, Reading, SessionCore, Work};
use crate::request::{Acl, Event, Identity, Reply, Request, Requester, SessionState, perms};
use crate::tree::acl;
use crate::watch::WatcherId;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Waker;

/// What is known of a connection from outside its task.
pub(crate) struct Connection {
    pub(super) door: Arc<Door>,
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) secure: bool,
    out: Mutex<Out>,
    pub(super) books: Books,
}

/// The books of one connection.
#[derive(Default)]
pub(super) struct Books {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) established_ms: AtomicI64,
    pub(super) last_response_ms: AtomicI64,
    pub(super) last_op: AtomicI64,
    pub(super) last_xid: AtomicI64,
    pub(super) last_zxid: AtomicI64,
    pub(super) latency_min: AtomicI64,
    pub(super) latency_max: AtomicI64,
    pub(super) latency_sum: AtomicI64,
}

impl Books {
    /// Starts the books anew.
    pub(super) fn reset(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.latency_min.store(i64::MAX, Ordering::Relaxed);
        self.latency_max.store(0, Ordering::Relaxed);
        self.latency_sum.store(0, Ordering::Relaxed);
    }
}

/// The session that a connection serves.
#[derive(Clone)]
pub(super) struct Attached {
    pub(super) core: Arc<SessionCore>,
    pub(super) watcher: WatcherId,
}

#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    /// Requests that wait in the member's queue; of them reads; and their bytes.
    pending: usize,
    pending_reads: usize,
    pending_bytes: usize,
    /// The task is running or has been woken.
    awake: bool,
    waker: Option<Waker>,
    identities: Arc<[Identity]>,
    attached: Option<Attached>,
    /// SASL under way.
    sasl: Option<Box<Exchange>>,
    /// The session opens; who is told by an answer.
    opening: Option<Attached>,
    /// Nothing more is read; the connection ends when everything has been answered and written.
    closing: bool,
    /// The connection ends now.
    dead: bool,
}

/// What the task is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read, and write if there is something.
    Go,
    /// Write what there is; nothing can be read.
    Drain,
    /// Wait for the client to fetch what is left, but not for ever.
    Leave,
    /// End.
    End,
}

impl Out {
    /// Whether another request can be taken in.
    fn has_room(&self) -> bool {
        !self.closing
            && !self.dead
            && self.opening.is_none()
            && self.bytes.len() < CONNECTION_OUT_BYTES
            && self.pending < CONNECTION_IN_FLIGHT_MAX
            && self.pending_reads < CONNECTION_QUEUED_READS_MAX
            && self.pending_bytes < CONNECTION_QUEUED_BYTES_MAX
    }

    fn wake(&mut self) {
        if !self.awake
            && let Some(waker) = &self.waker
        {
            self.awake = true;
            waker.wake_by_ref();
        }
    }
}

impl Connection {
    pub(super) fn new(door: Arc<Door>, number: u64, peer: SocketAddr, secure: bool, identities: Vec<Identity>) -> Arc<Self> {
        let books = Books::default();
        books.established_ms.store(door.core.wall_ms(), Ordering::Relaxed);
        books.latency_min.store(i64::MAX, Ordering::Relaxed);
        let out = Out { identities: identities.into(), ..Out::default() };
        Arc::new(Self { door, number, peer, secure, out: Mutex::new(out), books })
    }

    pub(super) fn attached(&self) -> Option<Attached> {
        self.out.lock().attached.clone()
    }

    pub(super) fn pending(&self) -> usize {
        self.out.lock().pending
    }

    pub(super) fn identities(&self) -> Arc<[Identity]> {
        self.out.lock().identities.clone()
    }

    /// Ends the connection from outside.
    pub(super) fn kill(&self) {
        let mut out = self.out.lock();
        out.dead = true;
        out.wake();
    }

    /// The task begins to run.
    pub(super) fn begin(&self, waker: &Waker) {
        let mut out = self.out.lock();
        out.awake = true;
        if !out.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            out.waker = Some(waker.clone());
        }
    }

    /// Takes what is to be written, in exchange for an empty buffer.
    pub(super) fn take(&self, empty: &mut Vec<u8>) {
        let mut out = self.out.lock();
        std::mem::swap(&mut out.bytes, empty);
    }

    /// What to do; `blocked`: what is written has to wait for the client. The task may sleep only if `sleep` says so.
    pub(super) fn next(&self, blocked: bool) -> Next {
        let out = self.out.lock();
        let is_over = out.closing && out.pending == 0;
        if out.dead || (is_over && !blocked && out.bytes.is_empty()) {
            Next::End
        } else if is_over && blocked {
            Next::Leave
        } else if out.has_room() {
            Next::Go
        } else {
            Next::Drain
        }
    }

    /// Goes to sleep, unless something has come up since; whether it did go. `blocked`: what is written has to wait for the client.
    pub(super) fn sleep(&self, blocked: bool, wants_input: bool) -> bool {
        let mut out = self.out.lock();
        if out.dead || (!blocked && !out.bytes.is_empty()) || (out.closing && out.pending == 0 && !blocked) || (wants_input && out.has_room()) {
            return false;
        }
        out.awake = false;
        true
    }

    /// The first frame: who is it? False: the connection ends.
    pub(super) fn connect(self: &Arc<Self>, body: &[u8]) -> bool {
        let core = &self.door.core;
        let Ok(connect) = Connect::read(body) else { return false };
        self.count_in();
        self.door.stats.connects.fetch_add(1, Ordering::Relaxed);
        self.books.last_op.store(i64::from(op::CREATE_SESSION), Ordering::Relaxed);
        let (shortest, longest) = (self.door.options.shortest_timeout_ms(), self.door.options.longest_timeout_ms());
        let timeout_ms = u32::try_from(connect.timeout_ms).unwrap_or(0).clamp(shortest, longest);
        // Nobody can be served by a member without a leader: they look for another.
        if core.is_alone() {
            return false;
        }
        // Whoever has seen more than we have must not be shown the past.
        if connect.last_zxid > core.reading().zxid() {
            return false;
        }
        let knows_read_only = connect.read_only.is_some();
        let listener: Arc<dyn Listener> = self.clone();
        if connect.session == SessionId(0) {
            let ticket = Ticket { xid: 0, kind: Kind::Connect(knows_read_only), bytes: 0, is_read: false, came_ms: core.steady_ms() };
            self.out.lock().pending += 1;
            let Ok((session, mut items)) = core.opening(listener, timeout_ms, ticket) else { return false };
            let watcher = session.watcher();
            self.out.lock().opening = Some(Attached { core: session, watcher });
            if core.enqueue_all(&mut items).is_err() {
                return false;
            }
            core.work_off(true);
            return true;
        }
        if core.is_replicated() {
            let ticket = Ticket { xid: 0, kind: Kind::Resume(knows_read_only), bytes: 0, is_read: false, came_ms: core.steady_ms() };
            return match core.attaching(connect.session, &connect.password, timeout_ms, listener, ticket) {
                Ok(Some((session, mut items))) => {
                    let watcher = session.watcher();
                    {
                        let mut out = self.out.lock();
                        out.pending += 1;
                        out.opening = Some(Attached { core: session, watcher });
                    }
                    let is_queued = core.enqueue_all(&mut items).is_ok();
                    core.work_off(is_queued);
                    is_queued
                }
                Ok(None) => {
                    self.refuse_session(&mut self.out.lock(), knows_read_only);
                    true
                }
                Err(_) => false,
            };
        }
        match core.attach(connect.session, &connect.password, timeout_ms, listener) {
            Ok(Some((session, watcher))) => {
                self.door.stats.resumed.fetch_add(1, Ordering::Relaxed);
                let mut out = self.out.lock();
                let attached = Attached { core: session, watcher };
                self.write_connected(&mut out, &attached, knows_read_only);
                out.attached = Some(attached);
                true
            }
            Ok(None) => {
                self.refuse_session(&mut self.out.lock(), knows_read_only);
                true
            }
            Err(_) => false,
        }
    }

    /// There is no such session, or it is another's: both look alike.
    fn refuse_session(&self, out: &mut Out, knows_read_only: bool) {
        Connected { read_only: knows_read_only.then_some(false), ..Connected::default() }.write(&mut out.bytes);
        self.books.sent.fetch_add(1, Ordering::Relaxed);
        out.closing = true;
    }

    fn write_connected(&self, out: &mut Out, attached: &Attached, knows_read_only: bool) {
        let session = attached.core.id();
        let answer = Connected {
            timeout_ms: i32::try_from(attached.core.timeout_ms()).unwrap_or(i32::MAX),
            session,
            password: self.door.core.password(session),
            read_only: knows_read_only.then_some(false),
        };
        answer.write(&mut out.bytes);
        self.count_out(0, 0, Zxid(0), self.door.core.steady_ms());
    }

    /// Takes in requests as long as there is room for them; how many bytes that were.
    pub(super) fn take_in(self: &Arc<Self>, input: &[u8]) -> usize {
        let core = &self.door.core;
        let now = core.steady_ms();
        let mut items = Vec::new();
        let mut rest = input;
        {
            let reading = core.reading();
            let mut out = self.out.lock();
            let Some(attached) = out.attached.clone() else {
                // Still opening: it is told when that has happened, and reads on.
                return 0;
            };
            if core.check().is_err() || reading.check(&attached.core).is_err() {
                out.closing = true;
                return input.len();
            }
            core.hear(&attached.core);
            let mut batch = Batch::new(self, &reading, &mut out, &attached, now);
            while batch.out.has_room() {
                match frame::split(rest, self.door.options.frame_bytes_max) {
                    Frame::Whole(body, after) => {
                        rest = after;
                        batch.request(body, &mut items);
                    }
                    Frame::Partial(_) => break,
                    Frame::Refused(length) => {
                        tracing::debug!(peer = %self.peer, length, "a frame of a length that is not allowed");
                        self.door.stats.too_large.fetch_add(1, Ordering::Relaxed);
                        self.door.stats.dropped.fetch_add(1, Ordering::Relaxed);
                        batch.out.dead = true;
                    }
                }
            }
            batch.finish();
        }
        if !items.is_empty() {
            match core.enqueue_all(&mut items) {
                Ok(()) => core.work_off(true),
                Err(error) => {
                    self.door.stats.throttled.fetch_add(items.len() as u64, Ordering::Relaxed);
                    items.into_iter().for_each(|item| item.refuse(&error));
                }
            }
        }
        input.len() - rest.len()
    }

    fn count_in(&self) {
        self.books.received.fetch_add(1, Ordering::Relaxed);
        self.door.stats.received.fetch_add(1, Ordering::Relaxed);
    }

    fn count_out(&self, came_ms: i64, xid: i32, zxid: Zxid, now: i64) {
        let books = &self.books;
        let latency = if came_ms == 0 { 0 } else { (now - came_ms).max(0) };
        books.sent.fetch_add(1, Ordering::Relaxed);
        books.last_response_ms.store(now, Ordering::Relaxed);
        books.last_xid.store(i64::from(xid), Ordering::Relaxed);
        books.last_zxid.store(zxid.0, Ordering::Relaxed);
        books.latency_min.fetch_min(latency, Ordering::Relaxed);
        books.latency_max.fetch_max(latency, Ordering::Relaxed);
        books.latency_sum.fetch_add(latency, Ordering::Relaxed);
        self.door.stats.answered(1, latency);
    }

    /// The task has ended.
    pub(super) fn gone(self: &Arc<Self>) {
        let attached = {
            let mut out = self.out.lock();
            out.dead = true;
            out.waker = None;
            out.bytes = Vec::new();
            out.attached.take().or(out.opening.take())
        };
        if let Some(attached) = attached {
            let listener: Arc<dyn Listener> = self.clone();
            self.door.core.detach(&attached.core, attached.watcher, &listener);
        }
    }
}

/// The requests of one read, looked at together.
struct Batch<'a, 'b> {
    connection: &'a Arc<Connection>,
    listener: Option<Arc<dyn Listener>>,
    reading: &'a Reading<'b>,
    out: &'a mut Out,
    attached: &'a Attached,
    who: Requester,
    now: i64,
    zxid: Zxid,
    answered: u64,
    received: u64,
    last: (i32, i32),
}

impl<'a, 'b> Batch<'a, 'b> {
    fn new(connection: &'a Arc<Connection>, reading: &'a Reading<'b>, out: &'a mut Out, attached: &'a Attached, now: i64) -> Self {
        let who = Requester { session: attached.core.id(), identities: out.identities.clone() };
        Self { connection, listener: None, zxid: reading.zxid(), reading, out, attached, who, now, answered: 0, received: 0, last: (0, 0) }
    }

    fn request(&mut self, body: &[u8], items: &mut Vec<Item>) {
        self.received += 1;
        let Ok((xid, op, body)) = records::header(body) else {
            self.out.dead = true;
            return;
        };
        self.last = (xid, op);
        let door = &self.connection.door;
        if !matches!(op, op::AUTH | op::SASL) && !door.is_enough(&self.who.identities) {
            self.answered += 1;
            records::header_only(&mut self.out.bytes, xid, Zxid(0), ErrorKind::AuthRequired as i32);
            self.out.closing = true;
            return;
        }
        match records::ask(op, body) {
            Ask::Get(path, watch) if self.out.pending == 0 && !watch => {
                self.answered += 1;
                match self.reading.get(&path, &self.who) {
                    Ok((data, stat)) => records::data_reply(&mut self.out.bytes, xid, self.zxid, data.as_deref(), &stat),
                    Err(error) => records::header_only(&mut self.out.bytes, xid, self.zxid, records::wire_code(error.kind())),
                }
            }
            Ask::Get(path, watch) => self.carry(xid, body.len(), Request::Get { path: path.into_owned(), watch }, Form::Data, items),
            Ask::Request(request, form) => {
                let request = door.allowed(op, request);
                self.carry(xid, body.len(), request, form, items);
            }
            Ask::Ping => self.carry(records::XID_PING, 0, Request::Sync { path: String::new() }, Form::Empty, items),
            Ask::Malformed => self.read(xid, 0, Request::Refused(ErrorKind::MarshallingError), Kind::Reply(Form::Empty), items),
            Ask::Close => {
                self.put(xid, 0, Work::Close { expired: false }, Kind::Farewell, items);
                self.out.closing = true;
            }
            Ask::Unknown => {
                self.read(xid, 0, Request::Refused(ErrorKind::Unimplemented), Kind::Farewell, items);
                self.out.closing = true;
            }
            Ask::Auth(scheme, credential) => self.authenticate(xid, &scheme, &credential),
            Ask::Sasl(token) => self.sasl(xid, &token),
        }
    }

    /// A request in our own words: a write to the queue, a read at once if nothing is before it.
    fn carry(&mut self, xid: i32, bytes: usize, request: Request, form: Form, items: &mut Vec<Item>) {
        if request.is_write() {
            return self.put(xid, bytes, Work::Write(request), Kind::Reply(form), items);
        }
        self.read(xid, bytes, request, Kind::Reply(form), items);
    }

    fn read(&mut self, xid: i32, bytes: usize, request: Request, kind: Kind, items: &mut Vec<Item>) {
        // The events of `SetWatches` come through `tell`, which needs `Out` for itself.
        if self.out.pending > 0 || matches!(request, Request::SetWatches(_)) || (request.is_sync() && self.connection.door.core.is_replicated()) {
            return self.put(xid, bytes, Work::Read(request), kind, items);
        }
        self.answered += 1;
        let result = self.reading.answer(&self.asker(), &request);
        write_answer(self.out, xid, self.zxid, &kind, &result);
    }

    fn asker(&self) -> Asker {
        Asker { core: self.attached.core.clone(), watcher: self.attached.watcher, identities: self.who.identities.clone() }
    }

    fn put(&mut self, xid: i32, bytes: usize, work: Work, kind: Kind, items: &mut Vec<Item>) {
        let is_read = matches!(work, Work::Read(_));
        let listener = self.listener.get_or_insert_with(|| self.connection.clone()).clone();
        self.out.pending += 1;
        self.out.pending_reads += usize::from(is_read);
        self.out.pending_bytes += bytes;
        let ticket = Ticket { xid, kind, bytes: bytes as u32, is_read, came_ms: self.now };
        items.push(self.connection.door.core.item(self.asker(), work, listener, ticket));
    }

    fn authenticate(&mut self, xid: i32, scheme: &str, credential: &[u8]) {
        self.answered += 1;
        let door = &self.connection.door;
        let shown = match scheme {
            "ip" => Ok(vec![ip_identity(&self.connection.peer)]),
            "digest" if !door.options.digest_scheme => Err(Error::new(ErrorKind::AuthFailed, "the scheme digest is off")),
            _ => acl::authenticate(scheme, credential, door.options.super_digest.as_deref()),
        };
        if shown.is_ok_and(|shown| self.show(shown)) {
            return records::header_only(&mut self.out.bytes, xid, Zxid(0), 0);
        }
        door.stats.auth_failed.fetch_add(1, Ordering::Relaxed);
        records::header_only(&mut self.out.bytes, xid, Zxid(0), ErrorKind::AuthFailed as i32);
        self.out.closing = true;
    }

    /// Adds identities; false if that is too many.
    fn show(&mut self, shown: Vec<Identity>) -> bool {
        let mut all = self.who.identities.to_vec();
        for identity in shown {
            if !all.contains(&identity) {
                // What comes with the connection stays last: so `whoAmI` lists them in ZooKeeper's order.
                let at = all.iter().position(|other| matches!(other.scheme.as_str(), "ip" | "x509")).unwrap_or(all.len());
                all.insert(at, identity);
            }
        }
        if all.len() > IDENTITIES_MAX {
            return false;
        }
        self.who.identities = all.into();
        self.out.identities = self.who.identities.clone();
        true
    }

    fn sasl(&mut self, xid: i32, token: &[u8]) {
        self.answered += 1;
        let door = &self.connection.door;
        let options = &door.options;
        if options.sasl_users.is_empty() {
            // Without users there is no mechanism, and ZooKeeper answers with nothing.
            return records::sasl_reply(&mut self.out.bytes, xid, 0, None);
        }
        // A client may try again on the same connection: with an exchange of its own.
        let exchange = match self.out.sasl.take() {
            Some(exchange) => Ok(exchange),
            None => nonce().map(|nonce| Box::new(Exchange::new(nonce))),
        };
        let step = exchange.and_then(|mut exchange| exchange.step(&options.sasl_users, token).map(|step| (exchange, step)));
        let is_good = match step {
            Ok((exchange, Step { token, user: None })) => {
                self.out.sasl = Some(exchange);
                records::sasl_reply(&mut self.out.bytes, xid, 0, Some(&token));
                true
            }
            Ok((_, Step { token, user: Some(user) })) => {
                let is_super = options.super_user.as_ref() == Some(&user);
                let mut shown = vec![Identity::new("sasl", user)];
                if is_super {
                    shown.push(Identity::new("super", ""));
                }
                records::sasl_reply(&mut self.out.bytes, xid, 0, Some(&token));
                self.show(shown)
            }
            Err(_) => false,
        };
        if !is_good {
            door.stats.auth_failed.fetch_add(1, Ordering::Relaxed);
            let kind = if options.require_sasl { ErrorKind::AuthRequired } else { ErrorKind::AuthFailed };
            records::sasl_reply(&mut self.out.bytes, xid, kind as i32, None);
            self.out.closing = true;
        }
    }

    fn finish(self) {
        let (books, stats) = (&self.connection.books, &self.connection.door.stats);
        books.received.fetch_add(self.received, Ordering::Relaxed);
        stats.received.fetch_add(self.received, Ordering::Relaxed);
        if self.answered > 0 {
            books.sent.fetch_add(self.answered, Ordering::Relaxed);
            books.last_response_ms.store(self.now, Ordering::Relaxed);
            books.last_xid.store(i64::from(self.last.0), Ordering::Relaxed);
            books.last_zxid.store(self.zxid.0, Ordering::Relaxed);
            books.latency_min.fetch_min(0, Ordering::Relaxed);
            stats.answered(self.answered, 0);
        }
        if self.received > 0 {
            books.last_op.store(i64::from(self.last.1), Ordering::Relaxed);
        }
    }
}

fn nonce() -> Result<[u8; NONCE_BYTES]> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Error::new(ErrorKind::SystemError, format!("no random numbers: {error}")))?;
    Ok(nonce)
}

/// The identity that comes with a connection.
pub(super) fn ip_identity(peer: &SocketAddr) -> Identity {
    Identity::new("ip", peer.ip().to_canonical().to_string())
}

fn write_answer(out: &mut Out, xid: i32, zxid: Zxid, kind: &Kind, result: &Result<Reply>) {
    match kind {
        Kind::Reply(form) => records::reply(&mut out.bytes, xid, zxid, form, result),
        Kind::Farewell => {
            // An operation that is none has no transaction.
            let zxid = if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unimplemented) { Zxid(-1) } else { zxid };
            records::reply(&mut out.bytes, xid, zxid, &Form::Empty, result);
            out.closing = true;
        }
        Kind::Connect(_) | Kind::Resume(_) => {}
    }
}

impl Listener for Connection {
    fn tell(&self, event: &Event, list: &[Acl]) {
        let mut out = self.out.lock();
        if out.dead || !acl::allows(list, perms::READ, &out.identities) {
            return;
        }
        records::notification(&mut out.bytes, event);
        if out.bytes.len() > CONNECTION_EVENT_BYTES_MAX {
            tracing::warn!(peer = %self.peer, "a client does not fetch its events; its connection is closed");
            self.door.stats.dropped.fetch_add(1, Ordering::Relaxed);
            out.dead = true;
        }
        out.wake();
        drop(out);
        self.books.sent.fetch_add(1, Ordering::Relaxed);
        self.door.stats.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn answer(&self, ticket: Ticket, zxid: Zxid, result: Result<Reply>) {
        let now = self.door.core.steady_ms();
        let mut out = self.out.lock();
        out.pending -= 1;
        out.pending_reads -= usize::from(ticket.is_read);
        out.pending_bytes -= ticket.bytes as usize;
        if out.dead {
            return out.wake();
        }
        match (&ticket.kind, &result) {
            (Kind::Resume(knows_read_only), Err(error)) if error.kind() == ErrorKind::SessionExpired => {
                out.opening = None;
                self.refuse_session(&mut out, *knows_read_only);
            }
            (Kind::Connect(knows_read_only) | Kind::Resume(knows_read_only), Ok(_)) => {
                if matches!(ticket.kind, Kind::Resume(_)) {
                    self.door.stats.resumed.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(attached) = out.opening.take() {
                    self.write_connected(&mut out, &attached, *knows_read_only);
                    out.attached = Some(attached);
                }
            }
            (Kind::Connect(_) | Kind::Resume(_), Err(_)) => out.dead = true,
            (kind, _) => write_answer(&mut out, ticket.xid, zxid, kind, &result),
        }
        out.wake();
        drop(out);
        self.count_out(ticket.came_ms, ticket.xid, zxid, now);
    }

    fn ended(&self, _how: SessionState) {
        let mut out = self.out.lock();
        out.closing = true;
        out.wake();
    }

    fn superseded(&self) {
        self.kill();
    }
}
