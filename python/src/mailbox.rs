//! Mailbox: how the core's threads reach Python without ever asking for the GIL.
//!
//! They put a note in and go on; a Python thread takes notes out. So no lock of the core is ever
//! held by someone who waits for the GIL, and a read may keep the GIL while it waits for such a lock.
//!
//! What always holds: every answer that is expected comes, at the latest when the mailbox stops
//! (`Closed`); no Python reference is dropped while the mailbox is locked, for that may run anything.

use crate::convert;
use folkmoot::error::{Error, ErrorKind, Result};
use folkmoot::request::Reply;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Shared, because cloning a Python reference would need the GIL.
pub(crate) type Receiver = Arc<Py<PyAny>>;

type Answer = (Result<Reply>, Option<String>);

/// A note for `receiver`: an answer, or just that there is news.
struct Note {
    receiver: Receiver,
    answer: Option<Answer>,
}

#[derive(Default)]
struct Inside {
    notes: VecDeque<Note>,
    /// Who waits for an answer, in the order in which they asked.
    expected: BTreeMap<u64, Receiver>,
    next: u64,
    stopped: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<(Mutex<Inside>, Condvar)>);

fn ending() -> Error {
    Error::new(ErrorKind::Closed, "the interpreter is ending")
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `receiver` that there is news; nobody, once stopped. Never blocks longer than another note takes to be put in.
    pub(crate) fn tell(&self, receiver: Receiver) {
        let mut inside = self.lock();
        if inside.stopped {
            drop(inside);
            return drop(receiver);
        }
        inside.notes.push_back(Note { receiver, answer: None });
        self.0.1.notify_one();
    }

    /// `receiver` will be answered.
    ///
    /// # Errors
    /// `Closed` once stopped.
    pub(crate) fn expect(&self, receiver: Receiver) -> Result<u64> {
        let mut inside = self.lock();
        if inside.stopped {
            return Err(ending());
        }
        let number = inside.next;
        inside.next += 1;
        inside.expected.insert(number, receiver);
        Ok(number)
    }

    /// The answer to whoever was promised one by this number, unless the end of the mailbox has been faster.
    pub(crate) fn answer(&self, number: u64, answer: Answer) {
        let mut inside = self.lock();
        if let Some(receiver) = inside.expected.remove(&number) {
            inside.notes.push_back(Note { receiver, answer: Some(answer) });
            self.0.1.notify_one();
        }
    }

    /// Waits for notes; none once stopped and empty.
    fn take(&self) -> VecDeque<Note> {
        let mut inside = self.lock();
        while inside.notes.is_empty() && !inside.stopped {
            inside = self.0.1.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        if inside.notes.is_empty() {
            let left = std::mem::take(&mut inside.expected).into_values();
            return left.map(|receiver| Note { receiver, answer: Some((Err(ending()), None)) }).collect();
        }
        std::mem::take(&mut inside.notes)
    }
}

/// Notes from the core's threads; emptied by a thread of Python's.
#[pyclass(module = "folkmoot._native", frozen)]
#[derive(Default)]
pub(crate) struct Mailbox(pub(crate) Slot);

type PyNote = (Py<PyAny>, Py<PyAny>, Py<PyAny>);

/// Value and error, of which one is None.
fn unpacked(py: Python<'_>, (result, path): Answer) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
    Ok(match result {
        Ok(reply) => (convert::reply(py, reply)?.into_py_any(py)?, py.None()),
        Err(error) => (py.None(), convert::exception(py, &error, path.as_deref())?.into_py_any(py)?),
    })
}

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Waits for notes: a list of (receiver, value, error), or None once stopped and empty.
    fn take(&self, py: Python<'_>) -> Option<Vec<PyNote>> {
        let notes = py.detach(|| self.0.take());
        if notes.is_empty() {
            return None;
        }
        let notes = notes.into_iter().map(|Note { receiver, answer }| {
            let (value, error) = match answer {
                None => (py.None(), py.None()),
                // What cannot be told as it is must not keep the others from being told.
                Some(answer) => unpacked(py, answer).unwrap_or_else(|failure| (py.None(), failure.into_value(py).into_any())),
            };
            (receiver.clone_ref(py), value, error)
        });
        Some(notes.collect())
    }

    /// Puts a note in by hand.
    fn put(&self, receiver: Py<PyAny>) {
        self.0.tell(Arc::new(receiver));
    }

    /// Ends the thread that takes, once it has taken all; who expects an answer is told `Closed`.
    fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.0.1.notify_all();
    }
}
