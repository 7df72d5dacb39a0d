//! Core values to Python values: replies, events, errors.

use crate::SLICE;
use crate::stat::Stat;
use folkmoot::error::{Error, ErrorKind};
use folkmoot::request::{Data, Event, Reply, Request};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::sync::mpsc::{RecvTimeoutError, channel};

/// `{name: code}` of every kind of error.
pub(crate) fn error_kinds(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let kinds = PyDict::new(py);
    for kind in ErrorKind::ALL {
        kinds.set_item(kind.name(), *kind as i32)?;
    }
    Ok(kinds)
}

/// An attribute of a module of the package, looked up once.
fn imported<'py>(py: Python<'py>, cell: &'static PyOnceLock<Py<PyAny>>, module: &str, name: &str) -> PyResult<&'py Bound<'py, PyAny>> {
    Ok(cell.get_or_try_init(py, || py.import(module)?.getattr(name).map(Bound::unbind))?.bind(py))
}

/// The exception that stands for `error`.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error, path: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = imported(py, &MAKE, "folkmoot.errors", "error_for_code")?.call1((error.code(), error.context(), path))?;
    if let Some((session, number)) = error.write() {
        made.setattr("session", session.0)?;
        made.setattr("write", number)?;
    }
    Ok(made)
}

/// `error`, to be raised.
pub(crate) fn raised(py: Python<'_>, error: &Error, path: Option<&str>) -> PyErr {
    exception(py, error, path).map_or_else(|failure| failure, PyErr::from_value)
}

/// The path a request is about, for the exception's `path`.
pub(crate) fn path_of(request: &Request) -> Option<&str> {
    match request {
        Request::Create { path, .. }
        | Request::Delete { path, .. }
        | Request::Set { path, .. }
        | Request::SetAcl { path, .. }
        | Request::Check { path, .. }
        | Request::Exists { path, .. }
        | Request::Get { path, .. }
        | Request::Children { path, .. }
        | Request::GetAcl { path }
        | Request::Sync { path }
        | Request::CountDescendants { path }
        | Request::AddWatch { path, .. }
        | Request::RemoveWatches { path, .. }
        | Request::CheckWatches { path, .. } => Some(path),
        _ => None,
    }
}

/// Bytes, or None for null.
pub(crate) fn data<'py>(py: Python<'py>, data: &Data) -> Option<Bound<'py, PyBytes>> {
    data.as_deref().map(|bytes| PyBytes::new(py, bytes))
}

/// What a request answered.
pub(crate) fn reply(py: Python<'_>, reply: Reply) -> PyResult<Bound<'_, PyAny>> {
    match reply {
        Reply::Created { path, stat } => (path, Stat(stat)).into_bound_py_any(py),
        Reply::Stat(stat) => Stat(stat).into_bound_py_any(py),
        Reply::Data { data: bytes, stat } => (data(py, &bytes), Stat(stat)).into_bound_py_any(py),
        Reply::Children { names, stat } => (names, Stat(stat)).into_bound_py_any(py),
        Reply::Acl { acl, stat } => {
            static ACL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let make = imported(py, &ACL, "folkmoot.types", "_acl")?;
            let entries = PyList::empty(py);
            for entry in acl {
                entries.append(make.call1((entry.perms, entry.identity.scheme, entry.identity.id))?)?;
            }
            (entries, Stat(stat)).into_bound_py_any(py)
        }
        Reply::Multi(results) => {
            let list = PyList::empty(py);
            for result in results {
                list.append(match result {
                    Ok(answer) => self::reply(py, answer)?,
                    Err(kind) => exception(py, &kind.into(), None)?,
                })?;
            }
            Ok(list.into_any())
        }
        Reply::MultiRead(results) => {
            let list = PyList::empty(py);
            for result in results {
                list.append(match result {
                    Ok(answer) => self::reply(py, answer)?,
                    Err(error) => exception(py, &error, None)?,
                })?;
            }
            Ok(list.into_any())
        }
        Reply::Paths(paths) => paths.into_bound_py_any(py),
        Reply::Count(count) => count.into_bound_py_any(py),
        Reply::Identities(identities) => {
            static ID: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let make = imported(py, &ID, "folkmoot.types", "Id")?;
            let list = PyList::empty(py);
            for identity in identities {
                list.append(make.call1((identity.scheme, identity.id))?)?;
            }
            Ok(list.into_any())
        }
        Reply::Done => Ok(py.None().into_bound(py)),
    }
}

/// A notification.
pub(crate) fn event<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyAny>> {
    static EVENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    imported(py, &EVENT, "folkmoot.types", "_event")?.call1((event.kind as i32, &*event.path, event.state as i32, event.zxid.0))
}

/// Runs `work` on a thread of its own while this one waits without the GIL and heeds Ctrl-C.
/// Interrupted, it leaves the work to finish by itself, and what that gives, which nobody has asked for
/// any more, to be closed on a thread that nobody waits for.
pub(crate) fn interruptible<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> PyResult<T> {
    let (send, receive) = channel();
    folkmoot_sys::spawn("folkmoot-wait", move || drop(send.send(work())))?;
    // The receiver is Send but not Sync: it goes into the wait and comes back.
    let mut receive = receive;
    loop {
        let (result, back) = py.detach(move || (receive.recv_timeout(SLICE), receive));
        receive = back;
        match result {
            Ok(result) => return result.map_err(|error| raised(py, &error, None)),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(interrupt) = py.check_signals() {
                    let _ = folkmoot_sys::spawn("folkmoot-close", move || drop(receive.recv()));
                    return Err(interrupt);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Err(raised(py, &ErrorKind::Panic.into(), None)),
        }
    }
}
