//! Event queues: the session's, and one for each watch that wants its own.

use crate::guard::{borrow, c_text, enter, give, handle, put, release, text, wanted};
use crate::session::{folkmoot_session, timeout, watch_mode};
use crate::signal::Signal;
use crate::types::{folkmoot_event, folkmoot_status};
use folkmoot::{Error, ErrorKind, Events, Result, Watch};
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A watch with a queue of its own. Any number of threads may use one at once; each event goes to one of them.
pub struct folkmoot_watch {
    generation: u64,
    watch: Watch,
    signal: Arc<OnceLock<Signal>>,
}
handle!(folkmoot_watch);

thread_local! {
    /// The path of this thread's last event.
    static PATH: RefCell<CString> = RefCell::default();
}

/// Waits for the next event. The path lives in this thread until its next event.
unsafe fn next(events: &Events, event_out: *mut folkmoot_event, timeout_ms: i32) -> Result<()> {
    wanted(event_out, "event_out")?;
    match events.next_blocking(timeout(timeout_ms).unwrap_or(Duration::MAX)) {
        Some(event) => PATH.with(|path| {
            *path.borrow_mut() = c_text(&event.path);
            // SAFETY: not NULL, the rest as the caller's conventions say.
            unsafe { put(event_out, folkmoot_event::of(&event, path.borrow().as_ptr())) };
            Ok(())
        }),
        None if events.is_finished() => Err(Error::new(ErrorKind::Closed, "no event will come any more")),
        None => Err(Error::new(ErrorKind::OperationTimeout, format!("no event within {timeout_ms} ms"))),
    }
}

/// The next event of the session: of watches set by reading and by folkmoot_session_add_watch, and
/// news of the session. Blocks for at most timeout_ms milliseconds: 0 not at all, below 0 for ever.
///
/// FOLKMOOT_OK, _OPERATION_TIMEOUT if none came, _CLOSED if none will come any more, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_events_next(session: *const folkmoot_session, event_out: *mut folkmoot_event, timeout_ms: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        let result = next(&session.session()?.events(), event_out, timeout_ms);
        session.dispatcher.settle();
        result
    })
}

/// Opens a watch with a queue of its own: everything that happens at path (and below it, if mode is
/// FOLKMOOT_WATCH_RECURSIVE) from now on, until it is freed.
///
/// FOLKMOOT_OK, _BAD_ARGUMENTS, _LIMIT_EXCEEDED, _SESSION_EXPIRED, _FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_watch_open(
    session: *const folkmoot_session,
    path: *const c_char,
    mode: i32,
    watch_out: *mut *mut folkmoot_watch,
) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let session = borrow(session, "session")?;
        wanted(watch_out, "watch_out")?;
        let watch = session.session()?.watch(text(path, "path")?, watch_mode(mode)?)?;
        give(watch_out, folkmoot_watch { generation: folkmoot_sys::generation(), watch, signal: Arc::default() });
        Ok(())
    })
}

/// The next event of the watch, as folkmoot_events_next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_watch_next(watch: *const folkmoot_watch, event_out: *mut folkmoot_event, timeout_ms: i32) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let watch = borrow(watch, "watch")?;
        let events = watch.watch.events();
        let result = next(events, event_out, timeout_ms);
        if let Some(signal) = watch.signal.get() {
            // Whoever adds an event raises the signal after adding: looking again misses nothing.
            let idle = || events.is_empty() && !events.is_finished();
            if idle() {
                signal.clear();
                if !idle() {
                    signal.raise();
                }
            }
        }
        result
    })
}

/// A descriptor that is readable while an event of the watch waits or none will come any more. Do
/// not read, write or close it. One and the same for each call; open until the watch is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_watch_fd(watch: *const folkmoot_watch, fd_out: *mut c_int) -> folkmoot_status {
    // SAFETY: the conventions.
    enter(|| unsafe {
        let watch = borrow(watch, "watch")?;
        wanted(fd_out, "fd_out")?;
        if watch.signal.get().is_none() && watch.signal.set(Signal::new()?).is_ok() {
            let signal = Arc::downgrade(&watch.signal);
            watch.watch.events().on_ready(move || {
                if let Some(signal) = signal.upgrade().as_ref().and_then(|cell| cell.get()) {
                    signal.raise();
                }
            });
        }
        put(fd_out, watch.signal.get().map_or(-1, Signal::fd));
        Ok(())
    })
}

/// Ends the watch and frees it. No other thread may be waiting for its events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_watch_free(watch: *mut folkmoot_watch) {
    // SAFETY: the conventions.
    enter(|| {
        unsafe { release(watch) };
        Ok(())
    });
}
