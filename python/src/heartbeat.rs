//! heartbeat: when to beat, and who has fallen silent. Told the time; reads no clock.

use crate::convert::raised;
use folkmoot::heartbeat::{EventKind, FixedTimeout as CoreFixedTimeout, Heard, Schedule as CoreSchedule};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A schedule of beats without drift.
#[pyclass(module = "folkmoot.heartbeat", frozen)]
pub(crate) struct Schedule(Mutex<CoreSchedule>);

#[pymethods]
impl Schedule {
    #[new]
    #[pyo3(signature = (period_ms, first_ms=0))]
    fn new(py: Python<'_>, period_ms: u64, first_ms: u64) -> PyResult<Self> {
        CoreSchedule::new(period_ms, first_ms).map(|schedule| Self(Mutex::new(schedule))).map_err(|error| raised(py, &error, None))
    }
    #[getter]
    fn period_ms(&self) -> u64 {
        locked(&self.0).period_ms()
    }
    /// When the next beat is due, in milliseconds.
    #[getter]
    fn next_wakeup(&self) -> u64 {
        locked(&self.0).next_wakeup()
    }
    /// The beat to send at `now_ms`; None when none is due. Those missed are skipped.
    fn poll<'py>(&self, py: Python<'py>, now_ms: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let due = locked(&self.0).poll(now_ms);
        due.map(|due| py.import("folkmoot.heartbeat")?.getattr("Due")?.call1((due.seq, due.scheduled_ms, due.missed))).transpose()
    }
}

/// A failure detector with two fixed timeouts.
#[pyclass(module = "folkmoot.heartbeat", frozen)]
pub(crate) struct FixedTimeout(Mutex<CoreFixedTimeout>);

fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Suspect => "suspect",
        EventKind::Expire => "expire",
    }
}

#[pymethods]
impl FixedTimeout {
    #[new]
    fn new(py: Python<'_>, suspect_after_ms: u64, expire_after_ms: u64) -> PyResult<Self> {
        CoreFixedTimeout::new(suspect_after_ms, expire_after_ms).map(|detector| Self(Mutex::new(detector))).map_err(|error| raised(py, &error, None))
    }
    /// Expects beats of `peer` from now on; False when it is known already.
    fn watch(&self, py: Python<'_>, peer: u64, now_ms: u64) -> PyResult<bool> {
        let watched = locked(&self.0).watch(peer, now_ms);
        watched.map_err(|error| raised(py, &error, None))
    }
    /// Takes in beat `seq` of `peer`: what it meant is "new", "fresh", "restored", "stale" or "expired".
    fn beat(&self, py: Python<'_>, peer: u64, seq: u64, now_ms: u64) -> PyResult<&'static str> {
        let heard = locked(&self.0).beat(peer, seq, now_ms);
        Ok(match heard.map_err(|error| raised(py, &error, None))? {
            Heard::New => "new",
            Heard::Fresh => "fresh",
            Heard::Restored => "restored",
            Heard::Stale => "stale",
            Heard::Expired => "expired",
        })
    }
    /// Whose time is up at `now_ms`, in the order in which it was.
    fn poll<'py>(&self, py: Python<'py>, now_ms: u64) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let events = locked(&self.0).poll(now_ms);
        let make = py.import("folkmoot.heartbeat")?.getattr("Silence")?;
        events.into_iter().map(|event| make.call1((event.peer, word(event.kind), event.at_ms))).collect()
    }
    /// When to poll next, in milliseconds; None when no one is left to fall silent.
    #[getter]
    fn next_wakeup(&self) -> Option<u64> {
        locked(&self.0).next_wakeup()
    }
    /// Allows everyone `pause_ms` more: the observer slept so long and heard nothing.
    fn paused(&self, pause_ms: u64) {
        locked(&self.0).paused(pause_ms);
    }
    /// Forgets a peer; False when it is unknown.
    fn forget(&self, peer: u64) -> bool {
        locked(&self.0).forget(peer)
    }
    /// Whether the peer is known, and has not been told to be suspect or expired.
    fn is_trusted(&self, peer: u64) -> bool {
        locked(&self.0).is_trusted(peer)
    }
    /// "suspect" or "expire", as last told of a peer; None when it is trusted or unknown.
    fn told(&self, peer: u64) -> Option<&'static str> {
        locked(&self.0).told(peer).map(word)
    }
    fn __len__(&self) -> usize {
        locked(&self.0).len()
    }
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Schedule>()?;
    module.add_class::<FixedTimeout>()
}
