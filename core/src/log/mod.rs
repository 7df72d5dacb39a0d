//! The log: what an ordered, durable sequence of entries owes us.
//!
//! Not here: what an entry means (`machine`).
