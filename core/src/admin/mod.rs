//! What an operator asks: four-letter words, commands over HTTP, metrics.
//!
//! All of it is answered from plain facts that a [`Source`] gives on demand; what is cheap to answer asks
//! for nothing that is dear. The texts are ZooKeeper 3.9's to the letter, since programs read them:
//! `tests/data/admin` has the shape of what a real one answered.
//!
//! Only `http` is awake: it owns the sockets and deadlines. `words` and `commands` compute a text.
//!
//! Not here: where the facts come from (`member`), the listener on which words arrive (`wire`).

pub mod commands;
pub mod http;
#[cfg(test)]
mod http_tests;
mod java;
mod json;
pub mod monitor;
pub mod status;
#[cfg(test)]
mod tests;
pub mod view;
pub mod words;

pub use view::Source;

/// What we say ZooKeeper's version is: that of the behaviour we follow, then who we are.
///
/// Programs take it apart, so its shape is ZooKeeper's: `N.N.N-REVISION, built on DATE`. kazoo reads digits and
/// dots after `zookeeper.version=` up to the first other character and wants a number between any two
/// dots; zktop wants three numbers and a hyphen after `: `; collectors of `zk_version` cut at the hyphen or comma. So the hyphen
/// comes right after the third number, and no second `: ` or tab follows. Clients also turn features on by it, hence a number of 3.9.
/// The date is that of the ZooKeeper release: a build of ours has none, so that it can be reproduced.
pub const VERSION: &str = concat!("3.9.5-folkmoot-", env!("CARGO_PKG_VERSION"), ", built on 2026-02-11 20:18 UTC");
