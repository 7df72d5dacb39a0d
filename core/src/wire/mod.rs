//! ZooKeeper's protocol: what its unmodified clients speak.

pub mod options;
#[cfg(feature = "member")]
pub mod sasl;
#[cfg(feature = "member")]
pub mod tls;

pub use options::{ClientCertificate, Options, Tls};
