//! ZooKeeper's protocol: what its unmodified clients speak.
//!
//! `frame` and `records` know bytes and values, and no socket; `server` and `connection` are the awake part.

#[cfg(feature = "member")]
mod connection;
#[cfg(feature = "member")]
pub(crate) mod facts;
pub mod frame;
pub mod options;
pub mod records;
#[cfg(feature = "member")]
pub mod sasl;
#[cfg(feature = "member")]
pub(crate) mod server;
#[cfg(feature = "member")]
pub(crate) mod ticket;
#[cfg(feature = "member")]
pub mod tls;

pub use options::{ClientCertificate, Options, Tls};
