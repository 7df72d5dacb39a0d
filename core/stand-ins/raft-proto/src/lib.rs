//! Stands in for `raft-proto` below the consensus library: the messages it speaks in, as plain structs.
//!
//! Nothing here is generated (see the stand-in of `protobuf` for why, and for what the bytes are).
//! Names, fields and signatures are those of the published crate with its `protobuf-codec`, as far as the library and we
//! use them, so that a program compiles with either; no code of it was taken.

#[macro_use]
mod message;

mod change;
pub mod eraftpb;
mod text;

pub use change::{ConfChangeI, conf_state_eq, new_conf_change_single};
pub use text::{parse_conf_change, stringify_conf_change};

/// Every type of [`eraftpb`].
pub mod prelude {
    pub use crate::eraftpb::{
        ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, HardState, Message, MessageType,
        Snapshot, SnapshotMetadata,
    };
}
