//! A member among members: the threads that drive its part.
//!
//! `fm-ensemble` owns the [`Node`] and waits for nothing but its inbox and the next tick, so that no disk, snapshot or client
//! holds up a heartbeat. `fm-log` owns the store: what it is given it writes in order, as few syncs as possible, and reports.
//! `fm-member` applies what a majority has and answers. They talk through queues; no lock is held across two of them.
//!
//! What always holds: what is submitted is numbered in one line, under the committer; a session's own line keeps its requests in
//! order, so a read behind a write is answered when the write has been applied here. What cannot be taken now is left where it is:
//! a leader that applies more slowly than it orders orders no more until it has caught up, and a follower lets go of what comes.
//! Whatever ends this member's part (its disk, a bug) is told at once to whoever waits, and its links go, so that the others know.
//!
//! Not here: what is to be said to whom (`ensemble::node`), how it travels (`member::links`).

mod apply;
mod line;
mod open;
mod run;
mod write;

pub(super) use line::Line;
pub(super) use open::{recover_member, start};

use super::{Core, SessionCore};
use crate::ensemble::{Message, View};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::SessionId;
use crate::limits::{BACKLOG_BYTES_MAX, INBOX_BYTES_MAX};
use crate::log::replica::{MemberId, Role, is_append};
use crate::log::{SnapshotDone, Store};
use crate::machine::{Entry, FrozenMachine, Machine};
use crate::member::links::Links;
use crate::roster::Roster;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread::JoinHandle;

/// What `fm-ensemble` is told.
enum Input {
    /// Entries of this member's own, numbered in this order.
    Submit(Vec<Entry>),
    /// A read barrier, numbered in this order.
    Barrier,
    /// An entry that a leader may add.
    Suggest(Entry),
    /// And how many bytes it was.
    Message(MemberId, Message, u64),
    Link(MemberId, bool),
    Persisted(u64),
    Applied {
        index: u64,
        number: u64,
        sessions: Vec<(SessionId, Option<u32>)>,
        /// Who is to take part, if that has changed.
        roster: Option<Roster>,
    },
    Installed(u64, Roster),
    Grant(Vec<(SessionId, u32)>),
    Alive(Vec<SessionId>),
    /// The machine as of an index: for the disk, or for a member that needs it.
    Frozen {
        index: u64,
        frozen: FrozenMachine,
        offer: bool,
    },
    Staged {
        from: MemberId,
        message: Message,
        machine: Box<Machine>,
    },
    SnapshotSent(MemberId, bool),
    Transfer(Option<MemberId>, mpsc::Sender<Result<()>>),
    Stop,
}

/// What `fm-member` is to do with the machine, in order.
enum Job {
    Apply(crate::ensemble::Delivery),
    Install(u64, Box<Machine>),
    Grant,
    Freeze {
        offer: bool,
    },
    Barriers(Vec<u64>),
    /// What stands at the front of a session's line need not wait.
    Advance(Arc<SessionCore>),
    /// This member's part is over.
    End,
}

/// What `fm-log` is to do, in order.
enum Write {
    Records {
        number: u64,
        records: Vec<Vec<u8>>,
    },
    /// A whole state that has come, and the records after it.
    Install {
        number: u64,
        mark: Vec<u8>,
        head: Vec<Vec<u8>>,
        frozen: FrozenMachine,
        records: Vec<Vec<u8>>,
    },
    Snapshot {
        head: Vec<Vec<u8>>,
        frozen: FrozenMachine,
    },
    Finished(SnapshotDone, mpsc::Sender<Result<crate::log::Retired>>),
    Stop,
}

/// A queue that one thread waits at.
struct Post<T> {
    items: Mutex<VecDeque<T>>,
    arrived: Condvar,
}

impl<T> Default for Post<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), arrived: Condvar::new() }
    }
}

impl<T> Post<T> {
    fn put(&self, item: T) {
        self.put_all([item]);
    }

    fn put_all(&self, items: impl IntoIterator<Item = T>) {
        self.items.lock().extend(items);
        self.arrived.notify_one();
    }
}

/// Something submitted and not applied yet.
struct Flight {
    number: u64,
    core: Arc<SessionCore>,
    since_ms: i64,
    bytes: usize,
    /// Which of its session's writes it is; 0 for none.
    write: u64,
    /// Nobody waits for it any more; whether it would open a session.
    given_up: Option<bool>,
}

/// What is under way, in order, and how many bytes that is.
#[derive(Default)]
struct Flights {
    all: VecDeque<Flight>,
    bytes: usize,
}

/// Numbers given out, under the committer.
#[derive(Default)]
struct Numbers {
    entries: u64,
    barriers: u64,
}

/// What a member of an ensemble has beside what every member has.
pub(super) struct Ensemble {
    id: MemberId,
    incarnation: u64,
    inbox: Post<Input>,
    /// Bytes of messages that wait there.
    inbox_bytes: AtomicU64,
    jobs: Mutex<VecDeque<Job>>,
    writes: Post<Write>,
    links: OnceLock<Links>,
    numbers: Mutex<Numbers>,
    flights: Mutex<Flights>,
    /// By number: whose they are and since when.
    barriers: Mutex<BTreeMap<u64, (Arc<SessionCore>, i64)>>,
    /// Requests in the lines of all sessions.
    lined: AtomicUsize,
    /// Bytes of the entries that wait to be applied.
    backlog: AtomicU64,
    /// Why this member takes no part any more.
    over: OnceLock<Error>,
    view: Mutex<View>,
    leads: AtomicBool,
    /// Since when nobody leads, in steady milliseconds; -1 while somebody does.
    leaderless_ms: AtomicI64,
    /// Since when one append has been under way, in steady milliseconds; -1 for none.
    writing_ms: AtomicI64,
    /// Bytes of log since the last snapshot.
    log_bytes: AtomicU64,
    snapshotting: AtomicBool,
    /// How many snapshots have ended.
    snapshots: Mutex<u64>,
    snapshot_ended: Condvar,
    /// The last index applied; of this member's own entries the last number.
    applied: Mutex<(u64, u64)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    core: OnceLock<Weak<Core>>,
}

impl Ensemble {
    fn new(id: MemberId, incarnation: u64, view: View, applied: u64) -> Self {
        Self {
            id,
            incarnation,
            inbox: Post::default(),
            inbox_bytes: AtomicU64::new(0),
            jobs: Mutex::default(),
            writes: Post::default(),
            links: OnceLock::new(),
            numbers: Mutex::default(),
            flights: Mutex::default(),
            barriers: Mutex::default(),
            lined: AtomicUsize::new(0),
            backlog: AtomicU64::new(0),
            over: OnceLock::new(),
            view: Mutex::new(view),
            leads: AtomicBool::new(false),
            leaderless_ms: AtomicI64::new(0),
            writing_ms: AtomicI64::new(-1),
            log_bytes: AtomicU64::new(0),
            snapshotting: AtomicBool::new(false),
            snapshots: Mutex::new(0),
            snapshot_ended: Condvar::new(),
            applied: Mutex::new((applied, 0)),
            threads: Mutex::default(),
            core: OnceLock::new(),
        }
    }

    fn core(&self) -> Option<Arc<Core>> {
        self.core.get()?.upgrade()
    }

    /// What this member knows of its ensemble.
    pub(super) fn view(&self) -> View {
        self.view.lock().clone()
    }

    /// Requests that are not answered yet, and the bytes of the entries among them.
    pub(super) fn under_way(&self) -> (usize, usize) {
        (self.lined.load(Ordering::Acquire), self.flights.lock().bytes)
    }

    /// The number of the next entry; called with the committer held.
    fn next_entry(&self) -> u64 {
        let mut numbers = self.numbers.lock();
        numbers.entries += 1;
        numbers.entries
    }

    /// The number of the next barrier; called with the committer held.
    fn next_barrier(&self) -> u64 {
        let mut numbers = self.numbers.lock();
        numbers.barriers += 1;
        numbers.barriers
    }

    /// Whether more waits to be applied than may.
    fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Acquire) > BACKLOG_BYTES_MAX
    }

    /// This member takes no part any more: whoever waits is told why, and the links go.
    fn end(&self, core: &Core, error: Error) {
        if self.over.set(error).is_ok() {
            self.role_changed(Role::Follower, None, core.steady_ms());
            self.inbox.put(Input::Stop);
            self.job(core, Job::End);
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    pub(super) fn id(&self) -> MemberId {
        self.id
    }

    /// How long nobody has led, in milliseconds of `now`.
    pub(super) fn leaderless_for(&self, now_ms: i64) -> i64 {
        match self.leaderless_ms.load(Ordering::Acquire) {
            -1 => 0,
            since => (now_ms - since).max(0),
        }
    }

    /// A message that waits for its turn, unless too many do: then it is as if the link had lost it.
    fn receive(&self, from: MemberId, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else {
            tracing::warn!(from, bytes = bytes.len(), "a member has sent what is no message");
            return;
        };
        let size = bytes.len() as u64;
        if self.inbox_bytes.load(Ordering::Relaxed) + size > INBOX_BYTES_MAX {
            return;
        }
        // What cannot be applied in time comes again: to its sender it is as if the link had lost it.
        if matches!(&message, Message::Log(bytes) if is_append(bytes)) && self.is_behind() {
            return;
        }
        self.inbox_bytes.fetch_add(size, Ordering::Relaxed);
        self.inbox.put(Input::Message(from, message, size));
    }

    fn job(&self, core: &Core, job: Job) {
        self.jobs.lock().push_back(job);
        core.kick();
    }

    /// Hands leadership over, to whom it fits best if nobody is named; waits until this member leads no more.
    pub(super) fn transfer(&self, to: Option<MemberId>) -> Result<()> {
        let (done, wait) = mpsc::channel();
        self.inbox.put(Input::Transfer(to, done));
        wait.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed, "the member was closed")))
    }

    /// Writes a snapshot and waits until it is on disk.
    pub(super) fn snapshot(&self, core: &Core) -> Result<()> {
        let mut ended = self.snapshots.lock();
        while self.snapshotting.swap(true, Ordering::AcqRel) {
            self.snapshot_ended.wait_for(&mut ended, LOOK);
            core.check()?;
        }
        let before = *ended;
        self.job(core, Job::Freeze { offer: false });
        while *ended == before {
            self.snapshot_ended.wait_for(&mut ended, LOOK);
            core.check()?;
        }
        core.snapshot_error.lock().clone().map_or(Ok(()), Err)
    }

    /// A snapshot has ended, one way or the other.
    fn snapshot_over(&self, core: &Core, error: Option<Error>) {
        *core.snapshot_error.lock() = error;
        *self.snapshots.lock() += 1;
        self.snapshotting.store(false, Ordering::Release);
        self.snapshot_ended.notify_all();
    }

    /// Ends its threads and links; the log is closed when this returns.
    pub(super) fn stop(&self) {
        if let Some(links) = self.links.get() {
            links.close();
        }
        self.inbox.put(Input::Stop);
        self.writes.put(Write::Stop);
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    /// In a forked child: none of its threads is there.
    pub(super) fn forget(&self) {
        std::mem::forget(std::mem::take(&mut *self.threads.lock()));
    }

    fn role_changed(&self, role: Role, leader: Option<MemberId>, now_ms: i64) {
        self.leads.store(role == Role::Leader, Ordering::Release);
        if leader.is_some() {
            self.leaderless_ms.store(-1, Ordering::Release);
        } else {
            let _ = self.leaderless_ms.compare_exchange(-1, now_ms, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

/// Where the store of a member is kept: with `fm-log`.
struct Log {
    store: Store,
    /// The last record before a whole state that came: snapshots of earlier ones count no more.
    installed: u64,
}

/// How often whoever waits looks whether the member is still there.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);
