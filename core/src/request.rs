//! One vocabulary for every door: ZooKeeper's operations and a few more.
//!
//! A door makes a [`Request`]; what comes back is a [`Reply`] or an [`Error`], and, for watches,
//! [`Event`]s. Nothing here knows which door it was.
//!
//! Not here: what the operations do (`tree`, `machine`), how they are written on a wire.

use crate::error::{Error, ErrorKind};
use crate::ids::{SessionId, Zxid};
use crate::roster::Reconfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The data of a znode. `None` is null, which is kept apart from empty.
pub type Data = Option<Arc<[u8]>>;

/// The counters of a znode, ZooKeeper's `Stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stat {
    /// Transaction that created the znode.
    pub czxid: Zxid,
    /// Transaction that last changed its data.
    pub mzxid: Zxid,
    /// When it was created: milliseconds since 1970.
    pub ctime: i64,
    /// When its data was last changed: milliseconds since 1970.
    pub mtime: i64,
    /// Version of its data: [`next_version`](crate::ids::next_version) at each change.
    pub version: i32,
    /// Changes of its list of children (creations and deletions).
    pub cversion: i32,
    /// Version of its ACL.
    pub aversion: i32,
    /// Owner session of an ephemeral; 0 for any other znode, containers and TTL znodes too.
    pub ephemeral_owner: i64,
    /// Bytes of data.
    pub data_length: i32,
    /// Children now.
    pub num_children: i32,
    /// Transaction that last created or deleted a child.
    pub pzxid: Zxid,
}

/// `ephemeral_owner` of a container.
pub const CONTAINER_OWNER: i64 = i64::MIN;
/// Top byte of the `ephemeral_owner` of a TTL znode; the low 40 bits are its TTL in milliseconds.
pub const TTL_OWNER_MARK: i64 = 0xff << 56;

/// What a permission allows; bits may be joined.
pub mod perms {
    /// Read data and list children.
    pub const READ: u32 = 1;
    /// Change data.
    pub const WRITE: u32 = 2;
    /// Create children.
    pub const CREATE: u32 = 4;
    /// Delete children.
    pub const DELETE: u32 = 8;
    /// Change the ACL.
    pub const ADMIN: u32 = 16;
    /// All of them.
    pub const ALL: u32 = 31;
}

/// A scheme and an id in it: an entry of an ACL, or who a requester has shown to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `super` or `sasl`.
    pub scheme: String,
    /// What the scheme makes of it.
    pub id: String,
}

impl Identity {
    /// An identity.
    pub fn new(scheme: impl Into<String>, id: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), id: id.into() }
    }
}

/// One entry of an ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acl {
    /// Bits of [`perms`].
    pub perms: u32,
    /// To whom.
    pub identity: Identity,
}

impl Acl {
    /// Everyone may do everything: `world:anyone`.
    pub fn open() -> Vec<Acl> {
        vec![Acl { perms: perms::ALL, identity: Identity::new("world", "anyone") }]
    }
    /// Everyone may read.
    pub fn read() -> Vec<Acl> {
        vec![Acl { perms: perms::READ, identity: Identity::new("world", "anyone") }]
    }
    /// Whoever the creator has authenticated as may do everything: `auth:`.
    pub fn creator() -> Vec<Acl> {
        vec![Acl { perms: perms::ALL, identity: Identity::new("auth", "") }]
    }
}

/// The kind of a new znode. The number is ZooKeeper's flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CreateMode {
    /// Lives until deleted.
    #[default]
    Persistent,
    /// Lives as long as its session.
    Ephemeral,
    /// The parent's create count, ten digits, is appended to its name.
    PersistentSequential,
    /// Both.
    EphemeralSequential,
    /// Deleted by itself once its last child has gone.
    Container,
    /// Deleted by itself once it has been unchanged and childless for `ttl_ms`.
    Ttl,
    /// A TTL znode with a sequential name.
    TtlSequential,
}

impl CreateMode {
    /// ZooKeeper's flag, 0..=6.
    pub fn flag(self) -> i32 {
        self as i32
    }
    /// The mode with ZooKeeper's flag.
    pub fn from_flag(flag: i32) -> Option<Self> {
        use CreateMode::*;
        [Persistent, Ephemeral, PersistentSequential, EphemeralSequential, Container, Ttl, TtlSequential].into_iter().find(|mode| mode.flag() == flag)
    }
    /// Whether a number is appended to the name.
    pub fn is_sequential(self) -> bool {
        matches!(self, Self::PersistentSequential | Self::EphemeralSequential | Self::TtlSequential)
    }
    /// Whether it lives as long as its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }
}

/// How long a watch set by `add_watch` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatchMode {
    /// This znode and its list of children, until removed. Flag 0.
    Persistent,
    /// This znode and all below it, without ChildrenChanged, until removed. Flag 1.
    Recursive,
}

/// Which watches `remove_watches` takes away. The number is ZooKeeper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatchKind {
    /// Set by listing children.
    Children = 1,
    /// Set by reading data or asking for existence.
    Data = 2,
    /// All at the path.
    Any = 3,
    /// Set by `add_watch`, persistent.
    Persistent = 4,
    /// Set by `add_watch`, recursive.
    Recursive = 5,
}

/// What a door asks for.
#[allow(missing_docs, reason = "the fields are ZooKeeper's own, and each variant says what it does")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Make a znode. `ttl_ms` counts with the TTL modes only.
    Create { path: String, data: Data, acl: Vec<Acl>, mode: CreateMode, ttl_ms: i64 },
    /// Remove a childless znode.
    Delete { path: String, version: i32 },
    /// Replace a znode's data.
    Set { path: String, data: Data, version: i32 },
    /// Replace a znode's ACL; `version` is its `aversion`.
    SetAcl { path: String, acl: Vec<Acl>, version: i32 },
    /// Fail unless the znode is at `version`. Inside `Multi` only.
    Check { path: String, version: i32 },
    /// All of these writes, or none.
    Multi(Vec<Request>),
    /// Stat of a znode; a watch is kept even when there is none.
    Exists { path: String, watch: bool },
    /// Data of a znode.
    Get { path: String, watch: bool },
    /// Names of a znode's children.
    Children { path: String, watch: bool },
    /// Its ACL.
    GetAcl { path: String },
    /// Several `Get` and `Children`, each answered by itself.
    MultiRead(Vec<Request>),
    /// Wait until everything written before is visible here.
    Sync { path: String },
    /// Paths of this session's ephemerals that start with `prefix`.
    Ephemerals { prefix: String },
    /// Descendants of a znode.
    CountDescendants { path: String },
    /// Watch until removed.
    AddWatch { path: String, mode: WatchMode },
    /// Take watches away.
    RemoveWatches { path: String, kind: WatchKind },
    /// Succeed if such a watch is registered.
    CheckWatches { path: String, kind: WatchKind },
    /// Show an identity: `digest` with `user:password`, for one.
    AddAuth { scheme: String, credential: Vec<u8> },
    /// The identities shown so far.
    WhoAmI,
    /// Set watches of an earlier connection again; what has changed since then is told now.
    SetWatches(Box<SetWatches>),
    /// A write that its door could not make sense of: it changes nothing, fails with this kind, and takes its transaction
    /// number as any other failed write.
    Refused(ErrorKind),
    /// Change who takes part in the ensemble; who asks must be able to write to `/zookeeper/config`.
    Reconfig(Box<Reconfig>),
}

/// The watches that someone had, and the last transaction known to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetWatches {
    /// What they have seen.
    pub relative_zxid: Zxid,
    /// Watches on data.
    pub data: Vec<String>,
    /// Watches for a znode to be.
    pub exist: Vec<String>,
    /// Watches on children.
    pub child: Vec<String>,
    /// Persistent ones.
    pub persistent: Vec<String>,
    /// Recursive ones.
    pub recursive: Vec<String>,
}

impl Request {
    /// Whether what others have written before it has to be seen: an empty path is a ping's, which asks for nothing.
    pub fn is_sync(&self) -> bool {
        matches!(self, Request::Sync { path } if !path.is_empty())
    }

    /// Whether it goes through the log.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Delete { .. }
                | Self::Set { .. }
                | Self::SetAcl { .. }
                | Self::Check { .. }
                | Self::Multi(_)
                | Self::Refused(_)
                | Self::Reconfig(_)
        )
    }
}

/// What a request answers when it succeeds.
#[allow(missing_docs, reason = "each variant says which request it answers")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// `Create`: the whole path, with the number if sequential.
    Created { path: String, stat: Stat },
    /// `Set`, `SetAcl`, `Exists`.
    Stat(Stat),
    /// `Get`; `Reconfig`: what `/zookeeper/config` tells now.
    Data { data: Data, stat: Stat },
    /// `Children`: in the order of creation.
    Children { names: Vec<String>, stat: Stat },
    /// `GetAcl`.
    Acl { acl: Vec<Acl>, stat: Stat },
    /// `Multi`: one result for each operation. A failed multi is a reply too: nothing was changed,
    /// operations before the failure say `Ok(Done)`, those after it `RuntimeInconsistency`.
    Multi(Vec<Result<Reply, ErrorKind>>),
    /// `MultiRead`.
    MultiRead(Vec<Result<Reply, Error>>),
    /// `Ephemerals`.
    Paths(Vec<String>),
    /// `CountDescendants`.
    Count(u64),
    /// `WhoAmI`.
    Identities(Vec<Identity>),
    /// `Delete`, `Check`, `Sync`, watches, `AddAuth`.
    Done,
}

/// What happened to a watched znode. The number is ZooKeeper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// News of the session, not of a znode: see [`Event::state`].
    Session = -1,
    /// It was created.
    Created = 1,
    /// It was deleted.
    Deleted = 2,
    /// Its data was set.
    DataChanged = 3,
    /// A child was created or deleted.
    ChildrenChanged = 4,
    /// Events were dropped because nobody fetched them: read again what you watch.
    Overflow = 100,
}

/// How a session stands. The number is ZooKeeper's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionState {
    /// No contact.
    Disconnected = 0,
    /// In contact.
    #[default]
    Connected = 3,
    /// Over by silence: its ephemerals are gone.
    Expired = -112,
    /// Over by `close`.
    Closed = 7,
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// How the session stands.
    pub state: SessionState,
    /// To which znode; empty for news of the session.
    pub path: Arc<str>,
    /// In which transaction; 0 for news of the session.
    pub zxid: Zxid,
}

/// One change that an applied entry made; watch tables turn it into events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Created, Deleted or DataChanged.
    pub kind: EventKind,
    /// Which znode.
    pub path: Arc<str>,
    /// In which transaction.
    pub zxid: Zxid,
    /// Its ACL, as it was when it was there.
    pub acl: Arc<[Acl]>,
    /// The parent's ACL, for ChildrenChanged.
    pub parent_acl: Arc<[Acl]>,
}

/// Who asks: a session and the identities it has shown.
#[derive(Clone, Debug, Default)]
pub struct Requester {
    /// The session.
    pub session: SessionId,
    /// What it has shown, `ip` and `super` included.
    pub identities: Arc<[Identity]>,
}

/// What became of a write whose answer did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out, or refused, as this says.
    Done(crate::Result<Reply>),
    /// It was not carried out and never will be: its session is over.
    Never,
    /// It has not been carried out here yet, and may still be.
    Pending,
    /// It was answered at the time, or its session ended more than ten minutes ago, or there was none: nothing is known any more.
    Forgotten,
}
