//! The links between the members: bytes in, bytes out, in order.
//!
//! Each member dials every other. What A dials carries A's messages to B and nothing back, so there is one ordered stream a
//! direction and no tie to break; a connection of its own carries each snapshot, so that nothing waits behind one. A link is up
//! while the dialled connection is; it goes down as soon as that one or the one from there breaks, which for a process that
//! was killed is at once.
//!
//! What always holds: no byte of a peer is taken for a message before it has said which member of which ensemble it is (and, with
//! TLS, shown that it is); of one member's connections only the newest is listened to; a queue is bounded, and what does not fit
//! is dropped: whoever sends has to be ready for loss. Without TLS, and unless it is said to be `open`, nothing goes farther than
//! this machine, whatever a name means by the time it is dialled.
//!
//! Not here: what messages mean (`ensemble`).

mod accept;
mod dial;
mod frame;
mod peer;
mod snapshot;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
mod tls_tests;

use crate::error::{Error, ErrorKind, Result};
use crate::limits::LINK_FRAME_BYTES_MAX;
use crate::log::replica::MemberId;
use crate::member::threads;
use parking_lot::{Mutex, RwLock};
use peer::Peer;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// One for what comes and goes, and one for whatever takes its time.
const THREADS: usize = 2;

thread_local! {
    /// The links whose thread this is; 0 for none.
    static THREAD_OF: Cell<u64> = const { Cell::new(0) };
}

/// Each one's number, for [`THREAD_OF`].
static LINKS: AtomicU64 = AtomicU64::new(1);

/// Who is told what comes over the links, on one of their threads: it must not block, and neither close the links nor change who
/// the others are.
pub(crate) trait Peers: Send + Sync {
    /// A message from a member, in the order in which they were sent.
    fn arrived(&self, from: MemberId, message: Vec<u8>);
    /// The link to a member is up, or down. After it has come up nothing that was sent to it before is still on its way.
    fn link(&self, with: MemberId, up: bool);
    /// A member begins to send a snapshot. An error breaks it off, and nothing more is told of it. One that was under way from
    /// there has ended before.
    fn snapshot_begins(&self, from: MemberId, about: Vec<u8>) -> Result<()>;
    /// Its next record. An error breaks it off.
    fn snapshot_record(&self, from: MemberId, record: &[u8]) -> Result<()>;
    /// It has ended; `whole` if all of it has come as it was sent.
    fn snapshot_ends(&self, from: MemberId, whole: bool);
    /// How the sending of a snapshot ended; told once for each.
    fn snapshot_sent(&self, to: MemberId, arrived: bool);
}

/// Files of a member's mutual TLS, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkTls {
    /// This member's chain. It names `member-N`, as a server's names its host, and is good for servers and for clients.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Who signs members' certificates.
    pub(crate) authorities: PathBuf,
}

/// How a member's links are made.
pub(crate) struct LinkOptions {
    /// Its own number.
    pub(crate) id: MemberId,
    /// Which life of it.
    pub(crate) incarnation: u64,
    /// Members of others are refused.
    pub(crate) ensemble: [u8; 16],
    /// Where to listen, `host:port`.
    pub(crate) listen: String,
    /// The others, `host:port`, resolved anew for each attempt.
    pub(crate) peers: Vec<(MemberId, String)>,
    /// Mutual TLS, if any.
    pub(crate) tls: Option<LinkTls>,
    /// Without TLS even where others can listen in.
    pub(crate) open: bool,
}

/// Writes the records of a snapshot to a sink.
pub(crate) type Records = Box<dyn FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> + Send>;

/// What the tasks share.
struct Shared {
    id: MemberId,
    incarnation: u64,
    ensemble: [u8; 16],
    /// None once closed. Held while something is told.
    told: RwLock<Option<Arc<dyn Peers>>>,
    closed: AtomicBool,
    tls: Option<tls::Tls>,
    open: bool,
    peers: Mutex<BTreeMap<MemberId, Arc<Peer>>>,
    numbers: AtomicU64,
    strangers: accept::Strangers,
    /// Those that make snapshots.
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Shared {
    /// Tells something, unless the links are closed.
    fn tell<T>(&self, what: impl FnOnce(&dyn Peers) -> T) -> Option<T> {
        // Recursive: one that is told may do what tells something.
        let told = self.told.read_recursive();
        told.as_ref().filter(|_| !self.closed.load(Ordering::Acquire)).map(|told| what(&**told))
    }

    /// A number that nothing else has.
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn peer(&self, id: MemberId) -> Option<Arc<Peer>> {
        self.peers.lock().get(&id).cloned()
    }

    /// Whether what goes there can be read by none but its receiver, or by whom it may.
    fn is_private(&self, at: &IpAddr) -> bool {
        self.open || self.tls.is_some() || at.to_canonical().is_loopback()
    }

    /// Starts a thread that may block, for which closing waits.
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        let thread = folkmoot_sys::spawn(name, work).map_err(|error| Error::new(ErrorKind::SystemError, format!("thread {name} cannot start: {error}")))?;
        threads.push(thread);
        Ok(())
    }
}

/// A member's links to all others.
pub(crate) struct Links {
    shared: Arc<Shared>,
    /// What keeps the link to each, and to those who are members no more.
    dialling: Mutex<BTreeMap<MemberId, JoinHandle<()>>>,
    runtime: Mutex<Option<Runtime>>,
    address: SocketAddr,
    number: u64,
    generation: u64,
}

impl Links {
    /// Listens, and begins to dial.
    ///
    /// # Errors
    /// `BadArguments`: an address that is none, one that others can reach and no TLS, files of TLS that cannot be used;
    /// `SystemError`: it cannot be listened at.
    pub(crate) fn start(options: LinkOptions, told: Arc<dyn Peers>) -> Result<Links> {
        let tls = options.tls.map(|files| tls::Tls::new(files, options.id)).transpose()?;
        if tls.is_none() && !options.open {
            for at in std::iter::once(&options.listen).chain(options.peers.iter().map(|(_, address)| address)) {
                if !is_loopback(at) {
                    return Err(exposed(at));
                }
            }
        }
        let number = LINKS.fetch_add(1, Ordering::Relaxed);
        let runtime = threads::start("fm-peers", THREADS, move || THREAD_OF.set(number))?;
        let (listener, address) = crate::wire::server::bind(runtime.handle(), &options.listen)?;
        let shared = Arc::new(Shared {
            id: options.id,
            incarnation: options.incarnation,
            ensemble: options.ensemble,
            told: RwLock::new(Some(told)),
            closed: AtomicBool::new(false),
            tls,
            open: options.open,
            peers: Mutex::default(),
            numbers: AtomicU64::new(0),
            strangers: accept::Strangers::default(),
            threads: Mutex::default(),
        });
        runtime.spawn(accept::run(shared.clone(), listener));
        let links = Links { shared, dialling: Mutex::default(), runtime: Mutex::new(Some(runtime)), address, number, generation: folkmoot_sys::generation() };
        links.set_peers(options.peers);
        Ok(links)
    }

    /// Where it listens.
    #[allow(dead_code, reason = "tests, and joining")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues a message. False if the link is down, its queue full or the message longer than [`LINK_FRAME_BYTES_MAX`]: it is
    /// dropped then. Never blocks.
    pub(crate) fn send(&self, to: MemberId, message: Vec<u8>) -> bool {
        if message.len() > LINK_FRAME_BYTES_MAX {
            tracing::error!(to, bytes = message.len(), "a message is too long for a link, and dropped");
            return false;
        }
        self.shared.peer(to).is_some_and(|peer| peer.push(message))
    }

    /// Streams a snapshot over a connection of its own, the records made on a thread of their own;
    /// [`Peers::snapshot_sent`] tells how it ended.
    pub(crate) fn send_snapshot(&self, to: MemberId, about: Vec<u8>, records: Records) {
        if let Some(runtime) = &*self.runtime.lock() {
            runtime.spawn(snapshot::send(self.shared.clone(), to, about, records));
        }
    }

    /// Changes who the others are: new ones are dialled, others cut, and of those nothing arrives when this returns. Where only
    /// the address is new, it is dialled anew.
    pub(crate) fn set_peers(&self, wanted: Vec<(MemberId, String)>) {
        let runtime = self.runtime.lock();
        let Some(runtime) = runtime.as_ref() else { return };
        let mut dialling = self.dialling.lock();
        let wanted: BTreeMap<_, _> = wanted.into_iter().filter(|(id, _)| ![0, self.shared.id].contains(id)).collect();
        let mut cut = Vec::new();
        {
            let mut peers = self.shared.peers.lock();
            peers.retain(|id, peer| {
                let stays = wanted.contains_key(id);
                if !stays {
                    cut.push(peer.clone());
                }
                stays
            });
            for (id, address) in wanted {
                if let Some(peer) = peers.get(&id) {
                    let before = std::mem::replace(&mut *peer.address.lock(), address.clone());
                    if before != address {
                        peer.redial();
                    }
                    continue;
                }
                let peer = Arc::new(Peer::new(id, address));
                peers.insert(id, peer.clone());
                let task = dial::run(self.shared.clone(), peer, dialling.remove(&id));
                dialling.insert(id, runtime.spawn(task));
            }
        }
        // Without the lock, for which someone who is being told something may wait.
        cut.iter().for_each(|peer| peer.cut());
    }

    /// Ends all links. Nobody is told anything any more when this returns.
    pub(crate) fn close(&self) {
        if self.generation != folkmoot_sys::generation() {
            // None of its threads is in this process, and what they had locked stays so.
            return;
        }
        self.shared.closed.store(true, Ordering::Release);
        let Some(runtime) = self.runtime.lock().take() else { return };
        if THREAD_OF.get() == self.number {
            // The last one that held the links let go of them while it was being told something.
            return runtime.shutdown_background();
        }
        // Waits for what is being told.
        let told = self.shared.told.write().take();
        drop(told);
        threads::end(runtime, true);
        for thread in std::mem::take(&mut *self.shared.threads.lock()) {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        if self.generation == folkmoot_sys::generation() {
            self.close();
        } else {
            std::mem::forget(self.runtime.get_mut().take());
        }
    }
}

/// Why nothing goes to or is listened for at an address.
fn exposed(address: &str) -> Error {
    Error::new(
        ErrorKind::BadArguments,
        format!("{address} can be reached by others: members there need TLS (peer_certificate, peer_key, peer_authorities), or peers=open"),
    )
}

/// Whether only this machine can reach it. A name that cannot be looked up now is taken for one that others can.
fn is_loopback(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut found| found.all(|at| at.ip().to_canonical().is_loopback()))
}

enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever ends first; the other is dropped.
async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(done) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(done));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}

/// What a fuzzer tries the links with.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    frame::fuzz(bytes);
}
