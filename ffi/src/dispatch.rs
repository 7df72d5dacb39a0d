//! Completions on their way to the caller: which thread runs them, and when.
//!
//! What always holds: each completion is called exactly once, at the latest in
//! `folkmoot_session_free`; completions of one session run one at a time in the order in which the
//! operations ended; an event that came before an operation ended is told before its completion; no
//! lock is held while a callback runs, so it may call anything, and fork: in the child nothing more is
//! told, and no lock of the parent's is touched.
//!
//! Not here: doing the operation (`folkmoot`).

use crate::guard::{c_text, not_forked};
use crate::lists::Outcome;
use crate::signal::Signal;
use crate::types::{folkmoot_event, folkmoot_result};
use folkmoot::limits::QUEUE_MAX;
use folkmoot::request::{Reply, Request};
use folkmoot::{Error, ErrorKind, Events, Result, Session};
use parking_lot::{Condvar, Mutex};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Told once how an operation ended. context is what was passed with it; result and all it points to are valid until it returns. Must not throw.
pub type folkmoot_completion = Option<unsafe extern "C" fn(context: *mut c_void, result: *const folkmoot_result)>;
/// Told of each event of a session. context is what was passed with it; event is valid until it returns. Must not throw.
pub type folkmoot_event_callback = Option<unsafe extern "C" fn(context: *mut c_void, event: *const folkmoot_event)>;

/// The caller's pointer: only handed back, never looked at.
#[derive(Clone, Copy)]
struct Context(*mut c_void);
// SAFETY: the conventions make the caller answer for what `context` points to on the thread that
// runs callbacks; here it is a number.
unsafe impl Send for Context {}

#[derive(Clone, Copy)]
struct Completion(unsafe extern "C" fn(*mut c_void, *const folkmoot_result), Context);

#[derive(Clone, Copy)]
struct OnEvent(unsafe extern "C" fn(*mut c_void, *const folkmoot_event), Context);

#[derive(Default)]
struct State {
    next: u64,
    under_way: HashMap<u64, Completion>,
    ended: VecDeque<(Completion, Result<Reply>)>,
    on_event: Option<OnEvent>,
    delivering: usize,
    stopped: bool,
}

pub(crate) struct Dispatcher {
    generation: u64,
    events: Events,
    has_thread: bool,
    state: Mutex<State>,
    changed: Condvar,
    signal: OnceLock<Signal>,
}

thread_local! {
    /// The dispatchers whose callbacks this thread is in, the innermost last.
    static INSIDE: RefCell<Vec<*const Dispatcher>> = const { RefCell::new(Vec::new()) };
}

/// Ends its operation when the member forgets it.
struct Promise(Arc<Dispatcher>, u64);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.ended(self.1, Err(Error::new(ErrorKind::Closed, "the member was closed before it answered")));
    }
}

impl Dispatcher {
    pub(crate) fn new(session: &Session, has_thread: bool) -> Result<(Arc<Dispatcher>, Option<JoinHandle<()>>)> {
        let events = session.events();
        let dispatcher = Arc::new(Dispatcher {
            generation: folkmoot_sys::generation(),
            events: events.clone(),
            has_thread,
            state: Mutex::default(),
            changed: Condvar::new(),
            signal: OnceLock::new(),
        });
        let thread = if has_thread { Some(dispatcher.clone().start()?) } else { None };
        let weak = Arc::downgrade(&dispatcher);
        events.on_ready(move || {
            if let Some(dispatcher) = weak.upgrade() {
                dispatcher.wake();
            }
        });
        Ok((dispatcher, thread))
    }

    /// The thread fm-callback. Signals are the host's: none is delivered to it.
    fn start(self: Arc<Self>) -> Result<JoinHandle<()>> {
        let thread = folkmoot_sys::spawn("fm-callback", move || {
            loop {
                match self.deliver_one(None) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    // This is the only thread of a child that a callback forked.
                    Err(_) => return,
                }
                let mut state = self.state.lock();
                if state.stopped {
                    return;
                }
                if !self.waits(&state) {
                    self.changed.wait(&mut state);
                }
            }
        });
        thread.map_err(|error| Error::new(ErrorKind::LimitExceeded, format!("the thread fm-callback: {error}")))
    }

    /// Whether [`Self::deliver_one`] would find something.
    fn waits(&self, state: &State) -> bool {
        !state.ended.is_empty() || (state.on_event.is_some() && !self.events.is_empty())
    }

    /// Tells whoever waits: the descriptor, the thread, those in `drain`. The lock is taken so that
    /// nobody is between looking and waiting.
    fn wake(&self) {
        drop(self.state.lock());
        self.changed.notify_all();
        if let Some(signal) = self.signal.get() {
            signal.raise();
        }
    }

    /// Makes the descriptor unreadable if nothing waits. Whoever adds something raises it after
    /// adding, so looking again after clearing misses nothing.
    pub(crate) fn settle(&self) {
        let idle = || self.events.is_empty() && !self.events.is_finished() && self.state.lock().ended.is_empty();
        if let Some(signal) = self.signal.get()
            && idle()
        {
            signal.clear();
            if !idle() {
                signal.raise();
            }
        }
    }

    pub(crate) fn fd(&self) -> Result<i32> {
        if self.signal.get().is_none() {
            let signal = Signal::new()?;
            signal.raise();
            let _ = self.signal.set(signal); // another thread's will do as well
            self.settle();
        }
        Ok(self.signal.get().map_or(-1, Signal::fd))
    }

    pub(crate) fn set_on_event(&self, callback: folkmoot_event_callback, context: *mut c_void) {
        self.state.lock().on_event = callback.map(|callback| OnEvent(callback, Context(context)));
        self.wake();
    }

    pub(crate) fn submit(self: &Arc<Self>, session: &Session, request: Request, done: folkmoot_completion, context: *mut c_void) -> Result<()> {
        let done = Completion(done.ok_or_else(|| crate::guard::bad("completion is NULL"))?, Context(context));
        let id = {
            let mut state = self.state.lock();
            if state.under_way.len() + state.ended.len() >= QUEUE_MAX {
                return Err(Error::new(ErrorKind::Throttled, format!("{QUEUE_MAX} completions wait: dispatch them first")));
            }
            state.next += 1;
            let id = state.next;
            state.under_way.insert(id, done);
            id
        };
        let promise = Promise(self.clone(), id);
        // For C, nothing at the path of an `exists` is a status.
        let exists = if let Request::Exists { path, .. } = &request { Some(path.clone()) } else { None };
        session.submit(
            request,
            Box::new(move |result| {
                let result = match (exists, result) {
                    (Some(path), Ok(Reply::Done)) => Err(crate::session::absent(&path)),
                    (_, result) => result,
                };
                promise.0.ended(promise.1, result);
            }),
        );
        Ok(())
    }

    fn ended(&self, id: u64, result: Result<Reply>) {
        // A member's thread cannot be here in a child, but a handle dropped there can.
        if not_forked(self.generation).is_err() {
            return;
        }
        let mut state = self.state.lock();
        let Some(done) = state.under_way.remove(&id) else { return };
        state.ended.push_back((done, result));
        drop(state);
        self.changed.notify_all();
        if let Some(signal) = self.signal.get() {
            signal.raise();
        }
    }

    /// Runs one callback, if one waits and another thread's has returned by the deadline. Fails if this is a child now.
    fn deliver_one(&self, deadline: Option<Instant>) -> Result<bool> {
        let mut state = self.state.lock();
        // One at a time: another thread's callback has to return first.
        while state.delivering > self.depth() && !state.stopped {
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if self.changed.wait_until(&mut state, deadline).timed_out() => return Ok(false),
                Some(_) => {}
            }
        }
        if state.stopped {
            return Ok(false);
        }
        let event = state.on_event.and_then(|on_event| self.events.try_next().map(|event| (on_event, event)));
        let ended = if event.is_none() { state.ended.pop_front() } else { None };
        if event.is_none() && ended.is_none() {
            return Ok(false);
        }
        state.delivering += 1;
        drop(state);
        INSIDE.with(|inside| inside.borrow_mut().push(self));
        if let Some((OnEvent(call, context), event)) = event {
            let path = c_text(&event.path);
            // SAFETY: the caller's function, with the caller's context and an event that outlives the call.
            unsafe { call(context.0, &folkmoot_event::of(&event, path.as_ptr())) };
        }
        if let Some(ended) = ended {
            complete(ended);
        }
        INSIDE.with(|inside| inside.borrow_mut().pop());
        not_forked(self.generation)?;
        self.state.lock().delivering -= 1;
        self.changed.notify_all();
        Ok(true)
    }

    /// How many callbacks of this dispatcher this thread is in.
    fn depth(&self) -> usize {
        INSIDE.with(|inside| inside.borrow().iter().filter(|one| std::ptr::eq(**one, self)).count())
    }

    /// Runs at most `max` callbacks (0: all that wait) on this thread.
    pub(crate) fn dispatch(&self, max: usize) -> Result<usize> {
        if self.has_thread {
            return Err(Error::new(ErrorKind::InvalidState, "this session's callbacks run on its own thread: dispatch_thread is set"));
        }
        let mut count = 0;
        while (max == 0 || count < max) && self.deliver_one(None)? {
            count += 1;
        }
        self.settle();
        Ok(count)
    }

    /// Waits until every operation under way has ended and been told.
    pub(crate) fn drain(&self, timeout: Option<Duration>) -> Result<()> {
        if self.depth() > 0 {
            return Err(Error::new(ErrorKind::WouldDeadlock, "draining from inside a callback of the same session: it is itself what is waited for"));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        loop {
            while !self.has_thread && self.deliver_one(deadline)? && !is_over() {}
            let mut state = self.state.lock();
            if state.under_way.is_empty() && state.ended.is_empty() && state.delivering == 0 {
                drop(state);
                self.settle();
                return Ok(());
            }
            if is_over() {
                let left = state.under_way.len() + state.ended.len() + state.delivering;
                return Err(Error::new(ErrorKind::OperationTimeout, format!("{left} operations are still under way or not told")));
            }
            if !self.has_thread && self.waits(&state) {
                continue;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => drop(self.changed.wait_until(&mut state, deadline)),
            }
        }
    }

    /// Ends delivery: when this returns every completion has been called and no callback runs or will,
    /// but for those that this very thread is in.
    pub(crate) fn finish(&self, thread: Option<JoinHandle<()>>) {
        let mut state = self.state.lock();
        state.stopped = true;
        state.on_event = None;
        self.changed.notify_all();
        while state.delivering > self.depth() {
            self.changed.wait(&mut state);
        }
        let ended = std::mem::take(&mut state.ended);
        let under_way = std::mem::take(&mut state.under_way);
        drop(state);
        let mut under_way = under_way.into_iter().collect::<Vec<_>>();
        under_way.sort_by_key(|(id, _)| *id);
        let freed = || Error::new(ErrorKind::Closed, "the session was freed before the operation ended");
        for one in ended.into_iter().chain(under_way.into_iter().map(|(_, done)| (done, Err(freed())))) {
            complete(one);
            if not_forked(self.generation).is_err() {
                // The thread is the parent's: not ours to join or to let go.
                return std::mem::forget(thread);
            }
        }
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn complete((Completion(call, context), result): (Completion, Result<Reply>)) {
    let outcome = Outcome::new(result);
    // SAFETY: the caller's function, with the caller's context and a result that outlives the call.
    unsafe { call(context.0, &outcome.view) };
}
