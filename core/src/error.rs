//! Why a request failed: one table of codes for the wire, C and Python.
//!
//! Codes above -1000 are ZooKeeper's own numbers; ours are -1000 and below and never reach the
//! ZooKeeper wire. Once given, a number is never used again.

use crate::ids::SessionId;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What went wrong. The number is the wire's reply code, the C status and Python's `code`.
        #[non_exhaustive]
        #[repr(i32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorKind { $($(#[$doc])* $name = $code,)* }

        impl ErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The kind's name, such as `NoNode`.
            pub fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)* }
            }

            /// The kind that has this code.
            pub fn from_code(code: i32) -> Option<ErrorKind> {
                match code { $($code => Some(ErrorKind::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Something that should not happen did.
    SystemError = -1,
    /// In a failed multi: an operation after the one that failed.
    RuntimeInconsistency = -2,
    /// Stored data contradicts itself.
    DataInconsistency = -3,
    /// The reply was lost: the write may be committed, or may never be. Read before writing again.
    ConnectionLoss = -4,
    /// The request could not be read.
    MarshallingError = -5,
    /// This member does not do that.
    Unimplemented = -6,
    /// No answer within the time given.
    OperationTimeout = -7,
    /// An argument is not valid: the text names it.
    BadArguments = -8,
    /// The handle is not in a state to do that.
    InvalidState = -9,
    /// No such session.
    UnknownSession = -12,
    /// Nothing at that path.
    NoNode = -101,
    /// The requester's identities do not allow it.
    NoAuth = -102,
    /// The znode has moved past the version the caller named. Nothing was changed.
    BadVersion = -103,
    /// An ephemeral znode cannot have children.
    NoChildrenForEphemerals = -108,
    /// There is a znode at that path already.
    NodeExists = -110,
    /// The znode has children.
    NotEmpty = -111,
    /// The session is over; its ephemerals are gone.
    SessionExpired = -112,
    /// The ACL is empty, or has an entry that means nothing.
    InvalidAcl = -114,
    /// The scheme is unknown, or it refused the credential.
    AuthFailed = -115,
    /// The handle is being closed.
    Closing = -116,
    /// The session has been attached elsewhere since.
    SessionMoved = -118,
    /// A write was sent to a read-only member.
    NotReadOnly = -119,
    /// No such watch is registered.
    NoWatcher = -121,
    /// Changing the members by request is off.
    ReconfigDisabled = -123,
    /// The session must authenticate first, and was closed.
    AuthRequired = -124,
    /// The write would exceed a hard quota.
    QuotaExceeded = -125,
    /// The member has as much waiting as it takes: try again later.
    Throttled = -127,
    /// A bug of ours was caught; the member it happened in answers no more.
    Panic = -1000,
    /// The process was forked: this handle belongs to the parent.
    Forked = -1001,
    /// The buffer is too small: the length needed is told.
    BufferTooSmall = -1002,
    /// The disk is full: this write changed nothing, and later ones may pass once there is room.
    DiskFull = -1003,
    /// A file contradicts its checksum: the text names file and offset.
    Corrupt = -1004,
    /// The token is stale: someone else has been granted the lock or office since.
    Fenced = -1005,
    /// It is not known whether the write was committed: ask for its outcome, or read.
    OutcomeUnknown = -1006,
    /// The directory is in use by another process: the text names its pid.
    InUse = -1007,
    /// Reading or writing a file failed for good: this member writes no more.
    DiskFailed = -1008,
    /// A file is of a format this version does not know.
    UnknownFormat = -1009,
    /// A bound of `limits` was met: the text names it.
    LimitExceeded = -1010,
    /// The handle is closed.
    Closed = -1011,
    /// A wait was interrupted by the caller.
    Interrupted = -1012,
    /// The call would wait for its own thread.
    WouldDeadlock = -1013,
}

/// Why a request failed: one type for every door. A program acts on `kind`, a person reads the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    /// Which write it is about. Not kept: whoever reads it again has asked by that number.
    #[serde(skip)]
    write: Option<(SessionId, u64)>,
}

/// What the whole crate returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `context` names the thing and the values that disagree.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), write: None }
    }

    /// The same, about write `number` of a session.
    pub fn about_write(self, session: SessionId, number: u64) -> Self {
        Self { write: Some((session, number)), ..self }
    }

    /// With `OutcomeUnknown`: the session and the number of its write, to ask `Member::outcome` about later, in another life of the
    /// process too.
    pub fn write(&self) -> Option<(SessionId, u64)> {
        self.write
    }

    /// What a program acts on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The kind's number.
    pub fn code(&self) -> i32 {
        self.kind as i32
    }

    /// The text without the kind.
    pub fn context(&self) -> &str {
        &self.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.context.is_empty() { f.write_str(self.kind.name()) } else { write!(f, "{}: {}", self.kind.name(), self.context) }
    }
}

impl std::error::Error for Error {}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_found_again() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(*kind as i32), Some(*kind));
        }
        assert_eq!(ErrorKind::from_code(7), None);
    }
}
