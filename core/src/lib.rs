//! Coordination that lives in your process: a versioned tree with sessions, ephemerals and watches,
//! as ZooKeeper has it, without a server; beside it election, heartbeats and consistent hashing.
//!
//! ```
//! use folkmoot::request::CreateMode;
//!
//! let session = folkmoot::open("memory:")?;
//! session.create_blocking("/leader", b"host-7", CreateMode::Ephemeral)?;
//! let (data, stat) = session.get_blocking("/leader", false)?;
//! assert_eq!((data.as_deref(), stat.version), (Some(&b"host-7"[..]), 0));
//! # Ok::<(), folkmoot::Error>(())
//! ```
//!
//! [`open`] gives a [`Session`](member::Session) on the ground that its target names. Every operation comes twice, to be awaited
//! (by any executor) and, `_blocking`, to block.
//!
//! Without the feature `member` everything here is pure: no file, thread, clock or chance.
#![forbid(unsafe_code)]

#[cfg(feature = "member")]
pub mod admin;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod election;
#[cfg(feature = "member")]
pub mod ensemble;
pub mod error;
pub mod hashing;
pub mod heartbeat;
pub mod ids;
pub mod limits;
#[cfg(feature = "member")]
#[doc(hidden)] // for the doors of other languages; Rust has `tracing`
pub mod lines;
pub mod log;
pub mod machine;
#[cfg(feature = "member")]
pub mod member;
pub mod request;
pub mod roster;
pub mod tree;
pub mod watch;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "member")]
pub use member::{CreateOptions, Events, Heartbeat, Member, Session, SessionOptions, Watch, open, recover};
