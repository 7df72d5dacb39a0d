//! Session: the operations that have to be quick, and the way in for all others.
//!
//! A short read with no write of this session under way is answered from memory and keeps the GIL.
//! Everything else gives it away.

use crate::SLICE;
use crate::convert::{self, interruptible, path_of, raised};
use crate::events::EventQueue;
use crate::mailbox::{Mailbox, Slot};
use crate::member::Member;
use crate::request::{Request, data, watch_mode};
use crate::stat::Stat;
use folkmoot::error::{Error, ErrorKind, Result};
use folkmoot::member::Call;
use folkmoot::request::{Reply, Request as Core};
use folkmoot::{Heartbeat, SessionOptions};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The quick part of a session.
#[pyclass(module = "folkmoot._native", frozen, subclass)]
pub(crate) struct Session {
    inner: folkmoot::Session,
    /// Requests of this session that may make a read wait.
    under_way: Arc<AtomicUsize>,
    in_memory: bool,
}

/// Whether it is answered from memory by whoever asks.
fn answers_at_once(request: &Core) -> bool {
    matches!(
        request,
        Core::Exists { .. }
            | Core::Get { .. }
            | Core::Children { .. }
            | Core::GetAcl { .. }
            | Core::MultiRead(_)
            | Core::Ephemerals { .. }
            | Core::CountDescendants { .. }
            | Core::WhoAmI
    )
}

/// An answer to come, to who expects it by this number. It says `Closed` if it is dropped unsent, so that no one waits for ever.
struct Letter {
    slot: Slot,
    under_way: Arc<AtomicUsize>,
    path: Option<String>,
    number: Option<u64>,
}

impl Letter {
    fn send(mut self, result: Result<Reply>) {
        self.post(result);
    }
    fn post(&mut self, result: Result<Reply>) {
        if let Some(number) = self.number.take() {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
            self.slot.answer(number, (result, self.path.take()));
        }
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.post(Err(Error::new(ErrorKind::Closed, "the member was closed before it answered")));
    }
}

impl Session {
    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Waits for the answer, whatever it takes, and heeds Ctrl-C.
    fn answer(&self, py: Python<'_>, request: Core) -> PyResult<Result<Reply>> {
        if answers_at_once(&request) && self.is_idle() {
            // Others grow with the tree. Keeping the GIL saves 0.13 us of 0.5.
            let is_short = matches!(request, Core::Exists { .. } | Core::Get { .. } | Core::GetAcl { .. } | Core::WhoAmI);
            return Ok(if is_short { self.inner.call_blocking(request) } else { py.detach(|| self.inner.call_blocking(request)) });
        }
        if self.in_memory {
            // Nothing to wait for but other writers: carried out on this thread, without a change of threads.
            return Ok(py.detach(|| self.inner.call_blocking(request)));
        }
        let (call, done) = Call::pair();
        let (inner, under_way) = (&self.inner, self.under_way.clone());
        under_way.fetch_add(1, Ordering::AcqRel);
        let mut first = Some((request, done));
        loop {
            let result = py.detach(|| {
                if let Some((request, done)) = first.take() {
                    let under_way = under_way.clone();
                    inner.submit(
                        request,
                        Box::new(move |result| {
                            under_way.fetch_sub(1, Ordering::AcqRel);
                            done(result);
                        }),
                    );
                }
                call.wait_for(SLICE)
            });
            match result {
                Some(result) => return Ok(result),
                None => py.check_signals()?,
            }
        }
    }

    fn unexpected(py: Python<'_>, reply: &Reply) -> PyErr {
        raised(py, &Error::new(ErrorKind::SystemError, format!("the member answered with {reply:?}")), None)
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (member, timeout=None, heartbeat="auto", superuser=false))]
    fn new(py: Python<'_>, member: &Bound<'_, Member>, timeout: Option<f64>, heartbeat: &str, superuser: bool) -> PyResult<Self> {
        let timeout_ms = match timeout {
            None => 0,
            Some(seconds) if seconds > 0.0 => (seconds * 1000.0).clamp(1.0, f64::from(u32::MAX)) as u32,
            Some(seconds) => {
                return Err(raised(py, &Error::new(ErrorKind::BadArguments, format!("timeout is {seconds}; it is a number of seconds above 0")), None));
            }
        };
        let heartbeat = match heartbeat {
            "auto" => Heartbeat::Auto,
            "manual" => Heartbeat::Manual,
            other => return Err(raised(py, &Error::new(ErrorKind::BadArguments, format!("heartbeat is {other}; it is auto or manual")), None)),
        };
        let in_memory = member.get().in_memory;
        let member = member.get().inner.clone();
        let inner = interruptible(py, move || member.session(SessionOptions { timeout_ms, heartbeat, superuser }))?;
        Ok(Self { inner, under_way: Arc::default(), in_memory })
    }

    /// The session's number: `ephemeralOwner` of its ephemerals.
    #[getter]
    fn id(&self) -> i64 {
        self.inner.id().0
    }

    /// Silence that ends it, in seconds, as granted.
    #[getter]
    fn timeout(&self) -> f64 {
        f64::from(self.inner.timeout_ms()) / 1000.0
    }

    #[getter]
    fn _state(&self) -> i32 {
        self.inner.state() as i32
    }

    /// The last transaction this member has applied.
    #[getter]
    fn zxid(&self, py: Python<'_>) -> PyResult<i64> {
        self.inner.zxid().map(|zxid| zxid.0).map_err(|error| raised(py, &error, None))
    }

    /// A heartbeat, for sessions opened with ``heartbeat="manual"``.
    fn touch(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.touch().map_err(|error| raised(py, &error, None))
    }

    /// Return data and `Stat` of the znode at ``path``; with ``watch``, its next change is told on `events`.
    #[pyo3(signature = (path, watch=false))]
    fn get<'py>(&self, py: Python<'py>, path: &str, watch: bool) -> PyResult<(Option<Bound<'py, PyBytes>>, Stat)> {
        if self.is_idle() {
            // The most frequent request of all, and nothing under way that it would have to wait for.
            return match self.inner.get_blocking(path, watch) {
                Ok((data, stat)) => Ok((convert::data(py, &data), Stat(stat))),
                Err(error) => Err(raised(py, &error, Some(path))),
            };
        }
        match self.answer(py, Core::Get { path: path.into(), watch })? {
            Ok(Reply::Data { data, stat }) => Ok((convert::data(py, &data), Stat(stat))),
            Ok(other) => Err(Self::unexpected(py, &other)),
            Err(error) => Err(raised(py, &error, Some(path))),
        }
    }

    /// Return the `Stat` of the znode at ``path``, or None if there is none.
    #[pyo3(signature = (path, watch=false))]
    fn exists(&self, py: Python<'_>, path: &str, watch: bool) -> PyResult<Option<Stat>> {
        match self.answer(py, Core::Exists { path: path.into(), watch })? {
            Ok(Reply::Stat(stat)) => Ok(Some(Stat(stat))),
            Ok(Reply::Done) => Ok(None),
            Ok(other) => Err(Self::unexpected(py, &other)),
            // Wire answers NoNode here; so may a ground elsewhere.
            Err(error) if error.kind() == ErrorKind::NoNode => Ok(None),
            Err(error) => Err(raised(py, &error, Some(path))),
        }
    }

    /// Replace the data of the znode at ``path`` if it is at ``version``, or at any (-1).
    #[pyo3(signature = (path, data, version=-1), text_signature = "($self, path, data, version=-1)")]
    fn set(&self, py: Python<'_>, path: &str, data: Option<PyBackedBytes>, version: i32) -> PyResult<Stat> {
        match self.answer(py, Core::Set { path: path.into(), data: self::data(data), version })? {
            Ok(Reply::Stat(stat)) => Ok(Stat(stat)),
            Ok(other) => Err(Self::unexpected(py, &other)),
            Err(error) => Err(raised(py, &error, Some(path))),
        }
    }

    /// Remove the childless znode at ``path`` if it is at ``version``, or at any (-1).
    #[pyo3(signature = (path, version=-1), text_signature = "($self, path, version=-1)")]
    fn delete(&self, py: Python<'_>, path: &str, version: i32) -> PyResult<()> {
        match self.answer(py, Core::Delete { path: path.into(), version })? {
            Ok(_) => Ok(()),
            Err(error) => Err(raised(py, &error, Some(path))),
        }
    }

    /// Any request; waits for its answer.
    fn call<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
        match self.answer(py, request.0.clone())? {
            Ok(reply) => convert::reply(py, reply),
            Err(error) => Err(raised(py, &error, path_of(&request.0))),
        }
    }

    /// Whether `call` would answer this request without any wait to speak of.
    fn _is_immediate(&self, request: &Request) -> bool {
        (self.in_memory || answers_at_once(&request.0)) && self.is_idle()
    }

    /// Any request; its answer goes into `mailbox`, for `receiver`.
    fn _submit(&self, py: Python<'_>, request: &Request, mailbox: &Mailbox, receiver: Py<PyAny>) -> PyResult<()> {
        let path = path_of(&request.0);
        let number = mailbox.0.expect(Arc::new(receiver)).map_err(|error| raised(py, &error, path))?;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let letter = Letter { slot: mailbox.0.clone(), under_way: self.under_way.clone(), path: path.map(str::to_owned), number: Some(number) };
        self.inner.submit(request.0.clone(), Box::new(move |result| letter.send(result)));
        Ok(())
    }

    /// The queue of the session's own events.
    fn _events(&self, py: Python<'_>) -> PyResult<EventQueue> {
        let events = self.inner.events();
        events.check().map_err(|error| raised(py, &error, None))?;
        Ok(EventQueue::of(events, None))
    }

    /// A watch with a queue of its own.
    fn _watch(&self, py: Python<'_>, path: String, recursive: bool) -> PyResult<EventQueue> {
        let watch = py.detach(|| self.inner.watch(&path, watch_mode(recursive))).map_err(|error| raised(py, &error, Some(&path)))?;
        Ok(EventQueue::of(watch.events().clone(), Some(watch)))
    }

    /// Closes the session. One whose member was closed is closed: no error.
    fn _close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.clone();
        interruptible(py, move || match inner.close_blocking() {
            Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
            result => result,
        })
    }
}
