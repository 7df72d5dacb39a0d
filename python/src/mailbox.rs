//! Mailbox: how the core's threads reach Python without ever asking for the GIL.
//!
//! They put a note in and go on; a Python thread takes notes out. So no lock of the core is ever
//! held by someone who waits for the GIL, and a read may keep the GIL while it waits for such a lock.

use crate::convert;
use folkmoot::error::Result;
use folkmoot::request::Reply;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A note for `receiver`: an answer, or just that there is news.
pub(crate) struct Note {
    /// Shared, because cloning a Python reference would need the GIL.
    pub(crate) receiver: Arc<Py<PyAny>>,
    pub(crate) answer: Option<(Result<Reply>, Option<String>)>,
}

#[derive(Default)]
struct Inside {
    notes: VecDeque<Note>,
    stopped: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<(Mutex<Inside>, Condvar)>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks longer than another note takes to be put in.
    pub(crate) fn put(&self, note: Note) {
        self.lock().notes.push_back(note);
        self.0.1.notify_one();
    }
}

/// Notes from the core's threads; emptied by a thread of Python's.
#[pyclass(module = "folkmoot._native", frozen)]
#[derive(Default)]
pub(crate) struct Mailbox(pub(crate) Slot);

type PyNote = (Py<PyAny>, Py<PyAny>, Py<PyAny>);

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Waits for notes: a list of (receiver, value, error), or None once stopped and empty.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Vec<PyNote>>> {
        let notes = py.detach(|| {
            let mut inner = self.0.lock();
            while inner.notes.is_empty() && !inner.stopped {
                inner = self.0.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::take(&mut inner.notes)
        });
        if notes.is_empty() {
            return Ok(None);
        }
        let mut list = Vec::with_capacity(notes.len());
        for Note { receiver, answer } in notes {
            let none = || py.None();
            let receiver = receiver.clone_ref(py);
            list.push(match answer {
                None => (receiver, none(), none()),
                Some((Ok(reply), _)) => (receiver, convert::reply(py, reply)?.into_py_any(py)?, none()),
                Some((Err(error), path)) => (receiver, none(), convert::exception(py, &error, path.as_deref())?.into_py_any(py)?),
            });
        }
        Ok(Some(list))
    }

    /// Puts a note in by hand.
    fn put(&self, receiver: Py<PyAny>) {
        self.0.put(Note { receiver: Arc::new(receiver), answer: None });
    }

    /// Ends the thread that takes, once it has taken all.
    fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.0.1.notify_all();
    }
}
