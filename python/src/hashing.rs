//! Slot maps, and what finds keys where other programs put them: pure values, no session needed.
//!
//! Names become Python strings once, when a map is made: a lookup hands out one that is there.

use crate::convert::raised;
use folkmoot::error::{Error, ErrorKind};
use folkmoot::hashing::{
    Dialect, Filler, Ketama as CoreKetama, KeyHash, Maglev as CoreMaglev, NO_NODE, Placement, SlotMap as CoreMap, SlotNode, SlotOptions, Spread,
};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString, PyTuple};
use std::borrow::Cow;

fn failed(py: Python<'_>, error: Error) -> PyErr {
    raised(py, &error, None)
}

fn bad(py: Python<'_>, text: String) -> PyErr {
    failed(py, Error::new(ErrorKind::BadArguments, text))
}

/// The bytes that stand for a key: itself, UTF-8, eight bytes of an integer, lowest first, or of a tuple each part behind its length.
fn with_key<T>(key: &Bound<'_, PyAny>, use_it: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    if let Ok(bytes) = key.cast::<PyBytes>() {
        return Ok(use_it(bytes.as_bytes()));
    }
    if let Ok(text) = key.cast::<PyString>() {
        return match text.to_cow() {
            Ok(text) => Ok(use_it(text.as_bytes())),
            // A name that was not UTF-8 came out with surrogates, and goes back in as it was.
            Err(_) => Ok(use_it(text.call_method1("encode", ("utf-8", "surrogateescape"))?.cast::<PyBytes>()?.as_bytes())),
        };
    }
    if key.is_instance_of::<PyInt>() {
        let bytes = key.extract::<u64>().map(u64::to_le_bytes).or_else(|_| key.extract::<i64>().map(i64::to_le_bytes));
        return bytes.map(|bytes| use_it(&bytes)).map_err(|_| PyOverflowError::new_err("an int as a key has at most 64 bits"));
    }
    if let Ok(parts) = key.cast::<PyTuple>() {
        let parts = parts.iter().map(|part| if part.is_instance_of::<PyTuple>() { Err(not_a_key()) } else { with_key(&part, <[u8]>::to_vec) });
        return Ok(use_it(&folkmoot::hashing::tuple_key(&parts.collect::<PyResult<Vec<_>>>()?)));
    }
    Err(not_a_key())
}

fn not_a_key() -> PyErr {
    PyTypeError::new_err("a key is str, bytes, int or a tuple of these")
}

fn key_bytes(key: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    with_key(key, <[u8]>::to_vec)
}

/// A node's name as Python sees it.
fn name<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => Ok(PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogateescape"))?.cast_into()?),
    }
}

struct Node {
    name: Vec<u8>,
    weight: u32,
    domain: Vec<u8>,
}

impl Node {
    fn borrowed(&self) -> SlotNode<'_> {
        SlotNode { name: &self.name, weight: self.weight, domain: &self.domain }
    }
}

/// Names alone, or a dict from names to weights or to pairs of weight and domain.
fn nodes(nodes: &Bound<'_, PyAny>) -> PyResult<Vec<Node>> {
    let mut list = Vec::new();
    if let Ok(mapping) = nodes.cast::<PyDict>() {
        for (node, about) in mapping {
            let (weight, domain) = match about.cast::<PyTuple>() {
                Ok(pair) => (pair.get_item(0)?.extract()?, key_bytes(&pair.get_item(1)?)?),
                Err(_) => (about.extract()?, Vec::new()),
            };
            list.push(Node { name: key_bytes(&node)?, weight, domain });
        }
    } else {
        for node in nodes.try_iter()? {
            list.push(Node { name: key_bytes(&node?)?, weight: 1, domain: Vec::new() });
        }
    }
    Ok(list)
}

/// Which nodes own a key. Immutable.
#[pyclass(module = "folkmoot.hashing", frozen)]
pub(crate) struct SlotMap {
    map: CoreMap,
    names: Vec<Py<PyString>>,
}

impl SlotMap {
    fn made(py: Python<'_>, map: Result<CoreMap, Error>) -> PyResult<Self> {
        let map = map.map_err(|error| failed(py, error))?;
        let names = map.iter().map(|node| name(py, node.name).map(Bound::unbind)).collect::<PyResult<_>>()?;
        Ok(Self { map, names })
    }

    fn name(&self, py: Python<'_>, number: u16) -> Option<Py<PyString>> {
        self.names.get(usize::from(number)).map(|name| name.clone_ref(py))
    }

    fn named(&self, py: Python<'_>, numbers: impl Iterator<Item = u16>) -> Vec<Py<PyString>> {
        numbers.filter_map(|number| self.name(py, number)).collect()
    }

    fn counts<'py>(&self, py: Python<'py>, counts: &[u32]) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, count) in self.names.iter().zip(counts) {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }
}

/// A view of numbers as their two bytes each, which `numpy.asarray` takes as it is.
fn view<'py>(py: Python<'py>, owners: &[u16]) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = owners.iter().flat_map(|owner| owner.to_ne_bytes()).collect();
    PyMemoryView::from(&PyBytes::new(py, &bytes))?.call_method1("cast", ("H",))
}

#[pymethods]
impl SlotMap {
    #[new]
    #[allow(clippy::too_many_arguments)] // Python has names and defaults for them
    #[pyo3(signature = (nodes=None, *, slots=None, replicas=1, filler="coordinated", spread="balance", cap_percent=None, secret=None))]
    fn new(
        py: Python<'_>,
        nodes: Option<&Bound<'_, PyAny>>,
        slots: Option<u32>,
        replicas: usize,
        filler: &str,
        spread: &str,
        cap_percent: Option<u32>,
        secret: Option<&[u8]>,
    ) -> PyResult<Self> {
        let filler = match (filler, cap_percent) {
            ("coordinated", None) => Filler::Coordinated,
            ("coordinated", Some(_)) => return Err(bad(py, "cap_percent is for filler=\"rendezvous\"".into())),
            ("rendezvous", cap_percent) => Filler::Rendezvous { cap_percent },
            (other, _) => return Err(bad(py, format!("filler is {other:?}; there are \"coordinated\" and \"rendezvous\""))),
        };
        let spread = match spread {
            "balance" => Spread::Balance,
            "domains" => Spread::Domains,
            other => return Err(bad(py, format!("spread is {other:?}; there are \"balance\" and \"domains\""))),
        };
        let hash = match secret.map(<[u8; 16]>::try_from) {
            None => KeyHash::Fm1,
            Some(Ok(secret)) => KeyHash::Sip(secret),
            Some(Err(_)) => return Err(bad(py, format!("secret has {} bytes, not 16", secret.unwrap_or_default().len()))),
        };
        let nodes = nodes.map(self::nodes).transpose()?.unwrap_or_default();
        let options = SlotOptions { slots, replicas, filler, spread, hash };
        let map = py.detach(|| CoreMap::with_options(options)?.next(nodes.iter().map(Node::borrowed)));
        Self::made(py, map)
    }
    /// The node that owns `key`; None only when there are no nodes.
    fn locate(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyString>>> {
        with_key(key, |key| self.name(py, self.map.locate_number(key)))
    }
    /// The first `n` nodes for `key`: its replicas, the owner first, then the others in the order in which to try them.
    fn locate_n(&self, py: Python<'_>, key: &Bound<'_, PyAny>, n: usize) -> PyResult<Vec<Py<PyString>>> {
        with_key(key, |key| self.named(py, self.map.candidates(key).take(n)))
    }
    /// The replicas of `key`, the owner first.
    fn replicas(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyString>>> {
        with_key(key, |key| self.named(py, self.map.replicas_of(key).iter().copied()))
    }
    /// All nodes in the order in which to try them for `key`.
    fn candidates(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyString>>> {
        with_key(key, |key| self.named(py, self.map.candidates(key)))
    }
    /// The owners of many keys, as their places in `names`: a memoryview of unsigned shorts.
    fn locate_batch<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(list) = keys.cast::<PyList>() {
            let mut owners = Vec::with_capacity(list.len());
            for key in list {
                owners.push(with_key(&key, |key| self.map.locate_number(key))?);
            }
            return view(py, &owners);
        }
        if keys.is_instance_of::<PyBytes>() || keys.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("keys is one key; a batch is a list, another iterable, or a buffer of 64-bit integers"));
        }
        if let Ok(buffer) = PyMemoryView::from(keys) {
            let format: String = buffer.getattr("format")?.extract()?;
            let size: usize = buffer.getattr("itemsize")?.extract()?;
            if size != 8
                || !matches!(format.trim_start_matches(['@', '=', if cfg!(target_endian = "big") { '>' } else { '<' }]), "q" | "Q" | "l" | "L" | "n" | "N")
            {
                return Err(PyTypeError::new_err(format!("a buffer of keys holds 64-bit integers, not {format:?} of {size} bytes")));
            }
            // Keys are hashed lowest byte first, on every machine.
            let bytes = buffer.call_method0("tobytes")?.cast_into::<PyBytes>()?;
            let bytes = bytes.as_bytes();
            let owners: Vec<u16> = py.detach(|| {
                let (integers, _) = bytes.as_chunks::<8>();
                integers.iter().map(|integer| self.map.locate_number(&u64::from_ne_bytes(*integer).to_le_bytes())).collect()
            });
            return view(py, &owners);
        }
        let owners = keys.try_iter()?.map(|key| with_key(&key?, |key| self.map.locate_number(key))).collect::<PyResult<Vec<_>>>()?;
        view(py, &owners)
    }
    /// The first node for `key` whose load stays within `c` times its fair share when it takes one more. `loads` says what each
    /// node carries now; who is not in it carries nothing.
    #[pyo3(signature = (key, loads, c=1.25))]
    fn bounded(&self, py: Python<'_>, key: &Bound<'_, PyAny>, loads: &Bound<'_, PyDict>, c: f64) -> PyResult<Option<Py<PyString>>> {
        let mut carried = vec![0u64; self.names.len()];
        for (node, load) in loads {
            if let Some(number) = with_key(&node, |node| self.map.number(node))? {
                carried[usize::from(number)] = load.extract()?;
            }
        }
        let total = carried.iter().fold(0u64, |total, load| total.saturating_add(*load));
        let found =
            with_key(key, |key| self.map.bounded(key, total, |node| carried[usize::from(node)], c).map(|node| node.and_then(|node| self.map.number(node))))?;
        Ok(found.map_err(|error| failed(py, error))?.and_then(|number| self.name(py, number)))
    }
    /// The map for exactly these nodes, in one step of one epoch.
    fn next(&self, py: Python<'_>, nodes: &Bound<'_, PyAny>) -> PyResult<Self> {
        let nodes = self::nodes(nodes)?;
        let map = py.detach(|| self.map.next(nodes.iter().map(Node::borrowed)));
        Self::made(py, map)
    }
    /// This map with `node`: added, or its weight and domain changed.
    #[pyo3(signature = (node, weight=1, domain=None))]
    fn with_node(&self, py: Python<'_>, node: &Bound<'_, PyAny>, weight: u32, domain: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let node = Node { name: key_bytes(node)?, weight, domain: domain.map(key_bytes).transpose()?.unwrap_or_default() };
        let map = py.detach(|| self.map.with_node(node.borrowed()));
        Self::made(py, map)
    }
    /// This map without `node`.
    fn without_node(&self, py: Python<'_>, node: &Bound<'_, PyAny>) -> PyResult<Self> {
        let node = key_bytes(node)?;
        let map = py.detach(|| self.map.without(&node));
        Self::made(py, map)
    }
    /// What moves from this map to `after`.
    fn plan<'py>(&self, py: Python<'py>, after: &Self) -> PyResult<Bound<'py, PyAny>> {
        let plan = py.detach(|| self.map.plan(&after.map)).map_err(|error| failed(py, error))?;
        let module = py.import("folkmoot.hashing")?;
        let make = module.getattr("SlotMove")?;
        let who = |map: &Self, number: Option<u16>| map.name(py, number.unwrap_or(NO_NODE));
        let moves = plan
            .moves
            .iter()
            .map(|each| make.call1((each.slot_lo, each.slot_hi, each.hash_lo, each.hash_hi, each.replica, who(self, each.from), who(after, each.to))));
        let moves = moves.collect::<PyResult<Vec<_>>>()?;
        module.getattr("Plan")?.call1((moves, plan.moved_slots, plan.least_slots, plan.promoted_slots, plan.whole_slots))
    }
    /// The loads as bars, for a terminal; with `after`, what moves from this map to that.
    #[pyo3(signature = (after=None))]
    fn text(&self, py: Python<'_>, after: Option<&Self>) -> PyResult<String> {
        let Some(after) = after else { return Ok(self.map.text()) };
        let plan = self.map.plan(&after.map).map_err(|error| failed(py, error))?;
        Ok(self.map.plan_text(&after.map, &plan))
    }
    /// The same as an SVG document.
    #[pyo3(signature = (after=None))]
    fn svg(&self, py: Python<'_>, after: Option<&Self>) -> PyResult<String> {
        let Some(after) = after else { return Ok(self.map.svg()) };
        let plan = self.map.plan(&after.map).map_err(|error| failed(py, error))?;
        Ok(self.map.plan_svg(&after.map, &plan))
    }
    /// The map as bytes. They hold the secret of a keyed hash.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.map.to_bytes())
    }
    /// The map that `to_bytes` wrote. Any bytes may be given.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        Self::made(py, CoreMap::from_bytes(data))
    }
    /// How many slots each node holds, in whatever column.
    fn loads<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.counts(py, &self.map.loads())
    }
    /// How many slots each node is the owner of.
    fn owned<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.counts(py, &self.map.owned())
    }
    /// The slot of `key`.
    fn slot_of(&self, key: &Bound<'_, PyAny>) -> PyResult<u32> {
        with_key(key, |key| self.map.slot_of(key))
    }
    /// The replicas of `slot`, the owner first.
    fn row(&self, py: Python<'_>, slot: u32) -> Vec<Py<PyString>> {
        self.named(py, self.map.row(slot).iter().copied())
    }
    /// How many changes lie behind this map; 0 for one that has no past.
    #[getter]
    fn epoch(&self) -> u64 {
        self.map.epoch()
    }
    /// 16 bytes that are equal for equal maps, on any machine, and for no others.
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.map.digest())
    }
    /// The names, at their places.
    #[getter]
    fn names(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.names.iter().map(|name| name.clone_ref(py)).collect()
    }
    /// The nodes, each with its weight and domain.
    #[getter]
    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let nodes = PyDict::new(py);
        for (node, name) in self.map.iter().zip(&self.names) {
            nodes.set_item(name, (node.weight, self::name(py, node.domain)?))?;
        }
        Ok(nodes)
    }
    #[getter]
    fn slots(&self) -> u32 {
        self.map.slots()
    }
    /// What could be done of what was asked: replicas of each slot, level at which they are apart, capped domains.
    #[getter]
    fn standing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let standing = self.map.standing();
        py.import("folkmoot.hashing")?.getattr("Standing")?.call1((standing.columns, standing.level, standing.capped))
    }
    fn __len__(&self) -> usize {
        self.names.len()
    }
    fn __contains__(&self, node: &Bound<'_, PyAny>) -> PyResult<bool> {
        with_key(node, |node| self.map.number(node).is_some())
    }
    fn __eq__(&self, other: &Self) -> bool {
        self.map == other.map
    }
    fn __hash__(&self) -> u64 {
        let digest = self.map.digest();
        folkmoot::hashing::fm1(&digest)
    }
    fn __repr__(&self) -> String {
        format!("<SlotMap of {} nodes, {} slots, epoch {}>", self.names.len(), self.map.slots(), self.map.epoch())
    }
}

type Weighted = Vec<(Vec<u8>, u32)>;

/// Names in an order that matters, with their weights: a dict, or names alone.
fn listed(py: Python<'_>, servers: &Bound<'_, PyAny>) -> PyResult<(Weighted, Vec<Py<PyString>>)> {
    let servers = nodes(servers)?;
    let names = servers.iter().map(|server| name(py, &server.name).map(Bound::unbind)).collect::<PyResult<_>>()?;
    Ok((servers.into_iter().map(|server| (server.name, server.weight)).collect(), names))
}

/// Where memcached clients put keys, in one of their dialects. Immutable.
#[pyclass(module = "folkmoot.hashing", frozen)]
pub(crate) struct Ketama {
    ketama: CoreKetama,
    names: Vec<Py<PyString>>,
}

#[pymethods]
impl Ketama {
    #[new]
    fn new(py: Python<'_>, dialect: &str, servers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let dialect = match dialect {
            "libmemcached" => Dialect::Libmemcached,
            "libmemcached-md5" => Dialect::LibmemcachedMd5,
            "weighted" => Dialect::Weighted,
            "spy" => Dialect::Spy,
            "twemproxy" => Dialect::Twemproxy,
            other => return Err(bad(py, format!("dialect is {other:?}; there are libmemcached, libmemcached-md5, weighted, spy and twemproxy"))),
        };
        let (servers, names) = listed(py, servers)?;
        let ketama = py.detach(|| CoreKetama::new(dialect, &servers)).map_err(|error| failed(py, error))?;
        Ok(Self { ketama, names })
    }
    /// The server of `key`; None when there are none.
    fn locate(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyString>>> {
        Ok(with_key(key, |key| self.ketama.locate(key))?.map(|at| self.names[at].clone_ref(py)))
    }
}

/// A Maglev table as Envoy fills it. Immutable.
#[pyclass(module = "folkmoot.hashing", frozen)]
pub(crate) struct Maglev {
    maglev: CoreMaglev,
    names: Vec<Py<PyString>>,
}

#[pymethods]
impl Maglev {
    #[new]
    #[pyo3(signature = (nodes, size=65_537))]
    fn new(py: Python<'_>, nodes: &Bound<'_, PyAny>, size: u32) -> PyResult<Self> {
        let (nodes, names) = listed(py, nodes)?;
        let maglev = py.detach(|| CoreMaglev::new(&nodes, size)).map_err(|error| failed(py, error))?;
        Ok(Self { maglev, names })
    }
    /// The node of `key`, hashed with XXH64; None when there are none.
    fn locate(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyString>>> {
        Ok(with_key(key, |key| self.maglev.locate(key))?.map(|at| self.names[at].clone_ref(py)))
    }
    /// The node for a 64-bit hash made elsewhere.
    fn locate_hash(&self, py: Python<'_>, hash: u64) -> Option<Py<PyString>> {
        self.maglev.locate_hash(hash).map(|at| self.names[at].clone_ref(py))
    }
}

/// The bytes that stand for a key: those that `fm1` hashes.
#[pyfunction]
fn key_of<'py>(py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &with_key(key, |key| Cow::from(key.to_vec()))?))
}

/// Jump hash: the bucket of a 64-bit `key`, 0 to `buckets - 1`; None when there are none.
#[pyfunction]
fn jump(key: u64, buckets: u32) -> Option<u32> {
    folkmoot::hashing::jump(key, buckets)
}

/// The slot of `key` in a Redis Cluster, 0 to 16383.
#[pyfunction]
fn redis_slot(key: &Bound<'_, PyAny>) -> PyResult<u16> {
    with_key(key, folkmoot::hashing::redis_slot)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SlotMap>()?;
    module.add_class::<Ketama>()?;
    module.add_class::<Maglev>()?;
    module.add_function(wrap_pyfunction!(key_of, module)?)?;
    module.add_function(wrap_pyfunction!(jump, module)?)?;
    module.add_function(wrap_pyfunction!(redis_slot, module)?)?;
    Ok(())
}
