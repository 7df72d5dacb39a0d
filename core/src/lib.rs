//! Coordination that lives in your process.
#![forbid(unsafe_code)]

pub mod election;
pub mod error;
pub mod hashing;
pub mod heartbeat;
pub mod ids;
pub mod limits;
pub mod log;
pub mod machine;
#[cfg(feature = "member")]
pub mod member;
pub mod request;
pub mod tree;
pub mod watch;

pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "member")]
pub use member::{CreateOptions, Events, Heartbeat, Member, Session, SessionOptions, Watch, open};
