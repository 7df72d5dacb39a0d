//! The Python door: `folkmoot._native`, below the Python package `folkmoot`.
//!
//! It turns Python calls into [`Request`](folkmoot::request::Request)s and replies into Python
//! objects, and decides nothing. What always holds: a wait that may last (a write, an event) gives
//! the GIL away and looks for Ctrl-C every [`SLICE`]; no thread of the core ever asks for the GIL,
//! what it has to say goes through a [`Mailbox`](mailbox::Mailbox), or [`Lines`](lines::Lines), that a
//! Python thread empties.
//!
//! Not here: classes a user sees that need no speed (`python/folkmoot/*.py`).

mod algorithms;
mod convert;
mod events;
mod hashing;
mod heartbeat;
mod lines;
mod mailbox;
mod member;
mod request;
mod session;
mod stat;

use pyo3::prelude::*;
use std::time::Duration;

/// How long a wait lasts before it looks for Ctrl-C.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Compiled part of folkmoot.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ERROR_KINDS", convert::error_kinds(module.py())?)?;
    module.add_class::<member::Member>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<request::Request>()?;
    module.add_class::<events::EventQueue>()?;
    module.add_class::<mailbox::Mailbox>()?;
    module.add_class::<stat::Stat>()?;
    module.add_class::<lines::Lines>()?;
    module.add_function(wrap_pyfunction!(member::run_program, module)?)?;
    algorithms::add(module)?;
    hashing::add(module)?;
    heartbeat::add(module)
}
