//! Request: what the Python side asks for, ready to be submitted.

use crate::convert::path_of;
use folkmoot::request::{Acl, CreateMode, Data, Identity, Request as Core, WatchKind, WatchMode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::sync::Arc;

pub(crate) type AclArgument = Vec<(u32, (String, String))>;

/// One operation, to be given to `Session.call`, `multi` or `multi_read`.
#[pyclass(module = "folkmoot", frozen)]
#[derive(Clone)]
pub(crate) struct Request(pub(crate) Core);

pub(crate) fn data(bytes: Option<PyBackedBytes>) -> Data {
    bytes.map(|bytes| Arc::from(&*bytes))
}

fn acl(entries: AclArgument) -> Vec<Acl> {
    entries.into_iter().map(|(perms, (scheme, id))| Acl { perms, identity: Identity::new(scheme, id) }).collect()
}

fn inner(requests: Vec<PyRef<'_, Request>>) -> Vec<Core> {
    requests.iter().map(|request| request.0.clone()).collect()
}

fn watch_kind(kind: i32) -> PyResult<WatchKind> {
    Ok(match kind {
        1 => WatchKind::Children,
        2 => WatchKind::Data,
        3 => WatchKind::Any,
        4 => WatchKind::Persistent,
        5 => WatchKind::Recursive,
        _ => return Err(PyValueError::new_err(format!("watch kind {kind} is not known"))),
    })
}

#[pymethods]
impl Request {
    #[staticmethod]
    #[pyo3(signature = (path, data=None, acl=None, flag=0, ttl_ms=0))]
    fn create(path: String, data: Option<PyBackedBytes>, acl: Option<AclArgument>, flag: i32, ttl_ms: i64) -> PyResult<Self> {
        let mode = CreateMode::from_flag(flag).ok_or_else(|| PyValueError::new_err(format!("create flag {flag} is not known")))?;
        Ok(Self(Core::Create { path, data: self::data(data), acl: acl.map_or_else(Acl::open, self::acl), mode, ttl_ms }))
    }
    #[staticmethod]
    #[pyo3(signature = (path, version=-1), text_signature = "(path, version=-1)")]
    fn delete(path: String, version: i32) -> Self {
        Self(Core::Delete { path, version })
    }
    #[staticmethod]
    #[pyo3(signature = (path, data, version=-1), text_signature = "(path, data, version=-1)")]
    fn set(path: String, data: Option<PyBackedBytes>, version: i32) -> Self {
        Self(Core::Set { path, data: self::data(data), version })
    }
    #[staticmethod]
    #[pyo3(signature = (path, acl, version=-1), text_signature = "(path, acl, version=-1)")]
    fn set_acl(path: String, acl: AclArgument, version: i32) -> Self {
        Self(Core::SetAcl { path, acl: self::acl(acl), version })
    }
    #[staticmethod]
    fn check(path: String, version: i32) -> Self {
        Self(Core::Check { path, version })
    }
    #[staticmethod]
    fn multi(writes: Vec<PyRef<'_, Request>>) -> Self {
        Self(Core::Multi(inner(writes)))
    }
    #[staticmethod]
    #[pyo3(signature = (path, watch=false))]
    fn exists(path: String, watch: bool) -> Self {
        Self(Core::Exists { path, watch })
    }
    #[staticmethod]
    #[pyo3(signature = (path, watch=false))]
    fn get(path: String, watch: bool) -> Self {
        Self(Core::Get { path, watch })
    }
    #[staticmethod]
    #[pyo3(signature = (path, watch=false))]
    fn children(path: String, watch: bool) -> Self {
        Self(Core::Children { path, watch })
    }
    #[staticmethod]
    fn get_acl(path: String) -> Self {
        Self(Core::GetAcl { path })
    }
    #[staticmethod]
    fn multi_read(reads: Vec<PyRef<'_, Request>>) -> Self {
        Self(Core::MultiRead(inner(reads)))
    }
    #[staticmethod]
    fn sync(path: String) -> Self {
        Self(Core::Sync { path })
    }
    #[staticmethod]
    fn ephemerals(prefix: String) -> Self {
        Self(Core::Ephemerals { prefix })
    }
    #[staticmethod]
    fn count_descendants(path: String) -> Self {
        Self(Core::CountDescendants { path })
    }
    #[staticmethod]
    fn add_watch(path: String, recursive: bool) -> Self {
        Self(Core::AddWatch { path, mode: watch_mode(recursive) })
    }
    #[staticmethod]
    fn remove_watches(path: String, kind: i32) -> PyResult<Self> {
        Ok(Self(Core::RemoveWatches { path, kind: watch_kind(kind)? }))
    }
    #[staticmethod]
    fn check_watches(path: String, kind: i32) -> PyResult<Self> {
        Ok(Self(Core::CheckWatches { path, kind: watch_kind(kind)? }))
    }
    #[staticmethod]
    fn add_auth(scheme: String, credential: &[u8]) -> Self {
        Self(Core::AddAuth { scheme, credential: credential.to_vec() })
    }
    #[staticmethod]
    fn who_am_i() -> Self {
        Self(Core::WhoAmI)
    }
    /// Whether it changes the tree.
    #[getter]
    fn is_write(&self) -> bool {
        self.0.is_write()
    }
    /// The znode it is about, if it is about one.
    #[getter]
    fn path(&self) -> Option<&str> {
        path_of(&self.0)
    }
    fn __repr__(&self) -> String {
        // A credential is nobody's to read in a log.
        if let Core::AddAuth { scheme, .. } = &self.0 { format!("<Request AddAuth {scheme}>") } else { format!("<Request {:?}>", self.0) }
    }
}

pub(crate) fn watch_mode(recursive: bool) -> WatchMode {
    if recursive { WatchMode::Recursive } else { WatchMode::Persistent }
}
