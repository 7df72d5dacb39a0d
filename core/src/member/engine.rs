//! The shell of one member: queue, log, machine, timers.
//!
//! Writes wait in one queue. Whoever holds the committer takes all that wait as one group: one append,
//! one fsync, then applied under the write lock, then answered. A blocking caller whose write finds the
//! committer free carries out the group itself and pays no change of threads; everything else
//! is the member's own thread `fm-member`, which also watches the timers.
//!
//! What always holds: nothing is applied before it is on disk, and nothing is answered before it is
//! applied. Events are in their queues before any read can return the change. Locks are taken in the order committer,
//! state, queue, watches. Completions run in order, with the committer held: they must not wait (a blocking
//! request made in one is refused with `WouldDeadlock`).
//!
//! Not here: what an entry does (`machine`), files (`log`).

use super::call::{Call, Completion};
use super::clock::Clock;
use super::events::Events;
use super::session::{Heartbeat, SessionOptions};
use super::target::{Ground, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::{
    FRAME_BYTES_MAX, GROUP_BYTES_MAX, IDENTITIES_MAX, IN_FLIGHT_MAX, QUEUE_MAX, SESSION_TICKS_MAX, SESSION_TICKS_MIN, SESSION_TIMEOUT_MS_DEFAULT,
    SESSION_TIMEOUT_MS_FLOOR, TICK_MS_EMBEDDED,
};
use crate::log::{Disk, RealDisk, Retired, Store, StoreOptions};
use crate::machine::{Entry, Machine, Write};
use crate::request::{Data, Event, EventKind, Identity, Reply, Request, Requester, SessionState, Stat, WatchKind, WatchMode, perms};
use crate::tree::acl;
use crate::watch::{WatcherId, Watches, Which};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// A session, as its member knows it.
pub(super) struct SessionCore {
    id: SessionId,
    timeout_ms: u32,
    manual: bool,
    watcher: WatcherId,
    events: Events,
    identities: RwLock<Arc<[Identity]>>,
    state: AtomicI64,
    /// When it was last heard of, in steady milliseconds.
    heard_ms: AtomicI64,
    /// Requests that wait in the queue.
    waiting: AtomicUsize,
}

impl SessionCore {
    pub(super) fn id(&self) -> SessionId {
        self.id
    }
    pub(super) fn timeout_ms(&self) -> u32 {
        self.timeout_ms
    }
    pub(super) fn events(&self) -> Events {
        self.events.clone()
    }
    pub(super) fn state(&self) -> SessionState {
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

enum Work {
    Write(Request),
    Read(Request),
    Open { timeout_ms: u32 },
    Close { expired: bool },
    Sweep(String),
}

struct Item {
    core: Option<Arc<SessionCore>>,
    work: Work,
    done: Completion,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// The thread has something to look at.
    kicked: bool,
    stop: bool,
    /// (when to look, session): sessions that somebody else keeps alive.
    timers: BTreeSet<(i64, SessionId)>,
}

struct Receiver {
    core: Arc<SessionCore>,
    events: Events,
}

struct State {
    machine: Machine,
    receivers: HashMap<WatcherId, Receiver>,
    sessions: HashMap<SessionId, Arc<SessionCore>>,
}

struct Committer {
    store: Option<Store>,
    snapshotting: Option<JoinHandle<()>>,
}

/// What the threads share.
pub(super) struct Core {
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
}

/// When what the timers could not write is tried again, in milliseconds.
const RETRY_MS: i64 = 1000;

thread_local! {
    /// This thread is inside a completion.
    static COMPLETING: Cell<bool> = const { Cell::new(false) };
}

/// One member. The last handle stops its thread.
pub(super) struct Engine {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Deref for Engine {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.core
    }
}

/// Takes its watcher away when dropped.
pub(super) struct WatcherHandle {
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
            if let Some(receiver) = receiver {
                receiver.events.close();
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
        let (machine, store) = match &target.ground {
            Ground::Memory => (Machine::new(seed, target.enforce_quota), None),
            Ground::Directory(path) => {
                let disk = disk.map_or_else(|| RealDisk::open(path), Ok)?;
                let (machine, store, cut) = recover(disk, path, seed, target.enforce_quota)?;
                recovery = cut;
                (machine, Some(store))
            }
        };
        let clock = Clock::new(target.virtual_time);
        // As ZooKeeper's: time and a counter, the top byte a member's number.
        let highest = machine.sessions().map(|(id, _)| id.0).max().unwrap_or(0);
        let first = (((clock.wall_ms() << 24) as u64) >> 8) as i64;
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
            next_session: AtomicI64::new(first.max(highest) + 1),
            failed: Mutex::new(None),
            is_failed: AtomicBool::new(false),
            disk_failed: Mutex::new(None),
            recovery,
            clock,
        });
        core.begin()?;
        let of_thread = core.clone();
        let thread = std::thread::Builder::new()
            .name("fm-member".into())
            .spawn(move || of_thread.run())
            .map_err(|error| Error::new(ErrorKind::SystemError, format!("thread fm-member cannot start: {error}")))?;
        Ok(Arc::new(Engine { core, thread: Mutex::new(Some(thread)) }))
    }

    pub(super) fn open_session(&self, options: &SessionOptions) -> Result<Arc<SessionCore>> {
        self.check()?;
        let longest = (TICK_MS_EMBEDDED * SESSION_TICKS_MAX).max(SESSION_TIMEOUT_MS_FLOOR);
        let asked = if options.timeout_ms == 0 { SESSION_TIMEOUT_MS_DEFAULT } else { options.timeout_ms };
        let timeout_ms = asked.clamp(TICK_MS_EMBEDDED * SESSION_TICKS_MIN, longest);
        let identities: Arc<[Identity]> = if options.superuser { [Identity::new("super", "")].into() } else { [].into() };
        let core = Arc::new(SessionCore {
            id: SessionId(self.next_session.fetch_add(1, Ordering::SeqCst)),
            timeout_ms,
            manual: options.heartbeat == Heartbeat::Manual,
            watcher: WatcherId(self.next_watcher.fetch_add(1, Ordering::SeqCst)),
            events: Events::new(),
            identities: RwLock::new(identities),
            state: AtomicI64::new(SessionState::Connected as i64),
            heard_ms: AtomicI64::new(self.clock.steady_ms()),
            waiting: AtomicUsize::new(0),
        });
        self.wait_for(Some(core.clone()), Work::Open { timeout_ms })?;
        Ok(core)
    }

    pub(super) fn open_watch(&self, core: &Arc<SessionCore>, path: &str, mode: WatchMode) -> Result<(WatcherHandle, Events)> {
        self.check()?;
        core.check()?;
        let watcher = WatcherId(self.next_watcher.fetch_add(1, Ordering::SeqCst));
        let events = Events::new();
        let mut state = self.state.write();
        core.check()?;
        self.watches.lock().add_lasting(path, watcher, mode)?;
        state.receivers.insert(watcher, Receiver { core: core.clone(), events: events.clone() });
        Ok((WatcherHandle { core: Arc::downgrade(&self.core), watcher }, events))
    }

    pub(super) fn snapshot(&self) -> Result<()> {
        self.check()?;
        may_wait()?;
        let mut committer = self.committer.lock();
        if let Some(thread) = committer.snapshotting.take() {
            drop(committer);
            self.kick();
            let _ = thread.join();
            committer = self.committer.lock();
        }
        let started = self.start_snapshot(&mut committer);
        let thread = committer.snapshotting.take();
        drop(committer);
        // Who found the committer taken counts on its holder to look at the queue.
        self.kick();
        started?;
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        match self.snapshot_error.lock().clone() {
            Some(error) => Err(error),
            None => self.check(),
        }
    }

    pub(super) fn close(&self) -> Result<()> {
        if self.is_forked() {
            return Err(forked());
        }
        may_wait()?;
        let open: Vec<_> = self.state.read().sessions.values().cloned().collect();
        for core in open {
            let _ = self.wait_for(Some(core), Work::Close { expired: false });
        }
        self.stop();
        let mut committer = self.committer.lock();
        let snapshotting = committer.snapshotting.take();
        drop(committer);
        if let Some(thread) = snapshotting {
            let _ = thread.join();
        }
        self.committer.lock().store = None;
        self.fail(Error::new(ErrorKind::Closed, "the member was closed"));
        Ok(())
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
            return;
        }
        if COMPLETING.get() {
            // The committer is held by this very thread. The member's own ends by itself, and frees the rest.
            self.thread.get_mut().take();
            return self.stop();
        }
        self.stop();
        let snapshotting = self.committer.lock().snapshotting.take();
        if let Some(thread) = snapshotting {
            let _ = thread.join();
        }
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

/// Brings a directory's state back.
fn recover(disk: Arc<dyn Disk>, path: &std::path::Path, seed: u64, enforce_quota: bool) -> Result<(Machine, Store, Option<String>)> {
    let machine = std::cell::RefCell::new(None::<Machine>);
    let (store, recovery) = Store::open(
        disk,
        StoreOptions::default(),
        &mut |record| machine.borrow_mut().get_or_insert_with(|| Machine::to_load(seed, enforce_quota)).load(record),
        &mut |index, bytes| {
            let entry: Entry = postcard::from_bytes(bytes)
                .map_err(|error| Error::new(ErrorKind::Corrupt, format!("{}: entry {index} of the log cannot be read: {error}", path.display())))?;
            let mut machine = machine.borrow_mut();
            let machine = machine.get_or_insert_with(|| Machine::new(seed, enforce_quota));
            if !machine.is_complete() {
                return Err(Error::new(ErrorKind::Corrupt, format!("{}: a snapshot without an end", path.display())));
            }
            machine.apply(&entry);
            Ok(())
        },
    )?;
    let machine = machine.into_inner().unwrap_or_else(|| Machine::new(seed, enforce_quota));
    if !machine.is_complete() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: a snapshot without an end", path.display())));
    }
    let cut = recovery.cut.map(|cut| format!("{}: {} bytes of an unfinished write were cut at offset {}", cut.file, cut.bytes, cut.offset));
    if let Some(cut) = &cut {
        tracing::warn!("{cut}");
    }
    Ok((machine, store, cut))
}

impl Core {
    fn is_forked(&self) -> bool {
        folkmoot_sys::generation() != self.generation
    }

    #[inline]
    fn check(&self) -> Result<()> {
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

    pub(super) fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    pub(super) fn zxid(&self) -> Result<Zxid> {
        self.check()?;
        Ok(self.state.read().machine.zxid())
    }

    pub(super) fn recovery(&self) -> Option<String> {
        self.recovery.clone()
    }

    pub(super) fn touch(&self, core: &SessionCore) -> Result<()> {
        self.check()?;
        core.check()?;
        self.hear(core);
        Ok(())
    }

    #[inline]
    fn hear(&self, core: &SessionCore) {
        if core.manual {
            core.heard_ms.fetch_max(self.clock.steady_ms(), Ordering::Relaxed);
        }
    }

    /// The first entries of a new store; the end of sessions that the last process left.
    fn begin(&self) -> Result<()> {
        let mut committer = self.committer.lock();
        let (is_new, left, wire): (bool, Vec<_>, Vec<_>) = {
            let state = self.state.read();
            let machine = &state.machine;
            let (left, wire) = machine.sessions().map(|(id, session)| (id, session.in_process, session.timeout_ms)).partition(|(_, in_process, _)| *in_process);
            (machine.is_new(), left, wire)
        };
        let time_ms = self.clock.wall_ms();
        let mut entries = Vec::new();
        if is_new {
            let mut secret = [1; 32];
            if !self.clock.is_virtual() {
                getrandom::fill(&mut secret).map_err(|error| Error::new(ErrorKind::SystemError, format!("no random numbers: {error}")))?;
            }
            entries.push(Entry::Begin { secret, time_ms });
        }
        entries.extend(left.into_iter().map(|(session, _, _): (SessionId, bool, u32)| Entry::Close { session, expired: true, time_ms }));
        if !entries.is_empty() {
            if let Some(store) = &mut committer.store {
                let bytes = entries.iter().map(encode).collect::<Result<Vec<_>>>()?;
                store.append(&bytes)?;
            }
            let mut state = self.state.write();
            entries.iter().for_each(|entry| drop(state.machine.apply(entry)));
        }
        self.note_due(self.state.read().machine.tree().next_due_ms());
        let now = self.clock.steady_ms();
        self.queue.lock().timers.extend(wire.into_iter().map(|(id, _, timeout_ms)| (now + i64::from(timeout_ms), id)));
        Ok(())
    }

    /// Makes a request. Reads are answered at once unless the session's own writes are still on their way.
    pub(super) fn submit(&self, core: &Arc<SessionCore>, request: Request, done: Completion) {
        match self.admit(core, &request) {
            Err(error) => done(Err(error)),
            Ok(true) => done(self.read_now(core, &request)),
            Ok(false) => {
                let work = if request.is_write() { Work::Write(request) } else { Work::Read(request) };
                if let Err((error, done)) = self.enqueue(Some(core.clone()), work, done) {
                    return done(Err(error));
                }
                self.kick();
            }
        }
    }

    pub(super) fn call_blocking(&self, core: &Arc<SessionCore>, request: Request) -> Result<Reply> {
        if self.admit(core, &request)? {
            return self.read_now(core, &request);
        }
        let work = if request.is_write() { Work::Write(request) } else { Work::Read(request) };
        self.wait_for(Some(core.clone()), work)
    }

    /// Data and Stat of a znode, unless the session's own writes are still on their way. As a `Get` without a
    /// watch, but the path need not be copied for it, nor a reply packed and unpacked.
    pub(super) fn get_now(&self, core: &SessionCore, path: &str) -> Result<Option<(Data, Stat)>> {
        self.check()?;
        core.check()?;
        self.hear(core);
        if core.waiting.load(Ordering::Acquire) > 0 {
            return Ok(None);
        }
        let state = self.state.read();
        // Sessions end under the lock of the state: whoever passes here is in time.
        core.check()?;
        state.machine.tree().get(path, &core.requester()).map(Some)
    }

    /// Whether the request can be answered here and now.
    fn admit(&self, core: &SessionCore, request: &Request) -> Result<bool> {
        self.check()?;
        core.check()?;
        self.hear(core);
        if request.is_write() {
            let bytes = size(request);
            if bytes > FRAME_BYTES_MAX {
                return Err(Error::new(ErrorKind::LimitExceeded, format!("a request of {bytes} bytes, at most {FRAME_BYTES_MAX} are allowed")));
            }
            return Ok(false);
        }
        Ok(core.waiting.load(Ordering::Acquire) == 0)
    }

    fn enqueue(&self, core: Option<Arc<SessionCore>>, work: Work, done: Completion) -> std::result::Result<(), (Error, Completion)> {
        let mut queue = self.queue.lock();
        let is_closing = matches!(work, Work::Close { .. });
        if queue.stop {
            return Err((Error::new(ErrorKind::Closed, "the member is closing"), done));
        }
        if queue.items.len() >= QUEUE_MAX && !is_closing {
            return Err((Error::new(ErrorKind::Throttled, format!("{QUEUE_MAX} requests wait in this member; that is the most")), done));
        }
        if let Some(core) = &core {
            if core.waiting.load(Ordering::Relaxed) >= IN_FLIGHT_MAX && !is_closing {
                return Err((Error::new(ErrorKind::Throttled, format!("{IN_FLIGHT_MAX} requests of session {} wait; that is the most", core.id)), done));
            }
            core.waiting.fetch_add(1, Ordering::AcqRel);
        }
        queue.items.push_back(Item { core, work, done });
        Ok(())
    }

    fn kick(&self) {
        let mut queue = self.queue.lock();
        if !queue.kicked {
            queue.kicked = true;
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Puts work in the queue and blocks until it is done, carrying it out here if nobody else is at it.
    fn wait_for(&self, core: Option<Arc<SessionCore>>, work: Work) -> Result<Reply> {
        may_wait()?;
        let (call, done) = Call::pair();
        if let Err((error, _)) = self.enqueue(core, work, done) {
            return Err(error);
        }
        if let Some(mut committer) = self.committer.try_lock() {
            self.commit(&mut committer);
            drop(committer);
            if !self.queue.lock().items.is_empty() {
                self.kick();
            }
        }
        call.wait()
    }

    /// As [`Self::wait_for`], for the timers: the thread that others count on to look at the queue must not count on them.
    fn carry_out(&self, core: Option<Arc<SessionCore>>, work: Work) -> Result<Reply> {
        may_wait()?;
        let (call, done) = Call::pair();
        if let Err((error, _)) = self.enqueue(core, work, done) {
            return Err(error);
        }
        loop {
            let mut committer = self.committer.lock();
            self.commit(&mut committer);
            drop(committer);
            if let Some(result) = call.wait_for(Duration::ZERO) {
                if !self.queue.lock().items.is_empty() {
                    self.kick();
                }
                return result;
            }
        }
    }

    pub(super) fn close_session(&self, core: &Arc<SessionCore>, done: Completion) {
        if let Err(error) = self.check() {
            return done(Err(error));
        }
        match core.state() {
            SessionState::Closed => return done(Ok(Reply::Done)),
            SessionState::Connected => {}
            _ => return done(core.check().map(|()| Reply::Done)),
        }
        match self.enqueue(Some(core.clone()), Work::Close { expired: false }, done) {
            Ok(()) => self.kick(),
            Err((error, done)) => done(Err(error)),
        }
    }

    /// The last handle of a session is gone.
    pub(super) fn abandon_session(&self, core: &Arc<SessionCore>) {
        if !self.is_forked() && core.state() == SessionState::Connected {
            self.close_session(core, Box::new(drop));
        }
    }

    /// Moves virtual time, stopping wherever something is due on the way.
    pub(super) fn advance(&self, ms: u64) -> Result<()> {
        self.check()?;
        if !self.clock.is_virtual() {
            return Err(Error::new(ErrorKind::InvalidState, "time can be moved only if the target says time=virtual"));
        }
        may_wait()?;
        let until = self.clock.steady_ms().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        loop {
            let timer = self.queue.lock().timers.first().map_or(i64::MAX, |(at, _)| *at);
            let next = timer.min(self.due_ms.load(Ordering::SeqCst));
            // The greatest time also says that nothing is due.
            if next > until || next == i64::MAX {
                break;
            }
            self.clock.set(next);
            self.run_timers();
            self.check()?;
        }
        self.clock.set(until);
        Ok(())
    }

    /// Ends sessions that have been silent too long and sweeps what is due. Returns when all that is applied.
    fn run_timers(&self) {
        let now = self.clock.steady_ms();
        let mut silent = Vec::new();
        loop {
            let Some((at, id)) = self.queue.lock().timers.first().copied().filter(|(at, _)| *at <= now) else { break };
            let core = self.state.read().sessions.get(&id).cloned();
            let mut queue = self.queue.lock();
            if !queue.timers.remove(&(at, id)) {
                continue;
            }
            if let Some(core) = core.filter(|core| core.state() == SessionState::Connected) {
                let deadline = core.heard_ms.load(Ordering::Relaxed).saturating_add(i64::from(core.timeout_ms));
                if deadline > now {
                    queue.timers.insert((deadline, id));
                } else {
                    silent.push(core);
                }
            }
        }
        for core in silent {
            let id = core.id;
            if let Err(error) = self.carry_out(Some(core), Work::Close { expired: true })
                && error.kind() != ErrorKind::SessionExpired
            {
                self.queue.lock().timers.insert((now.saturating_add(RETRY_MS), id));
            }
        }
        let wall = self.clock.wall_ms();
        while self.due_ms.load(Ordering::SeqCst) <= wall {
            let due = self.state.read().machine.tree().due(wall, 256);
            if due.is_empty() || self.check().is_err() {
                let next = self.state.read().machine.tree().next_due_ms();
                self.note_due(next.map(|next| next.max(wall + 1)));
                break;
            }
            for path in due {
                match self.carry_out(None, Work::Sweep(path)).map_err(|error| error.kind()) {
                    // It has changed since.
                    Ok(_) | Err(ErrorKind::NoNode | ErrorKind::NotEmpty | ErrorKind::BadVersion) => {}
                    Err(_) => return self.note_due(Some(wall.saturating_add(RETRY_MS))),
                }
            }
            let next = self.state.read().machine.tree().next_due_ms();
            self.note_due(next);
        }
    }

    fn note_due(&self, next: Option<i64>) {
        self.due_ms.store(next.unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// The member's thread.
    fn run(&self) {
        loop {
            {
                let mut queue = self.queue.lock();
                while queue.items.is_empty() && !queue.kicked {
                    if queue.stop {
                        return;
                    }
                    let wait = self.until_next(&queue);
                    match wait {
                        None => self.wake.wait(&mut queue),
                        Some(ms) if ms <= 0 => break,
                        Some(ms) => drop(self.wake.wait_for(&mut queue, Duration::from_millis(ms as u64))),
                    }
                }
                queue.kicked = false;
                if queue.stop && queue.items.is_empty() {
                    return;
                }
            }
            let mut committer = self.committer.lock();
            self.commit(&mut committer);
            drop(committer);
            if !self.clock.is_virtual() {
                self.run_timers();
            }
        }
    }

    /// Milliseconds until a timer is due; none if none ever is.
    fn until_next(&self, queue: &Queue) -> Option<i64> {
        if self.clock.is_virtual() {
            return None;
        }
        let session = queue.timers.first().map(|(at, _)| at - self.clock.steady_ms());
        let due = self.due_ms.load(Ordering::SeqCst);
        let sweep = (due != i64::MAX).then(|| due - self.clock.wall_ms());
        session.into_iter().chain(sweep).min()
    }

    /// Takes what waits, as one group: to disk, applied, answered.
    fn commit(&self, committer: &mut MutexGuard<'_, Committer>) {
        let time_ms = self.clock.wall_ms();
        let mut items = Vec::new();
        let mut entries: Vec<Option<Entry>> = Vec::new();
        let mut numbers: HashMap<SessionId, (u64, u64)> = HashMap::new();
        let mut bytes: Vec<Vec<u8>> = Vec::new();
        let mut total = 0;
        let is_durable = committer.store.is_some();
        {
            let state = self.state.read();
            let mut queue = self.queue.lock();
            while total < GROUP_BYTES_MAX {
                let Some(mut item) = queue.items.pop_front() else { break };
                let entry = self.entry(&mut item, time_ms, &state.machine, &mut numbers);
                if is_durable && let Some(entry) = &entry {
                    match encode(entry) {
                        Ok(encoded) => {
                            total += encoded.len();
                            bytes.push(encoded);
                        }
                        Err(error) => self.fail(error),
                    }
                }
                entries.push(entry);
                items.push(item);
            }
        }
        if items.is_empty() {
            return;
        }
        let writes = entries.iter().any(Option::is_some);
        let outcome = if writes { self.check_writes(committer) } else { self.check() }.and_then(|()| match &mut committer.store {
            Some(store) if !bytes.is_empty() => store.append(&bytes).map(drop).map_err(|error| match error.kind() {
                ErrorKind::DiskFailed => {
                    self.fail(error.clone());
                    Error::new(ErrorKind::OutcomeUnknown, format!("the disk failed under this write: {}", error.context()))
                }
                _ => error,
            }),
            _ => Ok(()),
        });
        let results = match outcome {
            Ok(()) => match catch_unwind(AssertUnwindSafe(|| self.apply(&items, &entries))) {
                Ok(results) => results,
                Err(_) => {
                    let error = Error::new(ErrorKind::Panic, "a bug was caught while a write was applied; this member answers no more");
                    self.fail(error.clone());
                    items.iter().map(|_| Err(error.clone())).collect()
                }
            },
            // What waited only for its turn is answered all the same.
            Err(error) => items
                .iter()
                .map(|item| match (&item.core, &item.work) {
                    (Some(core), Work::Read(request)) => self.check().and_then(|()| self.read_now(core, request)),
                    _ => Err(error.clone()),
                })
                .collect(),
        };
        COMPLETING.set(true);
        for (item, result) in items.into_iter().zip(results) {
            if let Some(core) = &item.core {
                core.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            // A completion that panics must not take the member with it.
            let _ = catch_unwind(AssertUnwindSafe(|| (item.done)(result)));
        }
        COMPLETING.set(false);
        if committer.store.as_ref().is_some_and(|store| store.bytes_since_snapshot() >= self.snapshot_bytes)
            && committer.snapshotting.as_ref().is_none_or(JoinHandle::is_finished)
            && let Err(error) = self.start_snapshot(committer)
        {
            tracing::warn!("no snapshot: {error}");
        }
    }

    /// The entry of a piece of work; none for a read.
    fn entry(&self, item: &mut Item, time_ms: i64, machine: &Machine, numbers: &mut HashMap<SessionId, (u64, u64)>) -> Option<Entry> {
        let session = item.core.as_ref().map_or(SessionId(0), |core| core.id);
        match &mut item.work {
            Work::Read(_) => None,
            Work::Open { timeout_ms } => Some(Entry::Open { session, timeout_ms: *timeout_ms, in_process: true, time_ms }),
            Work::Close { expired } => Some(Entry::Close { session, expired: *expired, time_ms }),
            Work::Sweep(path) => Some(Entry::Sweep { path: std::mem::take(path), time_ms }),
            Work::Write(request) => {
                let (number, answered) =
                    numbers.entry(session).or_insert_with(|| machine.session(session).map_or((0, 0), |record| (record.number, record.number)));
                *number += 1;
                Some(Entry::Write(Box::new(Write {
                    session,
                    attachment: 0,
                    number: *number,
                    answered: *answered,
                    time_ms,
                    identities: item.core.as_ref().map_or_else(Vec::new, |core| core.identities.read().to_vec()),
                    request: std::mem::replace(request, Request::WhoAmI),
                })))
            }
        }
    }

    /// Applies a group and puts its events in their queues, all under one lock.
    fn apply(&self, items: &[Item], entries: &[Option<Entry>]) -> Vec<Result<Reply>> {
        let mut state = self.state.write();
        let mut results = Vec::with_capacity(items.len());
        for (item, entry) in items.iter().zip(entries) {
            let Some(entry) = entry else {
                let result = match (&item.core, &item.work) {
                    (Some(core), Work::Read(request)) => self.read(&state, core, request),
                    _ => Err(ErrorKind::SystemError.into()),
                };
                results.push(result);
                continue;
            };
            let applied = state.machine.apply(entry);
            if !applied.changes.is_empty() {
                let mut watches = self.watches.lock();
                for change in &applied.changes {
                    watches.fire(change, &mut |watcher, event, list| {
                        if let Some(receiver) = state.receivers.get(&watcher)
                            && acl::allows(list, perms::READ, &receiver.core.identities.read())
                        {
                            receiver.events.push(event.clone());
                        }
                    });
                }
            }
            if let Some(core) = &item.core {
                match (&item.work, &applied.outcome) {
                    (Work::Open { .. }, Ok(_)) => self.opened(&mut state, core),
                    (Work::Close { expired }, Ok(_)) => self.ended(&mut state, core, *expired),
                    _ => {}
                }
            }
            results.push(match (&item.core, &item.work) {
                // Queued behind the session's end: told so in the words in which a read is.
                (Some(core), Work::Write(_)) if is_over(&applied.outcome) => core.check().and(applied.outcome),
                (Some(core), Work::Close { expired: false }) if is_over(&applied.outcome) && core.state() == SessionState::Closed => Ok(Reply::Done),
                _ => applied.outcome,
            });
        }
        let next = state.machine.tree().next_due_ms().unwrap_or(i64::MAX);
        if self.due_ms.swap(next, Ordering::SeqCst) > next && !self.clock.is_virtual() {
            drop(state);
            self.kick();
        }
        results
    }

    fn opened(&self, state: &mut State, core: &Arc<SessionCore>) {
        state.receivers.insert(core.watcher, Receiver { core: core.clone(), events: core.events.clone() });
        state.sessions.insert(core.id, core.clone());
        if core.manual {
            let now = self.clock.steady_ms();
            core.heard_ms.fetch_max(now, Ordering::Relaxed);
            let mut queue = self.queue.lock();
            queue.timers.insert((now.saturating_add(i64::from(core.timeout_ms)), core.id));
            queue.kicked = true;
            drop(queue);
            self.wake.notify_one();
        }
    }

    fn ended(&self, state: &mut State, core: &Arc<SessionCore>, expired: bool) {
        let how = if expired { SessionState::Expired } else { SessionState::Closed };
        core.state.store(how as i64, Ordering::SeqCst);
        state.sessions.remove(&core.id);
        let mut watches = self.watches.lock();
        state.receivers.retain(|watcher, receiver| {
            let theirs = receiver.core.id == core.id;
            if theirs {
                watches.forget(*watcher);
                receiver.events.push(Event { kind: EventKind::Session, state: how, path: "".into(), zxid: Zxid(0) });
                receiver.events.close();
            }
            !theirs
        });
    }

    fn read_now(&self, core: &Arc<SessionCore>, request: &Request) -> Result<Reply> {
        self.read(&self.state.read(), core, request)
    }

    /// Answers what needs no log, and sets its watch in the same breath.
    fn read(&self, state: &State, core: &Arc<SessionCore>, request: &Request) -> Result<Reply> {
        // Sessions end under the lock of the state: whoever passes here is in time.
        core.check()?;
        match request {
            Request::AddAuth { scheme, credential } => {
                let shown = acl::authenticate(scheme, credential, self.super_digest.as_deref())?;
                let mut identities = core.identities.write();
                let mut all = identities.to_vec();
                for identity in shown {
                    if !all.contains(&identity) {
                        all.push(identity);
                    }
                }
                if all.len() > IDENTITIES_MAX {
                    return Err(Error::new(ErrorKind::LimitExceeded, format!("a session can show {IDENTITIES_MAX} identities at most")));
                }
                *identities = all.into();
                Ok(Reply::Done)
            }
            Request::AddWatch { path, mode } => self.watches.lock().add_lasting(path, core.watcher, *mode).map(|()| Reply::Done),
            Request::RemoveWatches { path, kind } => {
                self.watches.lock().remove(path, core.watcher, *kind).then_some(Reply::Done).ok_or_else(|| no_watcher(path, *kind))
            }
            Request::CheckWatches { path, kind } => {
                self.watches.lock().contains(path, core.watcher, *kind).then_some(Reply::Done).ok_or_else(|| no_watcher(path, *kind))
            }
            Request::Exists { path, watch } => {
                let found = state.machine.read(request, &core.requester());
                let missing = found.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoNode);
                if *watch && (found.is_ok() || missing) {
                    self.watches.lock().add(path, core.watcher, Which::Data)?;
                }
                if missing { Ok(Reply::Done) } else { found }
            }
            Request::Get { path, watch: true } => {
                let reply = state.machine.read(request, &core.requester())?;
                self.watches.lock().add(path, core.watcher, Which::Data)?;
                Ok(reply)
            }
            Request::Children { path, watch: true } => {
                let reply = state.machine.read(request, &core.requester())?;
                self.watches.lock().add(path, core.watcher, Which::Children)?;
                Ok(reply)
            }
            _ => state.machine.read(request, &core.requester()),
        }
    }

    /// Writes a snapshot of what is applied, on a thread of its own; writes go on meanwhile.
    fn start_snapshot(&self, committer: &mut Committer) -> Result<()> {
        let Some(store) = &committer.store else { return Ok(()) };
        let mut writer = store.snapshot_writer(store.last_index())?;
        let frozen = self.state.read().machine.freeze();
        let me = self.me.clone();
        *self.snapshot_error.lock() = None;
        let write = move || {
            let outcome = match frozen.records(&mut |record| writer.record(record)) {
                Ok(()) => writer.finish(),
                Err(error) => {
                    writer.abandon();
                    Err(error)
                }
            };
            drop(frozen);
            let Some(core) = me.upgrade() else { return };
            let finished = outcome.and_then(|done| core.committer.lock().store.as_mut().map(|store| store.snapshot_finished(done)).transpose());
            core.kick();
            // Files go while nobody waits for them.
            let finished = finished.and_then(|retired| retired.map_or(Ok(()), Retired::discard));
            if let Err(error) = finished {
                tracing::warn!("no snapshot: {error}");
                *core.snapshot_error.lock() = Some(error);
            }
        };
        let thread = std::thread::Builder::new().name("fm-snapshot".into()).spawn(write);
        committer.snapshotting = Some(thread.map_err(|error| Error::new(ErrorKind::SystemError, format!("thread fm-snapshot cannot start: {error}")))?);
        Ok(())
    }
}

fn is_over(outcome: &Result<Reply>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::SessionExpired)
}

fn no_watcher(path: &str, kind: WatchKind) -> Error {
    Error::new(ErrorKind::NoWatcher, format!("no {kind:?} watch of this session at {path}"))
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
