//! hashing and election: pure values, no session needed.

use crate::convert::raised;
use folkmoot::election::{Ballot, Contender, Electorate as CoreElectorate, LastVote as CoreLastVote, Outcome, Tally as CoreTally, Term, Voter, VoterId};
use folkmoot::error::Error;
use folkmoot::hashing::{NodeName, Placement, Ring as CoreRing};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

fn failed(py: Python<'_>, error: Error) -> PyErr {
    raised(py, &error, None)
}

/// The bytes that stand for a key: itself, UTF-8, or eight bytes, lowest first.
struct Key(Vec<u8>);

impl<'a, 'py> FromPyObject<'a, 'py> for Key {
    type Error = PyErr;

    fn extract(any: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = any.cast::<PyString>() {
            return match text.to_cow() {
                Ok(text) => Ok(Self(text.as_bytes().to_vec())),
                // A name that was not UTF-8 came out with surrogates, and goes back in as it was.
                Err(_) => Ok(Self(text.call_method1("encode", ("utf-8", "surrogateescape"))?.cast::<PyBytes>()?.as_bytes().to_vec())),
            };
        }
        if let Ok(bytes) = any.cast::<PyBytes>() {
            return Ok(Self(bytes.as_bytes().to_vec()));
        }
        if any.is_instance_of::<PyInt>() {
            let bytes = any.extract::<u64>().map(u64::to_le_bytes).or_else(|_| any.extract::<i64>().map(i64::to_le_bytes))?;
            return Ok(Self(bytes.to_vec()));
        }
        Err(PyTypeError::new_err("a key is str, bytes or int"))
    }
}

/// A node's name as Python sees it.
fn name<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => Ok(PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogateescape"))?.cast_into()?),
    }
}

/// `fm1`: XXH3-64 of a key; text counts as its UTF-8 bytes, an integer as eight bytes, lowest first.
#[pyfunction]
fn fm1(key: Key) -> u64 {
    folkmoot::hashing::fm1(&key.0)
}

/// A consistent-hash ring: which node owns a key. Immutable.
#[pyclass(module = "folkmoot.hashing", frozen)]
pub(crate) struct Ring(CoreRing);

/// Nodes with or without weights.
fn weights(nodes: &Bound<'_, PyAny>) -> PyResult<Vec<(Vec<u8>, u32)>> {
    let mut list = Vec::new();
    if let Ok(mapping) = nodes.cast::<PyDict>() {
        for (node, weight) in mapping {
            list.push((node.extract::<Key>()?.0, weight.extract()?));
        }
    } else {
        for node in nodes.try_iter()? {
            list.push((node?.extract::<Key>()?.0, 1));
        }
    }
    Ok(list)
}

#[pymethods]
impl Ring {
    #[new]
    #[pyo3(signature = (nodes=None, *, size=None, points_per_weight=None))]
    fn new(py: Python<'_>, nodes: Option<&Bound<'_, PyAny>>, size: Option<u64>, points_per_weight: Option<u32>) -> PyResult<Self> {
        use folkmoot::hashing::{POINTS_PER_WEIGHT, RING_SIZE};
        let nodes = nodes.map(weights).transpose()?.unwrap_or_default();
        py.detach(|| CoreRing::with_options(size.unwrap_or(RING_SIZE), points_per_weight.unwrap_or(POINTS_PER_WEIGHT))?.with_all(nodes))
            .map(Self)
            .map_err(|error| failed(py, error))
    }
    /// The node that owns `key`; None only when there are no nodes.
    fn locate<'py>(&self, py: Python<'py>, key: Key) -> PyResult<Option<Bound<'py, PyString>>> {
        self.0.locate(&key.0).map(|node| name(py, node)).transpose()
    }
    /// The first `n` different nodes for `key`, the owner first.
    fn locate_n<'py>(&self, py: Python<'py>, key: Key, n: usize) -> PyResult<Vec<Bound<'py, PyString>>> {
        self.0.locate_n(&key.0, n).into_iter().map(|node| name(py, node)).collect()
    }
    /// This ring with `node` at `weight`: added, or its weight changed.
    #[pyo3(signature = (node, weight=1))]
    fn with_node(&self, py: Python<'_>, node: Key, weight: u32) -> PyResult<Self> {
        py.detach(|| self.0.with(&node.0, weight)).map(Self).map_err(|error| failed(py, error))
    }
    /// This ring without `node`.
    fn without_node(&self, py: Python<'_>, node: Key) -> PyResult<Self> {
        py.detach(|| self.0.without(&node.0)).map(Self).map_err(|error| failed(py, error))
    }
    /// The ranges of positions that change hands from this ring to `after`, ascending.
    fn diff<'py>(&self, py: Python<'py>, after: &Self) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let moves = py.detach(|| self.0.diff(&after.0)).map_err(|error| failed(py, error))?;
        let make = py.import("folkmoot.hashing")?.getattr("Move")?;
        let node = |bytes: &Option<NodeName>| bytes.as_ref().map(|bytes| name(py, bytes)).transpose();
        moves.iter().map(|each| make.call1((each.lo, each.hi, node(&each.from)?, node(&each.to)?))).collect()
    }
    /// The fraction of all keys, 0.0 to 1.0, that has another owner in `after`.
    fn moved(&self, py: Python<'_>, after: &Self) -> PyResult<f64> {
        py.detach(|| self.0.moved(&after.0)).map_err(|error| failed(py, error))
    }
    /// The position of `key`, 1 to `size`.
    fn position(&self, key: Key) -> u64 {
        self.0.position(&key.0)
    }
    /// The node that owns `position`.
    fn owner_at<'py>(&self, py: Python<'py>, position: u64) -> PyResult<Option<Bound<'py, PyString>>> {
        self.0.owner_at(position).map(|node| name(py, node)).transpose()
    }
    /// The weight of `node`; None when it is not on the ring.
    fn weight(&self, node: Key) -> Option<u32> {
        self.0.weight(&node.0)
    }
    /// The fraction of all keys that each node owns.
    fn shares<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shares = PyDict::new(py);
        for (node, share) in self.0.shares() {
            shares.set_item(name(py, node)?, share)?;
        }
        Ok(shares)
    }
    /// The nodes and their weights, in the order of their names.
    #[getter]
    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let nodes = PyDict::new(py);
        for (node, weight) in self.0.nodes() {
            nodes.set_item(name(py, node)?, weight)?;
        }
        Ok(nodes)
    }
    #[getter]
    fn size(&self) -> u64 {
        self.0.size()
    }
    #[getter]
    fn points_per_weight(&self) -> u32 {
        self.0.points_per_weight()
    }
    fn __len__(&self) -> usize {
        self.0.len()
    }
    fn __contains__(&self, node: Key) -> bool {
        self.0.weight(&node.0).is_some()
    }
    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }
    fn __hash__(&self) -> u64 {
        let nodes: Vec<u8> = self.0.nodes().iter().flat_map(|(node, weight)| node.iter().copied().chain(weight.to_le_bytes())).collect();
        folkmoot::hashing::fm1(&nodes)
    }
    fn __repr__(&self) -> String {
        format!("<Ring of {} nodes>", self.0.len())
    }
}

/// All voters, alive or not, and their priorities.
#[pyclass(module = "folkmoot.election", frozen)]
#[derive(Clone)]
pub(crate) struct Electorate(CoreElectorate);

#[pymethods]
impl Electorate {
    #[new]
    fn new(py: Python<'_>, priorities: BTreeMap<u64, u8>) -> PyResult<Self> {
        let voters = priorities.into_iter().map(|(id, priority)| Voter { id: VoterId(id), priority });
        CoreElectorate::new(voters).map(Self).map_err(|error| failed(py, error))
    }
    /// The votes that elect.
    #[getter]
    fn majority(&self) -> usize {
        self.0.majority()
    }
    /// The priorities of the voters.
    #[getter]
    fn priorities(&self) -> BTreeMap<u64, u8> {
        self.0.voters().map(|voter| (voter.id.0, voter.priority)).collect()
    }
    /// Whom to vote for when `live` are the voters that can be heard, the caller included.
    fn choose(&self, live: Vec<u64>) -> Option<u64> {
        self.0.choose(live.into_iter().map(VoterId)).map(|id| id.0)
    }
    fn __len__(&self) -> usize {
        self.0.len()
    }
}

type PyBallot = (u64, u64, u64);

/// The votes of one term.
#[pyclass(module = "folkmoot.election", frozen)]
pub(crate) struct Tally(Mutex<CoreTally>);

impl Tally {
    fn with<T>(&self, work: impl FnOnce(&mut CoreTally) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn outcome(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    let make = py.import("folkmoot.election")?.getattr("Outcome")?;
    match outcome {
        Outcome::Elected(id) => make.call1(("elected", id.0)),
        Outcome::Undecided => make.call1(("undecided",)),
        Outcome::Split => make.call1(("split",)),
    }
}

#[pymethods]
impl Tally {
    #[new]
    fn new(electorate: &Electorate, term: u64) -> Self {
        Self(Mutex::new(CoreTally::new(electorate.0.clone(), Term(term))))
    }
    /// Counts a ballot and tells how the election stands. The same ballot again changes nothing.
    fn cast<'py>(&self, py: Python<'py>, ballot: PyBallot) -> PyResult<Bound<'py, PyAny>> {
        let (term, voter, candidate) = ballot;
        let ballot = Ballot { term: Term(term), voter: VoterId(voter), candidate: VoterId(candidate) };
        outcome(py, self.with(|tally| tally.cast(ballot)).map_err(|error| failed(py, error))?)
    }
    /// How the election stands.
    #[getter]
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        outcome(py, self.with(|tally| tally.outcome()))
    }
    /// Starts over in a later term.
    fn advance(&self, py: Python<'_>, term: u64) -> PyResult<()> {
        self.with(|tally| tally.advance(Term(term))).map_err(|error| failed(py, error))
    }
    #[getter]
    fn term(&self) -> u64 {
        self.with(|tally| tally.term().0)
    }
    /// Whom `voter` has voted for, as far as is known here.
    fn vote_of(&self, voter: u64) -> Option<u64> {
        self.with(|tally| tally.vote_of(VoterId(voter))).map(|id| id.0)
    }
    /// How many votes `candidate` has.
    fn votes_for(&self, candidate: u64) -> usize {
        self.with(|tally| tally.votes_for(VoterId(candidate)))
    }
}

/// What one voter has to remember: the last vote it cast.
#[pyclass(module = "folkmoot.election", frozen)]
pub(crate) struct LastVote(Mutex<CoreLastVote>);

fn ballot<'py>(py: Python<'py>, ballot: &Ballot) -> PyResult<Bound<'py, PyAny>> {
    py.import("folkmoot.election")?.getattr("Ballot")?.call1((ballot.term.0, ballot.voter.0, ballot.candidate.0))
}

#[pymethods]
impl LastVote {
    #[new]
    fn new(voter: u64) -> Self {
        Self(Mutex::new(CoreLastVote::new(VoterId(voter))))
    }
    /// The ballot of this voter for `candidate` in `term`. The same vote again gives the same ballot.
    fn vote<'py>(&self, py: Python<'py>, term: u64, candidate: u64) -> PyResult<Bound<'py, PyAny>> {
        // Unlocked by the end of this line: an error is made by Python, where other threads run.
        let vote = self.0.lock().unwrap_or_else(PoisonError::into_inner).vote(Term(term), VoterId(candidate));
        ballot(py, &vote.map_err(|error| failed(py, error))?)
    }
    /// The last vote; None before the first.
    #[getter]
    fn ballot<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).ballot();
        last.map(|last| ballot(py, &last)).transpose()
    }
}

/// For each contender (sequence, shared) the index of the one it waits for; None: it holds.
#[pyfunction]
fn waits_for(py: Python<'_>, contenders: Vec<(i32, bool)>) -> PyResult<Vec<Option<usize>>> {
    let contenders: Vec<Contender> = contenders.into_iter().map(|(sequence, shared)| Contender { sequence, shared }).collect();
    folkmoot::election::waits_for(&contenders).map_err(|error| failed(py, error))
}

/// The number at the end of the name of a sequential znode, if it has `prefix` and one.
#[pyfunction]
fn sequence_of(name: &str, prefix: &str) -> Option<i32> {
    folkmoot::election::sequence_of(name, prefix)
}

/// The name that a znode gets which was asked for as `prefix`, with the number `sequence`.
#[pyfunction]
fn sequence_name(prefix: &str, sequence: i32) -> String {
    folkmoot::election::sequence_name(prefix, sequence)
}

/// Whether `first` was given out before `second`.
#[pyfunction]
fn sequence_precedes(first: i32, second: i32) -> bool {
    folkmoot::election::sequence_precedes(first, second)
}

/// The indices of `sequences` in the order in which they were given out; of equals, the lower index first.
#[pyfunction]
fn queue_order(sequences: Vec<i32>) -> Vec<usize> {
    folkmoot::election::queue_order(&sequences)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RING_SIZE", folkmoot::hashing::RING_SIZE)?;
    module.add_class::<Ring>()?;
    module.add_class::<Electorate>()?;
    module.add_class::<Tally>()?;
    module.add_class::<LastVote>()?;
    module.add_function(wrap_pyfunction!(fm1, module)?)?;
    module.add_function(wrap_pyfunction!(waits_for, module)?)?;
    module.add_function(wrap_pyfunction!(sequence_of, module)?)?;
    module.add_function(wrap_pyfunction!(sequence_name, module)?)?;
    module.add_function(wrap_pyfunction!(sequence_precedes, module)?)?;
    module.add_function(wrap_pyfunction!(queue_order, module)?)?;
    Ok(())
}
