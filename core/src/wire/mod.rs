//! ZooKeeper's protocol: what its unmodified clients speak.

pub mod options;

pub use options::{ClientCertificate, Options, Tls};
