//! Member: the participant in this process.

use crate::convert::{interruptible, raised};
use pyo3::prelude::*;

/// A participant that lives in this process.
#[pyclass(module = "folkmoot._native", frozen, subclass)]
pub(crate) struct Member(pub(crate) folkmoot::Member);

#[pymethods]
impl Member {
    #[new]
    fn new(py: Python<'_>, target: String) -> PyResult<Self> {
        interruptible(py, move || folkmoot::Member::open(&target)).map(Self)
    }

    /// Moves virtual time on by `ms` milliseconds.
    fn advance(&self, py: Python<'_>, ms: u64) -> PyResult<()> {
        py.detach(|| self.0.advance(ms)).map_err(|error| raised(py, &error, None))
    }

    /// The member's time in milliseconds.
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    /// Writes a snapshot now and waits until it is on disk.
    fn snapshot(&self, py: Python<'_>) -> PyResult<()> {
        let member = self.0.clone();
        interruptible(py, move || member.snapshot())
    }

    /// What opening had to cut from the log's end, in words, or None.
    #[getter]
    fn recovery(&self) -> Option<String> {
        self.0.recovery()
    }

    /// Closes the member: sessions end, threads stop, files are closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let member = self.0.clone();
        interruptible(py, move || member.close())
    }
}
