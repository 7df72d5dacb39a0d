//! One member's part in an ensemble, without threads: what it proposes, forwards, answers and gives up.
//!
//! It is told the time, what its sessions want, what the others have sent, what is on the disk and what has been applied; it says
//! what is to be sent, written and applied. The shell (`member`) and the simulation drive the same code.
//!
//! Not here: agreement itself (`log::replica`), what an entry does (`machine`), sockets, threads, files.

pub mod handback;
pub mod message;
pub mod node;
mod streams;
#[cfg(test)]
mod tests;

pub use self::{
    message::{Envelope, Message},
    node::{Delivery, MemberView, Node, NodeOptions, Output, PeerView, View},
};
use crate::log::replica::MemberId;

/// A voter, as the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Its number.
    pub id: MemberId,
    /// How much it should lead, 0 to 255; one of 0 never does.
    pub priority: u8,
}

/// The place of a member among the voters: by priority, then by number, from 0.
pub fn rank(voters: &[Voter], id: MemberId) -> usize {
    let key = |voter: &Voter| (std::cmp::Reverse(voter.priority), voter.id);
    let Some(own) = voters.iter().find(|voter| voter.id == id).map(key) else { return voters.len() };
    voters.iter().filter(|voter| key(voter) < own).count()
}
