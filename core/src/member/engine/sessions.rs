//! The life of a session on its member: opened, attached, ended.

use super::{Asker, Core, Engine, Item, Listener, Receiver, SessionCore, Sink, State, Ticket, WatcherHandle, Work, encode, queue};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{SessionId, Zxid};
use crate::limits::{SESSION_TICKS_MAX, SESSION_TICKS_MIN, SESSION_TIMEOUT_MS_DEFAULT, SESSION_TIMEOUT_MS_FLOOR, TICK_MS_EMBEDDED};
use crate::machine::Entry;
use crate::member::events::Events;
use crate::member::session::{Heartbeat, SessionOptions};
use crate::request::{Event, EventKind, Identity, SessionState, WatchMode};
use crate::watch::WatcherId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    pub(in crate::member) fn open_session(&self, options: &SessionOptions) -> Result<Arc<SessionCore>> {
        self.check()?;
        let longest = (TICK_MS_EMBEDDED * SESSION_TICKS_MAX).max(SESSION_TIMEOUT_MS_FLOOR);
        let asked = if options.timeout_ms == 0 { SESSION_TIMEOUT_MS_DEFAULT } else { options.timeout_ms };
        let timeout_ms = asked.clamp(TICK_MS_EMBEDDED * SESSION_TICKS_MIN, longest);
        let identities: Arc<[Identity]> = if options.superuser { [Identity::new("super", "")].into() } else { [].into() };
        let core = self.new_session(timeout_ms, options.heartbeat == Heartbeat::Manual, Some(Events::new()), identities);
        self.wait_for(Some(Asker::of(&core)), Work::Open { timeout_ms, in_process: true })?;
        Ok(core)
    }

    pub(in crate::member) fn open_watch(&self, core: &Arc<SessionCore>, path: &str, mode: WatchMode) -> Result<(WatcherHandle, Events)> {
        self.check()?;
        core.check()?;
        let watcher = self.new_watcher();
        let events = Events::new();
        let mut state = self.state.write();
        core.check()?;
        self.watches.lock().add_lasting(path, watcher, mode)?;
        receive(&mut state, watcher, core, Sink::Queue(events.clone()));
        Ok((WatcherHandle { core: Arc::downgrade(&self.core), watcher }, events))
    }
}

fn receive(state: &mut State, watcher: WatcherId, core: &Arc<SessionCore>, sink: Sink) {
    core.watchers.lock().push(watcher);
    state.receivers.insert(watcher, Receiver { core: core.clone(), sink });
}

impl Core {
    fn new_watcher(&self) -> WatcherId {
        WatcherId(self.next_watcher.fetch_add(1, Ordering::SeqCst))
    }

    fn new_session(&self, timeout_ms: u32, manual: bool, events: Option<Events>, identities: Arc<[Identity]>) -> Arc<SessionCore> {
        let id = SessionId(self.next_session.fetch_add(1, Ordering::SeqCst));
        self.session_core(id, timeout_ms, manual, events, identities)
    }

    fn session_core(&self, id: SessionId, timeout_ms: u32, manual: bool, events: Option<Events>, identities: Arc<[Identity]>) -> Arc<SessionCore> {
        let core = SessionCore::new(id, timeout_ms, manual, self.new_watcher(), events, identities);
        self.hear_now(&core);
        Arc::new(core)
    }

    /// Notes a sign of life, whoever keeps the session alive.
    fn hear_now(&self, core: &SessionCore) {
        core.heard_ms.fetch_max(self.clock.steady_ms() - self.paused_ms.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn hear(&self, core: &SessionCore) {
        if core.manual {
            self.hear_now(core);
        }
    }

    pub(in crate::member) fn touch(&self, core: &SessionCore) -> Result<()> {
        self.check()?;
        core.check()?;
        self.hear(core);
        Ok(())
    }

    /// The first entries of a new store; the end of sessions that the last process left; time for those that did not end with it.
    pub(super) fn begin(&self) -> Result<()> {
        let mut committer = self.committer.lock();
        let (is_new, left, others): (bool, Vec<_>, Vec<_>) = {
            let state = self.state.read();
            let machine = &state.machine;
            let (left, others) =
                machine.sessions().map(|(id, session)| (id, session.in_process, session.timeout_ms)).partition(|(_, in_process, _)| *in_process);
            (machine.is_new(), left, others)
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
        let _ = self.passwords.set(self.state.read().machine.passwords());
        self.note_due(self.state.read().machine.tree().next_due_ms());
        for (id, _, timeout_ms) in others {
            let core = self.session_core(id, timeout_ms, true, None, [].into());
            self.opened(&mut self.state.write(), &core);
        }
        Ok(())
    }

    /// A session has opened: from here on it is heard, and hears.
    pub(super) fn opened(&self, state: &mut State, core: &Arc<SessionCore>) {
        if let Some(events) = &core.events {
            receive(state, core.watcher, core, Sink::Queue(events.clone()));
        } else if let Some(listener) = core.attached.lock().clone() {
            receive(state, core.watcher, core, Sink::Listener(listener));
        }
        state.sessions.insert(core.id, core.clone());
        if core.manual {
            self.hear_now(core);
            // In an ensemble it is the leader who looks.
            if self.ensemble.is_none() {
                self.look_at(core);
            }
        }
    }

    /// A session is attached elsewhere now, or is to look for another member: here nobody listens to it any more.
    pub(super) fn moved_away(&self, state: &mut State, core: &Arc<SessionCore>) {
        state.sessions.remove(&core.id);
        self.forget_watchers(state, core);
        if let Some(listener) = core.attached.lock().take() {
            listener.superseded();
        }
    }

    /// Takes all watchers of a session away, with what they watched.
    fn forget_watchers(&self, state: &mut State, core: &SessionCore) {
        let theirs = std::mem::take(&mut *core.watchers.lock());
        let mut watches = self.watches.lock();
        for watcher in theirs {
            watches.forget(watcher);
            state.receivers.remove(&watcher);
        }
    }

    /// A session that is about to be attached here through the ensemble's log, and the work that does it: whoever listens is told
    /// by `ticket`. None if the password is not its own.
    ///
    /// # Errors
    /// As [`Core::check`]; `ConnectionLoss` while this member knows nothing yet.
    pub(crate) fn attaching(
        &self,
        id: SessionId,
        password: &[u8],
        timeout_ms: u32,
        listener: Arc<dyn Listener>,
        ticket: Ticket,
    ) -> Result<Option<(Arc<SessionCore>, Vec<Item>)>> {
        self.check()?;
        {
            let state = self.state.read();
            if state.machine.is_new() {
                return Err(Error::new(ErrorKind::ConnectionLoss, "this member knows nothing yet"));
            }
            if !state.machine.passwords().is(id, password) {
                return Ok(None);
            }
        }
        let core = self.session_core(id, timeout_ms, true, None, [].into());
        let attachment = getrandom::u64().map_err(|error| Error::new(ErrorKind::SystemError, format!("no random numbers: {error}")))?.max(1);
        core.attachment.store(attachment, Ordering::Release);
        *core.attached.lock() = Some(listener.clone());
        let items = vec![self.item(Asker::of(&core), Work::Move { attachment, timeout_ms }, listener, ticket)];
        Ok(Some((core, items)))
    }

    /// Has the silence of a session looked at when its timeout is over, by a thread that may be asleep until later than that.
    fn look_at(&self, core: &SessionCore) {
        let (timeout_ms, now_ms) = (u64::from(core.timeout_ms().max(1)), self.clock.steady_ms() as u64);
        let mut queue = self.queue.lock();
        let before = queue.deadlines.next_wakeup();
        // Neither fails: the machine admits as many sessions as there is room for here, with timeouts that are allowed here.
        if !queue.deadlines.set_timeout(core.id, timeout_ms, now_ms).unwrap_or(true) {
            let _ = queue.deadlines.insert(core.id, timeout_ms, now_ms);
        }
        let is_next = queue.deadlines.next_wakeup().is_some_and(|at| before.is_none_or(|before| at < before));
        if is_next && !queue.kicked {
            queue.kicked = true;
            drop(queue);
            self.wake.notify_one();
        }
    }

    pub(super) fn ended(&self, state: &mut State, core: &Arc<SessionCore>, expired: bool) {
        let how = if expired { SessionState::Expired } else { SessionState::Closed };
        core.state.store(how as i64, Ordering::SeqCst);
        self.expired.fetch_add(u64::from(expired), Ordering::Relaxed);
        state.sessions.remove(&core.id);
        if core.manual {
            self.queue.lock().deadlines.remove(core.id);
        }
        let theirs = std::mem::take(&mut *core.watchers.lock());
        let mut watches = self.watches.lock();
        for watcher in theirs {
            watches.forget(watcher);
            if let Some(Receiver { sink: Sink::Queue(events), .. }) = state.receivers.remove(&watcher) {
                events.push(Event { kind: EventKind::Session, state: how, path: "".into(), zxid: Zxid(0) });
                events.close();
            }
        }
        drop(watches);
        if let Some(listener) = core.attached.lock().take() {
            listener.ended(how);
        }
    }

    /// A session that is about to open for whoever listens, and the work that opens it: they are told by `ticket` that it is open.
    ///
    /// # Errors
    /// As [`Core::check`].
    pub(crate) fn opening(&self, listener: Arc<dyn Listener>, timeout_ms: u32, ticket: Ticket) -> Result<(Arc<SessionCore>, Vec<Item>)> {
        self.check()?;
        let core = self.new_session(timeout_ms, true, None, [].into());
        *core.attached.lock() = Some(listener.clone());
        let items = vec![self.item(Asker::of(&core), Work::Open { timeout_ms, in_process: false }, listener, ticket)];
        Ok((core, items))
    }

    /// Attaches whoever listens to a session that is there, in the place of who listened before (who is told so). None if there
    /// is no such session, or the password is not its own, or it lives in a process and moves to no other.
    ///
    /// # Errors
    /// As [`Core::check`].
    pub(crate) fn attach(&self, id: SessionId, password: &[u8], timeout_ms: u32, listener: Arc<dyn Listener>) -> Result<Option<(Arc<SessionCore>, WatcherId)>> {
        self.check()?;
        let mut state = self.state.write();
        if !state.machine.passwords().is(id, password) {
            return Ok(None);
        }
        let Some(core) = state.sessions.get(&id).filter(|core| core.events.is_none()).cloned() else { return Ok(None) };
        let before = core.attached.lock().replace(listener.clone());
        self.forget_watchers(&mut state, &core);
        let watcher = self.new_watcher();
        receive(&mut state, watcher, &core, Sink::Listener(listener));
        core.timeout_ms.store(timeout_ms, Ordering::Relaxed);
        self.hear_now(&core);
        // A shorter timeout than before must be seen in time.
        self.look_at(&core);
        drop(state);
        if let Some(before) = before {
            before.superseded();
        }
        Ok(Some((core, watcher)))
    }

    /// A listener is gone; its session lives on until it has been silent too long.
    pub(crate) fn detach(&self, core: &SessionCore, watcher: WatcherId, listener: &Arc<dyn Listener>) {
        if self.is_forked() {
            return;
        }
        let mut state = self.state.write();
        let mut attached = core.attached.lock();
        if attached.as_ref().is_some_and(|other| Arc::ptr_eq(other, listener)) {
            *attached = None;
        }
        drop(attached);
        core.watchers.lock().retain(|other| *other != watcher);
        state.receivers.remove(&watcher);
        self.watches.lock().forget(watcher);
    }

    /// Puts work in the queue whose outcome a listener is told. All of it, or (with an error) none.
    ///
    /// # Errors
    /// `Closed`, `Throttled`.
    pub(crate) fn enqueue_all(&self, items: &mut Vec<Item>) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.stop {
            return Err(Error::new(ErrorKind::Closed, "the member is closing"));
        }
        let bytes: usize = items.iter().map(|item| item.work.bytes()).sum();
        if !self.has_room(&queue, items.len(), bytes) {
            return Err(queue::too_many());
        }
        queue.bytes += bytes;
        for item in items.drain(..) {
            if let Some(asker) = &item.asker {
                asker.core.waiting.fetch_add(1, Ordering::AcqRel);
            }
            queue.items.push_back(item);
        }
        Ok(())
    }
}
