//! Lines: what the core has to say, on its way to `logging`.
//!
//! The core's threads put a line into a queue and go on; a Python thread takes lines out, waiting
//! without the GIL. So nobody ever waits for the GIL while it holds a lock of the core, and a handler
//! of the host's may do what it likes.

use crate::convert::raised;
use pyo3::prelude::*;

/// What the core says, for one thread that takes it.
#[pyclass(module = "folkmoot._native", frozen)]
pub(crate) struct Lines(folkmoot::lines::Lines);

#[pymethods]
impl Lines {
    #[new]
    fn new(level: i32) -> Self {
        Self(folkmoot::lines::Lines::unheard(level))
    }

    /// From now on lines go here, and nowhere else.
    fn listen(&self, py: Python<'_>) -> PyResult<()> {
        self.0.listen().map_err(|error| raised(py, &error, None))
    }

    /// Waits for lines: a list of (level, target, text), empty once closed.
    fn take(&self, py: Python<'_>) -> Vec<(i32, String, String)> {
        py.detach(|| self.0.take().into_iter().map(|line| (line.level, line.target, line.text)).collect())
    }

    /// Takes no more; what waits can still be taken.
    fn close(&self) {
        self.0.close();
    }
}
