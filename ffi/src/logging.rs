//! What the library has to say, told to the host's log.
//!
//! What always holds: the callback runs on a thread of its own, which holds no lock and is in no
//! call; so it may wait for what the host's other threads hold, and call the library. Nobody in the
//! library ever waits for it.
//!
//! Not here: the queue and its bound (`folkmoot::lines`).

use crate::guard::{c_text, enter, not_forked};
use crate::types::folkmoot_status;
use folkmoot::lines::{Line, Lines};
use folkmoot::{Error, ErrorKind};
use folkmoot_sys::PerProcess;
use parking_lot::Mutex;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Told each line of the library's. context is what was passed with it; level is FOLKMOOT_LOG_;
/// target is the part of the library that speaks, such as "folkmoot::log::store"; text is one line
/// without a newline at its end. Both are valid until it returns. Must not throw.
pub type folkmoot_log_callback = Option<unsafe extern "C" fn(context: *mut c_void, level: i32, target: *const c_char, text: *const c_char)>;

struct Teller {
    lines: Lines,
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// A log has no handle: this is all that is not behind one.
static TELLER: PerProcess<Mutex<Option<Teller>>> = PerProcess::new();

/// The caller's pointer: only handed back, never looked at.
struct Context(*mut c_void);
// SAFETY: the conventions make the caller answer for what it points to; here it is a number.
unsafe impl Send for Context {}

impl Context {
    /// SAFETY: the caller's function, with texts that outlive the call.
    unsafe fn tell(&self, callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char), line: &Line) {
        let (target, text) = (c_text(&line.target), c_text(&line.text));
        unsafe { callback(self.0, line.level, target.as_ptr(), text.as_ptr()) };
    }
}

/// Has the library's own lines (what it found when it opened a directory, what fails in the
/// background) told to callback: those of at least min_level, FOLKMOOT_LOG_. One callback a process;
/// NULL takes it back, and without one nothing is said anywhere.
///
/// The callback runs on a thread named fm-log, one line at a time and in order, with no lock held: it
/// may call any function, this one too. Nothing waits for it: a line can come after the call that it
/// is about has returned, and beyond 1024 that wait, lines are dropped and the next says how many.
///
/// When this returns, the callback set before has been told all lines up to now, has returned and
/// will not be called again, so its context can be freed. Only inside that very callback it returns
/// at once: the callback is not called again then, and the lines that wait are dropped. What is said
/// before a process ends is sure to be told only if it sets NULL first. A child of fork has no
/// callback until it sets one.
///
/// FOLKMOOT_OK, _LIMIT_EXCEEDED if the thread cannot start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folkmoot_set_log_callback(min_level: i32, callback: folkmoot_log_callback, context: *mut c_void) -> folkmoot_status {
    enter(|| {
        let context = Context(context);
        let mut teller = TELLER.get_or_default().lock();
        let next = match callback {
            None => None,
            Some(callback) => {
                // The thread first: lines then wait for it, and what fails changes nothing.
                let (lines, stopped) = (Lines::unheard(min_level), Arc::new(AtomicBool::new(false)));
                let (taken, told_to_stop, generation) = (lines.clone(), stopped.clone(), folkmoot_sys::generation());
                let work = move || {
                    let context = context;
                    loop {
                        let batch = taken.take();
                        if batch.is_empty() {
                            return;
                        }
                        for line in batch {
                            if told_to_stop.load(Ordering::Acquire) {
                                return;
                            }
                            // SAFETY: the conventions: callback and context are good until replaced.
                            unsafe { context.tell(callback, &line) };
                            // In a child that the callback forked this is the only thread, and the lines are the parent's.
                            if not_forked(generation).is_err() {
                                return;
                            }
                        }
                    }
                };
                let thread =
                    folkmoot_sys::spawn("fm-log", work).map_err(|error| Error::new(ErrorKind::LimitExceeded, format!("the thread fm-log: {error}")))?;
                if let Err(error) = lines.listen() {
                    lines.close();
                    let _ = thread.join();
                    return Err(error);
                }
                Some(Teller { lines, stopped, thread })
            }
        };
        let before = std::mem::replace(&mut *teller, next);
        // The last callback may itself be about to come here.
        drop(teller);
        if let Some(before) = before {
            before.lines.close();
            if before.thread.thread().id() == std::thread::current().id() {
                before.stopped.store(true, Ordering::Release);
            } else {
                let _ = before.thread.join();
            }
        }
        Ok(())
    })
}
