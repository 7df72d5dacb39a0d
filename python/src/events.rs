//! EventQueue: a queue of notifications, of a session or of a watch.

use crate::SLICE;
use crate::convert;
use crate::mailbox::{Mailbox, Note, Slot};
use folkmoot::{Events, Watch};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A queue of notifications. Each goes to one taker.
#[pyclass(module = "folkmoot._native", frozen)]
pub(crate) struct EventQueue {
    events: Events,
    /// What keeps the watch registered, if this is the queue of one.
    watch: Mutex<Option<Watch>>,
    closed: AtomicBool,
    notified: Mutex<Option<(Slot, Arc<Py<PyAny>>)>>,
}

impl EventQueue {
    pub(crate) fn of(events: Events, watch: Option<Watch>) -> Self {
        Self { events, watch: Mutex::new(watch), closed: AtomicBool::new(false), notified: Mutex::new(None) }
    }
    fn over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.events.is_finished()
    }
}

#[pymethods]
impl EventQueue {
    /// The next notification; None when `timeout` (seconds) passed or no more will come.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let deadline = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()).and_then(|wait| Instant::now().checked_add(wait));
        loop {
            if let Some(event) = self.try_next(py)? {
                return Ok(Some(event));
            }
            if self.over() {
                return Ok(None);
            }
            let slice = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()).min(SLICE));
            if slice.is_zero() {
                return Ok(None);
            }
            if let Some(event) = py.detach(|| self.events.next_blocking(slice)) {
                return convert::event(py, &event).map(Some);
            }
            py.check_signals()?;
        }
    }

    /// The next notification, if one waits.
    fn try_next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.events.try_next().map(|event| convert::event(py, &event)).transpose()
    }

    /// Whether no more will come.
    #[getter]
    fn finished(&self) -> bool {
        self.over()
    }

    /// Puts a note for `receiver` into `mailbox` whenever there is something to take, and once now
    /// if there is. The last one set counts.
    fn notify(&self, mailbox: &Mailbox, receiver: Py<PyAny>) {
        let (slot, receiver) = (mailbox.0.clone(), Arc::new(receiver));
        *self.notified.lock().unwrap_or_else(PoisonError::into_inner) = Some((slot.clone(), receiver.clone()));
        self.events.on_ready(move || slot.put(Note { receiver: receiver.clone(), answer: None }));
    }

    /// Takes the watch away, and tells who waits, one last time.
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Queue, closure and receiver would keep each other.
        self.events.on_ready(|| {});
        if let Some((slot, receiver)) = self.notified.lock().unwrap_or_else(PoisonError::into_inner).take() {
            slot.put(Note { receiver, answer: None });
        }
    }

    fn __len__(&self) -> usize {
        self.events.len()
    }
}
