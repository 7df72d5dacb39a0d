//! Member: the participant in this process.

use crate::convert::{exception, interruptible, raised};
use folkmoot::ids::SessionId;
use folkmoot::request::Outcome;
use pyo3::prelude::*;

/// Of the whole ensemble: id, leader, term, committed, applied.
type About = (u8, Option<u8>, u64, u64, u64);
/// Of one member: id, priority, role, is_self, silent_ms, suspected, linked, matched.
type Row = (u8, u8, &'static str, bool, Option<u64>, bool, bool, Option<u64>);

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

    /// `(id, leader, term, committed, applied)` and a row for each member; an error if it is one alone.
    fn _ensemble(&self, py: Python<'_>) -> PyResult<(About, Vec<Row>)> {
        let alone = || folkmoot::Error::new(folkmoot::ErrorKind::InvalidState, "this member is one alone");
        let view = py.detach(|| self.inner.ensemble().ok_or_else(alone)).map_err(|error| raised(py, &error, None))?;
        let row = |member: folkmoot::ensemble::MemberView| {
            let role = folkmoot::admin::status::role(&member);
            (member.id, member.priority, role, member.is_self, member.silent_ms, member.suspected, member.linked, member.matched)
        };
        Ok(((view.id, view.standing.leader, view.standing.term, view.commit, view.applied), view.members().into_iter().map(row).collect()))
    }

    /// Hands leadership to the voter `to`, or to the one that fits best.
    #[pyo3(signature = (to = None))]
    fn transfer(&self, py: Python<'_>, to: Option<u8>) -> PyResult<()> {
        let member = self.inner.clone();
        interruptible(py, move || member.transfer(to))
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
