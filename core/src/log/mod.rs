//! The log: what an ordered, durable sequence of entries owes us.
//!
//! An entry is durable when the append that carried it has returned; it is then found again, whole,
//! in its place, after any crash. What was never acknowledged is found whole or not at all. What the
//! disk has damaged is refused by name of file and offset, never skipped.
//!
//! Below it lies one seam, [`Disk`]: a real directory, or a simulated one that loses what was not
//! synced.
//!
//! Not here: what an entry means (`machine`).

#[cfg(feature = "member")]
mod disk;
#[cfg(feature = "member")]
mod format;
#[cfg(feature = "member")]
mod real_disk;
#[cfg(feature = "member")]
mod recover;
#[cfg(feature = "member")]
// The consensus library's messages: most of their fields stay at their defaults.
#[allow(clippy::field_reassign_with_default)]
pub mod replica;
#[cfg(feature = "member")]
mod segment;
#[cfg(all(feature = "member", any(test, feature = "simulation")))]
pub mod simulated_disk;
#[cfg(feature = "member")]
mod snapshot;
#[cfg(feature = "member")]
mod store;

#[cfg(feature = "member")]
pub use self::{
    disk::{Disk, DiskFile},
    real_disk::RealDisk,
    recover::{Recovered, recover},
    snapshot::{SnapshotDone, SnapshotWriter},
    store::{Cut, Recovery, Retired, Store, StoreOptions},
};
#[cfg(all(feature = "member", any(test, feature = "simulation")))]
pub use simulated_disk::SimulatedDisk;

#[cfg(all(test, feature = "member"))]
mod recover_tests;
#[cfg(all(test, feature = "member"))]
mod tests;
