//! Which node owns a key.
//!
//! Keys and names are bytes. They are hashed with [`fm1`], which is the same in every process,
//! language and release, so members that know the same nodes agree without talking.
//! A placement is a value: changing it gives another one, and [`Placement::diff`] tells which
//! ranges of positions changed hands in between.
//!
//! [`SlotMap`] is the one to take: a lookup is the hash and one load. [`Ring`] needs no more than the list of nodes.
//! [`jump`], [`Maglev`], [`redis_slot`] and [`Ketama`] find keys where other programs have put them.
//!
//! Not offered: the hash modulo the number of nodes, which moves nearly every key at each change. Multi-probe, Anchor, Dx, Memento and
//! Binomial hashing need as much shared history as a slot map, and are slower or less even.
//!
//! Not here: who is alive (`heartbeat`), moving the data (the caller).

mod hash;
mod jump;
mod ketama;
mod maglev;
mod placement;
mod redis;
mod ring;
mod ring_index;
#[cfg(test)]
mod ring_tests;
mod siphash;
mod slots;

pub use hash::{KeyHash, fm1, tuple_key};
pub use jump::jump;
pub use ketama::{Dialect, Ketama};
pub use maglev::{MAGLEV_TABLE, Maglev};
pub use placement::{Move, NodeName, Placement};
pub use redis::{REDIS_SLOTS, redis_slot};
pub use ring::{POINTS_PER_WEIGHT, RING_SIZE, Ring};
pub use slots::{Candidates, Filler, NO_NODE, Plan, SlotMap, SlotMove, SlotNode, SlotOptions, Spread, Standing};
