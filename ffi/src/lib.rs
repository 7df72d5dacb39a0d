//! The C door: what `include/folkmoot.h` declares.
//!
//! Every function goes through one `enter`, which catches panics, turns an error into its number and
//! keeps its words for `folkmoot_last_error`. A function here checks and converts; it decides nothing.
//!
//! What always holds: no panic, no Rust enum and no lock crosses the boundary; a handle made before a
//! `fork` answers `FOLKMOOT_FORKED` in the child before any lock is touched, and freeing it there does nothing.
//!
//! Not here: what an operation does (`folkmoot`), the C++ door (`include/folkmoot.hpp`, over this one).
#![allow(unsafe_code)] // this crate is the boundary; every block says why it may
#![allow(non_camel_case_types)] // the names are C's
#![allow(clippy::missing_safety_doc)] // the conventions at the head of folkmoot.h are the safety section of every function
#![allow(clippy::too_many_arguments)] // C has neither tuples nor defaults

mod algorithms;
mod asynchronous;
mod dispatch;
mod ensemble;
mod events;
mod guard;
mod hashing;
mod lists;
mod logging;
mod member;
mod multi;
mod session;
mod signal;
mod types;

pub use algorithms::*;
pub use asynchronous::*;
pub use dispatch::{folkmoot_completion, folkmoot_event_callback};
pub use ensemble::*;
pub use events::*;
pub use guard::{folkmoot_abi_version, folkmoot_free, folkmoot_last_error, folkmoot_status_name, folkmoot_version};
pub use hashing::*;
pub use lists::*;
pub use logging::*;
pub use member::*;
pub use multi::*;
pub use session::*;
pub use types::*;
