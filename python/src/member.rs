//! Member: the participant in this process.

use crate::convert::{exception, interruptible, raised};
use folkmoot::ids::SessionId;
use folkmoot::request::Outcome;
use pyo3::prelude::*;

/// A participant that lives in this process.
#[pyclass(module = "folkmoot._native", frozen, subclass)]
pub(crate) struct Member {
    pub(crate) inner: folkmoot::Member,
    /// No write waits for a disk.
    pub(crate) in_memory: bool,
}

#[pymethods]
impl Member {
    #[new]
    fn new(py: Python<'_>, target: String) -> PyResult<Self> {
        let in_memory = target.starts_with("memory:");
        let inner = interruptible(py, move || folkmoot::Member::open(&target))?;
        Ok(Self { inner, in_memory })
    }

    /// Moves virtual time on by `ms` milliseconds.
    fn advance(&self, py: Python<'_>, ms: u64) -> PyResult<()> {
        py.detach(|| self.inner.advance(ms)).map_err(|error| raised(py, &error, None))
    }

    /// Listens for clients that speak ZooKeeper's protocol; the port where it does.
    #[pyo3(signature = (address = "127.0.0.1:0", settings = None))]
    fn listen(&self, py: Python<'_>, address: &str, settings: Option<&str>) -> PyResult<u16> {
        let listen = || {
            let options = settings.map_or_else(|| Ok(folkmoot::wire::Options::default()), folkmoot::wire::Options::from_settings)?;
            self.inner.listen_with(address, options)
        };
        let at = py.detach(listen).map_err(|error| raised(py, &error, None))?;
        Ok(at.port())
    }

    /// What became of write `write` of a session: `(word, error or None)`.
    fn _outcome<'py>(&self, py: Python<'py>, session: i64, write: u64) -> PyResult<(&'static str, Option<Bound<'py, PyAny>>)> {
        let outcome = py.detach(|| self.inner.outcome(SessionId(session), write)).map_err(|error| raised(py, &error, None))?;
        Ok(match outcome {
            Outcome::Done(Ok(_)) => ("done", None),
            Outcome::Done(Err(error)) => ("done", Some(exception(py, &error, None)?)),
            Outcome::Never => ("never", None),
            Outcome::Pending => ("pending", None),
            Outcome::Forgotten => ("forgotten", None),
        })
    }

    /// The member's time in milliseconds.
    fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }

    /// Writes a snapshot now and waits until it is on disk.
    fn snapshot(&self, py: Python<'_>) -> PyResult<()> {
        let member = self.inner.clone();
        interruptible(py, move || member.snapshot())
    }

    /// What opening had to cut from the log's end, in words, or None.
    #[getter]
    fn recovery(&self) -> Option<String> {
        self.inner.recovery()
    }

    /// Closes the member: sessions end, threads stop, files are closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let member = self.inner.clone();
        interruptible(py, move || member.close())
    }
}

/// The program `folkmoot` with these arguments, its own name not among them; its exit status.
#[pyfunction]
pub(crate) fn run_program(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> i32 {
    py.detach(|| folkmoot::cli::run(arguments.into_iter(), &mut std::io::stdout(), &mut std::io::stderr()))
}
