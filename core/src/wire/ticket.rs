//! What a connection needs to know again when one of its requests has ended.

use super::records::Form;

/// How the end of a request is answered.
#[derive(Debug)]
pub(crate) enum Kind {
    /// By a reply.
    Reply(Form),
    /// By a reply, after which the connection is closed.
    Farewell,
    /// By the session that was opened; whether the client knows of read-only members.
    Connect(bool),
    /// By the session that was attached; as before.
    Resume(bool),
}

/// Goes with a request and comes back with its outcome.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The client's number of the request.
    pub(crate) xid: i32,
    /// How to answer.
    pub(crate) kind: Kind,
    /// Bytes of the request.
    pub(crate) bytes: u32,
    /// Whether it was a read that had to wait for writes.
    pub(crate) is_read: bool,
    /// When it came, in steady milliseconds.
    pub(crate) came_ms: i64,
}
