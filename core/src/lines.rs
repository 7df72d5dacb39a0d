//! The other doors' end of `tracing`: what the core has to say, as lines in a bounded queue.
//!
//! `tracing` has one subscriber a process, so this is the one place with state that belongs to no
//! handle. It is installed when a door first asks, never for a Rust program.
//!
//! What always holds: whoever logs puts a line into the queue and goes on, whatever locks it holds;
//! it never waits for the host, and no function of the host's runs on its thread. So a host may take
//! its own locks (Python's is the GIL) and call the core again while it is told a line. The queue
//! belongs to one process: a forked child starts with none.
//!
//! Not here: the thread that hands lines to the host (the doors).

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{LINE_BYTES_MAX, LINES_MAX};
use folkmoot_sys::PerProcess;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// How grave a line is, as Python's `logging` counts.
pub const TRACE: i32 = 5;
/// For whoever debugs the host.
pub const DEBUG: i32 = 10;
/// In the course of things.
pub const INFO: i32 = 20;
/// Someone should look at it.
pub const WARNING: i32 = 30;
/// Something was lost or refused.
pub const ERROR: i32 = 40;

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// [`WARNING`] and so on.
    pub level: i32,
    /// The module that said it, such as `folkmoot::log::store`.
    pub target: String,
    /// The message, then the values, as `name=value`.
    pub text: String,
}

/// Lines on their way to whoever takes them. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    level: AtomicI32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Line>,
    dropped: u64,
    closed: bool,
}

/// Who is told now.
static LISTENER: PerProcess<Mutex<Option<Lines>>> = PerProcess::new();

impl Lines {
    /// A queue for lines of at least this level, into which nothing goes yet.
    pub fn unheard(level: i32) -> Lines {
        Lines(Arc::new(Queue { level: AtomicI32::new(level), state: Mutex::default(), changed: Condvar::new() }))
    }

    /// From now on lines go into this queue, and into no earlier one, which is closed.
    ///
    /// # Errors
    /// `InvalidState` when the program has a `tracing` subscriber of its own: it is told already.
    pub fn listen(&self) -> Result<()> {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        if !INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(ToLines).is_ok()) {
            return Err(Error::new(ErrorKind::InvalidState, "this program has a tracing subscriber of its own, which is told instead"));
        }
        let before = LISTENER.get_or_default().lock().replace(self.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(&before.0, &self.0)) {
            before.close();
        }
        Ok(())
    }

    /// Takes no more lines; those that wait can still be taken.
    pub fn close(&self) {
        self.0.level.store(i32::MAX, Ordering::Relaxed);
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// Waits for lines and takes them all; none once closed and empty.
    pub fn take(&self) -> Vec<Line> {
        let mut state = self.0.state.lock();
        while state.waiting.is_empty() && state.dropped == 0 && !state.closed {
            self.0.changed.wait(&mut state);
        }
        let mut lines = Vec::from(std::mem::take(&mut state.waiting));
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            lines.push(Line { level: WARNING, target: module_path!().to_owned(), text: format!("{dropped} lines were dropped: {LINES_MAX} were waiting") });
        }
        lines
    }

    fn put(&self, line: Line) {
        let mut state = self.0.state.lock();
        if state.closed {
            return;
        }
        if state.waiting.len() < LINES_MAX {
            state.waiting.push_back(line);
        } else {
            state.dropped += 1;
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

/// The process's subscriber.
struct ToLines;

fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => INFO,
        Level::DEBUG => DEBUG,
        _ => TRACE,
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target().split("::").next() == Some("folkmoot")
}

impl Subscriber for ToLines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Who listens, and to what, changes: asked each time.
        if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
    }
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let listener = || LISTENER.get()?.lock().clone();
        is_ours(metadata) && listener().is_some_and(|lines| number(*metadata.level()) >= lines.0.level.load(Ordering::Relaxed))
    }
    fn event(&self, event: &Event<'_>) {
        // Bound first: putting must not happen with this lock held.
        let listener = LISTENER.get().and_then(|listener| listener.lock().clone());
        if let Some(lines) = listener {
            let metadata = event.metadata();
            lines.put(Line { level: number(*metadata.level()), target: metadata.target().to_owned(), text: text(event) });
        }
    }
    // There are no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event on one line: the message, then the values, as `name=value`.
pub(crate) fn text(event: &Event<'_>) -> String {
    let mut words = Words::default();
    event.record(&mut words);
    words.text()
}

#[derive(Default)]
struct Words {
    message: String,
    values: String,
}

impl Words {
    fn text(self) -> String {
        let mut text = (self.message + &self.values).replace('\n', " ");
        if text.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
        text
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.values, " {name}={value:?}"),
        };
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.values, " {name}={value}"),
        };
    }
}
