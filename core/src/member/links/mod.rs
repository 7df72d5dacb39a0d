//! The links between members: bytes in, bytes out, in order.
//!
//! Each member dials every other. What A dials carries A's messages to B and nothing back, so there is one ordered stream a
//! direction and no tie to break; a connection of its own carries each snapshot, so that nothing waits behind one. A link is up
//! while the dialled connection is; it goes down as soon as that one or the one from there breaks, which for a process that
//! was killed is at once.
//!
//! What always holds: no byte of a peer is taken for a message before it has said which member of which ensemble it is (and, with
//! TLS, shown that it is); of one member's connections only the newest is listened to; a queue is bounded, and what does not fit
//! is dropped: whoever sends has to be ready for loss.
//!
//! Not here: what messages mean (`ensemble`).

mod accept;
mod dial;
mod frame;
mod snapshot;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::limits::LINK_QUEUE_BYTES_MAX;
use crate::log::replica::MemberId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long closing waits for its threads; they never block.
const CLOSING: Duration = Duration::from_secs(5);

/// Who is told what comes over the links, on one of their threads: it must not block.
pub(crate) trait Peers: Send + Sync {
    /// A message from a member, in the order in which they were sent.
    fn arrived(&self, from: MemberId, message: Vec<u8>);
    /// The link to a member is up, or down. After it has come up nothing that was sent before is still on its way.
    fn link(&self, with: MemberId, up: bool);
    /// A member begins to send a snapshot. An error breaks it off.
    fn snapshot_begins(&self, from: MemberId, about: Vec<u8>) -> Result<()>;
    /// Its next record. An error breaks it off.
    fn snapshot_record(&self, from: MemberId, record: &[u8]) -> Result<()>;
    /// It has ended; `whole` if all of it has come as it was sent.
    fn snapshot_ends(&self, from: MemberId, whole: bool);
    /// How the sending of a snapshot ended.
    fn snapshot_sent(&self, to: MemberId, arrived: bool);
}

/// Files of a member's mutual TLS, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkTls {
    /// This member's chain.
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

/// What is to be sent to one member.
#[derive(Default)]
struct Outbox {
    queue: Mutex<(VecDeque<Vec<u8>>, usize)>,
    filled: Notify,
    /// The connection is to be made anew.
    broken: Notify,
    up: AtomicBool,
    /// The number of the connection from there that is listened to; 0 for none.
    incoming: Mutex<u64>,
}

struct Peer {
    outbox: Arc<Outbox>,
    dialling: JoinHandle<()>,
}

/// What the tasks share.
struct Shared {
    id: MemberId,
    incarnation: u64,
    ensemble: [u8; 16],
    told: Arc<dyn Peers>,
    peers: Mutex<BTreeMap<MemberId, (String, Arc<Outbox>)>>,
    connections: AtomicU64,
    strangers: AtomicU64,
    closed: AtomicBool,
}

/// A member's links to all others.
pub(crate) struct Links {
    shared: Arc<Shared>,
    dialling: Mutex<BTreeMap<MemberId, Peer>>,
    runtime: Mutex<Option<Runtime>>,
    address: SocketAddr,
    generation: u64,
    _closed_in_child: Option<folkmoot_sys::ClosedInChild>,
}

impl Links {
    /// Listens, and begins to dial.
    ///
    /// # Errors
    /// `BadArguments`: an address that is none, or one that others can reach and no TLS; `SystemError`: it cannot be listened at.
    pub(crate) fn start(options: LinkOptions, told: Arc<dyn Peers>) -> Result<Links> {
        if options.tls.is_some() {
            return Err(Error::new(ErrorKind::Unimplemented, "TLS between members"));
        }
        let runtime = runtime()?;
        let (listener, address) = crate::wire::server::bind(runtime.handle(), &options.listen)?;
        for at in std::iter::once(&options.listen).chain(options.peers.iter().map(|(_, address)| address)) {
            if !options.open && !is_loopback(at) {
                return Err(Error::new(
                    ErrorKind::BadArguments,
                    format!("{at} can be reached by others: members there need TLS (peer_certificate, peer_key, peer_authorities), or peers=open"),
                ));
            }
        }
        let closed_in_child = folkmoot_sys::ClosedInChild::new(listener.as_raw_fd());
        let shared = Arc::new(Shared {
            id: options.id,
            incarnation: options.incarnation,
            ensemble: options.ensemble,
            told,
            peers: Mutex::default(),
            connections: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        runtime.spawn(accept::run(shared.clone(), listener));
        let links = Links {
            shared,
            dialling: Mutex::default(),
            runtime: Mutex::new(Some(runtime)),
            address,
            generation: folkmoot_sys::generation(),
            _closed_in_child: closed_in_child,
        };
        links.set_peers(options.peers);
        Ok(links)
    }

    /// Where it listens.
    #[allow(dead_code, reason = "tests, and joining")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues a message. False if the link is down or its queue full: it is dropped then. Never blocks.
    pub(crate) fn send(&self, to: MemberId, message: Vec<u8>) -> bool {
        let peers = self.shared.peers.lock();
        let Some((_, outbox)) = peers.get(&to) else { return false };
        if !outbox.up.load(Ordering::Acquire) {
            return false;
        }
        let mut queue = outbox.queue.lock();
        if queue.1 > 0 && queue.1 + message.len() > LINK_QUEUE_BYTES_MAX {
            return false;
        }
        queue.1 += message.len();
        queue.0.push_back(message);
        drop(queue);
        outbox.filled.notify_one();
        true
    }

    /// Streams a snapshot over a connection and on a thread of its own; [`Peers::snapshot_sent`] tells how it ended.
    pub(crate) fn send_snapshot(&self, to: MemberId, about: Vec<u8>, records: Records) {
        let address = self.shared.peers.lock().get(&to).map(|(address, _)| address.clone());
        let shared = self.shared.clone();
        let work = move || {
            let sent = address
                .ok_or_else(|| Error::new(ErrorKind::BadArguments, "nobody of that number"))
                .and_then(|at| snapshot::send(&shared, to, &at, &about, records));
            if let Err(error) = &sent {
                tracing::warn!(to, %error, "a snapshot could not be sent");
            }
            if !shared.closed.load(Ordering::Acquire) {
                shared.told.snapshot_sent(to, sent.is_ok());
            }
        };
        if folkmoot_sys::spawn("fm-bulk", work).is_err() {
            self.shared.told.snapshot_sent(to, false);
        }
    }

    /// Changes who the others are: new ones are dialled, others cut.
    pub(crate) fn set_peers(&self, wanted: Vec<(MemberId, String)>) {
        let runtime = self.runtime.lock();
        let Some(runtime) = runtime.as_ref() else { return };
        let mut dialling = self.dialling.lock();
        let mut peers = self.shared.peers.lock();
        peers.retain(|id, (address, _)| {
            let stays = wanted.iter().any(|(other, at)| other == id && at == address);
            if !stays && let Some(peer) = dialling.remove(id) {
                peer.dialling.abort();
                *peer.outbox.incoming.lock() = 0;
                peer.outbox.up.store(false, Ordering::Release);
            }
            stays
        });
        for (id, address) in wanted.into_iter().filter(|(id, _)| *id != self.shared.id) {
            if peers.contains_key(&id) {
                continue;
            }
            let outbox = Arc::new(Outbox::default());
            peers.insert(id, (address.clone(), outbox.clone()));
            let task = runtime.spawn(dial::run(self.shared.clone(), id, address, outbox.clone()));
            dialling.insert(id, Peer { outbox, dialling: task });
        }
    }

    /// Ends all links. Nobody is told anything any more when this returns.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        let Some(runtime) = self.runtime.lock().take() else { return };
        if self.generation != folkmoot_sys::generation() {
            // None of its threads is in this process.
            std::mem::forget(runtime);
            return;
        }
        let closing = std::thread::Builder::new().name("fm-closing".into()).spawn(move || runtime.shutdown_timeout(CLOSING));
        if let Ok(thread) = closing {
            let _ = thread.join();
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.close();
    }
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fm-peers")
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::SystemError, format!("threads fm-peers cannot start: {error}")))
}

/// Whether only this machine can reach it. A name that cannot be looked up now is taken for one that others can.
fn is_loopback(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut found| found.all(|at| at.ip().is_loopback()))
}
