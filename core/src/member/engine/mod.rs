//! The shell of one member: queue, log, machine, timers.
//!
//! Writes wait in one queue. Whoever holds the committer takes all that wait as one group: one append,
//! one fsync, then applied under the write lock, then answered (`commit`). A blocking caller whose write finds the
//! committer free carries out the group itself and pays no change of threads; everything else
//! is the member's own thread `fm-member`, which also watches the timers (`timers`).
//!
//! What always holds: nothing is applied before it is on disk, and nothing is answered before it is
//! applied. Events are with their receivers before any read can return the change. Locks are taken in the order committer,
//! state, a listener's own, queue, watches; a listener that is told an event may lock only itself. Completions run in order,
//! with the committer held: they must not wait (a blocking request made in one is refused with `WouldDeadlock`).
//!
//! Not here: what an entry does (`machine`), files (`log`), sockets (`wire`).

mod commit;
mod doors;
mod ensemble;
mod facts;
mod queue;
mod read;
pub(super) mod recovery;
mod sessions;
mod snapshots;
mod timers;

use super::call::{Call, Completion};
use super::clock::Clock;
use super::events::Events;
use super::target::{Ground, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::heartbeat::Deadlines;
use crate::ids::{SessionId, Zxid};
use crate::limits::SESSIONS_MAX;
use crate::log::{Disk, RealDisk, Store};
use crate::machine::{Entry, Machine, Passwords};
use crate::request::{Acl, Data, Event, Identity, Reply, Request, Requester, SessionState, Stat};
use crate::watch::{WatcherId, Watches};
use crate::wire::server::Door;
use crate::wire::ticket::Ticket;
use doors::Doors;
use ensemble::Ensemble;
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// A session, as its member knows it.
pub(crate) struct SessionCore {
    id: SessionId,
    timeout_ms: AtomicU32,
    /// Somebody else keeps it alive.
    manual: bool,
    /// The watcher of its first receiver; a listener that attaches later has another.
    watcher: WatcherId,
    /// Where the events of an in-process session wait.
    events: Option<Events>,
    /// Who listens to the events of any other.
    attached: Mutex<Option<Arc<dyn Listener>>>,
    /// All its watchers.
    watchers: Mutex<Vec<WatcherId>>,
    /// What an in-process session has shown; a listener keeps its own.
    identities: RwLock<Arc<[Identity]>>,
    state: AtomicI64,
    /// When it was last heard of, in steady milliseconds less the member's own pauses by then.
    heard_ms: AtomicI64,
    /// Requests that wait in the queue.
    waiting: AtomicUsize,
    /// In an ensemble: its requests that are not answered, in order; which attachment it is; the numbers of its last write, of the
    /// last one answered and of the first one given up (0 for none).
    line: Mutex<ensemble::Line>,
    attachment: AtomicU64,
    number: AtomicU64,
    answered: AtomicU64,
    given_up: AtomicU64,
}

impl SessionCore {
    fn new(id: SessionId, timeout_ms: u32, manual: bool, watcher: WatcherId, events: Option<Events>, identities: Arc<[Identity]>) -> Self {
        Self {
            id,
            timeout_ms: AtomicU32::new(timeout_ms),
            manual,
            watcher,
            events,
            attached: Mutex::new(None),
            watchers: Mutex::new(Vec::new()),
            identities: RwLock::new(identities),
            state: AtomicI64::new(SessionState::Connected as i64),
            heard_ms: AtomicI64::new(0),
            waiting: AtomicUsize::new(0),
            line: Mutex::default(),
            attachment: AtomicU64::new(0),
            number: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }
    pub(crate) fn timeout_ms(&self) -> u32 {
        self.timeout_ms.load(Ordering::Relaxed)
    }
    pub(crate) fn watcher(&self) -> WatcherId {
        self.watcher
    }
    pub(super) fn events(&self) -> Events {
        self.events.clone().unwrap_or_default()
    }
    pub(crate) fn state(&self) -> SessionState {
        match self.state.load(Ordering::SeqCst) {
            7 => SessionState::Closed,
            -112 => SessionState::Expired,
            _ => SessionState::Connected,
        }
    }

    fn check(&self) -> Result<()> {
        match self.state() {
            SessionState::Connected => Ok(()),
            SessionState::Closed => Err(Error::new(ErrorKind::Closed, format!("session {} was closed", self.id))),
            _ => Err(Error::new(ErrorKind::SessionExpired, format!("session {} has expired", self.id))),
        }
    }

    fn requester(&self) -> Requester {
        Requester { session: self.id, identities: self.identities.read().clone() }
    }
}

/// Whoever is told of events and answers without being waited for: a connection of `wire`.
pub(crate) trait Listener: Send + Sync {
    /// An event; its receiver must be able to read by `acl`. Called with the state locked.
    fn tell(&self, event: &Event, acl: &[Acl]);
    /// A request has ended; `zxid` is the last transaction then. Called with committer and state locked.
    fn answer(&self, ticket: Ticket, zxid: Zxid, result: Result<Reply>);
    /// The session is over. Called with the state locked.
    fn ended(&self, how: SessionState);
    /// The session has been attached elsewhere.
    fn superseded(&self);
}

/// On whose behalf something is done.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) core: Arc<SessionCore>,
    pub(crate) watcher: WatcherId,
    /// What a listener had shown when the request was made; of no account for an in-process session, whose own are asked for.
    pub(crate) identities: Arc<[Identity]>,
}

impl Asker {
    /// What counts as shown, now that its turn has come.
    fn shown(&self) -> Arc<[Identity]> {
        if self.core.events.is_some() { self.core.identities.read().clone() } else { self.identities.clone() }
    }

    /// An in-process session itself.
    fn of(core: &Arc<SessionCore>) -> Self {
        Self { core: core.clone(), watcher: core.watcher, identities: core.identities.read().clone() }
    }
}

/// What waits in the queue.
pub(crate) enum Work {
    Write(Request),
    Read(Request),
    Open {
        timeout_ms: u32,
        in_process: bool,
    },
    Close {
        expired: bool,
    },
    Sweep(String),
    /// A session is attached here; in an ensemble only.
    Move {
        attachment: u64,
        timeout_ms: u32,
    },
}

/// Who is told how it ended.
enum Done {
    Call(Completion),
    Listener(Arc<dyn Listener>, Ticket),
    /// They have been told.
    Told,
}

/// A piece of work in the queue.
pub(crate) struct Item {
    asker: Option<Asker>,
    work: Work,
    done: Done,
}

impl Work {
    fn bytes(&self) -> usize {
        if let Work::Write(request) = self { size(request) } else { 0 }
    }
}

impl Item {
    /// Tells whoever asked that it will not be done.
    pub(crate) fn refuse(self, error: &Error) {
        match self.done {
            Done::Call(done) => done(Err(error.clone())),
            Done::Listener(listener, ticket) => listener.answer(ticket, Zxid(0), Err(error.clone())),
            Done::Told => {}
        }
    }
}

struct Queue {
    items: VecDeque<Item>,
    /// Of their writes.
    bytes: usize,
    /// The thread has something to look at.
    kicked: bool,
    stop: bool,
    /// When to look at the sessions that somebody else keeps alive, in steady milliseconds.
    deadlines: Deadlines<SessionId>,
    /// While nobody is judged, because the member has paused.
    grace: Option<timers::Grace>,
    /// A grace ended without the member being awake through it: the next pause is not allowed for.
    is_excused: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0, kicked: false, stop: false, deadlines: Deadlines::new(SESSIONS_MAX), grace: None, is_excused: false }
    }
}

/// Where events go.
enum Sink {
    Queue(Events),
    Listener(Arc<dyn Listener>),
}

struct Receiver {
    core: Arc<SessionCore>,
    sink: Sink,
}

/// What is answered from: the lock of reads and of `apply`.
pub(crate) struct State {
    machine: Machine,
    receivers: HashMap<WatcherId, Receiver>,
    sessions: HashMap<SessionId, Arc<SessionCore>>,
}

struct Committer {
    store: Option<Store>,
    snapshotting: Option<JoinHandle<()>>,
}

/// What the threads share.
pub(crate) struct Core {
    generation: u64,
    clock: Clock,
    super_digest: Option<String>,
    snapshot_bytes: u64,
    committer: Mutex<Committer>,
    queue: Mutex<Queue>,
    wake: Condvar,
    state: RwLock<State>,
    watches: Mutex<Watches>,
    /// When the next container or TTL znode is due, in wall milliseconds.
    due_ms: AtomicI64,
    next_watcher: AtomicU64,
    next_session: AtomicI64,
    failed: Mutex<Option<Error>>,
    is_failed: AtomicBool,
    /// Why nothing is written any more; what is applied is still read.
    disk_failed: Mutex<Option<Error>>,
    recovery: Option<String>,
    me: Weak<Core>,
    /// How the last snapshot failed, if it did.
    snapshot_error: Mutex<Option<Error>>,
    /// What makes passwords: a copy of the machine's, which does not change once it has begun.
    passwords: std::sync::OnceLock<Passwords>,
    /// Its listeners, for whoever asks about all of them.
    pub(crate) doors: Mutex<Vec<Weak<Door>>>,
    /// As ZooKeeper's; only kept and told.
    pub(crate) trace_mask: AtomicI64,
    /// When it started, in wall and in steady milliseconds.
    started_ms: (i64, i64),
    /// Sessions that ended by silence.
    expired: AtomicU64,
    /// Appends that took longer than a second.
    slow_syncs: AtomicU64,
    /// The last transaction in the last snapshot of this process.
    snapshot_zxid: AtomicI64,
    /// The folder of log and snapshots.
    directory: Option<std::path::PathBuf>,
    /// How long the member has paused in all while it should have judged who is silent, in milliseconds.
    paused_ms: AtomicI64,
    /// The other members, if it is one of several.
    ensemble: Option<Arc<Ensemble>>,
    /// The first number of a session that this life gives out.
    first_session: i64,
    enforce_quota: bool,
}

thread_local! {
    /// This thread is inside a completion.
    static COMPLETING: Cell<bool> = const { Cell::new(false) };
}

/// One member. The last handle stops its thread.
pub(super) struct Engine {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
    doors: Doors,
}

impl Deref for Engine {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.core
    }
}

/// Takes its watcher away when dropped.
pub(in crate::member) struct WatcherHandle {
    core: Weak<Core>,
    watcher: WatcherId,
}

impl Drop for WatcherHandle {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade()
            && !core.is_forked()
        {
            let receiver = core.state.write().receivers.remove(&self.watcher);
            core.watches.lock().forget(self.watcher);
            if let Some(Receiver { core, sink: Sink::Queue(events) }) = receiver {
                core.watchers.lock().retain(|watcher| *watcher != self.watcher);
                events.close();
            }
        }
    }
}

fn chance() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::new(ErrorKind::SystemError, format!("no random numbers: {error}")))
}

impl Engine {
    /// `disk` stands in for the directory that the target names.
    pub(super) fn open(target: &Target, disk: Option<Arc<dyn Disk>>) -> Result<Arc<Engine>> {
        folkmoot_sys::install();
        let seed = if target.virtual_time { 1 } else { chance()? };
        let mut recovery = None;
        let mut parts = None;
        let (machine, store) = match &target.ground {
            Ground::Member(path, group) => {
                if let Some(warning) = group.warning() {
                    tracing::warn!("{warning}");
                }
                let disk = disk.map_or_else(|| RealDisk::open(path), Ok)?;
                let recovered = ensemble::recover_member(disk, path, seed, target.enforce_quota, group)?;
                let mut secret = [0; 32];
                getrandom::fill(&mut secret).map_err(|error| Error::new(ErrorKind::SystemError, format!("no random numbers: {error}")))?;
                let (machine, cut, ensemble, rest) = recovered.into_parts(group, chance()?, secret)?;
                recovery = cut;
                parts = Some((ensemble, rest));
                (machine, None)
            }
            Ground::Memory => (Machine::new(seed, target.enforce_quota), None),
            Ground::Directory(path) => {
                let disk = disk.map_or_else(|| RealDisk::open(path), Ok)?;
                let (machine, store, cut) = recovery::open(disk, path, seed, target.enforce_quota, target.recover)?;
                recovery = cut;
                (machine, Some(store))
            }
        };
        let clock = Clock::new(target.virtual_time);
        // As ZooKeeper's: time and a counter, the top byte a member's number.
        let first = (((clock.wall_ms() << 24) as u64) >> 8) as i64;
        let first = match &parts {
            None => first.max(machine.sessions().map(|(id, _)| id.0).max().unwrap_or(0)) + 1,
            Some((ensemble, _)) => {
                let own = |id: &SessionId| (id.0 >> 56) as u8 == ensemble.id();
                let first = first | (i64::from(ensemble.id()) << 56);
                machine.sessions().map(|(id, _)| id).filter(own).map(|id| id.0).max().unwrap_or(first).max(first) + 1
            }
        };
        let core = Arc::new_cyclic(|me| Core {
            me: me.clone(),
            snapshot_error: Mutex::new(None),
            generation: folkmoot_sys::generation(),
            super_digest: target.super_digest.clone(),
            snapshot_bytes: target.snapshot_bytes,
            committer: Mutex::new(Committer { store, snapshotting: None }),
            queue: Mutex::default(),
            wake: Condvar::new(),
            state: RwLock::new(State { machine, receivers: HashMap::new(), sessions: HashMap::new() }),
            watches: Mutex::default(),
            due_ms: AtomicI64::new(i64::MAX),
            next_watcher: AtomicU64::new(1),
            next_session: AtomicI64::new(first),
            first_session: first,
            enforce_quota: target.enforce_quota,
            ensemble: parts.as_ref().map(|(ensemble, _)| ensemble.clone()),
            failed: Mutex::new(None),
            is_failed: AtomicBool::new(false),
            disk_failed: Mutex::new(None),
            recovery,
            passwords: std::sync::OnceLock::new(),
            doors: Mutex::default(),
            trace_mask: AtomicI64::new(306),
            started_ms: (clock.wall_ms(), clock.steady_ms()),
            expired: AtomicU64::new(0),
            slow_syncs: AtomicU64::new(0),
            snapshot_zxid: AtomicI64::new(0),
            directory: match &target.ground {
                Ground::Memory => None,
                Ground::Directory(path) | Ground::Member(path, _) => Some(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            },
            paused_ms: AtomicI64::new(0),
            clock,
        });
        match &parts {
            None => core.begin()?,
            Some(_) => {
                let state = core.state.read();
                if !state.machine.is_new() {
                    let _ = core.passwords.set(state.machine.passwords());
                }
                core.note_due(state.machine.tree().next_due_ms());
            }
        }
        if let Some((ensemble, rest)) = parts
            && let Err(error) = ensemble::start(&core, &ensemble, rest)
        {
            ensemble.stop();
            return Err(error);
        }
        let of_thread = core.clone();
        let run = move || match &of_thread.ensemble {
            Some(ensemble) => of_thread.run_replicated(ensemble),
            None => of_thread.run(),
        };
        let thread =
            folkmoot_sys::spawn("fm-member", run).map_err(|error| Error::new(ErrorKind::SystemError, format!("thread fm-member cannot start: {error}")))?;
        Ok(Arc::new(Engine { core, thread: Mutex::new(Some(thread)), doors: Doors::default() }))
    }

    pub(super) fn close(&self) -> Result<()> {
        if self.is_forked() {
            return Err(forked());
        }
        may_wait()?;
        self.doors.close(true);
        let open: Vec<_> = self.state.read().sessions.values().cloned().collect();
        // Sessions of listeners may come back; what lives in this process cannot.
        let closing: Vec<_> = open
            .into_iter()
            .filter(|core| core.events.is_some())
            .filter_map(|core| {
                let (call, done) = Call::pair();
                self.enqueue(Some(Asker::of(&core)), Work::Close { expired: false }, done).ok().map(|()| call)
            })
            .collect();
        self.commit_here();
        // All at once: without a majority each would be waited for as long as its timeout.
        closing.into_iter().for_each(|call| drop(call.wait()));
        if let Some(ensemble) = self.ensemble.as_ref().filter(|ensemble| ensemble.leads()) {
            // Or the others would have to find out.
            let _ = ensemble.transfer(None);
        }
        self.stop();
        if let Some(ensemble) = &self.ensemble {
            ensemble.stop();
        }
        let mut committer = self.committer.lock();
        let snapshotting = committer.snapshotting.take();
        drop(committer);
        if let Some(thread) = snapshotting {
            let _ = thread.join();
        }
        self.committer.lock().store = None;
        self.fail(Error::new(ErrorKind::Closed, "the member was closed"));
        self.end_sessions();
        Ok(())
    }

    /// Ends what could not be closed (the disk has failed, the others cannot be reached), so that nobody waits for its events for ever.
    fn end_sessions(&self) {
        let mut state = self.state.write();
        let left: Vec<_> = state.sessions.values().filter(|core| core.events.is_some()).cloned().collect();
        left.iter().for_each(|core| self.ended(&mut state, core, false));
    }

    fn stop(&self) {
        {
            let mut queue = self.queue.lock();
            queue.stop = true;
            queue.kicked = true;
        }
        self.wake.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_forked() {
            // The parent's files and threads are not ours to close or join: leave them be.
            std::mem::forget(self.core.clone());
            std::mem::forget(self.thread.get_mut().take());
            self.doors.forget();
            if let Some(ensemble) = &self.ensemble {
                ensemble.forget();
            }
            return;
        }
        // In a completion this may be one of their threads.
        self.doors.close(!COMPLETING.get());
        if COMPLETING.get() {
            // The committer is held by this very thread. The member's own ends by itself, and frees the rest.
            self.thread.get_mut().take();
            self.stop();
            return self.ensemble.iter().for_each(|ensemble| ensemble.stop());
        }
        self.stop();
        if let Some(ensemble) = &self.ensemble {
            ensemble.stop();
        }
        let snapshotting = self.committer.lock().snapshotting.take();
        if let Some(thread) = snapshotting {
            let _ = thread.join();
        }
        self.end_sessions();
    }
}

fn forked() -> Error {
    Error::new(ErrorKind::Forked, "this process was forked: the handle belongs to its parent, open another")
}

/// Inside a completion nothing can be waited for: the completion is what others wait for.
pub(super) fn may_wait() -> Result<()> {
    if COMPLETING.get() {
        return Err(Error::new(ErrorKind::WouldDeadlock, "a completion cannot wait for another request; submit it instead"));
    }
    Ok(())
}

impl Core {
    fn is_forked(&self) -> bool {
        folkmoot_sys::generation() != self.generation
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_forked() {
            return Err(forked());
        }
        if self.is_failed.load(Ordering::Acquire) {
            return Err(self.failed.lock().clone().unwrap_or_else(|| ErrorKind::Panic.into()));
        }
        Ok(())
    }

    /// Whether writes are taken, too.
    fn check_writes(&self, committer: &Committer) -> Result<()> {
        self.check()?;
        if let Some(error) = &*self.disk_failed.lock() {
            return Err(error.clone());
        }
        // It may have stopped meanwhile: its other threads meet the disk, too.
        committer.store.as_ref().map_or(Ok(()), Store::check)
    }

    fn fail(&self, error: Error) {
        if error.kind() == ErrorKind::DiskFailed {
            self.disk_failed.lock().get_or_insert(error);
            return;
        }
        self.failed.lock().get_or_insert(error);
        self.is_failed.store(true, Ordering::Release);
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Milliseconds that only go forward.
    pub(crate) fn steady_ms(&self) -> i64 {
        self.clock.steady_ms()
    }

    pub(crate) fn zxid(&self) -> Result<Zxid> {
        self.check()?;
        Ok(self.state.read().machine.zxid())
    }

    pub(super) fn recovery(&self) -> Option<String> {
        self.recovery.clone()
    }

    /// Everything that is read, as it is now; nothing is applied while this is held.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { core: self, state: self.state.read() }
    }

    /// The password of a session, which lets anyone attach to it.
    pub(crate) fn password(&self, session: SessionId) -> [u8; 16] {
        self.passwords.get_or_init(|| self.state.read().machine.passwords()).of(session)
    }

    /// A piece of work whose outcome a listener is told.
    pub(crate) fn item(&self, asker: Asker, work: Work, listener: Arc<dyn Listener>, ticket: Ticket) -> Item {
        Item { asker: Some(asker), work, done: Done::Listener(listener, ticket) }
    }

    /// Has what waits carried out: here if `here` and nobody else is at it, by the member's thread otherwise.
    pub(crate) fn work_off(&self, here: bool) {
        if here {
            self.commit_here();
            if self.queue.lock().items.is_empty() {
                return;
            }
        }
        self.kick();
    }
}

/// Several reads at one transaction.
pub(crate) struct Reading<'a> {
    core: &'a Core,
    state: RwLockReadGuard<'a, State>,
}

impl Reading<'_> {
    /// The last transaction.
    pub(crate) fn zxid(&self) -> Zxid {
        self.state.machine.zxid()
    }

    /// Whether the session can still ask; it cannot end while this is held.
    pub(crate) fn check(&self, core: &SessionCore) -> Result<()> {
        core.check()
    }

    /// Data and Stat of a znode.
    pub(crate) fn get(&self, path: &str, who: &Requester) -> Result<(&Data, Stat)> {
        self.state.machine.tree().data(path, who)
    }

    /// Answers any read.
    pub(crate) fn answer(&self, asker: &Asker, request: &Request) -> Result<Reply> {
        self.core.read(&self.state, asker, request)
    }

    /// The machine.
    pub(crate) fn machine(&self) -> &Machine {
        &self.state.machine
    }
}

fn encode(entry: &Entry) -> Result<Vec<u8>> {
    postcard::to_stdvec(entry).map_err(|error| Error::new(ErrorKind::SystemError, format!("an entry cannot be encoded: {error}")))
}

/// About as many bytes as the request would be on ZooKeeper's wire.
fn size(request: &Request) -> usize {
    match request {
        Request::Create { path, data, acl, .. } => {
            path.len()
                + data.as_ref().map_or(0, |data| data.len())
                + acl.iter().map(|entry| 12 + entry.identity.scheme.len() + entry.identity.id.len()).sum::<usize>()
                + 16
        }
        Request::Set { path, data, .. } => path.len() + data.as_ref().map_or(0, |data| data.len()) + 12,
        Request::SetAcl { path, acl, .. } => {
            path.len() + acl.iter().map(|entry| 12 + entry.identity.scheme.len() + entry.identity.id.len()).sum::<usize>() + 12
        }
        Request::Delete { path, .. } | Request::Check { path, .. } => path.len() + 8,
        Request::Multi(requests) => requests.iter().map(|request| 9 + size(request)).sum(),
        _ => 0,
    }
}
