//! EventQueue: a queue of notifications, of a session or of a watch.
//!
//! What always holds: in a child of the process that made it a queue answers `Forked`, and touches no
//! lock that a thread may hold that is not there; no Python reference is dropped while a lock is held.

use crate::SLICE;
use crate::convert::{self, raised};
use crate::mailbox::{Mailbox, Receiver, Slot};
use folkmoot::{Events, Watch};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who is told that there is something to take.
#[derive(Default)]
struct Told(Mutex<Vec<(Slot, Receiver)>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, Vec<(Slot, Receiver)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue of notifications. Each goes to one taker.
#[pyclass(module = "folkmoot._native", frozen)]
pub(crate) struct EventQueue {
    events: Events,
    /// What keeps the watch registered, if this is the queue of one.
    watch: Mutex<Option<Watch>>,
    closed: AtomicBool,
    told: Arc<Told>,
}

impl EventQueue {
    pub(crate) fn of(events: Events, watch: Option<Watch>) -> Self {
        Self { events, watch: Mutex::new(watch), closed: AtomicBool::new(false), told: Arc::default() }
    }

    fn over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.events.is_finished()
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.events.check().map_err(|error| raised(py, &error, None))
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
        self.check(py)?;
        if self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.events.try_next().map(|event| convert::event(py, &event)).transpose()
    }

    /// Whether no more will come.
    #[getter]
    fn finished(&self, py: Python<'_>) -> PyResult<bool> {
        self.check(py)?;
        Ok(self.over())
    }

    /// Puts a note for `receiver` into `mailbox` whenever there is something to take, and once now
    /// if there is.
    fn notify(&self, py: Python<'_>, mailbox: &Mailbox, receiver: Py<PyAny>) -> PyResult<()> {
        self.check(py)?;
        self.told.lock().push((mailbox.0.clone(), Arc::new(receiver)));
        let told = self.told.clone();
        self.events.on_ready(move || told.lock().iter().for_each(|(slot, receiver)| slot.tell(receiver.clone())));
        Ok(())
    }

    /// Takes the watch away, and tells who waits, one last time.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        self.closed.store(true, Ordering::Release);
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(watch);
        // Queue, closure and receivers would keep each other.
        self.events.on_ready(|| {});
        let told = std::mem::take(&mut *self.told.lock());
        told.into_iter().for_each(|(slot, receiver)| slot.tell(receiver));
        Ok(())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.check(py)?;
        Ok(self.events.len())
    }
}
