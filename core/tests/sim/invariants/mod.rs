//! What must hold whatever happens: one invariant a file. Each says what it saw when it does not.

pub mod acknowledged;
pub mod election;
pub mod ephemerals;
pub mod expiry;
pub mod linear;
pub mod matching;
pub mod once;
pub mod order;

pub type Check = Result<(), String>;

#[derive(Default)]
pub struct Invariants {
    pub election: election::Election,
    pub matching: matching::Matching,
    pub once: once::Once,
    pub linear: linear::Linear,
    pub order: order::Order,
    pub ephemerals: ephemerals::Ephemerals,
    pub expiry: expiry::Expiry,
    pub acknowledged: acknowledged::Acknowledged,
}
