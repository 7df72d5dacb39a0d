//! Which node owns a key.
//!
//! Keys and names are bytes. They are hashed with [`fm1`], which is the same in every process,
//! language and release, so members that know the same nodes agree without talking.
//! A placement is a value: changing it gives another one, and [`Placement::diff`] tells which
//! ranges of positions changed hands in between.
//!
//! Not here: who is alive (`heartbeat`), moving the data (the caller).

mod hash;
mod placement;
mod ring;
mod ring_index;
#[cfg(test)]
mod ring_tests;

pub use hash::fm1;
pub use placement::{Move, NodeName, Placement};
pub use ring::{POINTS_PER_WEIGHT, RING_SIZE, Ring};
