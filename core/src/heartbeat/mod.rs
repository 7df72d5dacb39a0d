//! When to beat, who has fallen silent, and which session is over.
//!
//! Times are milliseconds on one clock of the caller's that does not jump, from any origin. A `now` that
//! is behind an earlier one takes nothing back. Nothing here is reported early; how late depends
//! on how soon the caller comes back after `next_wakeup`.
//!
//! Drain what has arrived before asking who is late, and report your own pauses
//! ([`FixedTimeout::paused`], [`Deadlines::extend_by`]): an observer that slept saw no beats and
//! would accuse everyone.
//!
//! Not here: sending, clocks, and what to do about the silent.

mod deadlines;
#[cfg(test)]
mod deadlines_tests;
mod fixed_timeout;
#[cfg(test)]
mod fixed_timeout_tests;
mod id_hash;
mod schedule;
mod wheel;

pub use deadlines::{Deadlines, Slot};
pub use fixed_timeout::{Event, EventKind, FixedTimeout, Heard};
pub use schedule::{Due, Schedule};
