//! Members that ZooKeeper's clients reach over real sockets, and what has been got wrong elsewhere.

#[path = "wire/client.rs"]
mod client;
#[path = "wire/limits.rs"]
mod limits;
#[path = "wire/operations.rs"]
mod operations;
#[path = "wire/order.rs"]
mod order;
#[path = "wire/recorded.rs"]
mod recorded;
#[path = "wire/secure.rs"]
mod secure;
#[path = "wire/security.rs"]
mod security;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/watches.rs"]
mod watches;
#[path = "wire/words.rs"]
mod words;
