//! A door for ZooKeeper's clients: a listening socket of one member.
//!
//! What always holds: at most so many connections in all and from one address; one that has not said who it is in time
//! is closed; each is a task of its own, and what it does wrong ends that task only.
//!
//! Not here: what a connection says (`connection`), what its requests do (`member`).

use super::connection::{Connection, Next, ip_identity};
use super::facts::Facts;
use super::frame::{self, Frame};
use super::options::Options;
use super::tls::{self, Accepted, Acceptor};
use crate::admin::view;
use crate::admin::words::{self, AllowList, Word};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{HANDSHAKE_BYTES_MAX, LISTEN_BACKLOG};
use crate::member::engine::Core;
use crate::request::{CreateMode, Identity, Request};
use crate::wire::records::op;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;

/// What the connections of one listener share.
pub(crate) struct Door {
    pub(super) core: Arc<Core>,
    pub(super) options: Options,
    pub(super) stats: Stats,
    pub(super) address: SocketAddr,
    /// The words that are answered.
    allowed: AllowList,
    tls: Option<Acceptor>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    all: HashMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, u32>,
    /// Accepted, and not yet known by name.
    count: usize,
}

/// The books of a listener.
#[derive(Default)]
pub(super) struct Stats {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) auth_failed: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) received_bytes: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) too_large: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) without_certificate_here: AtomicU64,
    pub(super) without_certificate_elsewhere: AtomicU64,
    pub(super) latency_max: AtomicI64,
    pub(super) latency_sum: AtomicI64,
    pub(super) latencies: AtomicU64,
}

impl Stats {
    /// Starts anew what `srst` starts anew.
    pub(super) fn reset(&self) {
        for number in [&self.received, &self.sent, &self.latencies] {
            number.store(0, Ordering::Relaxed);
        }
        self.latency_max.store(0, Ordering::Relaxed);
        self.latency_sum.store(0, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, count: u64, latency_ms: i64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
        self.latencies.fetch_add(count, Ordering::Relaxed);
        if latency_ms > 0 {
            self.latency_sum.fetch_add(latency_ms, Ordering::Relaxed);
            self.latency_max.fetch_max(latency_ms, Ordering::Relaxed);
        }
    }
}

impl Door {
    /// Whether what has been shown is enough to ask anything.
    pub(super) fn is_enough(&self, identities: &[Identity]) -> bool {
        let required = &self.options.required_schemes;
        if self.options.require_sasl && !identities.iter().any(|shown| shown.scheme == "sasl") {
            return false;
        }
        required.is_empty() || identities.iter().any(|shown| required.contains(&shown.scheme))
    }

    /// A request, or its refusal if this door does not let such through.
    pub(super) fn allowed(&self, op: i32, request: Request) -> Request {
        if op == op::RECONFIG && !self.options.reconfig {
            return Request::Refused(ErrorKind::ReconfigDisabled);
        }
        if self.options.extended_types || !matches!(op, op::CREATE_TTL | op::MULTI) {
            return request;
        }
        let refuse = |request: Request| match request {
            Request::Create { mode: CreateMode::Ttl | CreateMode::TtlSequential, .. } => Request::Refused(ErrorKind::Unimplemented),
            request => request,
        };
        match request {
            Request::Multi(requests) => Request::Multi(requests.into_iter().map(refuse).collect()),
            request => refuse(request),
        }
    }

    /// Makes room for another connection from `address`; false if there is none.
    fn admit(&self, address: IpAddr) -> bool {
        let mut connections = self.connections.lock();
        let from_there = connections.by_address.get(&address).copied().unwrap_or(0);
        let most = self.options.max_client_connections;
        if connections.count >= self.options.connections() || (most > 0 && from_there >= most) {
            return false;
        }
        connections.count += 1;
        *connections.by_address.entry(address).or_default() += 1;
        true
    }

    fn leave(&self, address: IpAddr) {
        let mut connections = self.connections.lock();
        connections.count -= 1;
        if let Some(count) = connections.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                connections.by_address.remove(&address);
            }
        }
    }

    fn number(&self) -> u64 {
        let mut connections = self.connections.lock();
        connections.next += 1;
        connections.next
    }

    fn enter(&self, connection: &Arc<Connection>) {
        self.connections.lock().all.insert(connection.number, connection.clone());
    }

    fn forget(&self, connection: &Connection) {
        self.connections.lock().all.remove(&connection.number);
    }

    /// How many connections there are, those that have not said who they are too.
    pub(super) fn count(&self) -> u64 {
        self.connections.lock().count as u64
    }

    /// The connections there are.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().all.values().cloned().collect()
    }
}

/// A listener at work. Dropping it stops it and closes its connections.
pub(crate) struct Running {
    door: Arc<Door>,
    accepting: tokio::task::JoinHandle<()>,
    _closed_in_child: Option<folkmoot_sys::ClosedInChild>,
}

impl Running {
    /// Listens at `address` (`host:port`; port 0 for any) with tasks on `runtime`.
    ///
    /// # Errors
    /// `BadArguments` for an address that is none, `SystemError` when the system does not let us listen there.
    pub(crate) fn start(runtime: &Handle, core: Arc<Core>, address: &str, options: Options) -> Result<Self> {
        let (listener, address) = bind(runtime, address)?;
        let closed_in_child = folkmoot_sys::ClosedInChild::new(listener.as_raw_fd());
        let allowed = AllowList::new(&options.four_letter_words, false);
        let tls = options.tls.clone().map(|tls| Acceptor::new(tls, Instant::now())).transpose()?;
        let door = Arc::new(Door { core, options, allowed, tls, stats: Stats::default(), address, connections: Mutex::default() });
        door.core.doors.lock().retain(|other| other.strong_count() > 0);
        door.core.doors.lock().push(Arc::downgrade(&door));
        let accepting = runtime.spawn(accept(door.clone(), listener));
        Ok(Self { door, accepting, _closed_in_child: closed_in_child })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
        self.door.all().iter().for_each(|connection| connection.kill());
    }
}

/// A socket that listens at `address` (`host:port`; port 0 for any), and where that is.
///
/// # Errors
/// `BadArguments` for an address that is none, `SystemError` when the system does not let us listen there.
pub(crate) fn bind(runtime: &Handle, address: &str) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::SystemError, format!("listening at {address}: {error}"));
    let at = resolve(address)?;
    // A socket needs its runtime from the beginning.
    let _inside = runtime.enter();
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(at).map_err(failed)?;
    let listener = socket.listen(LISTEN_BACKLOG).map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let bad = |why: String| Error::new(ErrorKind::BadArguments, format!("the address {address}: {why}"));
    let mut found = address.to_socket_addrs().map_err(|error| bad(error.to_string()))?;
    found.next().ok_or_else(|| bad("nothing has that name".into()))
}

async fn accept(door: Arc<Door>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if !door.admit(peer.ip()) {
                    door.stats.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%peer, "too many connections; this one is closed");
                    continue;
                }
                let door = door.clone();
                tokio::spawn(async move {
                    let left = Leaving(door.clone(), peer.ip());
                    serve(door, stream, peer).await;
                    drop(left);
                });
            }
            Err(error) => {
                // Mostly for want of descriptors: some will be free again.
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Gives a connection's place back, however its task ends.
struct Leaving(Arc<Door>, IpAddr);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

async fn serve(door: Arc<Door>, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let mut identities = vec![ip_identity(&peer)];
    if door.options.skip_acl {
        identities.push(Identity::new("super", ""));
    }
    if door.tls.is_some() {
        // What TLS needs is large; a connection without it need not be.
        return Box::pin(serve_tls(door, stream, peer, identities)).await;
    }
    converse(door, stream, peer, identities, false).await;
}

async fn serve_tls(door: Arc<Door>, stream: TcpStream, peer: SocketAddr, mut identities: Vec<Identity>) {
    let Some(tls) = &door.tls else { return };
    door.stats.handshakes.fetch_add(1, Ordering::Relaxed);
    let accepted = tokio::time::timeout(door.options.handshake_timeout, tls.accept(stream, Instant::now())).await;
    door.stats.handshakes.fetch_sub(1, Ordering::Relaxed);
    match accepted {
        Ok(Ok(Accepted::Plain(stream))) => converse(door, stream, peer, identities, false).await,
        Ok(Ok(Accepted::Secure(stream))) => {
            if let Some(subject) = tls::peer_identity(stream.get_ref().1) {
                if door.options.super_x509.as_ref() == Some(&subject) {
                    identities.push(Identity::new("super", ""));
                }
                identities.push(Identity::new("x509", subject));
            } else {
                let stats = &door.stats;
                let count = if peer.ip().to_canonical().is_loopback() { &stats.without_certificate_here } else { &stats.without_certificate_elsewhere };
                count.fetch_add(1, Ordering::Relaxed);
            }
            converse(door, *stream, peer, identities, true).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => drop(door.stats.timed_out.fetch_add(1, Ordering::Relaxed)),
    }
}

/// A connection from its first byte to its last. Its beginning and its end are on the heap, for as long as they last:
/// the many that are idle are between the two.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(door: Arc<Door>, mut stream: S, peer: SocketAddr, identities: Vec<Identity>, secure: bool) {
    let Some((body, inbox)) = Box::pin(begin(&door, &mut stream, peer)).await else { return };
    let connection = Connection::new(door.clone(), door.number(), peer, secure, identities);
    door.enter(&connection);
    let gone = Gone(connection);
    if !gone.0.connect(&body) {
        return;
    }
    drop(body);
    let mut pump = Pump { retry: !inbox.is_empty(), inbox, writing: Vec::new(), written: 0, leaving: None };
    poll_fn(|cx| pump.poll(cx, &mut stream, &gone.0)).await;
    // What is left in the buffers of TLS is for a client who may fetch nothing.
    let _ = Box::pin(tokio::time::timeout(door.options.handshake_timeout, stream.shutdown())).await;
}

/// The first frame, and what came after it; none if there is nothing more to do.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(door: &Arc<Door>, stream: &mut S, peer: SocketAddr) -> Option<(Vec<u8>, Vec<u8>)> {
    match tokio::time::timeout(door.options.handshake_timeout, first(stream, &door.allowed)).await {
        Ok(Some(First::Frame(body, inbox))) => Some((body, inbox)),
        Ok(Some(First::Word(word, more))) => {
            door.stats.received.fetch_add(1, Ordering::Relaxed);
            answer_word(door, stream, peer, word, &more).await;
            None
        }
        Ok(None) => None,
        Err(_) => {
            door.stats.timed_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// Takes leave of a connection, however its task ends.
struct Gone(Arc<Connection>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone();
        self.0.door.forget(&self.0);
    }
}

/// What a connection begins with.
enum First {
    /// A frame, and what came after it.
    Frame(Vec<u8>, Vec<u8>),
    /// A word of four letters, and the bytes that go with it.
    Word(Word, Vec<u8>),
}

/// How a connection begins; none if it ends, or begins with what nobody says.
async fn first<S: AsyncRead + Unpin>(stream: &mut S, allowed: &AllowList) -> Option<First> {
    let mut bytes = Vec::with_capacity(64);
    loop {
        if let Some((first, more)) = bytes.split_first_chunk::<4>()
            && let Some(word) = Word::from_bytes(*first)
        {
            let wanted = if allowed.allows(word) { word.more_bytes() } else { 0 };
            if more.len() >= wanted {
                return Some(First::Word(word, more.to_vec()));
            }
        } else {
            match frame::split(&bytes, HANDSHAKE_BYTES_MAX) {
                Frame::Whole(body, rest) => return Some(First::Frame(body.to_vec(), rest.to_vec())),
                Frame::Refused(_) => return None,
                Frame::Partial(_) => {}
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers a word and ends the connection. A client who has closed their half still gets the answer.
async fn answer_word<S: AsyncRead + AsyncWrite + Unpin>(door: &Arc<Door>, stream: &mut S, peer: SocketAddr, word: Word, more: &[u8]) {
    let mut asking = view::Connection::new(peer, door.core.wall_ms());
    asking.interest = 0;
    asking.received = 1;
    let facts = Facts::new(door.core.clone(), Some(door.clone()), Some(asking));
    if let Some(text) = words::answer(word, more, &facts, &door.allowed) {
        let within = door.options.handshake_timeout;
        let _ = tokio::time::timeout(within, async {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await?;
            // What they may still send is read, or closing would take the answer away from them.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        })
        .await;
    }
}

/// Bytes that are read at once.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Buffers longer than this are not kept between uses.
const KEPT_BYTES: usize = 4096;

thread_local! {
    /// Where bytes are read to. Only what is left of an unfinished frame is kept by the connection itself.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Moves bytes between a connection and its socket.
struct Pump {
    /// The beginning of a frame, or frames for which there was no room.
    inbox: Vec<u8>,
    /// There may be whole frames in it.
    retry: bool,
    writing: Vec<u8>,
    written: usize,
    /// How long what is left may still wait to be fetched, once the connection is over.
    leaving: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// How reading went.
enum Read {
    Some,
    Blocked,
    End,
}

impl Pump {
    /// Ready when the connection has ended.
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S, connection: &Arc<Connection>) -> Poll<()> {
        connection.begin(cx.waker());
        loop {
            let Ok(blocked) = self.write(cx, stream, connection) else { return Poll::Ready(()) };
            match connection.next(blocked) {
                Next::Leave => {
                    // What is left is for somebody who may never fetch it. They have as long as they had to say who they are,
                    // and nothing that they send is read.
                    let within = connection.door.options.handshake_timeout;
                    let leaving = self.leaving.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
                    if leaving.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    if connection.sleep(true, false) {
                        return Poll::Pending;
                    }
                    continue;
                }
                Next::End => return Poll::Ready(()),
                Next::Drain => {
                    if connection.sleep(blocked, true) {
                        return Poll::Pending;
                    }
                    continue;
                }
                Next::Go => {}
            }
            if self.retry {
                let taken = connection.take_in(&self.inbox);
                self.inbox.drain(..taken);
                self.settle();
                if taken > 0 {
                    continue;
                }
            }
            match self.read(cx, stream, connection) {
                Read::Some => {}
                Read::End => return Poll::Ready(()),
                Read::Blocked => {
                    if connection.sleep(blocked, self.retry) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Writes what there is; true if the socket takes no more for now.
    fn write<S: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S, connection: &Connection) -> std::io::Result<bool> {
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                self.writing.clear();
                if self.writing.capacity() > KEPT_BYTES {
                    self.writing = Vec::new();
                }
                connection.take(&mut self.writing);
                if self.writing.is_empty() {
                    // TLS has its own buffer.
                    return match Pin::new(stream).poll_flush(cx) {
                        Poll::Ready(flushed) => flushed.map(|()| false),
                        Poll::Pending => Ok(true),
                    };
                }
            }
            match Pin::new(&mut *stream).poll_write(cx, &self.writing[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    connection.door.stats.sent_bytes.fetch_add(count as u64, Ordering::Relaxed);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(true),
            }
        }
    }

    fn read<S: AsyncRead + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S, connection: &Arc<Connection>) -> Read {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(SCRATCH_BYTES, 0);
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Read::Blocked,
                Poll::Ready(Err(_)) => return Read::End,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Read::End,
                Poll::Ready(Ok(())) => {}
            }
            let filled = buffer.filled();
            connection.door.stats.received_bytes.fetch_add(filled.len() as u64, Ordering::Relaxed);
            if self.inbox.is_empty() {
                let taken = connection.take_in(filled);
                self.inbox.extend_from_slice(&filled[taken..]);
            } else {
                self.inbox.extend_from_slice(filled);
                let taken = connection.take_in(&self.inbox);
                self.inbox.drain(..taken);
            }
            self.settle();
            Read::Some
        })
    }

    /// Looks at what is left: whole frames to be tried again, or the beginning of one.
    fn settle(&mut self) {
        self.retry = !matches!(frame::split(&self.inbox, usize::MAX), Frame::Partial(_));
        if self.inbox.is_empty() && self.inbox.capacity() > KEPT_BYTES {
            self.inbox = Vec::new();
        }
    }
}
