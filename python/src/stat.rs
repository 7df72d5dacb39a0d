//! Stat: the counters of a znode, a sequence with names as kazoo's `ZnodeStat`.
//!
//! A class of ours instead of a named tuple, because eleven integers need not be made for each read.

use folkmoot::request::Stat as CoreStat;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The counters of a znode.
#[pyclass(module = "folkmoot", frozen, sequence)]
#[derive(Clone, Copy)]
pub(crate) struct Stat(pub(crate) CoreStat);

impl Stat {
    fn fields(&self) -> [i64; 11] {
        let s = &self.0;
        let [version, cversion, aversion, data_length, num_children] = [s.version, s.cversion, s.aversion, s.data_length, s.num_children].map(i64::from);
        [s.czxid.0, s.mzxid.0, s.ctime, s.mtime, version, cversion, aversion, s.ephemeral_owner, data_length, num_children, s.pzxid.0]
    }
}

const NAMES: [&str; 11] = ["czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "ephemeralOwner", "dataLength", "numChildren", "pzxid"];

#[pymethods]
#[allow(non_snake_case)]
impl Stat {
    #[classattr]
    fn _fields(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, NAMES)
    }
    /// A Stat from its eleven numbers, in the order of `_fields`.
    #[classmethod]
    fn _make(_class: &Bound<'_, PyType>, values: [i64; 11]) -> PyResult<Stat> {
        use folkmoot::ids::Zxid;
        let small = |index: usize| i32::try_from(values[index]);
        Ok(Stat(CoreStat {
            czxid: Zxid(values[0]),
            mzxid: Zxid(values[1]),
            ctime: values[2],
            mtime: values[3],
            version: small(4)?,
            cversion: small(5)?,
            aversion: small(6)?,
            ephemeral_owner: values[7],
            data_length: small(8)?,
            num_children: small(9)?,
            pzxid: Zxid(values[10]),
        }))
    }
    /// The numbers by name.
    fn _asdict(&self) -> std::collections::BTreeMap<&'static str, i64> {
        NAMES.into_iter().zip(self.fields()).collect()
    }
    #[getter]
    fn czxid(&self) -> i64 {
        self.0.czxid.0
    }
    #[getter]
    fn mzxid(&self) -> i64 {
        self.0.mzxid.0
    }
    #[getter]
    fn pzxid(&self) -> i64 {
        self.0.pzxid.0
    }
    #[getter]
    fn ctime(&self) -> i64 {
        self.0.ctime
    }
    #[getter]
    fn mtime(&self) -> i64 {
        self.0.mtime
    }
    #[getter]
    fn version(&self) -> i32 {
        self.0.version
    }
    #[getter]
    fn cversion(&self) -> i32 {
        self.0.cversion
    }
    #[getter]
    fn aversion(&self) -> i32 {
        self.0.aversion
    }
    #[getter]
    fn ephemeralOwner(&self) -> i64 {
        self.0.ephemeral_owner
    }
    #[getter]
    fn ephemeral_owner(&self) -> i64 {
        self.0.ephemeral_owner
    }
    #[getter]
    fn dataLength(&self) -> i32 {
        self.0.data_length
    }
    #[getter]
    fn data_length(&self) -> i32 {
        self.0.data_length
    }
    #[getter]
    fn numChildren(&self) -> i32 {
        self.0.num_children
    }
    #[getter]
    fn num_children(&self) -> i32 {
        self.0.num_children
    }
    fn __len__(&self) -> usize {
        NAMES.len()
    }
    fn __getitem__(&self, index: isize) -> PyResult<i64> {
        let at = if index < 0 { index + NAMES.len() as isize } else { index };
        usize::try_from(at).ok().and_then(|at| self.fields().get(at).copied()).ok_or_else(|| PyIndexError::new_err("Stat index out of range"))
    }
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyTuple::new(py, self.fields())?.try_iter()?.into_any())
    }
    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        if let Ok(other) = other.cast::<Stat>() {
            return (self.0 == other.get().0).into_py_any(py);
        }
        match other.cast::<PyTuple>() {
            Ok(other) => PyTuple::new(py, self.fields())?.eq(other)?.into_py_any(py),
            Err(_) => Ok(py.NotImplemented()),
        }
    }
    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
    fn __repr__(&self) -> String {
        let fields: Vec<String> = NAMES.into_iter().zip(self.fields()).map(|(name, value)| format!("{name}={value}")).collect();
        format!("Stat({})", fields.join(", "))
    }
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, ([i64; 11],))> {
        Ok((py.get_type::<Stat>().getattr("_make")?, (self.fields(),)))
    }
}
